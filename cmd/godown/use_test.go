package main

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"go.yaml.in/yaml/v4"
)

// Workflows and pipelines are YAML: a parser gets the value that was meant.
func TestUsePrintsYAML(t *testing.T) {
	for _, value := range []string{
		"https://a.example|https://b.example,direct", "it's", `"q"`, `back\slash`, "# x", "a: b", "- x", "{x}", "[x]", "*x", "&x", "!x", "%x", "on", "null", "1e3", "模块", "~", "? x",
	} {
		for format, key := range map[string]string{"github": "env", "gitlab": "variables"} {
			text, err := goenv.Print(format, []goenv.Change{{Name: "GOPROXY", Value: value}, {Name: "GOPRIVATE", Value: "x.example"}})
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]map[string]any
			if err := yaml.Unmarshal([]byte(text), &got); err != nil || got[key]["GOPROXY"] != value || got[key]["GOPRIVATE"] != "x.example" {
				t.Errorf("%s: %q became %v, %v, by\n%s", format, value, got, err, text)
			}
		}
	}
	// GitLab substitutes variables in variables; "$$" is a dollar.
	text, err := goenv.Print("gitlab", []goenv.Change{{Name: "GOPROXY", Value: "a$B"}})
	if err != nil || !strings.Contains(text, "'a$$B'") {
		t.Errorf("%s, %v", text, err)
	}
}

// Each field of --json, and each note, has its place in docs/use.md.
func TestUseIsDocumented(t *testing.T) {
	data, err := os.ReadFile("../../docs/use.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				f := typ.Field(i)
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if name == "" {
					continue // of a type that is not ours
				}
				if !strings.Contains(page, "`"+name+"`") {
					t.Errorf("docs/use.md does not tell of the field %s", name)
				}
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[useJSON]())
	for _, file := range []string{"plan.go", "private.go", "warn.go", "../../../cmd/godown/useshow.go"} {
		source, err := os.ReadFile("../../internal/toolbox/goenv/" + file)
		if err != nil {
			t.Fatal(err)
		}
		ids := regexp.MustCompile(`(?:\.note\((?:true|false), |ID: )"([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
		if len(ids) == 0 {
			t.Errorf("%s has no notes", file)
		}
		for _, id := range ids {
			if !strings.Contains(page, "`"+id[1]+"`") {
				t.Errorf("docs/use.md does not tell of the note %s", id[1])
			}
		}
	}
	for _, format := range goenv.Formats() {
		if !strings.Contains(page, "| `"+format+"` |") {
			t.Errorf("docs/use.md does not tell of the format %s", format)
		}
	}
}
