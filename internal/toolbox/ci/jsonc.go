package ci

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
)

// plainJSON returns JSON with comments and trailing commas as JSON of the same
// length: what it does not know is blank.
func plainJSON(text string) []byte {
	b := []byte(text)
	comma := -1 // that a bracket may follow
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			comma = -1
		case c == '/' && i+1 < len(b) && b[i+1] == '/':
			for ; i < len(b) && b[i] != '\n'; i++ {
				b[i] = ' '
			}
		case c == '/' && i+1 < len(b) && b[i+1] == '*':
			end := bytes.Index(b[i+2:], []byte("*/"))
			if end < 0 {
				return b // which the parser refuses
			}
			for stop := i + 2 + end + 2; i < stop; i++ {
				if b[i] != '\n' {
					b[i] = ' '
				}
			}
			i--
		case c == ',':
			comma = i
		case c == '}' || c == ']':
			if comma >= 0 {
				b[comma] = ' '
			}
			comma = -1
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			comma = -1
		}
	}
	return b
}

// An object is one of JSON, as far as it matters here.
type object struct {
	open   int            // where what is in it begins
	values map[string]any // its keys
	inner  map[string]int // of those that are objects, where what is in them begins
	first  int            // where its first key is, or -1
}

// parseJSON parses JSON with comments, whose top is an object.
func parseJSON(text string) (*object, error) {
	plain := plainJSON(text)
	o := &object{inner: make(map[string]int), first: -1}
	if err := json.Unmarshal(plain, &o.values); err != nil {
		return nil, err
	}
	if o.values == nil {
		return nil, errors.New("there is no object at its top")
	}
	d := json.NewDecoder(bytes.NewReader(plain))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	o.open = int(d.InputOffset())
	seen := make(map[string]bool)
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := key.(string) // in an object keys and values take turns
		if seen[name] {
			return nil, errors.New("the key " + name + " is there twice")
		}
		seen[name] = true
		if o.first < 0 {
			o.first = o.open + bytes.IndexByte(plain[o.open:], '"')
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		if value[0] == '{' {
			o.inner[name] = int(d.InputOffset()) - len(value) + 1
		}
	}
	return o, nil
}

// mergeJSON puts sections first into their objects, so that a comma behind them does.
func (f *File) mergeJSON(rest string) (string, error) {
	before, err := parseJSON(rest)
	if err != nil {
		return "", f.refuse("it is no JSON with comments that can be read: %v", "无法作为带注释的 JSON 读取：%v", err)
	}
	unit := "\t"
	if before.first > 0 {
		line := rest[strings.LastIndexByte(rest[:before.first], '\n')+1 : before.first]
		if line != "" && strings.Trim(line, " ") == "" {
			unit = line
		}
	}
	fresh := len(before.values) == 0
	top := f.body(func(s Section) bool {
		_, there := before.values[s.Key]
		return fresh || !s.New && !(s.Key != "" && there)
	})
	type insertion struct {
		at   int
		text string
	}
	var all []insertion
	last := map[bool]string{true: "", false: ","}
	if top != "" {
		all = append(all, insertion{before.open, f.wrap("", "\t", top, last[fresh])})
	}
	for _, s := range f.Sections {
		value, there := before.values[s.Key]
		if s.Key != "" && there && !s.New {
			inner, ok := value.(map[string]any)
			if !ok {
				return "", f.refuse("its %s is no object", "其中的 %s 不是对象", s.Key)
			}
			for _, key := range s.Keys {
				if _, there := inner[key]; there {
					return "", f.refuse("it has a %s of its own", "里面已经有别人写的 %s", s.Key+"."+key)
				}
			}
			all = append(all, insertion{before.inner[s.Key], f.wrap(s.Key, "\t\t", s.Text, last[len(inner) == 0])})
		}
		for _, key := range s.Keys {
			if _, there := before.values[key]; s.Key == "" && there && !s.New {
				return "", f.refuse("it has a %s of its own", "里面已经有别人写的 %s", key)
			}
		}
	}
	merged := rest
	slices.SortFunc(all, func(a, b insertion) int { return b.at - a.at }) // from the end, so that offsets hold
	for _, i := range all {
		at, text := i.at, retab(i.text, unit)
		if end := strings.IndexByte(merged[at:], '\n'); end >= 0 && strings.TrimSpace(merged[at:at+end]) == "" {
			at += end + 1
		} else {
			text = "\n" + text
		}
		merged = merged[:at] + text + merged[at:]
	}
	after, err := parseJSON(merged)
	if err != nil || !f.keeps(before, after) {
		return "", f.refuse("the snippet cannot be put into it without changing what it says", "放入片段会改变原有内容的含义")
	}
	return merged, nil
}

// retab indents lines with unit in place of tabs.
func retab(text, unit string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		bare := strings.TrimLeft(line, "\t")
		b.WriteString(strings.Repeat(unit, len(line)-len(bare)) + bare)
	}
	return b.String()
}

// keeps reports whether an object has all that it had, and what is ours.
func (f *File) keeps(before, after *object) bool {
	ours := make(map[string]bool)
	for _, s := range f.Sections {
		inner, _ := after.values[s.Key].(map[string]any)
		for _, key := range s.Keys {
			where := after.values
			if s.Key != "" {
				where = inner
				ours[s.Key] = true
			}
			if _, there := where[key]; !there && !s.New {
				return false
			}
		}
	}
	for key, old := range before.values {
		now, there := after.values[key]
		was, object := old.(map[string]any)
		switch {
		case !there:
			return false
		case !object || !ours[key]:
			if !reflect.DeepEqual(old, now) {
				return false
			}
		default:
			has, _ := now.(map[string]any)
			for k, v := range was {
				if !reflect.DeepEqual(v, has[k]) {
					return false
				}
			}
		}
	}
	return true
}

// ParseJSONC parses JSON with comments and trailing commas, as devcontainer.json
// may have, whose top is an object. A key that is there twice is an error.
func ParseJSONC(text string) (map[string]any, error) {
	o, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	return o.values, nil
}
