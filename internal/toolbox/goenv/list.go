package goenv

import (
	"errors"
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/godown-dev/godown"
	"golang.org/x/mod/module"
)

// An Oddity is something about an element of a GOPROXY list that its writer may
// not have meant. The go command takes the element all the same, unless Element.Err is set.
type Oddity string

// The oddities.
const (
	Empty    Oddity = "empty"     // there is nothing between two separators; the go command skips it
	Blanks   Oddity = "blanks"    // blanks around it, which the go command does not count
	Inner    Oddity = "inner"     // a blank inside it
	Quotes   Oddity = "quotes"    // quotation marks, which a shell or cmd.exe has left there
	NoScheme Oddity = "no-scheme" // a bare host; the go command takes https
	NoHost   Oddity = "no-host"   // such as "https:///x": each request fails
	Query    Oddity = "query"     // "?" or "#" with something after it
	Secret   Oddity = "secret"    // user information, so that the list must not be shown
	Repeated Oddity = "repeated"  // the same address has been in the list before
	AfterEnd Oddity = "after-end" // after direct or off: the go command does not even read it
)

// An Element is one of a GOPROXY list, as its writer wrote it and as the go
// command takes it.
type Element struct {
	Raw  string   // as written, between two separators; may hold a secret
	Text string   // Raw without the blanks around it
	Sep  byte     // what follows it: ',' (next after 404 and 410 only), '|' (next after any error), 0 (nothing)
	Word string   // "direct" or "off"; else ""
	URL  *url.URL // where it is; nil for words, empty elements, and where Err is set
	Odd  []Oddity
	Err  error // why the go command refuses the whole list because of it; never shows user information
}

// Is reports whether the element has an oddity.
func (e Element) Is(o Oddity) bool {
	for _, odd := range e.Odd {
		if odd == o {
			return true
		}
	}
	return false
}

// Shown returns the element for people: without what may be a secret.
func (e Element) Shown() string {
	switch {
	case e.URL != nil:
		shown := *e.URL
		if shown.RawQuery != "" {
			shown.RawQuery = hidden
		}
		if shown.Fragment != "" {
			shown.Fragment, shown.RawFragment = hidden, ""
		}
		if password, ok := shown.User.Password(); shown.User != nil && (!ok || password == "" || password == "x-oauth-basic") {
			// A token is given as the user.
			shown.User = url.User(hidden)
		}
		return shown.Redacted()
	case strings.Contains(e.Text, "@"):
		return hidden
	}
	return e.Text
}

// hidden stands for a secret, as in [url.URL.Redacted].
const hidden = "xxxxx"

// Shown returns a GOPROXY list, or another setting, for people: as it was written,
// but for what may be a secret.
func Shown(goproxy string) string {
	if !strings.ContainsAny(goproxy, "@?#") {
		return goproxy
	}
	elements, _ := ParseList(goproxy)
	var b strings.Builder
	for _, e := range elements {
		// Without a scheme it may be a pattern of GOPRIVATE, which has a "?" of its own.
		if strings.Contains(e.Raw, "@") || strings.Contains(e.Raw, "://") && strings.ContainsAny(e.Raw, "?#") {
			b.WriteString(e.Shown())
		} else {
			b.WriteString(e.Raw)
		}
		if e.Sep != 0 {
			b.WriteByte(e.Sep)
		}
	}
	return b.String()
}

// ParseList takes a GOPROXY list apart. It returns all elements, whatever is
// wrong with them, and the error with which the go command fails, if it does:
// that of the first element which it refuses, or that there are none. For the
// list as the go command uses it there is [godown.ParseGOPROXY].
func ParseList(goproxy string) ([]Element, error) {
	var list []Element
	var failure error
	ended, some := false, false
	seen := make(map[string]bool)
	for rest, more := goproxy, goproxy != ""; more; {
		e := Element{}
		i := strings.IndexAny(rest, ",|")
		if more = i >= 0; more {
			e.Raw, e.Sep, rest = rest[:i], rest[i], rest[i+1:]
		} else {
			e.Raw = rest
		}
		e.read()
		if e.URL != nil {
			// One host under two spellings is one.
			key := strings.ToLower(e.URL.Scheme+"://"+e.URL.Host) + strings.TrimSuffix(e.URL.Path, "/")
			if seen[key] {
				e.Odd = append(e.Odd, Repeated)
			}
			seen[key] = true
		}
		if ended {
			e.Odd, e.Err = append(e.Odd, AfterEnd), nil
		}
		if e.Err != nil && failure == nil {
			failure = e.Err
		}
		some = some || e.Text != ""
		ended = ended || e.Word != ""
		list = append(list, e)
	}
	if failure == nil && !some {
		failure = errors.New("the list has no elements")
	}
	return list, failure
}

// read fills an element by its raw text.
func (e *Element) read() {
	e.Text = strings.TrimSpace(e.Raw)
	if e.Text != e.Raw {
		e.Odd = append(e.Odd, Blanks)
	}
	switch {
	case e.Text == "":
		e.Odd = append(e.Odd, Empty)
		return
	case e.Text == "direct" || e.Text == "off":
		e.Word = e.Text
		return
	}
	if strings.ContainsAny(e.Text, " \t\r\n") {
		e.Odd = append(e.Odd, Inner)
	}
	if strings.ContainsAny(e.Text, "\"'`“”") {
		e.Odd = append(e.Odd, Quotes)
	}
	if strings.Contains(e.Text, "@") {
		e.Odd = append(e.Odd, Secret)
	}
	full := e.Text
	if bare(full) {
		e.Odd = append(e.Odd, NoScheme)
		full = "https://" + full
	}
	if entries, err := godown.ParseGOPROXY(e.Text); err == nil {
		e.URL = entries[0].URL
	} else if u, urlErr := url.Parse(full); urlErr == nil && (u.Scheme == "http" || u.Scheme == "https") {
		// We are stricter than the go command.
		e.URL = u
		if u.Host == "" {
			e.Odd = append(e.Odd, NoHost)
		}
		if u.RawQuery != "" || u.Fragment != "" {
			e.Odd = append(e.Odd, Query)
		}
	} else if e.Err = errors.Unwrap(err); e.Err == nil {
		e.Err = err
	}
}

// bare reports whether the go command puts https:// before an element.
func bare(text string) bool {
	return strings.ContainsAny(text, ".:/") && !strings.Contains(text, ":/") && !filepath.IsAbs(text) && !path.IsAbs(text)
}

// Match reports whether a module's path matches patterns as GOPRIVATE has
// them: separated by commas, each for a path and all that is below it.
func Match(patterns, modulePath string) bool {
	return module.MatchPrefixPatterns(patterns, modulePath)
}

// Private reports whether GOPRIVATE matches a module's path. What the go
// command does with it is told by NoProxy and NoSum.
func (s *Settings) Private(modulePath string) bool { return Match(s.Text("GOPRIVATE"), modulePath) }

// NoProxy reports whether the go command fetches a module from its version
// control system, whatever GOPROXY says.
func (s *Settings) NoProxy(modulePath string) bool {
	return Match(s.patterns("GONOPROXY"), modulePath)
}

// NoSum reports whether the go command does not ask the checksum database about
// a module: because of GONOSUMDB, or as GOSUMDB=off switches it off for all.
// Toolchains are asked about nonetheless, and then fail.
func (s *Settings) NoSum(modulePath string) bool {
	return s.Text("GOSUMDB") == "off" || Match(s.patterns("GONOSUMDB"), modulePath)
}

// patterns returns a setting that is GOPRIVATE's value unless it is said itself.
// "go env" prints it so; settings that were put together by hand may not.
func (s *Settings) patterns(name string) string {
	if text := s.Text(name); text != "" {
		return text
	}
	return s.Text("GOPRIVATE")
}
