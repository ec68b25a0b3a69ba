package main

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/mirror"
)

// written returns entries as a list of URLs and words, with the separators that count.
func written(entries []upstreamEntry) string {
	var b strings.Builder
	for i, e := range entries {
		text := e.Word
		if e.URL != nil {
			text = e.URL.String()
		}
		if e.Mirror != nil {
			text += "(" + e.Mirror.Name + ")"
		}
		b.WriteString(text)
		switch {
		case e.Any:
			b.WriteString("|")
		case i < len(entries)-1:
			b.WriteString(",")
		}
	}
	return b.String()
}

func testMirrors(t *testing.T) Mirrors {
	t.Helper()
	_, list, err := parseConfigFile("g.yaml", []byte("mirrors:\n- url: https://a.example\n  name: office\n- url: https://b.example\n- url: https://c.example\n  name: home\n"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestResolveUpstream(t *testing.T) {
	var urls []string
	for _, p := range mirror.Presets("cn") {
		urls = append(urls, p.URL)
	}
	cn := strings.Join(urls, "|")
	builtIn := func() ([]string, error) { return []string{"https://go1.example", "https://go2.example/x"}, nil }
	const all = "https://a.example(office)|https://b.example()|https://c.example(home)"
	tests := []struct{ list, want string }{
		{"https://x.example,direct", "https://x.example,direct"},
		{"x.example | https://y.example , off", "https://x.example|https://y.example,off"},
		{"cn", cn},
		{"cn,direct", cn + ",direct"},
		{"cn|direct", cn + "|direct"},
		{"cn|default,direct", cn + "|https://go1.example|https://go2.example/x,direct"},
		{"https://x.example,default|off", "https://x.example,https://go1.example|https://go2.example/x|off"},
		{" , cn ,, office|", cn + ",https://a.example(office)|"},
		{"office,home,direct", "https://a.example(office),https://c.example(home),direct"},
		{"mirrors,direct", all + ",direct"},
		{"mirrors|cn", all + "|" + cn},
		{"direct,nonsense", "direct"},
		{"https://u:p@x.example,office", "https://u:p@x.example,https://a.example(office)"},
	}
	for _, tt := range tests {
		got, err := resolveUpstream(tt.list, testMirrors(t), builtIn)
		if err != nil || written(got) != tt.want {
			t.Errorf("%s is\n%s, %v; want\n%s", tt.list, written(got), err, tt.want)
		}
	}
}

func TestResolveUpstreamFails(t *testing.T) {
	unknown := func() ([]string, error) { return nil, errors.New("no go command") }
	tests := []struct{ list, want string }{
		{"", "the list has no entries"},
		{"cn,default", `entry 2 of the list: "default" stands for what the go command has built in, which is not known: no go command; write the URL`},
		{"CN", `entry 1 of the list: "CN" is neither a URL nor a name that is known, which are direct, off, mirrors, default, cn, office, home; did you mean "cn"?`},
		{"cn,offcie|direct", `entry 2 of the list: "offcie" is neither a URL nor a name that is known, which are direct, off, mirrors, default, cn, office, home; did you mean "office"?`},
		{"https://u:p@x.example,dircet", `did you mean "direct"?`},
		{"cn,ftp://x.example", `entry 2 of the list: "ftp://x.example" has the scheme "ftp"`},
		{"https://u:a,secret,b@x.example", `entry 2 of the list, which is not shown`},
		{"cn,https://u:se/secret@x.example", `entry 2 of the list is not the URL of a proxy`},
	}
	for _, tt := range tests {
		got, err := resolveUpstream(tt.list, testMirrors(t), unknown)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s is %s, with the error\n%v; want\n%s", tt.list, written(got), err, tt.want)
		}
	}
	if _, err := resolveUpstream("mirrors", nil, unknown); err == nil || !strings.Contains(err.Error(), "and there are none") {
		t.Errorf("mirrors, without any: %v", err)
	}
}

// The word default means Go's installation, whatever the user has set.
func TestBuiltIn(t *testing.T) {
	root := t.TempDir()
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, "go.env"), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("GOPROXY=https://built-in.example,direct\n")
	m := bareMachine(t, "GOROOT="+root, "GOPROXY=https://user.example")
	c, err := load(t.Context(), m, flagsOf("upstream", "cn|default,direct"))
	if err != nil {
		t.Fatal(err)
	}
	if got := written(c.upstreams); !strings.HasSuffix(got, "|https://built-in.example,direct") {
		t.Errorf("it is %s", got)
	}
	if c.Upstream != "cn|default,direct" || c.Origin("upstream") != "flag --upstream" {
		t.Errorf("upstream is shown as %s, of %s", c.Upstream, c.Origin("upstream"))
	}
	write("GOPROXY=direct\n")
	if _, err = load(t.Context(), m, flagsOf("upstream", "default")); err == nil || !strings.Contains(err.Error(), "names no URL") {
		t.Errorf("without a URL: %v", err)
	}
}

func TestBuiltInOfCommand(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.env"), []byte("GOPROXY=https://built-in.example,direct\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	m := fakeGo(t, `echo '{"GOPROXY":"https://user.example","GOROOT":"`+root+`"}'`)
	g := goSettings{machine: m}
	if urls, err := g.builtIn(t.Context()); err != nil || !slices.Equal(urls, []string{"https://built-in.example"}) {
		t.Errorf("got %q, %v", urls, err)
	}
}

// Whatever the list is, there is an error or entries that are complete.
func FuzzResolveUpstream(f *testing.F) {
	f.Add("cn|default,direct")
	f.Add("https://u:a,b@x.example|off")
	f.Add("mirrors,,|x.example")
	f.Fuzz(func(t *testing.T, list string) {
		one := &url.URL{Scheme: "https", Host: "one.example"}
		entries, err := resolveUpstream(list, Mirrors{{Name: "one", url: one}}, func() ([]string, error) { return []string{"https://go.example"}, nil })
		if err == nil && len(entries) == 0 {
			t.Fatalf("%q has neither entries nor an error", list)
		}
		for _, e := range entries {
			if (e.URL == nil) == (e.Word == "") {
				t.Fatalf("%q has the entry %+v", list, e)
			}
		}
	})
}
