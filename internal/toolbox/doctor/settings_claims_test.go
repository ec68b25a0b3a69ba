package doctor

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

// A witness is a server that answers by the first element of the path: ok, deny, fail,
// or else 404, and remembers what it was asked.
type witness struct {
	*httptest.Server
	mu    sync.Mutex // guards asked
	asked []string
}

func newWitness(t *testing.T) *witness {
	w := new(witness)
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked = append(w.asked, r.URL.Path)
		w.mu.Unlock()
		switch {
		case strings.HasPrefix(r.URL.Path, "/deny/"):
			http.Error(rw, "denied", http.StatusForbidden)
		case strings.HasPrefix(r.URL.Path, "/fail/"):
			http.Error(rw, "out of order", http.StatusBadGateway)
		case strings.HasSuffix(r.URL.Path, "/supported"):
		case strings.HasPrefix(r.URL.Path, "/ok/") && strings.HasSuffix(r.URL.Path, ".info"):
			rw.Write([]byte(`{"Version":"v1.0.0"}`))
		case strings.HasPrefix(r.URL.Path, "/ok/") && strings.HasSuffix(r.URL.Path, ".mod"):
			rw.Write([]byte("module " + strings.Split(strings.TrimPrefix(r.URL.Path, "/ok/"), "/@v/")[0] + "\n"))
		default:
			http.NotFound(rw, r)
		}
	}))
	t.Cleanup(w.Close)
	return w
}

// heard reports whether a name was in any request.
func (w *witness) heard(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.asked, func(p string) bool { return strings.Contains(p, name) })
}

// What the findings say of the go command is so.
func TestClaims(t *testing.T) {
	const lib = "git.corp.example.com/team/lib"
	ask := []string{"go", "list", "-m", lib + "@v1.0.0"}
	sums := []string{"go", "mod", "download", lib + "@v1.0.0"}
	off := "GOVCS=*:off" // of its own host nothing is asked
	for name, c := range map[string]struct {
		environ []string
		run     []string
		says    string // "" for that it works
		heard   string // what the mirror hears
		unheard string // and does not
	}{
		"comma stops at a refusal":        {[]string{"GOPROXY=URL/deny,URL/ok"}, ask, "403 Forbidden", "/deny/", "/ok/"},
		"pipe goes past a refusal":        {[]string{"GOPROXY=URL/deny|URL/ok"}, ask, "", "/ok/", "@v/list"},
		"comma stops at a failure":        {[]string{"GOPROXY=URL/fail,URL/ok"}, ask, "502 Bad Gateway", "/fail/", "/ok/"},
		"pipe goes past a failure":        {[]string{"GOPROXY=URL/fail|URL/ok"}, ask, "", "/ok/", "@v/list"},
		"comma goes past 404":             {[]string{"GOPROXY=URL/none,URL/ok"}, ask, "", "/ok/", "@v/list"},
		"direct ends the list":            {[]string{"GOPROXY=direct,URL/ok", "GOINSECURE=*", "GOPRIVATE=none", off, "HTTPS_PROXY=URL/never", "HTTP_PROXY=URL/never"}, ask, "unrecognized import path", "", "/ok/"},
		"GOPRIVATE keeps a name":          {[]string{"GOPROXY=URL/ok", "GOPRIVATE=git.corp.example.com", "HTTPS_PROXY=URL/never"}, ask, "unrecognized import path", "", "/ok/"},
		"GONOPROXY=none lets it out":      {[]string{"GOPROXY=URL/ok", "GOPRIVATE=git.corp.example.com", "GONOPROXY=none"}, ask, "", "/ok/" + lib, "@v/list"},
		"a scheme lets it out":            {[]string{"GOPROXY=URL/ok", "GOPRIVATE=https://git.corp.example.com"}, ask, "", "/ok/" + lib, "@v/list"},
		"dots let it out":                 {[]string{"GOPROXY=URL/ok", "GOPRIVATE=git.corp.example.com/..."}, ask, "", "/ok/" + lib, "@v/list"},
		"a blank lets it out":             {[]string{"GOPROXY=URL/ok", "GOPRIVATE=other.example, git.corp.example.com"}, ask, "", "/ok/" + lib, "@v/list"},
		"a slash at the end does not":     {[]string{"GOPROXY=URL/ok", "GOPRIVATE=git.corp.example.com/", "HTTPS_PROXY=URL/never"}, ask, "unrecognized import path", "", "/ok/"},
		"GONOSUMDB lets it out":           {[]string{"GOPROXY=URL/ok", "GOSUMDB=sum.golang.org", "GOPRIVATE=git.corp.example.com", "GONOPROXY=none", "GONOSUMDB=other.example"}, sums, "404 Not Found", "/sumdb/sum.golang.org/lookup/" + lib, "@v/list"},
		"GONOSUMCHECK is nothing":         {[]string{"GOPROXY=URL/ok", "GOSUMDB=sum.golang.org", "GONOSUMCHECK=git.corp.example.com"}, sums, "404 Not Found", "/sumdb/sum.golang.org/lookup/" + lib, "@v/list"},
		"GONOSUMDB=* checks nothing":      {[]string{"GOPROXY=URL/ok", "GOSUMDB=sum.golang.org", "GONOSUMDB=*"}, sums, "404 Not Found", "v1.0.0.zip", "/sumdb/"},
		"GOPROXY in small letters is not": {[]string{"GOPROXY=off", "goproxy=URL/ok"}, ask, "GOPROXY=off", "", "/ok/"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWitness(t)
			environ := []string{"GOSUMDB=off", "NO_PROXY=127.0.0.1"}
			for _, v := range c.environ {
				environ = append(environ, strings.ReplaceAll(v, "URL", w.URL))
			}
			d := newDesk(t, environ...)
			d.write("work/go.mod", "module example.com/app\n\ngo 1.21\n")
			out := d.run(c.run...)
			if c.says == "" && strings.TrimSpace(out) != lib+" v1.0.0" || !strings.Contains(out, c.says) {
				t.Errorf("%v says\n%s, and not %q", c.run, out, c.says)
			}
			if c.heard != "" && !w.heard(c.heard) {
				t.Errorf("the mirror did not hear %s; it was asked %q", c.heard, w.asked)
			}
			if w.heard(c.unheard) {
				t.Errorf("the mirror heard %s; it was asked %q", c.unheard, w.asked)
			}
		})
	}
}

// A release has the flaws that were found in it and mended later, and no others.
func TestFlaws(t *testing.T) {
	all := func(release string, text map[string]string) (ids, update string) {
		f := &Facts{Settings: settingsOf(text)}
		f.Settings.Version = release
		for _, finding := range checkVersion(t.Context(), f) {
			if finding.ID == "go-vulnerable" {
				for _, e := range finding.Evidence {
					id, _, _ := strings.Cut(e.En, ":")
					ids += " " + strings.TrimPrefix(id, "CVE-20")
				}
				update = strings.Fields(finding.Fixes[0].Say.En)[1]
			}
		}
		return strings.TrimSpace(ids), update
	}
	auto := map[string]string{"GOTOOLCHAIN": "auto", "GOPROXY": "https://goproxy.cn"}
	local := map[string]string{"GOTOOLCHAIN": "local", "GOPROXY": "https://goproxy.cn"}
	direct := map[string]string{"GOTOOLCHAIN": "local", "GOPROXY": "https://goproxy.cn,direct"}
	for _, c := range []struct {
		release     string
		settings    map[string]string
		ids, update string
	}{
		{"go1.27.2", auto, "", ""},
		{"go1.28rc1", auto, "", ""},
		{"go1.27.1", local, "", ""},
		{"go1.26.8", local, "", ""},
		{"go1.26.8", map[string]string{"GOTOOLCHAIN": "go1.26.8"}, "", ""},
		{"go1.26.8", map[string]string{"GOTOOLCHAIN": "go1.27.0"}, "", ""},
		{"go1.26.6", local, "", ""},
		{"go1.26.5", local, "26-56864 26-56865", "go1.26.6"},
		{"go1.25.13", local, "", ""},
		{"go1.25.12", local, "26-56864 26-56865", "go1.25.13"},
		{"go1.26.2", local, "26-56864 26-56865 26-42501", "go1.26.6"},
		{"go1.25.9", auto, "26-56864 26-56865 26-42501", "go1.25.13"},
		{"go1.21.4", direct, "26-56864 26-56865 26-42501 23-45285", "go1.25.13"},
		{"go1.21.0", local, "26-56864 26-56865 26-42501 23-39320", "go1.25.13"},
		{"go1.20.12", direct, "26-56864 26-56865 26-42501", "go1.25.13"},
		{"go1.17.6", direct, "26-56864 26-56865 26-42501 23-45285 22-23773", "go1.25.13"},
		{"go1.26.5 X:boringcrypto", local, "26-56864 26-56865", "go1.26.6"},
		{"devel go1.29-abc", auto, "", ""},
	} {
		if ids, update := all(c.release, c.settings); ids != c.ids || update != c.update {
			t.Errorf("%s with %v has %q, mended by %q; want %q, %q", c.release, c.settings, ids, update, c.ids, c.update)
		}
	}
}

// settingsOf makes settings as they are by themselves.
func settingsOf(values map[string]string) *goenv.Settings {
	s := &goenv.Settings{Values: make(map[string]goenv.Value)}
	for name, v := range values {
		s.Values[name] = goenv.Value{Name: name, Text: v, Said: []goenv.Said{{Place: goenv.BuiltIn, Text: v}}}
	}
	return s
}

func TestUnsupported(t *testing.T) {
	for _, c := range []struct{ release, day, want string }{
		{"go1.27.2", "2026-11-22", ""},
		{"go1.26.8", "2026-11-22", ""},
		{"go1.25.13", "2026-11-22", "hint"},
		{"go1.23.1", "2026-11-22", "warning"},
		{"go1.25.13", "2026-08-20", ""}, // the new one may be late
		{"go1.21.0", "2023-09-01", ""},
	} {
		f := &Facts{Settings: settingsOf(nil), Now: func() time.Time {
			day, err := time.Parse(time.DateOnly, c.day)
			if err != nil {
				t.Error(err)
			}
			return day
		}}
		f.Settings.Version = c.release
		got := ""
		for _, finding := range checkVersion(t.Context(), f) {
			if finding.ID == "go-unsupported" {
				got = finding.Severity.String()
				whole(t, finding)
			}
		}
		if got != c.want {
			t.Errorf("%s on %s: %q, want %q", c.release, c.day, got, c.want)
		}
	}
}

// What came with Go may have been changed by who packaged it.
func TestInstallation(t *testing.T) {
	said := func(text string) *Facts {
		f := &Facts{Settings: settingsOf(nil)}
		f.Settings.Values["GOPROXY"] = goenv.Value{Name: "GOPROXY", Text: text, Said: []goenv.Said{{Place: goenv.Installation, File: "/usr/lib/go/go.env", Text: text}}}
		return f
	}
	list := Examine(t.Context(), said("direct"), SettingsChecks())
	if got := namesOf(list, Hint); len(got) != 1 || got[0] != "goenv-changed" {
		t.Fatalf("%q", got)
	}
	whole(t, list[0])
	if got := namesOf(Examine(t.Context(), said("https://mirror.example,direct"), SettingsChecks()), Hint); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

func TestShown(t *testing.T) {
	for in, want := range map[string]string{
		"https://goproxy.cn,direct":                      "https://goproxy.cn,direct",
		"https://me:secret@goproxy.cn,direct":            "https://xxxxx@goproxy.cn,direct",
		"https://a.example|https://me:secret@b.example":  "https://a.example|https://xxxxx@b.example",
		"https://me:sec,ret@b.example,direct":            "https://xxxxx@b.example,direct",
		"me:secret@b.example;direct":                     "xxxxx@b.example;direct",
		"https://b.example?token=secret,direct":          "https://b.example?xxxxx,direct",
		"https://me:secret@b.example，direct":             "https://xxxxx@b.example，direct",
		"PRIVATE+KEY+sums+abc+secret https://me@b":       "PRIVATE+KEY+xxxxx",
		"https://b.example/x@y?secret":                   "https://xxxxx@y?xxxxx",
		"http://u:secret@127.0.0.1:7890":                 "http://xxxxx@127.0.0.1:7890",
		"https://a.example,u:secret@b.example,https://c": "https://xxxxx@b.example,https://c",
	} {
		if got := shown(in); got != want || strings.Contains(got, "sec") {
			t.Errorf("%s is shown as %s, want %s", in, got, want)
		}
	}
	if got := shownAuth("netrc;program --token secret;git /home/me"); got != "netrc;program …;git /home/me" {
		t.Errorf("%q", got)
	}
}

// No secret gets out, whatever is wrong with the value that it is in.
func TestNoSecretIsPrinted(t *testing.T) {
	d := newDesk(t, "HTTPS_PROXY=http://me:s3cr3t@127.0.0.1:9", "goproxy=https://me:s3cr3t@x.example", "GOAUTH=no-such-program s3cr3t")
	d.write(".config/go/env", "GOPROXY=https://me:s3cr3t@goproxy.cn;http://me:s3cr3t@127.0.0.1:9,direct\nGOSUMDB=PRIVATE+KEY+s3cr3t\nGOPRIVATE=https://me:s3cr3t@git.corp.example.com/...\nGOSUMSDB=https://me:s3cr3t@x\nx=https://me:s3cr3t@x\n")
	secretless(t, d.found())
	d.write(".config/go/env", "GOPROXY=direct,https://me:s3cr3t@goproxy.cn,http://me:s3cr3t@127.0.0.1:9\n")
	list := d.found()
	secretless(t, list)
	i := slices.IndexFunc(list, func(f Finding) bool { return f.ID == "goproxy-direct-first" })
	if i < 0 {
		t.Fatal("not found")
	}
	if err := list[i].Fixes[0].Do(t.Context()); err != nil || !strings.Contains(d.run("go", "env", "GOPROXY"), "me:s3cr3t@goproxy.cn,direct") {
		t.Errorf("the secret is lost: %v, %s", err, d.run("go", "env", "GOPROXY"))
	}
}

func secretless(t *testing.T, list []Finding) {
	t.Helper()
	if len(list) < 3 {
		t.Errorf("only %v", namesOf(list, Hint))
	}
	for _, f := range list {
		all := []string{f.Title.En, f.Title.Zh, f.Consequence.En, f.Consequence.Zh}
		for _, e := range f.Evidence {
			all = append(all, e.En, e.Zh)
		}
		for _, fix := range f.Fixes {
			all = append(all, fix.Command, fix.Say.En, fix.Say.Zh)
		}
		if s := strings.Join(all, "\n"); strings.Contains(s, "s3cr3t") {
			t.Errorf("%s tells it: %s", f.ID, s)
		}
	}
}

// Where a shell's file sets a variable is told.
func TestWhereSet(t *testing.T) {
	d := newDesk(t, "GOPROXY=off")
	d.write(".bashrc", "# mine\nexport GOPROXY=off\n")
	d.write("root/etc/profile.d/go.sh", "export GOPROXY=https://other.example\n")
	list := d.found()
	if len(list) != 1 || !strings.Contains(list[0].Evidence[0].En, "~/.bashrc:2") || !strings.Contains(list[0].Fixes[0].Say.En, "~/.bashrc:2") || list[0].Fixes[0].Command != "unset GOPROXY" || list[0].Fixes[0].Do != nil {
		t.Errorf("%+v", list)
	}
	d.environ = append(d.environ, "GOPROXY=direct,https://other.example")
	if list := d.found(); len(list) != 1 || !strings.Contains(list[0].Evidence[0].En, "/etc/profile.d/go.sh:1") {
		t.Errorf("%+v", list)
	}
}
