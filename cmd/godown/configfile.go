package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxConfigFile is the most that a configuration file may hold, in bytes.
const maxConfigFile = 1 << 20

// readConfigFile reads the configuration file that s names, and returns what parseConfig does.
func readConfigFile(s setting) (settings, *Config, error) {
	f, err := os.Open(s.text)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("%s: the configuration file %q does not exist", s.origin, s.text)
		}
		return nil, nil, fmt.Errorf("%s: the configuration file cannot be read: %w", s.origin, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: the configuration file cannot be read: %w", s.origin, err)
	}
	if len(data) > maxConfigFile {
		return nil, nil, fmt.Errorf("%s: the configuration file %q is larger than 1 MiB; is it the right one?", s.origin, s.text)
	}
	return parseConfig(s.text, data)
}

// parseConfig returns the settings of a configuration file, and what the file
// alone can hold as the fields of a Config: of these the settings have the
// place only. It is strict: keys that do not exist or stand twice and values of
// the wrong type are errors, each with its place as name:line. It reads no other file.
func parseConfig(name string, data []byte) (settings, *Config, error) {
	read := new(Config)
	root, err := rootOf(name, data)
	if root == nil || err != nil {
		return nil, read, err
	}
	found, problems := readKeys(name, "", root, configOptions(), read)
	if len(problems) > 0 {
		return nil, nil, errors.Join(problems...)
	}
	return found, read, nil
}

// rootOf returns the one mapping of a configuration file; nil if it is empty.
func rootOf(name string, data []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var doc, more yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil // empty, or comments only
	case err != nil:
		return nil, syntaxError(name, err)
	}
	if err := loader.Load(&more); err == nil {
		return nil, fmt.Errorf("%s:%d: a second document begins here; a configuration file has one", name, more.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(name, err)
	}
	root := &doc
	if doc.Kind == yaml.DocumentNode && len(doc.Content) > 0 {
		root = doc.Content[0]
	}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: expected lines of the form KEY: VALUE", name, root.Line)
	}
	return root, nil
}

// noSuchKey says that a key is none of those of options, which are the keys of
// what within names ("an entry of mirrors"; empty: the file), and where it might belong.
func noSuchKey(origin, key, within string, options []option) error {
	hint := didYouMean(key, keysOf(options))
	switch _, top := optionByKey(key); {
	case within == "":
		return fmt.Errorf("%s: there is no key %q%s", origin, maskSecrets(key), hint)
	case hint == "" && top:
		hint = "; it is a key of the file as a whole"
	case hint == "" && len(options) == 1:
		hint = "; there is only " + options[0].Key
	case hint == "":
		hint = "; there are " + strings.Join(keysOf(options), ", ")
	}
	return fmt.Errorf("%s: there is no key %q in %s%s", origin, maskSecrets(key), within, hint)
}

// readKeys stores what a mapping says in the struct that target points to,
// whose fields options are, and returns it with its places. For within see noSuchKey.
func readKeys(name, within string, root *yaml.Node, options []option, target any) (settings, []error) {
	found := make(settings)
	seen := make(map[string]string) // places, also of mappings
	var problems []error
	for i := 0; i+1 < len(root.Content); i += 2 {
		k, v := root.Content[i], root.Content[i+1]
		origin := fmt.Sprintf("%s:%d", name, k.Line)
		if first, ok := seen[k.Value]; ok {
			problems = append(problems, fmt.Errorf("%s: the key %q stands here for the second time, after %s", origin, k.Value, first))
			continue
		}
		i := slices.IndexFunc(options, func(o option) bool { return o.Key == k.Value })
		if i < 0 || k.Kind != yaml.ScalarNode {
			problems = append(problems, noSuchKey(origin, k.Value, within, options))
			continue
		}
		o := options[i]
		seen[o.Key] = origin
		if o.Inner != "" && v.Kind == yaml.MappingNode {
			inside, errs := readKeys(name, o.Key, v, o.below(options), target)
			problems = append(problems, errs...)
			for _, sub := range slices.Sorted(maps.Keys(inside)) {
				key := o.outer(sub)
				if first, ok := seen[key]; ok && key != o.Key {
					problems = append(problems, fmt.Errorf("%s: %q in %s is the key %q, which stands here for the second time, after %s", inside[sub].origin, sub, o.Key, key, first))
					continue
				}
				seen[key], found[key] = inside[sub].origin, inside[sub]
			}
			continue
		}
		text, errs := o.read(name, origin, v, target)
		problems = append(problems, errs...)
		found[o.Key] = setting{text, origin}
	}
	return found, problems
}

// below returns those of options that may stand in a mapping below o, by the names they have there.
func (o option) below(options []option) []option {
	var list []option
	for _, b := range options {
		short, ok := strings.CutPrefix(b.Key, o.Key+"-")
		switch {
		case b.Key == o.Key:
			b.Key, b.Inner = o.Inner, ""
		case ok:
			b.Key = short
		default:
			continue
		}
		list = append(list, b)
	}
	return list
}

// outer returns the key that stands in a mapping below o as short.
func (o option) outer(short string) string {
	if short == o.Inner {
		return o.Key
	}
	return o.Key + "-" + short
}

// read stores the value of the option at origin in the struct that target
// points to, and returns it as text where it has one.
func (o option) read(name, origin string, v *yaml.Node, target any) (text string, problems []error) {
	var list any
	switch o.typ {
	case reflect.TypeFor[Mirrors]():
		list, problems = readMirrors(name, origin, v)
	case reflect.TypeFor[VCSRules]():
		list, problems = readEntries[VCSRule](name, origin, o.Key, "match: corp.example.com/*", v)
	case reflect.TypeFor[AuthRules]():
		list, problems = readAuth(name, origin, v)
	case reflect.TypeFor[outRules]():
		list, problems = readEntries[AuthRule](name, origin, authOut, "match: github.com", v)
	case reflect.TypeFor[Headers]():
		list, problems = readHeaders(name, origin, v)
	}
	if list != nil {
		o.field(target).Set(reflect.ValueOf(list).Convert(o.typ))
		return "", problems
	}
	text, err := scalarText(o, v)
	if err != nil {
		return text, []error{fmt.Errorf("%s: %s: %w", origin, o.Key, err)}
	}
	if err := o.Set(target, text); err != nil {
		return text, []error{problem(o.Key, o.mask(text), origin, err)}
	}
	return text, nil
}

// scalarText returns v as text for o.Set, if it is of a YAML type that o can have.
func scalarText(o option, v *yaml.Node) (string, error) {
	if v.Kind == yaml.SequenceNode && o.listed() {
		var list []string
		for _, item := range v.Content {
			if item.Kind != yaml.ScalarNode || item.ShortTag() == "!!null" {
				return "", fmt.Errorf("line %d: an element of the list is not a text", item.Line)
			}
			list = append(list, item.Value)
		}
		return strings.Join(list, ","), nil
	}
	expected := fmt.Errorf("expected %s", o.Expects())
	switch {
	case v.Kind == yaml.SequenceNode:
		return "", fmt.Errorf("%w, not a list", expected)
	case v.Kind == yaml.MappingNode:
		return "", fmt.Errorf("%w, not keys and values of its own", expected)
	case v.Kind != yaml.ScalarNode:
		return "", fmt.Errorf("%w, not a reference to something else", expected)
	}
	var allowed string
	switch o.Type() {
	case "bool":
		allowed = "!!bool"
	case "int":
		allowed = "!!int"
	case "duration", "size":
		allowed = "!!str !!int"
	default:
		allowed = "!!str"
		if o.typ == reflect.TypeFor[AppID]() {
			allowed = "!!str !!int"
		}
	}
	tag := v.ShortTag()
	if tag == "!!null" {
		return "", fmt.Errorf("%w; it has no value (remove the line, or write '' where nothing is meant)", expected)
	}
	if strings.Contains(allowed, tag) {
		return v.Value, nil
	}
	err := fmt.Errorf("%w, not %s", expected, maskSecrets(v.Value))
	if o.Type() == "secret" {
		err = fmt.Errorf("%w, not a value of another type", expected) // a token of digits is one, too
	}
	if allowed == "!!str" {
		err = fmt.Errorf("%w (write it in quotes if it is meant)", err)
	}
	return "", err
}

// A listed is an entry of a list in the file; what has keys of its own embeds it.
type listed struct {
	place   string            // where the entry stands
	origins map[string]string // by key: where its value stands, of those that were given
}

// listing gives readEntries and shownEntries access to it.
func (l *listed) listing() *listed { return l }

// lacks reports the first of keys that was not given.
func (l *listed) lacks(list string, keys ...string) error {
	for _, key := range keys {
		if _, ok := l.origins[key]; !ok {
			return fmt.Errorf("%s: %s: the entry has no %s", l.place, list, key)
		}
	}
	return nil
}

// An entryOf is a pointer to an entry of a list, whose keys are the tags of T.
type entryOf[T any] interface {
	*T
	listing() *listed
	check() []error // of what takes more than one key, or a parser; it opens no file
}

// readEntries reads the list at origin that messages call list, such as
// "mirrors". The example is a line that an entry may begin with.
func readEntries[T any, P entryOf[T]](name, origin, list, example string, v *yaml.Node) ([]T, []error) {
	if v.Kind != yaml.SequenceNode {
		return nil, []error{fmt.Errorf("%s: %s: expected a list of entries, each of which begins like this: - %s", origin, list, example)}
	}
	options := optionsOf(reflect.TypeFor[T]())
	var entries []T
	var problems []error
	for _, item := range v.Content {
		place := fmt.Sprintf("%s:%d", name, item.Line)
		if item.Kind != yaml.MappingNode {
			key, _, _ := strings.Cut(example, ":")
			problems = append(problems, fmt.Errorf("%s: %s: an entry has keys of its own, such as %s; it begins like this: - %s", place, list, key, example))
			continue
		}
		e := P(new(T))
		*e.listing() = listed{place: place, origins: make(map[string]string)}
		for _, o := range options {
			if o.Default == "" {
				continue
			}
			if err := o.Set(e, o.Default); err != nil {
				problems = append(problems, fmt.Errorf("the default of %s in the source code: %w", o.Key, err))
			}
		}
		given, errs := readKeys(name, "an entry of "+list, item, options, e)
		for key, s := range given {
			e.listing().origins[key] = s.origin
		}
		if len(errs) == 0 {
			errs = e.check()
		}
		problems = append(problems, errs...)
		entries = append(entries, *e)
	}
	return entries, problems
}

// optionByKey returns the option that has the key.
func optionByKey(key string) (option, bool) {
	for _, o := range configOptions() {
		if o.Key == key {
			return o, true
		}
	}
	return option{}, false
}

// syntaxError gives an error of the YAML parser its place in the usual form.
func syntaxError(name string, err error) error {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		return fmt.Errorf("%s: %w", name, err)
	}
	line := e.Mark.Line
	if line == 0 {
		line = e.ContextMark.Line
	}
	what := e.Message
	if e.ContextMsg != "" {
		what += " (" + e.ContextMsg + ")"
	}
	// A quoted character is one of YAML's; a quoted text stood in the file, and may be a secret.
	what = regexp.MustCompile("'.'|'.*'|`.*`").ReplaceAllStringFunc(what, func(quoted string) string {
		if utf8.RuneCountInString(quoted) == 3 {
			return quoted
		}
		return mask
	})
	if line == 0 {
		return fmt.Errorf("%s: not valid YAML: %s", name, what)
	}
	return fmt.Errorf("%s:%d: not valid YAML: %s", name, line, what)
}
