package auth

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestPatternForm(t *testing.T) {
	for text, want := range map[string]string{
		"github.com": "", "GitHub.com/acme/": "github.com/acme", "https://git.corp.example:8443/team": "", "ssh://git@git.corp.example": "", "*.corp.example": "",
		"[::1]:8443/x": "", "[0:0::1]": "[::1]", "127.0.0.1:8443": "", "ssh://h.example:22": "", "localhost": "", "git_1.x": "", "h.example:0443": "h.example:443",
	} {
		if want == "" {
			want = text
		}
		if p, err := parsePattern(text); err != nil || p.String() != want {
			t.Errorf("%s is %v, error %v", text, p, err)
		}
	}
	for text, want := range map[string]string{
		"": "no valid host", "*": "star only", "http://git.example": "plain http", "ftp://x": "neither", "://x": "neither",
		"https://user@h.example": "user or a password", "https://u:" + strings.ReplaceAll(secretText, "/", "") + "@h.example": "user or a password", "ssh://g:s3cr3t@h.example": "user or a password", "u@h.example": "user or a password", "ssh://@h": "user or a password",
		"h.example:": "port", "h.example:0": "port", "h.example:99999": "port", "h.example:x": "port", "::1": "port", "[::1": "bracket", "[::1]x": "other than a port", "[h.example]": "bracket",
		"*.127.0.0.1": "star before an address", "a.*.example": "no valid host", "*x.example": "no valid host", "bücher.example": "no valid host", "h..example": "no valid host", "h.example.": "no valid host",
		"h.example/a//b": "empty element", "h.example/../a": "empty element", `h.example/a\b`: "empty element", "h.example/a?b": "escapes", "h.example/a%2fb": "escapes", "h example": "no valid host",
	} {
		p, err := parsePattern(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q is %v, error %v", text, p, err)
		}
	}
}

func TestMatches(t *testing.T) {
	tests := []struct{ pattern, yes, no string }{
		{"git.example", "https://git.example https://GIT.example/a https://git.example:443/ ssh://git.example/x ssh://git@git.example:22/x git+ssh://git.example/x",
			"http://git.example http://git.example:443 https://git.example:8443/ ssh://git.example:443 https://git.example:22 https://git.example.evil https://xgit.example https://a.git.example https://git.example. ftp://git.example https://u:p@git.example https://u@git.example git.example"},
		{"https://git.example:8443/team", "https://git.example:8443/team https://git.example:8443/team/x.git/info/refs https://git.example:8443/team.git https://git.example:8443/%74eam/x",
			"https://git.example/team https://git.example:8443 https://git.example:8443/teams https://git.example:8443/Team https://git.example:8443/x/team ssh://git.example:8443/team " +
				"https://git.example:8443/team/../x https://git.example:8443/team/%2e%2e/x https://git.example:8443/team%2fx https://git.example:8443/team/..%2fx https://git.example:8443/team/a%5c..%5cb https://git.example:8443//team https://git.example:8443/team/./x"},
		{"ssh://git@git.example", "ssh://git@git.example/x ssh://git:pw@git.example/x", "ssh://git.example/x ssh://other@git.example/x https://git.example/x"},
		{"*.corp.example", "https://git.corp.example https://a.b.corp.example/x", "https://corp.example https://xcorp.example https://corp.example.evil https://evil/.corp.example"},
		{"github.com/Acme/tools", "https://github.com/acme/tools https://github.com/acme/Tools.git?service=git-upload-pack", "https://github.com/acme/tools2 https://github.com/acme https://gist.github.com/acme/tools"},
		{"[::1]:8443", "https://[0:0::1]:8443/x", "https://[::1]/x https://[::1%25eth0]:8443"},
		{"*.0.0.1", "", "https://127.0.0.1"},
		{"git.example/tools.git", "https://git.example/tools https://git.example/tools.git/x", "https://git.example/tools.gi"},
	}
	for _, tt := range tests {
		p, err := parsePattern(tt.pattern)
		if err != nil && tt.yes != "" {
			t.Fatal(err)
		}
		for want, list := range map[bool]string{true: tt.yes, false: tt.no} {
			for text := range strings.FieldsSeq(list) {
				target, ok := targetOf(address(t, text))
				if got := ok && p.matches(target); got != want {
					t.Errorf("%s and %s: %v", tt.pattern, text, got)
				}
			}
		}
	}
	for _, u := range []*url.URL{nil, {Scheme: "https", Host: "evil.example/x.corp.example"}, {Scheme: "https", Host: "evil.example#.corp.example"}, {Scheme: "https", Opaque: "//git.corp.example"}, {Scheme: "https"}} {
		if _, ok := targetOf(u); ok {
			t.Errorf("%v has a target", u)
		}
	}
}

// FuzzMatch checks what is matched against the parts of the URL that a client would connect to.
func FuzzMatch(f *testing.F) {
	for _, seed := range [][2]string{
		{"github.com/acme", "https://github.com/acme/x"}, {"https://git.corp.example:8443/team", "https://git.corp.example:8443/team/x.git"}, {"ssh://git@git.corp.example", "ssh://git@git.corp.example/x"},
		{"*.corp.example", "https://a.corp.example/%2e%2e/x"}, {"[::1]:8443/x", "https://[::1]:8443/x"}, {"h/a", "https://u:p@h/a"}, {"h/a", "http://h/a"}, {"h:1", "https://h:01"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, match, text string) {
		p, err := parsePattern(match)
		if err != nil {
			return
		}
		if again, err := parsePattern(p.String()); err != nil || again.String() != p.String() {
			t.Fatalf("%q is %q, and that is %q, error %v", match, p, again, err)
		}
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		tg, ok := targetOf(u)
		if !ok || !p.matches(tg) {
			return
		}
		scheme := strings.ToLower(u.Scheme)
		if scheme != "https" && !strings.Contains(scheme, "ssh") || scheme == "https" && u.User != nil || u.Opaque != "" {
			t.Errorf("%q matches %q", match, text)
		}
		host := strings.ToLower(u.Hostname())
		if addr, err := netip.ParseAddr(host); err == nil {
			host = addr.String()
		}
		if host != p.host && !(p.wild && strings.HasSuffix(host, p.host)) || strings.ContainsAny(host, "/@#?\\% ") {
			t.Errorf("%q matches the host of %q", match, text)
		}
		port := strings.TrimLeft(u.Port(), "0")
		if want := p.port; want != port && !(port == "" && want == map[bool]string{true: "443", false: "22"}[scheme == "https"]) && !(want == "" && (port == "443" || port == "22")) {
			t.Errorf("%q matches the port of %q", match, text)
		}
		path := strings.ReplaceAll(strings.ToLower(u.Path)+"/", ".git/", "/")
		want := strings.ReplaceAll(strings.ToLower("/"+strings.Join(p.path, "/"))+"/", ".git/", "/")
		if len(p.path) > 0 && !strings.HasPrefix(path, want) || strings.Contains(path, "/../") || strings.Contains(path, "/./") {
			t.Errorf("%q matches the path of %q", match, text)
		}
	})
}
