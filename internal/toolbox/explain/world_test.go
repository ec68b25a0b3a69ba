//go:build unix

package explain

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"golang.org/x/tools/txtar"
)

// A world is where one failure is provoked: a project, a mirror with modules,
// whatever else is asked for, and a go command that sees nothing but these.
type world struct {
	t    *testing.T
	dir  string // all of it; $WORK in what is recorded
	goes string // the go command
	env  []string
	hide []string // what else is replaced in what is recorded: text, name, text, name

	mods *godowntest.Modules
	up   *godowntest.Upstream
	db   *godowntest.SumDB
	git  *godowntest.GitHost
	repo *godowntest.GitRepo
}

// modules are those that the mirror of each world has.
const modules = `
-- example.com/lib@v1.0.0/go.mod --
module example.com/lib

go 1.18
-- example.com/lib@v1.0.0/lib.go --
package lib
-- example.com/lib@v1.0.0/sub/sub.go --
package sub
-- example.com/lib@v1.1.0/go.mod --
module example.com/lib

go 1.18
-- example.com/lib@v1.1.0/lib.go --
package lib
-- example.com/lib@v1.1.0/sub/sub.go --
package sub
-- example.com/dep@v1.0.0/go.mod --
module example.com/dep

go 1.18

require example.com/lib v1.1.0
-- example.com/dep@v1.0.0/dep.go --
package dep

import _ "example.com/lib"
-- example.com/moved@v1.0.0/go.mod --
module example.com/other
-- example.com/moved@v1.0.0/moved.go --
package moved
-- example.com/split@v1.0.0/go.mod --
module example.com/split

go 1.18
-- example.com/split@v1.0.0/sub/sub.go --
package sub
-- example.com/split/sub@v1.0.0/go.mod --
module example.com/split/sub

go 1.18
-- example.com/split/sub@v1.0.0/sub.go --
package sub
-- example.com/sorry@v1.0.0/go.mod --
module example.com/sorry
-- example.com/sorry@v1.0.0/sorry.go --
package sorry
-- example.com/sorry@v1.0.1/go.mod --
module example.com/sorry

retract v1.0.0 // it loses data
-- example.com/sorry@v1.0.1/sorry.go --
package sorry
-- example.com/new@v1.0.0/go.mod --
module example.com/new

go 1.99
-- example.com/new@v1.0.0/new.go --
package new
-- example.com/inside@v1.0.0/go.mod --
module example.com/inside
-- example.com/inside@v1.0.0/internal/x/x.go --
package x
-- example.com/pre@v0.1.0-rc.1/go.mod --
module example.com/pre
-- example.com/pre@v0.1.0-rc.1/pre.go --
package pre
-- example.com/broken@v1.0.0/go.mod --
module "example.com/broken
-- example.com/broken@v1.0.0/broken.go --
package broken
-- example.com/left@v1.0.0/go.mod --
module example.com/left

require example.com/gone v1.0.0
-- example.com/left@v1.0.0/left.go --
package left

import _ "example.com/gone"
`

// newWorld makes a world for a go command.
func newWorld(t *testing.T, goes string) *world {
	w := &world{t: t, goes: goes, dir: t.TempDir()}
	w.mods = godowntest.NewModules(t, modules)
	w.up = godowntest.NewUpstream(t, w.mods)
	for _, name := range []string{"project", "home"} {
		if err := os.MkdirAll(filepath.Join(w.dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	w.quiet(filepath.Join(w.dir, "home"))
	w.env = append(w.env, "PATH="+os.Getenv("PATH"), "TMPDIR="+os.TempDir(), "LC_ALL=C")
	w.env = append(w.env, godowntest.GoEnv(filepath.Join(w.dir, "home"), w.up.URL, "off")...)
	w.env = append(w.env, "GOFLAGS=-modcacherw", "GOWORK=", "GOVCS=", "GODEBUG=netdns=go", "GOROOT=", "CGO_ENABLED=0",
		"GIT_TERMINAL_PROMPT=0", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+filepath.Join(w.dir, "home", "gitconfig"))
	return w
}

// quiet switches telemetry off: its process may outlive the go command, and writes into the home.
func (w *world) quiet(home string) {
	for _, dir := range []string{".config", "Library/Application Support"} {
		dir = filepath.Join(home, dir, "go", "telemetry")
		if err := os.MkdirAll(dir, 0o777); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "mode"), []byte("off"), 0o666); err != nil {
			w.t.Fatal(err)
		}
	}
}

// set sets variables of the environment, as NAME=value.
func (w *world) set(settings ...string) { w.env = append(w.env, settings...) }

// sums gives the mirror a checksum database, which the go command uses.
func (w *world) sums() *godowntest.SumDB {
	w.db = godowntest.NewSumDB(w.t, "sums.example.com", w.mods)
	w.up.Attach(w.db)
	w.set("GOSUMDB="+w.db.Spec(), "GONOSUMDB=")
	return w.db
}

// host is the internet in a box, which the go command then asks directly.
func (w *world) host() *godowntest.GitHost {
	w.git = godowntest.NewGitHost(w.t)
	w.set(w.git.Env()...)
	w.quiet(w.git.Home)
	w.set("GOPROXY=direct")
	return w.git
}

// files writes the files of a txtar archive into the project.
func (w *world) files(archive string) {
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name := filepath.Join(w.dir, "project", f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			w.t.Fatal(err)
		}
		if err := os.WriteFile(name, bytes.ReplaceAll(f.Data, []byte("$UP"), []byte(w.up.URL)), 0o666); err != nil {
			w.t.Fatal(err)
		}
	}
}

// run runs a command in a folder of the project and returns all its output.
func (w *world) run(dir string, args ...string) (output string, ok bool) {
	if args[0] == "go" {
		args[0] = w.goes
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = filepath.Join(w.dir, "project", dir)
	cmd.Env = append(w.env, "PWD="+cmd.Dir)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		w.t.Fatalf("%q: %v", args, err)
	}
	return string(out), err == nil
}

// scrub replaces what is different each time.
func (w *world) scrub(out string) string {
	rules := []string{w.dir, "$WORK"}
	if real, err := filepath.EvalSymlinks(w.dir); err == nil {
		rules = append(rules, real, "$WORK")
	}
	if root, err := exec.Command(w.goes, "env", "GOROOT").Output(); err == nil {
		rules = append(rules, strings.TrimSpace(string(root)), "$GOROOT")
	}
	if w.git != nil {
		rules = append(rules, filepath.Dir(w.git.Home), "$WORK")
	}
	rules = append(rules, w.hide...)
	out = strings.NewReplacer(rules...).Replace(out)
	for _, r := range []struct{ match, with string }{
		{`(127\.0\.0\.1|\[::1\]|localhost):\d{4,5}\b`, "$1:PORT"},
		{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`, "2026-01-02T03:04:05Z"},
		{`(sums\.example\.com\+)[0-9a-f]{8}\+\S+`, "${1}KEY"},
		{`\$WORK/home/modcache/cache/vcs/[0-9a-f]{64}`, "$$WORK/home/modcache/cache/vcs/HASH"},
		{`\.zip\d+\.tmp`, ".zipN.tmp"},
		{` port \d{4,5} `, " port PORT "},
		{`key sums\.example\.com\+[0-9a-f]{8}`, "key sums.example.com+KEY"},
		{`(— sums.example.com) \S+`, "$1 SIGNATURE"},
	} {
		out = regexp.MustCompile(r.match).ReplaceAllString(out, r.with)
	}
	return out
}

// closed returns the address of a port where nobody listens.
func (w *world) closed() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// listen accepts connections and hands each to f, until the test ends.
func (w *world) listen(f func(net.Conn)) string { return w.listenAt("127.0.0.1:0", f) }

func (w *world) listenAt(addr string, f func(net.Conn)) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	var conns []net.Conn
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
			f(c)
		}
	}()
	w.t.Cleanup(func() {
		l.Close()
		<-done
		for _, c := range conns {
			c.Close()
		}
	})
	return l.Addr().String()
}

// tls starts a server with a certificate made of a template, and returns its
// URL and, as PEM, the authority's certificate.
func (w *world) tls(template x509.Certificate) (url string, authority []byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now()
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Example Authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	if template.NotBefore.Before(ca.NotBefore) && !template.NotBefore.IsZero() {
		ca.NotBefore = template.NotBefore
	}
	template.SerialNumber, template.Subject = big.NewInt(2), pkix.Name{CommonName: "example"}
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, ca, &key.PublicKey, key)
	if err != nil {
		w.t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(&bytes.Buffer{}, "", 0)
	s.StartTLS()
	w.t.Cleanup(s.Close)
	return s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
}

// write writes a file outside the project and returns its path.
func (w *world) write(name string, data []byte, mode os.FileMode) string {
	name = filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(name, data, mode); err != nil {
		w.t.Fatal(err)
	}
	return name
}

// ours makes a godown the go command's proxy, whose source fails with err.
func (w *world) ours(err error) {
	s := httptest.NewServer(&godown.Handler{Source: godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) { return nil, err })})
	w.t.Cleanup(s.Close)
	w.set("GOPROXY=" + s.URL)
}

// expand replaces $UP, $CLOSED and $WORK.
func (w *world) expand(s string) string {
	return os.Expand(s, func(name string) string {
		switch name {
		case "UP":
			return w.up.URL
		case "CLOSED":
			return "http://" + w.closed()
		case "WORK":
			return w.dir
		case "HASH", "TIME":
			hash := w.repo.Rev(w.t, "main")
			if name == "HASH" {
				return hash[:12]
			}
			seconds, err := strconv.ParseInt(strings.TrimSpace(w.repo.Git(w.t, "log", "-1", "--format=%ct", "main")), 10, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return time.Unix(seconds, 0).UTC().Format("20060102150405")
		}
		return "$" + name
	})
}

// provoke makes a failure happen and returns what was said about it.
func (p provocation) provoke(t *testing.T, goes string) string {
	w := newWorld(t, goes)
	if p.do != nil {
		p.do(w)
	}
	w.files(p.files)
	for _, s := range p.env {
		w.set(w.expand(s))
	}
	lines := strings.Split(p.run, "\n")
	for i, line := range lines {
		dir := ""
		if rest, ok := strings.CutPrefix(line, "cd "); ok {
			dir, line, _ = strings.Cut(rest, " ")
		}
		if line == "fork" {
			if err := w.db.Fork(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		may := strings.HasPrefix(line, "- ")
		out, ok := w.run(dir, words(w.expand(strings.TrimPrefix(line, "- ")))...)
		switch {
		case i == len(lines)-1 && ok != p.succeeds:
			t.Fatalf("%q: success %v\n%s", line, ok, out)
		case i == len(lines)-1:
			return w.scrub(out)
		case !ok && !may:
			t.Fatalf("%q failed:\n%s", line, out)
		}
	}
	panic(fmt.Sprint("nothing is run by ", p.name))
}

// words splits a line at blanks; '...' keeps them.
func words(line string) []string {
	var all []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			all = append(all, part)
		} else {
			all = append(all, strings.Fields(part)...)
		}
	}
	return all
}
