package main

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// parseDuration reads a Go duration, which may begin with days: "7d", "1d12h".
func parseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	// As hours, days are held to the syntax of the other units; before them stands none.
	hours, err := time.ParseDuration(days + "h")
	if err != nil || strings.ContainsAny(days, "hms") {
		return 0, fmt.Errorf("%q is not a number of days", days)
	}
	var more time.Duration
	if rest != "" {
		if more, err = time.ParseDuration(rest); err != nil {
			return 0, err
		}
		if strings.ContainsAny(rest, "+-") {
			return 0, errors.New("a sign in the middle of a duration")
		}
	}
	if strings.HasPrefix(days, "-") {
		more = -more
	}
	d := hours * 24
	if d/24 != hours || (more > 0 && d > math.MaxInt64-more) || (more < 0 && d < math.MinInt64-more) {
		return 0, errors.New("the duration is too long")
	}
	return d + more, nil
}

// formatDuration is the inverse of parseDuration, without needless zeros.
func formatDuration(d time.Duration) string {
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// A unit is a suffix of a size and the number of bytes it stands for.
type unit struct {
	name  string
	bytes int64
}

// sizeUnits returns the units of sizes, in the order in which a size is tried for them.
func sizeUnits() []unit {
	return []unit{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
	}
}

// parseSize reads a whole number of bytes, or of one of the units KB to TB
// (powers of 1000) and KiB to TiB (powers of 1024), in upper or lower case.
func parseSize(text string) (Size, error) {
	number, per := text, int64(1)
	for _, u := range sizeUnits() {
		if i := len(text) - len(u.name); i > 0 && strings.EqualFold(text[i:], u.name) {
			number, per = strings.TrimRight(text[:i], " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, err
	}
	if n > math.MaxInt64/per || n < math.MinInt64/per {
		return 0, errors.New("the size is too large")
	}
	return Size(n * per), nil
}

// formatSize is the inverse of parseSize, in the largest unit that fits exactly.
func formatSize(s Size) string {
	for _, u := range sizeUnits() {
		if n := int64(s); n != 0 && n%u.bytes == 0 && u.bytes > 1 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// parsePatterns checks a list of module path patterns, and drops blanks and
// empty elements. It is strict where the go command is not: a pattern that
// silently matches nothing would give a private module's name away.
func parsePatterns(text string) (Patterns, error) {
	var list []string
	for p := range strings.SplitSeq(text, ",") {
		p = strings.TrimSpace(p)
		if p == "" {
			continue
		}
		if i := strings.Index(p, "://"); i >= 0 {
			return "", fmt.Errorf("the pattern %q is a URL; a module path begins with the host's name: %q", maskSecrets(p), maskSecrets(p[i+3:]))
		}
		if _, err := path.Match(p, ""); err != nil {
			return "", fmt.Errorf("the pattern %q is malformed, and would match nothing (a '[' without its ']'?)", p)
		}
		if strings.ContainsAny(p, " \t\r\n|;") {
			return "", fmt.Errorf("the pattern %q would match nothing; patterns are separated by commas", p)
		}
		list = append(list, p)
	}
	return Patterns(strings.Join(list, ",")), nil
}
