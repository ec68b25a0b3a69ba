// Package ci writes what a project needs to build behind a godown server, or
// with "godown run": workflows, pipelines, a Dockerfile, a compose file, a dev
// container. It looks at the project, makes the text, and merges it into files
// that are there already. No secret is ever part of what it writes: only the
// name of the place where the CI system keeps one.
package ci

import (
	"fmt"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A Style is how a file is written, and so how it is merged with one that is there.
type Style int

// The styles.
const (
	Whole  Style = iota // ours from the first marker to the last; another's is never touched
	YAML                // keys of mappings
	JSONC               // JSON with comments: keys of objects
	Ignore              // lines, of which the last that matches counts: ours stand first
)

// A Section is a part of a file: keys of one mapping, or everything.
type Section struct {
	Key  string   // of the mapping at the top that the lines stand in; "" for the top itself
	Keys []string // that the lines define, below Key
	Text string   // the lines, not indented, each with its line feed
	New  bool     // only for a file that is not there yet: an existing one has its own
}

// A File is one file of a snippet.
type File struct {
	Name     string // with "/", relative to the folder of Options
	Style    Style
	Head     string // lines that must stand before everything, outside our marks
	Mark     string // what begins a comment
	By       string // the command that wrote it
	Job      string // of GitLab's: the lines that a job's stage follows; "" elsewhere
	Sections []Section
}

// A Snippet is what Make has made.
type Snippet struct {
	Files []File      // the first is the one that was asked for
	Notes []lang.Text // what is left to do by hand: secrets to be stored, what was guessed
}

// Targets returns the names of what can be made.
func Targets() []string {
	var names []string
	for _, t := range targets() {
		names = append(names, t.name)
	}
	return names
}

// A target is what snippets are made for.
type target struct {
	name  string
	files func(*plan) []File
}

// targets returns the table of targets. A new one is an element of it.
func targets() []target {
	return []target{
		{"github", (*plan).github}, {"gitlab", (*plan).gitlab}, {"gitea", (*plan).github}, {"jenkins", (*plan).jenkins},
		{"docker", (*plan).docker}, {"compose", (*plan).compose}, {"devcontainer", (*plan).devcontainer},
	}
}

// Auths returns the ways to show who one is.
func Auths() []string { return []string{"none", "token", "netrc", "oidc", "ssh"} }

// Variants returns the kinds of base images.
func Variants() []string { return []string{"alpine", "distroless", "scratch"} }

// Make makes the snippet for a target, one of Targets.
func Make(name string, p *Project, o Options) (*Snippet, error) {
	all := targets()
	i := slices.IndexFunc(all, func(t target) bool { return t.name == name })
	if i < 0 {
		return nil, wrong("there is nothing for %q; there are %s", "没有 %q 这个目标；可选：%s", name, strings.Join(Targets(), ", "))
	}
	l, err := newPlan(name, p, o)
	if err != nil {
		return nil, err
	}
	files := all[i].files(l)
	for i := range files {
		files[i].By = l.command()
	}
	return &Snippet{Files: files, Notes: l.notes}, nil
}

// Text returns the file as it is when there was none.
func (f *File) Text() string {
	all := func(Section) bool { return true }
	if f.Style == JSONC {
		return f.Head + "{\n" + f.wrap("", "\t", f.body(all), "") + "}\n"
	}
	return f.Head + f.wrap("", "", f.body(all), "")
}

// body returns the lines of the sections that are wanted, those of a key below it.
func (f *File) body(want func(Section) bool) string {
	var b strings.Builder
	for _, s := range f.Sections {
		switch {
		case !want(s):
		case s.Key == "":
			b.WriteString(s.Text)
		case f.Style == JSONC:
			fmt.Fprintf(&b, "%q: {\n%s},\n", s.Key, shift(strings.TrimRight(s.Text, ",\n")+"\n", "\t"))
		default:
			b.WriteString(s.Key + ":\n" + shift(s.Text, "  "))
		}
	}
	return b.String()
}

// wrap puts marks around lines. Those of an object end in last: "," if more of it follows.
func (f *File) wrap(key, indent, body, last string) string {
	if f.Style == JSONC {
		body = strings.TrimRight(body, ",\n") + last + "\n"
	}
	return shift(f.begin(key)+"\n"+body+f.end(key)+"\n", indent)
}

const (
	beginMark = "godown ci: begin"
	endMark   = "godown ci: end"
)

// begin returns the first mark of the block of a key, "" for the only block. It holds the command, to be given again.
func (f *File) begin(key string) string {
	return strings.TrimRight(f.Mark+" "+beginMark+" "+key, " ") + " (" + f.By + ")"
}

func (f *File) end(key string) string {
	return strings.TrimRight(f.Mark+" "+endMark+" "+key, " ")
}

// shift puts indent before each line that is not empty.
func shift(text, indent string) string {
	if indent == "" {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString(indent)
		}
		b.WriteString(line)
	}
	return b.String()
}

// A page collects the lines of a section.
type page struct {
	strings.Builder
	lang lang.Language
	mark string
}

func (l *plan) page(mark string) *page { return &page{lang: l.o.Lang, mark: mark} }

// say writes a comment, a line for each of the text's.
func (p *page) say(indent string, t lang.Text) {
	for line := range strings.SplitSeq(t.In(p.lang), "\n") {
		p.WriteString(indent + p.mark + " " + line + "\n")
	}
}

// put writes lines, a setting where there is a "%".
func (p *page) put(format string, args ...any) {
	fmt.Fprintf(p, format+"\n", args...)
}

// isOneOf reports whether the value of a choice is known.
func isOneOf(name, value string, all []string) error {
	if !slices.Contains(all, value) {
		return wrong("%s %q is not known; there are %s", "%s 不支持 %q；可选：%s", name, value, strings.Join(all, ", "))
	}
	return nil
}
