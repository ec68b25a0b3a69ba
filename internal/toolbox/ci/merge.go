package ci

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A Tree is what a parser says of a file of YAML: a mapping, a list or a scalar.
type Tree struct {
	Line, Column int    // from 1
	Flow         bool   // a mapping or list in brackets
	Pairs        []Pair // of a mapping
	Items        []*Tree
	Scalar       string // with its tag, so that 1 and '1' differ
}

// A Pair is a key of a mapping and its value.
type Pair struct {
	Key   string
	Line  int
	Value *Tree
}

// ParseYAML parses a file with one document of YAML; nil is one that is empty. It
// refuses a key that is there twice.
type ParseYAML func(data []byte) (*Tree, error)

// A Refusal says why a file cannot be merged safely. Nothing was changed.
type Refusal struct {
	Name string
	Why  lang.Text
}

func (r *Refusal) Error() string { return r.Name + " is left as it is: " + r.Why.En }

// Text says the same in both languages.
func (r *Refusal) Text() lang.Text {
	return lang.Text{En: "%s is left as it is: %s.", Zh: "没有改动 %s：%s。"}.With(r.Name, r.Why)
}

func (f *File) refuse(en, zh string, args ...any) error {
	return &Refusal{f.Name, lang.Text{En: en, Zh: zh}.With(args...)}
}

// Merge puts a file's sections into what is there: between our marks where they
// are, else at the side of what others wrote, of which not a byte is changed.
// Doing it again changes nothing. What cannot be done safely is a [*Refusal].
func Merge(f File, old []byte, parse ParseYAML) ([]byte, error) {
	if len(bytes.TrimSpace(old)) == 0 {
		return []byte(f.Text()), nil
	}
	// Windows' editors begin a file with a mark that is no part of its text.
	text, bom := strings.CutPrefix(string(old), byteOrderMark)
	lines, start := "\n", ""
	if bom {
		start = byteOrderMark
	}
	if n := strings.Count(text, "\n"); n > 0 && strings.Count(text, "\r\n") == n {
		text, lines = strings.ReplaceAll(text, "\r\n", "\n"), "\r\n"
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	rest, blocks, err := f.take(text)
	if err != nil {
		return nil, err
	}
	var merged string
	switch _, ours := blocks[""]; {
	case f.Style == JSONC:
		merged, err = f.mergeJSON(rest)
	case f.Style == YAML:
		merged, err = f.mergeYAML(rest, blocks, parse)
	case ours:
		merged = insert(rest, []edit{{blocks[""], f.wrap("", "", f.body(func(Section) bool { return true }), "")}})
	case f.Style == Ignore:
		// Of all lines the last that matches counts: theirs stay in force.
		merged = f.Text() + rest
	default:
		err = f.refuse("it was not written by 'godown ci', and a file of this kind cannot be merged; --output writes another", "它不是 godown ci 写的，而这种文件无法自动合并；可以用 --output 写到别的文件")
	}
	if err != nil {
		return nil, err
	}
	return []byte(start + strings.ReplaceAll(merged, "\n", lines)), nil
}

const byteOrderMark = "\ufeff"

// take takes our blocks out of a text, and says before which line of what is left each was.
func (f *File) take(text string) (rest string, blocks map[string]int, err error) {
	mark := regexp.MustCompile(`^[ \t]*` + regexp.QuoteMeta(f.Mark) + ` godown ci: (begin|end)( [a-zA-Z]+)?( \(.*)?$`)
	damaged := func(line int) error {
		return f.refuse("the marks of 'godown ci' in it are damaged at line %d; mend or remove them", "其中 godown ci 的标记在第 %d 行损坏了；请修好或删掉", line)
	}
	blocks = make(map[string]int)
	var b strings.Builder
	open, name, kept, number := false, "", 0, 0
	for line := range strings.Lines(text) {
		number++
		m := mark.FindStringSubmatch(strings.TrimRight(line, "\n"))
		switch {
		case m == nil && !open:
			b.WriteString(line)
			kept++
		case m == nil:
		case m[1] == "begin" && !open:
			name, open = strings.TrimSpace(m[2]), true
			if _, twice := blocks[name]; twice {
				return "", nil, damaged(number)
			}
			blocks[name] = kept
		case m[1] == "end" && open && strings.TrimSpace(m[2]) == name:
			open = false
		default:
			return "", nil, damaged(number)
		}
	}
	if open {
		return "", nil, damaged(number)
	}
	return b.String(), blocks, nil
}

// An edit is lines to be put before a line, counted from 0.
type edit struct {
	at   int
	text string
}

func insert(text string, edits []edit) string {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.at - b.at })
	var b strings.Builder
	n := 0
	for line := range strings.Lines(text) {
		for len(edits) > 0 && edits[0].at <= n {
			b.WriteString(edits[0].text)
			edits = edits[1:]
		}
		b.WriteString(line)
		n++
	}
	for _, e := range edits {
		b.WriteString(e.text)
	}
	return b.String()
}

// mergeYAML puts sections into mappings that are there, and what has no place at the end.
func (f *File) mergeYAML(rest string, blocks map[string]int, parse ParseYAML) (string, error) {
	before, err := parse([]byte(rest))
	if err != nil {
		return "", f.refuse("it is no YAML that can be read: %v", "无法作为 YAML 读取：%v", err)
	}
	if before != nil && (before.Pairs == nil || before.Flow) {
		return "", f.refuse("at its top it has no mapping of one key a line", "顶层不是每行一个键的映射")
	}
	fit := *f
	f = &fit
	f.Sections = slices.Clone(f.Sections)
	for i, s := range f.Sections {
		f.Sections[i] = f.inStage(s, before)
	}
	count := strings.Count(rest, "\n")
	var edits []edit
	_, whole := blocks[""]
	if at, ok := blocks[""]; ok || f.keyless() || before == nil && len(blocks) == 0 {
		if !ok {
			at = count
		}
		body := f.body(func(s Section) bool { return !s.New || before == nil })
		edits = append(edits, edit{at, f.wrap("", "", body, "")})
		whole = true
	}
	for _, s := range f.Sections {
		if whole || s.New {
			continue
		}
		e, err := f.place(s, before.pair(s.Key), blocks, count)
		if err != nil {
			return "", err
		}
		edits = append(edits, e)
	}
	if err := f.clash(before, whole); err != nil {
		return "", err
	}
	merged := insert(rest, edits)
	after, err := parse([]byte(merged))
	if err != nil || !f.holds(before, after, whole) {
		return "", f.refuse("the snippet cannot be put into it without changing what it says", "放入片段会改变原有内容的含义")
	}
	return merged, nil
}

// keyless reports whether all there is stands at the top of a file.
func (f *File) keyless() bool {
	return !slices.ContainsFunc(f.Sections, func(s Section) bool { return s.Key != "" })
}

// place says where the section of a key goes: first in the mapping if it is there, else at the end of the file.
func (f *File) place(s Section, there *Pair, blocks map[string]int, end int) (edit, error) {
	at, ok := blocks[s.Key]
	if there == nil {
		if !ok {
			at = end
		}
		return edit{at, f.wrap(s.Key, "", s.Key+":\n"+shift(s.Text, "  "), "")}, nil
	}
	v, indent := there.Value, "  "
	switch {
	case v.Pairs == nil && v.Scalar == nullScalar && v.Items == nil:
	case v.Flow || v.Pairs == nil || v.Line <= there.Line:
		return edit{}, f.refuse("its %s is not a mapping of one key a line", "其中的 %s 不是每行一个键的映射", s.Key)
	default:
		indent = strings.Repeat(" ", v.Column-1)
	}
	if !ok || at < there.Line {
		at = there.Line
	}
	return edit{at, f.wrap(s.Key, indent, s.Text, "")}, nil
}

// nullScalar is the Scalar of a value that is left out.
const nullScalar = "!!null "

// clash refuses a file that has a key of ours from somebody else.
func (f *File) clash(before *Tree, whole bool) error {
	for _, s := range f.Sections {
		if s.New {
			continue
		}
		where := before
		if s.Key != "" {
			there := before.pair(s.Key)
			if there != nil && whole {
				return f.refuse("it has a %s outside of our marks as well", "在我们的标记之外还有一个 %s", s.Key)
			}
			if there == nil {
				continue
			}
			where = there.Value
		}
		for _, key := range s.Keys {
			if where.pair(key) != nil {
				return f.refuse("it has a %s of its own", "里面已经有别人写的 %s", strings.TrimPrefix(s.Key+"."+key, "."))
			}
		}
	}
	return nil
}

// holds reports whether a file has all that it had, as it was, and what is ours besides.
func (f *File) holds(before, after *Tree, whole bool) bool {
	if after == nil {
		return false
	}
	keys := make(map[string][]string)
	for _, s := range f.Sections {
		keys[s.Key] = append(keys[s.Key], s.Keys...)
		if s.New {
			continue
		}
		where := after
		if s.Key != "" {
			p := after.pair(s.Key)
			if p == nil {
				return false
			}
			where = p.Value
		}
		for _, key := range s.Keys {
			if where.pair(key) == nil {
				return false
			}
		}
	}
	if before == nil {
		return true
	}
	for _, old := range before.Pairs {
		now := after.pair(old.Key)
		switch {
		case now == nil:
			return false
		case keys[old.Key] == nil || old.Key == "" || whole:
			if !same(old.Value, now.Value) {
				return false
			}
		default:
			for _, child := range old.Value.Pairs {
				if p := now.Value.pair(child.Key); p == nil || !same(child.Value, p.Value) {
					return false
				}
			}
		}
	}
	return true
}

// pair returns the pair of a key, or nil.
func (t *Tree) pair(key string) *Pair {
	if t == nil {
		return nil
	}
	if i := slices.IndexFunc(t.Pairs, func(p Pair) bool { return p.Key == key }); i >= 0 {
		return &t.Pairs[i]
	}
	return nil
}

// same reports whether two trees say the same, wherever they stand.
func same(a, b *Tree) bool {
	return a.Scalar == b.Scalar && slices.EqualFunc(a.Items, b.Items, same) &&
		slices.EqualFunc(a.Pairs, b.Pairs, func(a, b Pair) bool { return a.Key == b.Key && same(a.Value, b.Value) })
}
