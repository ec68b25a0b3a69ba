package vcs

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
)

// Whatever a page, a remote or a repository holds, nothing panics, and what
// comes out can be given to git.
func FuzzForeign(f *testing.F) {
	f.Add([]byte(`<html><head><meta name="go-import" content="a.example/x git https://git.example/x sub"></head>`))
	f.Add([]byte("0123456789012345678901234567890123456789\trefs/tags/v1.0.0\n0123456789012345678901234567890123456789\trefs/tags/v1.0.0^{}\n"))
	f.Add([]byte("tree 0123456789012345678901234567890123456789\ncommitter A <a@b> 1700000000 +0000\n\nmessage"))
	f.Add([]byte("100644 go.mod\x0001234567890123456789"))
	f.Add([]byte("100644 blob 0123456789012345678901234567890123456789      12\tdir/go.mod"))
	f.Add([]byte("*.go text eol=crlf\n[attr]x y\n"))
	f.Add([]byte("https://user:secret@git.example:8443/a/b.git"))
	f.Add([]byte("github.com/acme/tool.git/sub/v2"))
	f.Add([]byte("public:git|hg,private:all"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text := string(data)
		if list, err := parseMeta(bytes.NewReader(data)); err == nil {
			for _, m := range list {
				if len(strings.Fields(m.prefix+" "+m.vcs+" "+m.repo)) != 3 {
					t.Errorf("a tag of %q", m)
				}
			}
			_, _ = matchMeta(list, "a.example/x")
		}
		if list, err := parseRefs(data); err == nil {
			for name, hash := range list.names {
				if !isHash(hash) || strings.ContainsAny(name, "\n\t") || name != "HEAD" && !strings.HasPrefix(name, "refs/") {
					t.Errorf("a reference %q %q", name, hash)
				}
			}
			list.tagsWith("v")
		}
		_, _ = parseCommit(data)
		if entries, err := parseTree(data, 20); err == nil {
			for _, e := range entries {
				if !isHash(e.id) {
					t.Errorf("an entry %q", e)
				}
			}
		}
		if e, ok, err := parseTreeLine(text, "dir"); ok && err == nil && (!isHash(e.id) || e.size < 0) {
			t.Errorf("an entry %+v", e)
		}
		converts(data, true)
		if u, err := parseRepoURL(text); err == nil {
			for _, bad := range []string{"\n", "\x00"} {
				if strings.Contains(u.String(), bad) {
					t.Errorf("a URL %q", u)
				}
			}
			if u.Hostname() == "" || strings.HasPrefix(u.Hostname(), "-") || strings.HasPrefix(u.String(), "-") {
				t.Errorf("a URL %q", u)
			}
		}
		if _, repo, _, ok := withSuffix(text); ok {
			if _, err := url.Parse("https://" + repo); err != nil {
				t.Errorf("a repository %q: %v", repo, err)
			}
		}
		_, _, _ = wellKnown(text)
		_ = CheckGOVCS(text)
		_ = Rule{Match: text, Repo: text}.Check()
		_, _, _ = Rule{Match: "a.example/*/x*", Repo: "https://{1}/{2}"}.match(text)
		repoIdentity(text)
		loginStatus(text)
	})
}
