package vcs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// A govcsRule is one of GOVCS: the systems that may be used for the modules
// that a pattern matches ("public" and "private" are patterns, too).
type govcsRule struct {
	pattern string
	systems []string // or "all", "off"
}

// parseGOVCS parses a value as that of the variable of the go command.
func parseGOVCS(text string) ([]govcsRule, error) {
	var rules []govcsRule
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		pattern, list, ok := strings.Cut(item, ":")
		pattern, list = strings.TrimSpace(pattern), strings.TrimSpace(list)
		if !ok || pattern == "" || list == "" {
			return nil, fmt.Errorf("GOVCS has %.100q, which is not PATTERN:SYSTEM|SYSTEM", item)
		}
		r := govcsRule{pattern: pattern}
		for s := range strings.SplitSeq(list, "|") {
			s = strings.TrimSpace(s)
			if s == "" {
				return nil, errors.New("GOVCS has an empty name of a system")
			}
			r.systems = append(r.systems, s)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// permit reports by an error that a system may not be used for a module. What
// GOVCS does not say is: git and hg for public modules, all for private ones.
func (o *Origin) permit(system, path string) error {
	rules, err := parseGOVCS(o.GoVCS)
	if err != nil {
		return err
	}
	rules = append(rules, govcsRule{"private", []string{"all"}}, govcsRule{"public", []string{"git", "hg"}})
	private := o.private(path)
	for _, r := range rules {
		switch r.pattern {
		case "private":
			if !private {
				continue
			}
		case "public":
			if private {
				continue
			}
		default:
			if !module.MatchPrefixPatterns(r.pattern, path) {
				continue
			}
		}
		for _, s := range r.systems {
			if s == "all" || s == system {
				return nil
			}
		}
		return &godown.Denied{Rule: "GOVCS", Reason: fmt.Sprintf("GOVCS disallows using %s for %s; set GOVCS for godown if this is wanted", system, path)}
	}
	return nil
}

// CheckGOVCS says what is wrong with a value of GOVCS.
func CheckGOVCS(text string) error {
	_, err := parseGOVCS(text)
	return err
}
