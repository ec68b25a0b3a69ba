package main

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/auth"
	"github.com/godown-dev/godown/internal/vcs"
)

// fileOnly in the tag "only" marks what the command line has no room for.
const fileOnly = "file"

// An option is one field of Config, or of an entry of it, as its tags describe it.
type option struct {
	Key, Help, Default      string
	GoEnv, Follows, Compute string
	Only, Section, Inner    string
	OneOf                   []string
	min, max                string
	index                   int // of the field in its struct
	typ                     reflect.Type
}

// configOptions returns all options, in the order of Config's fields.
func configOptions() []option { return optionsOf(reflect.TypeFor[Config]()) }

// optionsOf returns the options that the fields of a struct are.
func optionsOf(t reflect.Type) []option {
	var list []option
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		o := option{
			Key: f.Tag.Get("key"), Help: f.Tag.Get("help"), Default: f.Tag.Get("default"),
			GoEnv: f.Tag.Get("goenv"), Follows: f.Tag.Get("follows"), Compute: f.Tag.Get("computed"),
			Only: f.Tag.Get("only"), Section: f.Tag.Get("section"), Inner: f.Tag.Get("inner"),
			min: f.Tag.Get("min"), max: f.Tag.Get("max"),
			index: i, typ: f.Type,
		}
		if s := f.Tag.Get("oneof"); s != "" {
			o.OneOf = strings.Split(s, "|")
		}
		list = append(list, o)
	}
	return list
}

// Env returns the name of the option's environment variable.
func (o option) Env() string { return envName(o.Key) }

func envName(key string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// DefaultText says in words what the option's default is; empty if it is the empty text.
func (o option) DefaultText() string {
	switch {
	case o.Follows != "":
		return "as " + o.Follows + ", else go env " + o.GoEnv
	case o.GoEnv != "":
		return "go env " + o.GoEnv
	case o.Compute != "":
		return o.Compute
	}
	return o.Default
}

// Type names what the option's value is, in a word or as the words allowed.
func (o option) Type() string {
	if o.OneOf != nil {
		return strings.Join(o.OneOf, "|")
	}
	switch o.typ {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[Patterns]():
		return "patterns"
	case reflect.TypeFor[Proxies]():
		return "list"
	case reflect.TypeFor[Address]():
		return "URL"
	case reflect.TypeFor[Headers]():
		return "texts"
	case reflect.TypeFor[Mirrors](), reflect.TypeFor[VCSRules](), reflect.TypeFor[AuthRules](), reflect.TypeFor[outRules]():
		return "entries"
	case reflect.TypeFor[auth.Secret]():
		return "secret"
	case reflect.TypeFor[AllowHosts]():
		return "hosts"
	case reflect.TypeFor[Witnesses]():
		return "witnesses"
	}
	if o.typ.Kind() == reflect.String {
		return "text"
	}
	return o.typ.String() // int, bool
}

// Expects says how a value of the option is written, for messages.
func (o option) Expects() string {
	switch o.Type() {
	case "duration":
		return "a duration such as 30s, 1m30s, 2h or 7d"
	case "size":
		return "a size such as 64MiB, 64MB or a number of bytes"
	case "patterns":
		return "patterns such as git.corp.example,*.internal.example"
	case "list":
		return "a list in GOPROXY syntax such as https://mirror.example,direct"
	case "URL":
		return "a URL such as https://mirror.example"
	case "texts":
		return "lines of the form NAME: TEXT"
	case "entries":
		return "a list of entries, each with keys of its own"
	case "secret":
		return "where a secret stands: env:NAME, file:PATH or command:PROGRAM ARGS; in the file and in variables also the secret itself, or text: before it"
	case "hosts":
		return "hosts such as git.corp.example,10.1.0.0/16"
	case "witnesses":
		return "witnesses such as example.com/w+0a1b2c3d+BASE64 https://w.example.com"
	case "int":
		return "a whole number"
	case "bool":
		return "true or false"
	}
	if o.OneOf != nil {
		return "one of " + strings.Join(o.OneOf, ", ")
	}
	return "a text"
}

// listed reports whether the option's value is a list, which in the file may be one of YAML's.
func (o option) listed() bool {
	t := o.Type()
	return t == "patterns" || t == "hosts" || t == "witnesses"
}

// field returns the option's field in the struct that target points to.
func (o option) field(target any) reflect.Value {
	return reflect.ValueOf(target).Elem().Field(o.index)
}

// Set parses text, checks it against the option's own bounds, and stores it in
// the struct that target points to. Options whose Type is entries or texts
// have no text. What it takes several fields or a parser of the ground to check is left
// to validate. Its errors say what is wrong with the text, not where it stood.
func (o option) Set(target any, text string) error {
	v, err := o.parse(text)
	if err != nil {
		return err
	}
	field := o.field(target)
	field.Set(reflect.ValueOf(v).Convert(o.typ))
	if !field.CanInt() {
		return nil
	}
	for _, bound := range []struct {
		text, word string
		sign       int64
	}{{o.min, "at least", 1}, {o.max, "at most", -1}} {
		if bound.text == "" {
			continue
		}
		limit, err := o.parse(bound.text)
		if err != nil {
			return fmt.Errorf("the bound %q of %s in the source code: %w", bound.text, o.Key, err)
		}
		if n := reflect.ValueOf(limit).Convert(o.typ).Int(); field.Int()*bound.sign < n*bound.sign {
			return fmt.Errorf("it must be %s %s", bound.word, bound.text)
		}
	}
	return nil
}

// parse returns text as a value that converts to the option's type.
func (o option) parse(text string) (any, error) {
	var v any
	var err error
	switch o.Type() {
	case "duration":
		v, err = parseDuration(text)
	case "size":
		v, err = parseSize(text)
	case "int":
		v, err = strconv.Atoi(text)
	case "bool":
		v, err = strconv.ParseBool(text)
	case "patterns":
		return parsePatterns(text)
	case "secret":
		if text == "" {
			return auth.Secret(""), nil
		}
		return auth.ParseSecret(text)
	case "hosts":
		if strings.Contains(text, "@") {
			return nil, fmt.Errorf("it must be %s; an entry is more than a host", o.Expects()) // and may hold a password
		}
		_, err := vcs.ParseAllow(text)
		return text, err
	case "witnesses":
		return parseWitnesses(text)
	default:
		for _, word := range o.OneOf {
			if text == word {
				return text, nil
			}
		}
		if o.OneOf != nil {
			return nil, fmt.Errorf("it must be %s%s", o.Expects(), didYouMean(text, o.OneOf))
		}
		return text, nil
	}
	if err != nil {
		return nil, fmt.Errorf("it must be %s", o.Expects())
	}
	return v, nil
}

// Text returns the option's value in the struct that source points to as Set
// takes it, secrets and all.
func (o option) Text(source any) string {
	field := o.field(source)
	switch v := field.Interface().(type) {
	case time.Duration:
		return formatDuration(v)
	case Size:
		return formatSize(v)
	}
	if field.Kind() == reflect.String {
		return field.String() // not what its String masks
	}
	return fmt.Sprint(field.Interface())
}

// mask returns text, a value of the option or what was meant to be one, without its secrets.
func (o option) mask(text string) string {
	switch o.typ {
	case reflect.TypeFor[auth.Secret]():
		return auth.Secret(text).String()
	case reflect.TypeFor[Remote]():
		return Remote(text).String()
	case reflect.TypeFor[Commands]():
		return Commands(text).String()
	}
	return maskPrivateKeys(text)
}
