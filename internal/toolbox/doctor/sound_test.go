package doctor

import (
	"context"
	"crypto/tls"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// A machine that is set up in an unusual way, but soundly, is left in peace.
func TestMachineSound(t *testing.T) {
	for name, set := range map[string]func(*seat){
		"client of a proxy, without git": func(s *seat) {
			s.set("GOPROXY", "https://goproxy.acme.test")
			s.set("GOPRIVATE", "git.acme.test")
			s.set("GONOPROXY", "none")
			s.without("git")
		},
		"home below a go.mod": func(s *seat) {
			s.set("GOMOD", s.write("home/go.mod", "module m\n"))
			dir := s.setting("GOMODCACHE")
			s.Settings.Values["GOMODCACHE"] = goenv.Value{Name: "GOMODCACHE", Text: dir, Said: []goenv.Said{{Place: goenv.BuiltIn, Text: dir}}}
		},
		"netrc in a home that is closed": func(s *seat) {
			if err := os.Chmod(s.write("home/.netrc", "machine a.test login me password s3cret\n"), 0o644); err != nil {
				s.t.Fatal(err)
			}
			if err := os.Chmod(s.home, 0o700); err != nil {
				s.t.Fatal(err)
			}
		},
		"git's proxy, which listens": func(s *seat) {
			s.env("HTTPS_PROXY=http://127.0.0.1:7890")
			s.write("home/gitconfig", "[http]\n\tproxy = "+newMirror(s.t).URL+"\n")
			s.set("GOPROXY", "https://goproxy.cn,direct")
		},
		"private host by ssh, named": func(s *seat) {
			s.write("home/gitconfig", "[url \"git@git.corp.example.test:\"]\n\tinsteadOf = https://git.corp.example.test/\n")
			s.env("GIT_SSH_COMMAND=other")
			s.set("GONOPROXY", "*.corp.example.test")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSeat(t)
			s.Resolver = names(t, nil)
			set(s)
			if found := Examine(t.Context(), s.Facts, MachineChecks()); len(found) > 0 {
				t.Error("found", describe(found))
			}
		})
	}
}

// A cache on read-only media is there to be read; one that is not there cannot be made.
func TestReadOnlyMedia(t *testing.T) {
	m := machine{
		room:  func(string) (room, bool) { return room{}, false },
		owner: func(fs.FileInfo) (int, bool) { return 0, false },
		trial: func(string) error { return &fs.PathError{Op: "mkdir", Path: "x", Err: syscall.EROFS} },
	}
	s := newSeat(t)
	s.write("home/go/pkg/mod/x", "")
	s.write("home/cache/x", "")
	if found := m.checkFolders(t.Context(), s.Facts); len(found) > 0 {
		t.Error(describe(found))
	}
	if err := os.RemoveAll(filepath.Join(s.home, "cache")); err != nil {
		t.Fatal(err)
	}
	only(t, m.checkFolders(t.Context(), s.Facts), "gocache-unwritable")
}

// Settings that are unusual, but sound.
func TestSettingsSound(t *testing.T) {
	for name, c := range map[string]struct {
		environ []string
		file    string
	}{
		"mod":               {nil, "GOFLAGS=-mod=mod\n"},
		"a script's own":    {[]string{"GO_PROXY=https://goproxy.cn", "GOPROXY=https://goproxy.cn"}, ""},
		"login":             {nil, "GOPROXY=https://me:s3cret@artifactory.acme.example/api/go/go\n"},
		"database by a URL": {nil, "GOSUMDB=sum.golang.org https://sums.acme.example\n"},
		"a toolchain":       {[]string{"GOTOOLCHAIN=local+path"}, ""},
	} {
		d := newDesk(t, c.environ...)
		d.write("work/go.mod", project)
		d.write(".config/go/env", c.file)
		if got := namesOf(d.found(), Hint); len(got) > 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What a distribution has set is not taken away by "go env -u".
func TestFixOfInstallation(t *testing.T) {
	s := newSeat(t)
	s.Settings.Values["GOSUMDB"] = goenv.Value{Name: "GOSUMDB", Text: "off", Said: []goenv.Said{{Place: goenv.Installation, File: "/usr/lib/go/go.env", Text: "off"}}}
	f := only(t, checkSumDB(t.Context(), s.Facts), "gosumdb-off")
	if got := f.Fixes[0].Command; got != "go env -w GOSUMDB=sum.golang.org" {
		t.Error(got)
	}
}

// A folder for builds is made before it is set: without it each build would fail.
func TestBuildElsewhere(t *testing.T) {
	s := newSeat(t)
	if got := s.buildElsewhere(); !strings.HasPrefix(got.Command, "mkdir -p ") || got.Do != nil {
		t.Errorf("%+v", got)
	}
	s.Home = ""
	if got := s.buildElsewhere(); got.Command != "" {
		t.Errorf("%+v", got)
	}
}

// A mirror that offers only some modules is not to blame for the one that was tried as an example.
func TestChainExample(t *testing.T) {
	for _, c := range []struct {
		name, mod string
		fault     godowntest.Fault
		worst     Severity
		id        string
	}{
		{"not there", "", godowntest.Status(404, "no"), Hint, "module-absent"},
		{"denied", "", godowntest.Status(403, "not allowed"), Hint, "mirror-forbidden"},
		{"broken", "", godowntest.Status(500, "broken"), Fault, "mirror-error"},
		{"not there, needed", "module m\n\nrequire example.test/hello v1.0.0\n", godowntest.Status(404, "no"), Fault, "module-absent"},
		{"denied, needed", "module m\n\nrequire example.test/hello v1.0.0\n", godowntest.Status(403, "not allowed"), Fault, "mirror-forbidden"},
	} {
		up := newMirror(t)
		up.Break(".*", c.fault)
		s := newSeat(t)
		s.set("GOPROXY", up.URL)
		if c.mod != "" {
			s.set("GOMOD", s.write("home/project/go.mod", c.mod))
		}
		r := Chain(t.Context(), s.Facts, "")
		if f := only(t, r.Findings(), c.id); f.Severity != c.worst || r.Works {
			t.Errorf("%s: %s, works %v", c.name, f.Severity, r.Works)
		}
	}
}

// A module of a private host is not asked for in public, even if the go command would.
func TestChainNeverLeaks(t *testing.T) {
	up := newMirror(t)
	const secret = "git.corp.example.test/team/lib"
	s := newSeat(t)
	s.Resolver = names(t, map[string][]string{"goproxy.cn": {"127.0.0.1"}})
	s.set("GOPROXY", named(t, up.URL, "goproxy.cn"))
	s.set("GOSUMDB", "sum.golang.org")
	s.set("GOMOD", s.write("home/project/go.mod", "module m\n\nrequire "+secret+" v1.0.0\n"))
	s.Presets = []Preset{{Group: "cn", URL: s.setting("GOPROXY")}}
	for _, arg := range []string{secret + "@v1.0.0", ""} {
		r := Chain(t.Context(), s.Facts, arg)
		for _, asked := range up.Requests() {
			if strings.Contains(asked, "corp") {
				t.Errorf("%q: asked for %s", arg, asked)
			}
		}
		if arg != "" && !slices.Contains(ids(r.Findings()), "private-leak") {
			t.Errorf("found %v", ids(r.Findings()))
		}
	}
}

// What is named as private goes its own way, and is no leak.
func TestChainNamedPrivate(t *testing.T) {
	s := newSeat(t)
	s.Resolver = names(t, nil)
	s.set("GONOPROXY", "git.corp.example.test")
	only(t, Chain(t.Context(), s.Facts, "git.corp.example.test/team/lib").Findings(), "dns-failed")
}

// When it is we who give up, nobody else is blamed.
func TestChainGivesUp(t *testing.T) {
	s := newSeat(t)
	s.set("GOPROXY", "http://"+mute(t))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	only(t, Chain(ctx, s.Facts, hello).Findings(), "chain-slow")
}

// Behind "|" a mirror that fails to say whether it passes the database on is asked for files all the same.
func TestChainSupportedAny(t *testing.T) {
	up := newMirror(t)
	db := godowntest.NewSumDB(t, "sum.test", godowntest.NewModules(t, modules))
	up.Break("/supported", godowntest.Status(500, "broken"))
	s := newSeat(t)
	s.Resolver = names(t, nil)
	s.set("GOPROXY", up.URL+"|off")
	s.set("GOSUMDB", db.Spec())
	if got := steps(Chain(t.Context(), s.Facts, hello).Links[0]); !strings.HasPrefix(got, "connect:ok supported:absent list:ok") {
		t.Error(got)
	}
}

// That an address is known from false answers proves nothing where the host answers itself.
func TestChainPoisoned(t *testing.T) {
	a := newAuthority(t, "Corp CA")
	for _, c := range []struct {
		name  string
		roots bool
		kind  probe.Kind
		want  string
	}{
		{"proven", true, "", ""},
		{"untrusted", false, "", "fault dns-poisoned"},
		{"silent", true, probe.Timeout, "fault dns-poisoned"},
	} {
		s := newSeat(t)
		s.Timeout = time.Second
		s.Resolver = names(t, map[string][]string{"mirror.test": {"127.0.0.1"}})
		raw := named(t, serveTLS(t, http.NotFoundHandler(), &tls.Config{Certificates: []tls.Certificate{a.sign(-1, 1, "mirror.test")}}), "mirror.test")
		s.Roots = newAuthority(t, "Other CA").pool
		if c.roots {
			s.Roots = a.pool
		}
		s.connect = func(_ context.Context, at netip.AddrPort) probe.Connection {
			if c.kind != "" {
				return probe.Connection{Addr: at, Failure: &probe.Failure{Kind: c.kind, Phase: probe.PhaseConnect}}
			}
			return probe.Connection{Addr: at}
		}
		s.set("GOPROXY", raw)
		w := &walk{facts: s.Facts, prober: s.prober(), report: &ChainReport{Module: hello}, dated: true}
		w.found(nil, dnsPoisoned(probe.Lookup{Host: "mirror.test"}, netip.MustParseAddr("93.46.8.89")))
		w.reach(t.Context(), &visit{link: &Link{}, base: s.urls()[0]})
		got := ""
		for _, f := range w.report.Findings() {
			if f.ID == "dns-poisoned" {
				got = f.Severity.String() + " " + f.ID
			}
		}
		if got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

// Who waits is told for what, before it is waited for.
func TestChainWatched(t *testing.T) {
	s := newSeat(t)
	s.Timeout = 200 * time.Millisecond
	silent := mute(t)
	s.set("GOPROXY", "http://"+silent)
	var told []string
	s.Watch = func(what lang.Text) { told = append(told, what.En) }
	Chain(t.Context(), s.Facts, hello)
	if len(told) < 2 || told[0] != "connecting to "+silent+" (200ms at most)" || !strings.Contains(told[1], "is asked for "+hello) {
		t.Errorf("%q", told)
	}
}

// A token that stands as the user's name is a secret as well.
func TestTokenAsName(t *testing.T) {
	s := newSeat(t)
	if got := showURL(s.mustParse("https://ghp_s3cret@proxy.test/x")); strings.Contains(got, "s3cret") {
		t.Error(got)
	}
	if got := showRepo("ssh://git@git.test/x"); got != "ssh://git@git.test/x" {
		t.Error(got)
	}
}

// Where a server speaks no TLS, the command keeps the rest of the list, and never holds a mask.
func TestFixOfNoTLS(t *testing.T) {
	s := newSeat(t)
	s.set("GOPROXY", "https://goproxy.acme.test,https://goproxy.cn,direct")
	v := &visit{link: &Link{Name: "https://goproxy.acme.test"}, base: s.mustParse("https://goproxy.acme.test")}
	if got := s.notTLS(v).Fixes[0].Command; got != "go env -w GOPROXY=http://goproxy.acme.test,https://goproxy.cn,direct" {
		t.Error(got)
	}
	v.base = s.mustParse("https://me:s3cret@goproxy.acme.test")
	if got := s.notTLS(v).Fixes[0].Command; got != "" {
		t.Error(got)
	}
}

func TestWholeRange(t *testing.T) {
	for in, want := range map[string]string{"169.254/16": "169.254.0.0/16", "10/8": "10.0.0.0/8", "git.test/x": "git.test"} {
		host, _, _ := strings.Cut(in, "/")
		if got := wholeRange(in, host); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}
