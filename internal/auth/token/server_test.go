package token

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func mustServer(t testing.TB, text string) Server {
	t.Helper()
	s, err := ParseServer(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]string{
		"https://proxy.corp":              "https://proxy.corp",
		"https://Proxy.Corp/":             "https://proxy.corp",
		"https://proxy.corp:443/go/":      "https://proxy.corp/go",
		"proxy.corp/go":                   "https://proxy.corp/go",
		"HTTPS://proxy.corp:8443/a/b":     "https://proxy.corp:8443/a/b",
		"https://[::1]":                   "https://[::1]",
		"https://[0:0:0:0:0:0:0:1]:8/x":   "https://[::1]:8/x",
		"https://127.0.0.1:443":           "https://127.0.0.1",
		"https://proxy.corp/a%20b/c":      "https://proxy.corp/a%20b/c",
		"https://proxy.corp/%67o/A":       "https://proxy.corp/go/A",
		"https://xn--fiqs8s.example/路径/x": "https://xn--fiqs8s.example/%E8%B7%AF%E5%BE%84/x",
	} {
		s := mustServer(t, text)
		if s.String() != want {
			t.Errorf("%s is %s, want %s", text, s, want)
		}
		if mustServer(t, s.String()) != s {
			t.Errorf("%s is another when it is parsed again", s)
		}
		data, err := json.Marshal(s)
		var back Server
		if err != nil || json.Unmarshal(data, &back) != nil || back != s {
			t.Errorf("%s in JSON: %s, %v", s, data, err)
		}
	}
	for text, want := range map[string]Reason{
		"": NotURL, "https://": NotURL, "https:///x": NotURL, "ftp://proxy.corp": NotURL, "https://a b/": NotURL, "ssh://git@proxy.corp": NotURL,
		"http://proxy.corp": Plain, "http://127.0.0.1:8080": Plain, "HTTP://localhost": Plain,
		"https://s3cr3t@proxy.corp": HasUser, "https://u:s3cr3t@proxy.corp": HasUser,
		"https://proxy.corp?s3cr3t": HasTail, "https://proxy.corp/?": HasTail, "https://proxy.corp/#s3cr3t": HasTail, "https://proxy.corp/#": HasTail,
		"https://proxy.corp/a/../b": Unclear, "https://proxy.corp/a//b": Unclear, "https://proxy.corp/a%2Fb": Unclear, "https://pr*xy.corp": Unclear, "https://proxy.corp:0": Unclear, "https://[fe80::1%25eth0]/": Unclear,
	} {
		_, err := ParseServer(text)
		bad, ok := errors.AsType[*BadServer](err)
		if !ok || bad.Reason != want {
			t.Errorf("%q: %v, want reason %d", text, err, want)
		} else if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: the error repeats it: %v", text, err)
		}
	}
}

func TestCovers(t *testing.T) {
	s := mustServer(t, "https://proxy.corp/go/team")
	root := mustServer(t, "https://proxy.corp")
	tests := []struct {
		url        string
		team, root string // the prefix, or "" where it is not covered
	}{
		{"https://proxy.corp/go/team", "https://proxy.corp/go/team", "https://proxy.corp"},
		{"https://Proxy.corp:443/go/team/m/@v/list", "https://Proxy.corp:443/go/team", "https://Proxy.corp:443"},
		{"https://proxy.corp/%67o/team/m", "https://proxy.corp/%67o/team", "https://proxy.corp"},
		{"https://proxy.corp/go/team/", "https://proxy.corp/go/team", "https://proxy.corp"},
		{"https://proxy.corp/go/teams/m", "", "https://proxy.corp"},
		{"https://proxy.corp/go", "", "https://proxy.corp"},
		{"https://proxy.corp/GO/team/m", "", "https://proxy.corp"},
		{"https://proxy.corp", "", "https://proxy.corp"},
		{"https://proxy.corp/go/team/../../other", "", ""},
		{"https://proxy.corp/go/team/%2e%2e/x", "", ""},
		{"https://proxy.corp/go/team%2f..%2fx", "", ""},
		{"https://proxy.corp//go/team/m", "", ""},
		{"https://proxy.corp:8443/go/team/m", "", ""},
		{"http://proxy.corp/go/team/m", "", ""},
		{"https://u@proxy.corp/go/team/m", "", ""},
		{"https://proxy.corp.evil.example/go/team/m", "", ""},
		{"https://evil.example/go/team?https://proxy.corp/go/team", "", ""},
		{"https://evil.example#https://proxy.corp", "", ""},
		{"https://sub.proxy.corp/go/team/m", "", ""},
	}
	for _, tt := range tests {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			server Server
			want   string
		}{{s, tt.team}, {root, tt.root}} {
			got := ""
			if c.server.Covers(u) {
				got = c.server.prefix(u)
			}
			if got != c.want {
				t.Errorf("%s for %s: prefix %q, want %q", c.server, tt.url, got, c.want)
			}
		}
		if (Server{}).Covers(u) {
			t.Errorf("no server covers %s", tt.url)
		}
	}
	if got, want := root.spellings(), []string{"https://proxy.corp", "https://proxy.corp:443"}; !slices.Equal(got, want) {
		t.Errorf("spellings %q, want %q", got, want)
	}
}

func FuzzServer(f *testing.F) {
	for _, s := range []string{"https://a.example/x", "https://[::1]:8/%41", "a/b", "https://a%20b", "https://a/\n"} {
		f.Add(s, "https://a.example/x/y")
	}
	f.Fuzz(func(t *testing.T, text, about string) {
		s, err := ParseServer(text)
		if err != nil {
			return
		}
		back, err := ParseServer(s.String())
		if err != nil || back != s || s.URL().String() != s.String() {
			t.Fatalf("%q is %q, and then %v, %v", text, s, back, err)
		}
		if !s.Covers(s.URL()) {
			t.Fatalf("%s does not cover itself", s)
		}
		u, err := url.Parse(about)
		if err != nil || !s.Covers(u) {
			return
		}
		// What the go command is told is what it asked for, or the beginning of it.
		p := s.prefix(u)
		if at, err := ParseServer(p); err != nil || at != s {
			t.Fatalf("%s for %q: the prefix %q is %v, %v", s, about, p, at, err)
		}
		if !strings.HasPrefix(u.String(), p) && u.Scheme == "https" && u.RawPath == "" {
			t.Fatalf("%s for %q: %q does not begin with the prefix %q", s, about, u, p)
		}
	})
}
