package explain

import (
	"context"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

type ctx = context.Context

// An entry of the catalogue is one idea of what can go wrong.
type entry struct {
	id    string // never changes: scripts look at it
	topic string

	// match holds regular expressions for a message of the go command; named groups are fields.
	// An entry that comes earlier in the catalogue is taken before a later one.
	match []string

	// loose says that other programs write such messages as well, so that it
	// counts only where the message is plainly the go command's.
	loose bool

	// key names the field by which failures of this kind are told apart:
	// "" if one explanation does for all.
	key string

	what   lang.Text // what happened; {field} is filled in
	why    lang.Text
	causes []cause // most likely first

	live func(context.Context, *scene) // what the machine tells; nil: nothing
}

// A cause is what may be behind a failure, and what to do then.
type cause struct {
	id   string // for live to name it; "" if it need not
	text lang.Text
	run  []string          // commands to copy; {field} is filled in, quoted where a shell wants that
	when func(*scene) bool // nil: always
}

// catalogue returns all entries, those that are more exact before those that are less.
func catalogue() []entry {
	var all []entry
	for _, some := range [][]entry{godownEntries(), sumEntries(), certificateEntries(), networkEntries(), answerEntries(), toolchainEntries(), sshEntries(), gitEntries(), importEntries(), pathEntries(), versionEntries(), projectEntries(), workspaceEntries(), settingEntries(), machineEntries(), proxyEntries(), lateEntries()} {
		all = append(all, some...)
	}
	return all
}

// An expression is a regular expression, with the strings of which a text must hold one.
type expression struct {
	*regexp.Regexp
	needs []string
}

// may reports whether a text can match.
func (x expression) may(text string) bool {
	return x.needs == nil || slices.ContainsFunc(x.needs, func(s string) bool { return strings.Contains(text, s) })
}

// A matcher finds the entry that a message fits.
type matcher struct {
	entries []entry
	exps    [][]expression
	ours    *regexp.Regexp
	sources *regexp.Regexp
	fields  []*regexp.Regexp
	dialled *regexp.Regexp
	urls    *regexp.Regexp
}

func newMatcher() *matcher {
	m := &matcher{
		entries: catalogue(),
		urls:    regexp.MustCompile(`(?:Get|read|reading|parse) "?((?:https?|file):/[^\s"]+)`),
		dialled: regexp.MustCompile(`dial (?:tcp|udp) ([^\s:]+:\d+|\[[^\]]+\]:\d+)`),
		ours:    regexp.MustCompile(`(?:^|[\s"'(:])go: |[\w.-]+\.\w+/\S*@v\d|/@v/|/@latest|\?go-get=1|/sumdb/|/lookup/|unrecognized import path|verifying (?:module|go\.mod)|git (?:ls-remote|fetch|clone|init)|go-import|fatal: unable to access|^fatal: |git@[\w.-]+: |module cache|build cache|/go-build|cache/download/`),
		sources: regexp.MustCompile(`\S*@v[^\s/:]*/\S*\.(?:go|s):\d+`), // a place in a dependency's code, as in a stack
	}
	for _, e := range m.entries {
		var exps []expression
		for _, text := range e.match {
			exps = append(exps, expression{regexp.MustCompile("(?s)" + text), needs(text)})
		}
		m.exps = append(m.exps, exps)
	}
	// What any message may tell. The last module counts: "A requires B: …" is about B.
	for _, text := range []string{
		`module (?P<module>[\w~-][\w.~/-]*\.[\w.~/-]+)(?:[:\s]|$)`,
		`(?P<module>[\w~-][\w.~/-]*\.[\w.~/-]*[\w.~-])@(?P<version>[<>=]*[\w.+~-]+)`,
		`ssh://(?:[\w.-]+@)?(?P<host>[\w.-]+)[/:]`,
		`\s(?P<status>[1-5]\d\d [A-Z][A-Za-z ]+)(?:\s|$)`,
		`package (?P<package>[\w~-][\w.~/-]*\.[\w.~/-]+)`,
	} {
		m.fields = append(m.fields, regexp.MustCompile(text))
	}
	return m
}

// find returns the first entry that fits, and the fields of the message.
func (m *matcher) find(text string) (*entry, map[string]string) {
	ours := sync.OnceValue(func() bool { return m.isOurs(text) })
	for i := range m.entries {
		e := &m.entries[i]
		for _, exp := range m.exps[i] {
			if !exp.may(text) {
				continue
			}
			at := exp.FindStringSubmatch(text)
			if at == nil || e.loose && !ours() {
				continue
			}
			fields := m.general(text)
			for k, name := range exp.SubexpNames() {
				if name != "" && at[k] != "" {
					fields[name] = at[k]
				}
			}
			derive(fields)
			for _, name := range []string{"module", "version"} { // the second place of the same field
				if fields[name] == "" {
					fields[name] = fields[name+"2"]
				}
			}
			if at := m.dialled.FindStringSubmatch(text); fields["server"] == "" && at != nil {
				fields["server"], fields["host"] = at[1], at[1]
				if host, _, err := net.SplitHostPort(at[1]); err == nil {
					fields["host"] = host
				}
			}
			return e, fields
		}
	}
	return nil, nil
}

// isOurs reports whether a message is plainly the go command's: not a test's,
// a panic's or another program's, which have the same words for their own troubles.
func (m *matcher) isOurs(text string) bool {
	for _, begin := range []string{"--- ", "=== ", "panic: ", "docker: ", "curl: ", "npm "} {
		if strings.HasPrefix(text, begin) {
			return false
		}
	}
	return m.ours.MatchString(m.sources.ReplaceAllString(text, ""))
}

// general returns the fields that any message may have.
func (m *matcher) general(text string) map[string]string {
	fields := make(map[string]string)
	text, _, _ = strings.Cut(text, "server response:") // what a server says is not what the go command says
	if at := m.urls.FindAllStringSubmatch(text, -1); at != nil {
		u := strings.TrimRight(at[len(at)-1][1], ":,.")
		if scheme, rest, ok := strings.Cut(u, ":/"); ok && !strings.HasPrefix(rest, "/") {
			u = scheme + "://" + rest // go 1.21 to 1.25 lose a slash sometimes
		}
		fields["url"] = u
		text = m.urls.ReplaceAllString(text, "") // what stands in a URL is no module
	}
	for _, exp := range m.fields {
		for _, at := range exp.FindAllStringSubmatch(text, -1) {
			for k, name := range exp.SubexpNames() {
				if name != "" {
					fields[name] = strings.TrimRight(at[k], ":,.")
				}
			}
		}
	}
	return fields
}

// say puts a text's two languages together.
func say(en, zh string) lang.Text { return lang.Text{En: en, Zh: zh} }

// because puts a cause together.
func because(en, zh string, run ...string) cause { return cause{text: say(en, zh), run: run} }

// named gives a cause its id.
func named(id string, c cause) cause { c.id = id; return c }
