package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// a small history: tags after 10 and 20 commits.
func tiny() shape {
	return shape{name: "r1", commits: 30, tags: []int{10, 20}, files: 12, mean: 400, each: 2}
}

// A served repository, and a git to reach it with.
type served struct {
	host   *host
	git    git
	repo   string
	env    []string
	client string // folder
}

func serve(t *testing.T) *served {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	s := &served{git: git{home: t.TempDir()}, client: t.TempDir()}
	made, err := s.git.ensure(ctx, dir, tiny(), 1)
	if err != nil {
		t.Fatal(err)
	}
	s.repo = filepath.Join(dir, "r1.git")
	if err := os.CopyFS(s.repo, os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
	cert, authority, err := identity(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.host, err = startHost(ctx, s.git, dir, "127.0.0.1:0", cert, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.host.close)
	s.env = []string{"HTTPS_PROXY=" + s.host.url, "https_proxy=" + s.host.url, "GIT_SSL_CAINFO=" + authority}
	return s
}

// asks runs a git command as a client.
func (s *served) asks(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := s.git.command(ctx, s.client, args...)
	cmd.Env = append(cmd.Env, s.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *served) ask(t *testing.T, args ...string) string {
	t.Helper()
	out, err := s.asks(t, args...)
	if err != nil {
		t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return out
}

func TestHost(t *testing.T) {
	s := serve(t)
	url := "https://" + tiny().path()
	refs := s.ask(t, "ls-remote", url)
	if n := strings.Count(refs, "refs/tags/"); n != 2 {
		t.Errorf("%d tags, not 2: %s", n, refs)
	}
	seen, _ := s.host.take()
	if seen.Discover != 1 || seen.LsRefs != 1 || seen.Fetch != 0 || seen.Connections != 1 || seen.Bytes == 0 || seen.PackBytes != 0 {
		t.Errorf("after ls-remote the host has seen %+v", seen)
	}

	if out, err := s.asks(t, "ls-remote", "https://elsewhere.example/x.git"); err == nil || !strings.Contains(out, "403") {
		t.Errorf("another host is not refused: %v: %s", err, out)
	}

	// All objects, then commits alone, in packs that are looked into.
	inRepo, err := s.git.run(t.Context(), s.repo, "rev-list", "--objects", "--all")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Count(inRepo, "\n") + 1
	for _, filter := range []string{"", "--filter=tree:0"} {
		s.host.reset(true)
		s.ask(t, append(strings.Fields("clone -q --bare "+filter), url, "clone"+filter)...)
		seen, answers := s.host.take()
		if seen.Fetch != 1 || len(answers) != 1 || seen.PackBytes != int64(len(answers[0])) {
			t.Fatalf("clone %s: %+v, and %d answers kept", filter, seen, len(answers))
		}
		var o objects
		if err := o.count(answers[0]); err != nil {
			t.Fatal(err)
		}
		if o.Commits != 30 || o.Unknown != 0 || filter == "" && o.Commits+o.Trees+o.Blobs != want || filter != "" && o.Trees+o.Blobs != 0 {
			t.Errorf("clone %s: the pack has %+v; in the repository are %d", filter, o, want)
		}
		if err := new(objects).count(answers[0][:len(answers[0])/2]); err == nil {
			t.Error("half of an answer is taken for one")
		}
	}
}

func TestPush(t *testing.T) {
	s := serve(t)
	c, err := s.git.look(t.Context(), s.repo, 5, "v1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	// 12 files in as many folders, the top one, go.mod and LICENSE.
	if !strings.HasPrefix(c.pseudo, "v1.0.1-0.20200914") || !strings.HasSuffix(c.pseudo, c.hash[:12]) || c.objects != 27 {
		t.Errorf("the commit is %+v", c)
	}
	before, err := s.git.run(t.Context(), s.repo, "rev-parse", "main")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.git.push(t.Context(), s.repo, "v1.2.0", 7); err != nil {
		t.Fatal(err)
	}
	refs := s.ask(t, "ls-remote", "https://"+tiny().path(), "refs/tags/v1.2.0", "refs/heads/main")
	first, second, _ := strings.Cut(strings.TrimSpace(refs), "\n")
	if first[:40] != second[:40] || first[:40] == before {
		t.Errorf("after a push the host has %s; main was %s", refs, before)
	}
	if parent, err := s.git.run(t.Context(), s.repo, "rev-parse", "v1.2.0^"); err != nil || parent != before {
		t.Errorf("what was pushed stands on %s (%v), not on %s", parent, err, before)
	}
}

func TestSameRepositoryEachTime(t *testing.T) {
	g := git{home: t.TempDir()}
	var tips []string
	for range 2 {
		repo, err := g.ensure(t.Context(), t.TempDir(), tiny(), 1)
		if err != nil {
			t.Fatal(err)
		}
		tip, err := g.run(t.Context(), repo, "rev-parse", "main")
		if err != nil {
			t.Fatal(err)
		}
		tips = append(tips, tip)
	}
	if tips[0] != tips[1] {
		t.Errorf("two repositories of one seed differ: %v", tips)
	}
}

func TestKindOf(t *testing.T) {
	squeezed := func(text string) string {
		var buf bytes.Buffer
		w := gzip.NewWriter(&buf)
		w.Write([]byte(text))
		w.Close()
		return buf.String()
	}
	for i, tt := range []struct {
		method, path, encoding, body string
		want                         int
	}{
		{"GET", "/r1.git/info/refs?service=git-upload-pack", "", "", discover},
		{"GET", "/r1.git/HEAD", "", "", other},
		{"POST", "/r1.git/git-receive-pack", "", "0014command=ls-refs\n", other},
		{"POST", "/r1.git/git-upload-pack", "", "0014command=ls-refs\n", lsRefs},
		{"POST", "/r1.git/git-upload-pack", "", "0012command=fetch0001", fetch},
		{"POST", "/r1.git/git-upload-pack", "", "0032want 0123", fetch},
		{"POST", "/r1.git/git-upload-pack", "", "", fetch},
		{"POST", "/r1.git/git-upload-pack", "gzip", squeezed("0014command=ls-refs\n"), lsRefs},
		{"POST", "/r1.git/git-upload-pack", "gzip", squeezed("0012command=fetch" + strings.Repeat("x", 9000)), fetch},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		r.Header.Set("Content-Encoding", tt.encoding)
		if got := kindOf(r, []byte(tt.body)); got != tt.want {
			t.Errorf("%s: %s %s is of kind %d, not %d", strconv.Itoa(i), tt.method, tt.path, got, tt.want)
		}
	}
}
