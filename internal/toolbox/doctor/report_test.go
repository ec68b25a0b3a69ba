package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

const docs = "../../../docs/doctor.md"

// Each finding has its section in the documentation.
func TestDocumentedFindings(t *testing.T) {
	page, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	sections := regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(string(page), -1)
	has := make(map[string]int)
	for _, s := range sections {
		has[s[1]]++
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bID(?:, \w+\.Title)?(?::| =)\s+"([a-z0-9-]+)"|"([a-z]+-unwritable|go111module-[a-z]+)"`).FindAllStringSubmatch(string(data), -1) {
			all = append(all, m[1]+m[2])
		}
	}
	for _, c := range provocations() {
		if !slices.Contains(all, c.id) {
			t.Errorf("the search for findings is blind: it has not seen %s", c.id)
		}
	}
	for _, id := range all {
		if has[id] != 1 {
			t.Errorf("docs/doctor.md has %d sections %q", has[id], "### "+id)
		}
	}
	for id := range has {
		if !slices.Contains(all, id) {
			t.Errorf("docs/doctor.md has a section %q, and there is no such finding", id)
		}
	}
}

// Each field of the JSON is documented.
func TestDocumentedJSON(t *testing.T) {
	page, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	_, schema, _ := strings.Cut(string(page), "\n## JSON\n")
	schema, _, _ = strings.Cut(schema, "\n# ")
	seen := make(map[reflect.Type]bool)
	var look func(reflect.Type)
	look = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			name := typ.Field(i).Tag.Get("json")
			if name == "" || !strings.Contains(schema, "`"+name+"`") {
				t.Errorf("%s.%s: %q is not documented", typ.Name(), typ.Field(i).Name, name)
			}
			look(typ.Field(i).Type)
		}
	}
	look(reflect.TypeFor[JSON]())
	if len(seen) != 6 {
		t.Errorf("%d types were looked at", len(seen))
	}
}

// samples are findings of all kinds.
func samples() []Finding {
	do := func(context.Context) error { return nil }
	return []Finding{
		{ID: "b", Severity: Hint, Title: text("A hint\x1b[31m", "提示"), Evidence: one(lang.Same("it is so")), Consequence: text("Nothing.", "没什么。"), Fixes: []Fix{{Say: text("do it", "去做")}}},
		{ID: "a", Severity: Fault, Title: text("A fault with a title that is so long that it does not fit into the width of a narrow terminal", "标题很长很长的故障，长到在很窄的终端里一行放不下"), Evidence: one(lang.Same("seen")),
			Consequence: text("All fails.", "全部失败。"), Fixes: []Fix{{Command: "go env -w GOPROXY=https://a-very-long-name.example,https://another-very-long-name.example,direct", Do: do}, {Command: "go version", Say: text("else", "否则")}}},
		{ID: "c", Severity: Warning, Title: text("A warning", "警告"), Evidence: one(lang.Same("x")), Consequence: text("Later.", "以后。"), Fixes: []Fix{{Command: "true", Do: do}}},
	}
}

func TestRenderFindings(t *testing.T) {
	list := Together(samples(), samples())
	if got := namesOf(list, Hint); strings.Join(got, "") != "acb" {
		t.Errorf("%q", got)
	}
	for _, l := range []lang.Language{lang.English, lang.Chinese} {
		var out bytes.Buffer
		p := &term.Printer{W: &out, Lang: l, Width: 50}
		Render(p, list)
		p.Say(Count(list).Summary(false))
		p.Say(Count(list).Summary(true))
		f := &Facts{Settings: settingsOf(nil)}
		f.Settings.Version = "go1.26.8"
		p.Say(Reassure(f, nil))
		p.Say(Reassure(f, &ChainReport{Module: "rsc.io/quote", Links: []Link{{}}}))
		if strings.Contains(out.String(), "\x1b") {
			t.Error("what others have written goes to the terminal as it is")
		}
		if !strings.Contains(out.String(), "\n      go env -w GOPROXY=https://a-very-long-name.example,https://another-very-long-name.example,direct\n") {
			t.Error("the command is not whole on one line")
		}
		golden(t, "render."+l.String()+".txt", out.Bytes())
		f.Offline = false
		chain := &ChainReport{Module: "rsc.io/quote", Version: "v1.5.2", Works: true, Links: []Link{{Name: "https://m", Steps: []Step{{Name: "list", State: StepOK, Took: 1500 * time.Microsecond, Detail: text("yes", "有")}}, Ending: text("end", "完")}}, Also: &ChainReport{Module: "p", Private: true}}
		data, err := json.MarshalIndent(AsJSON(f, list, chain, 1, l), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "json."+l.String()+".json", append(data, '\n'))
	}
}

// A ward is where fixes are made in a test: troubles by name, and whether each is there.
type ward struct {
	there map[string]bool
	did   []string
}

func (w *ward) check(id string, fixes ...string) Check {
	return func(context.Context, *Facts) []Finding {
		if !w.there[id] {
			return nil
		}
		f := Finding{ID: id, Severity: Warning, Title: lang.Same(id), Fixes: []Fix{{Say: lang.Same("a person")}}}
		for _, name := range fixes {
			f.Fixes = append(f.Fixes, Fix{Command: name, Do: func(context.Context) error {
				w.did = append(w.did, name)
				switch name {
				case "fails":
					return errors.New("no")
				case "both":
					w.there["x"], w.there["y"] = false, false
				case "useless":
				default:
					w.there[id] = false
				}
				return nil
			}})
		}
		return []Finding{f}
	}
}

func TestMending(t *testing.T) {
	for name, c := range map[string]struct {
		answers string
		yes     bool
		did     string
		left    string
		says    string
	}{
		"all":              {"", true, "both fails useless z1", "fails person useless", "mended by the change before"},
		"no to all":        {"n\nn\nn\nn\nn\nn\nn\n", false, "", "fails person useless x y z", "Left as it is."},
		"yes to the last":  {"n\nn\nn\nn\nn\ny\n", false, "z2", "fails person useless x y", "Mended."},
		"nobody there now": {"", false, "", "fails person useless x y z", "Left as it is."},
		"useless":          {"n\ny\nn\nn\nn\nn\n", false, "useless", "fails person useless x y z", "It did not help"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &ward{there: map[string]bool{"x": true, "y": true, "z": true, "fails": true, "useless": true, "person": true}}
			list := Examine(t.Context(), &Facts{}, []Check{w.check("fails", "fails"), w.check("person"), w.check("useless", "useless"), w.check("x", "both"), w.check("y", "y"), w.check("z", "z1", "z2")})
			var out bytes.Buffer
			m := &Mending{Console: &term.Console{Err: &term.Printer{W: &out}, In: strings.NewReader(c.answers), Ask: true}, Yes: c.yes,
				Again: func(context.Context) (*Facts, error) { return &Facts{}, nil }}
			left, err := m.Run(t.Context(), list)
			slices.Sort(w.did)
			if err != nil || strings.Join(w.did, " ") != c.did || strings.Join(namesOf(left, Hint), " ") != c.left || !strings.Contains(out.String(), c.says) {
				t.Errorf("did %q, left %q, %v; it said\n%s", w.did, namesOf(left, Hint), err, &out)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"goproxy", "goproxy", 0}, {"gopoxy", "goproxy", 1}, {"gorpoxy", "goproxy", 1}, {"off", "of", 1}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != c.want {
			t.Errorf("%s, %s: %d", c.a, c.b, got)
		}
	}
}
