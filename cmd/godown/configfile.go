package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxConfigFile is the most that a configuration file may hold, in bytes.
const maxConfigFile = 1 << 20

// readConfigFile reads the configuration file that s names. Of the mirrors, the
// settings have the place only.
func readConfigFile(s setting) (settings, Mirrors, error) {
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
	return parseConfigFile(s.text, data)
}

// parseConfigFile returns the settings of a configuration file. It is strict:
// keys that do not exist or stand twice and values of the wrong type are
// errors, each with its place as name:line. It reads no other file.
func parseConfigFile(name string, data []byte) (settings, Mirrors, error) {
	root, err := rootOf(name, data)
	if root == nil || err != nil {
		return nil, nil, err
	}
	var scratch Config
	found, problems := readKeys(name, root, configOptions(), &scratch)
	if len(problems) > 0 {
		return nil, nil, errors.Join(problems...)
	}
	return found, scratch.Mirrors, nil
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

// noSuchKey says that a key is none of those of options, and where it might belong.
func noSuchKey(origin, key string, options []option) error {
	hint := didYouMean(key, keysOf(options))
	switch _, top := optionByKey(key); {
	case options[0].Key == configOptions()[0].Key:
		return fmt.Errorf("%s: there is no key %q%s", origin, maskSecrets(key), hint)
	case hint == "" && top:
		hint = "; it is a key of the file as a whole"
	case hint == "":
		hint = "; there are " + strings.Join(keysOf(options), ", ")
	}
	return fmt.Errorf("%s: there is no key %q in an entry of mirrors%s", origin, maskSecrets(key), hint)
}

// readKeys stores what a mapping says in the struct that target points to,
// whose fields options are, and returns it with its places.
func readKeys(name string, root *yaml.Node, options []option, target any) (settings, []error) {
	found := make(settings)
	var problems []error
	for i := 0; i+1 < len(root.Content); i += 2 {
		k, v := root.Content[i], root.Content[i+1]
		origin := fmt.Sprintf("%s:%d", name, k.Line)
		if first, ok := found[k.Value]; ok {
			problems = append(problems, fmt.Errorf("%s: the key %q stands here for the second time, after %s", origin, k.Value, first.origin))
			continue
		}
		i := slices.IndexFunc(options, func(o option) bool { return o.Key == k.Value })
		if i < 0 || k.Kind != yaml.ScalarNode {
			problems = append(problems, noSuchKey(origin, k.Value, options))
			continue
		}
		o := options[i]
		text, errs := o.read(name, origin, v, target)
		problems = append(problems, errs...)
		found[o.Key] = setting{text, origin}
	}
	return found, problems
}

// read stores the value of the option at origin in the struct that target
// points to, and returns it as text where it has one.
func (o option) read(name, origin string, v *yaml.Node, target any) (text string, problems []error) {
	switch o.typ {
	case reflect.TypeFor[Mirrors]():
		list, errs := readMirrors(name, origin, v)
		o.field(target).Set(reflect.ValueOf(list))
		return "", errs
	case reflect.TypeFor[Headers]():
		list, errs := readHeaders(name, origin, v)
		o.field(target).Set(reflect.ValueOf(list))
		return "", errs
	}
	text, err := scalarText(o, v)
	if err != nil {
		return text, []error{fmt.Errorf("%s: %s: %w", origin, o.Key, err)}
	}
	if err := o.Set(target, text); err != nil {
		return text, []error{problem(o.Key, text, origin, err)}
	}
	return text, nil
}

// scalarText returns v as text for o.Set, if it is of a YAML type that o can have.
func scalarText(o option, v *yaml.Node) (string, error) {
	if v.Kind == yaml.SequenceNode && o.Type() == "patterns" {
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
	}
	tag := v.ShortTag()
	if tag == "!!null" {
		return "", fmt.Errorf("%w; it has no value (remove the line, or write '' where nothing is meant)", expected)
	}
	if strings.Contains(allowed, tag) {
		return v.Value, nil
	}
	err := fmt.Errorf("%w, not %s", expected, maskSecrets(v.Value))
	if allowed == "!!str" {
		err = fmt.Errorf("%w (write it in quotes if it is meant)", err)
	}
	return "", err
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
	if line == 0 {
		return fmt.Errorf("%s: not valid YAML: %s", name, what)
	}
	return fmt.Errorf("%s:%d: not valid YAML: %s", name, line, what)
}
