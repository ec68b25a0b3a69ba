package explain

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// TestDocumented wants each field of the JSON to be in docs/explain.md.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	var walk func(prefix string, typ reflect.Type)
	walk = func(prefix string, typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			name := prefix + f.Tag.Get("json")
			if !strings.Contains(string(page), "| `"+name+"` |") {
				t.Errorf("%s is not documented", name)
			}
			if f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct {
				walk(name+"[].", f.Type.Elem())
			}
		}
	}
	walk("", reflect.TypeFor[Document]())
	for _, e := range catalogue() {
		if !strings.Contains(string(page), "`"+e.topic+"`") {
			t.Errorf("%s: the topic %s is not documented", e.id, e.topic)
		}
	}
}

// TestDocument wants lists that are empty, never null.
func TestDocument(t *testing.T) {
	for _, log := range []string{"", "p.go:1:1: undefined: x", "go: cannot find main module"} {
		data, err := json.Marshal(Explain(t.Context(), []byte(log), Around{}).Document(lang.Chinese))
		if err != nil || strings.Contains(string(data), "null") {
			t.Errorf("%q: %s %v", log, data, err)
		}
	}
}
