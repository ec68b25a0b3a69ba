//go:build unix

package explain

import (
	"crypto/x509"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// around is the machine of a world.
func (w *world) around() Around {
	m := goenv.Machine{Environ: w.env, Dir: filepath.Join(w.dir, "project"), LookPath: exec.LookPath}
	s, err := goenv.Read(w.t.Context(), m)
	if err != nil {
		w.t.Fatal(err)
	}
	return Around{Settings: s, Getenv: m.Getenv, Prober: new(probe.Prober)}
}

// fails runs a command that must fail, and explains it with all that the machine tells.
func (w *world) fails(want string, args ...string) Failure {
	w.t.Helper()
	out, ok := w.run("", args...)
	r := Explain(w.t.Context(), []byte(out), w.around())
	if ok || len(r.Failures) == 0 || r.Failures[0].ID != want {
		w.t.Fatalf("success %v, want %s:\n%s\n%+v", ok, want, out, r.Failures)
	}
	return r.Failures[0]
}

func (w *world) here(f Failure, words string) {
	w.t.Helper()
	var all []string
	for _, x := range f.Here {
		all = append(all, x.En)
	}
	if !strings.Contains(strings.Join(all, "\n"), words) {
		w.t.Errorf("%s is not said, but:\n%s", words, strings.Join(all, "\n"))
	}
}

func goCommand(t *testing.T) string {
	goes, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	return goes
}

// TestWhoIsRight provokes the three kinds of checksum mismatch, which the database tells apart.
func TestWhoIsRight(t *testing.T) {
	const path, version = "example.com/lib", "v1.0.0"
	t.Run("go.sum is wrong", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.sums()
		w.files(wantLib + "-- go.sum --\nexample.com/lib v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
		f := w.fails("checksum-go-sum", "go", "mod", "download")
		w.here(f, "The line in go.sum is wrong")
		if len(f.Causes) != 2 || !strings.HasPrefix(f.Causes[0].Run[0], "grep -vF") {
			t.Fatalf("%+v", f.Causes)
		}
		// What is told to be run mends it.
		if out, ok := w.run("", "sh", "-c", "PATH="+filepath.Dir(w.goes)+":$PATH; "+f.Causes[0].Run[0]); !ok {
			t.Errorf("%s:\n%s", f.Causes[0].Run[0], out)
		}
	})
	t.Run("the download is wrong", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.sums()
		h, _ := w.mods.Sums(path, version)
		w.files(wantLib + "-- go.sum --\nexample.com/lib v1.0.0 " + h.Zip + "\nexample.com/lib v1.0.0/go.mod " + h.Mod + "\n")
		w.up.Break("v1.0.0.zip$", godowntest.Replace("application/zip", godowntest.Zip(godowntest.Entry{Name: "example.com/lib@v1.0.0/lib.go", Data: []byte("package other\n")})))
		f := w.fails("checksum-go-sum", "go", "mod", "download")
		w.here(f, "What was downloaded is wrong")
		if !strings.Contains(f.Causes[0].Text.En, "mirror") {
			t.Errorf("%+v", f.Causes)
		}
	})
	t.Run("the copy in GOMODCACHE is wrong", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.sums()
		w.files(wantLib)
		if out, ok := w.run("", "go", "mod", "tidy"); !ok {
			t.Fatal(out)
		}
		w.write("home/modcache/cache/download/example.com/lib/@v/v1.0.0.ziphash", []byte("h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), 0o666)
		f := w.fails("checksum-go-sum", "go", "list", "-deps", "./...")
		w.here(f, "GOMODCACHE is damaged")
		w.here(f, "same hash as go.sum")
		if !slices.Contains(f.Causes[0].Run, "godown cache rm example.com/lib@v1.0.0") {
			t.Errorf("%+v", f.Causes)
		}
	})
	t.Run("private", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.sums()
		w.set("GONOSUMDB=example.com")
		w.files(wantLib + "-- go.sum --\nexample.com/lib v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
		f := w.fails("checksum-go-sum", "go", "mod", "download")
		w.here(f, "nobody else can tell who is right")
		if n := len(w.db.Requests()); n > 0 {
			t.Errorf("the database was asked %d times about a private module", n)
		}
	})
}

// TestHere wants the machine to tell what it knows, and nothing to go to those
// who are not to know.
func TestHere(t *testing.T) {
	t.Run("separator", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.up.Break("", godowntest.Status(403, "no"))
		w.set("GOPROXY=" + w.up.URL + ",direct")
		f := w.fails("proxy-403", "go", "mod", "download", "example.com/lib@v1.0.0")
		w.here(f, "is entry 1 of 2 in GOPROXY")
		w.here(f, "set in the environment")
		w.here(f, "after 404 and 410 only")
	})
	t.Run("versions", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		f := w.fails("not-found", "go", "mod", "download", "example.com/lib@v1.0.7")
		w.here(f, "2 in all, up to v1.0.0 v1.1.0")
		if !strings.Contains(f.Causes[0].Text.En, "mistyped") {
			t.Errorf("%+v", f.Causes)
		}
	})
	t.Run("private", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		out, _ := w.run("", "go", "mod", "download", "example.com/lib@v1.0.7")
		w.up.Reset()
		w.set("GOPRIVATE=example.com")
		f := Explain(t.Context(), []byte(out), w.around()).Failures[0]
		w.here(f, "GOPRIVATE=example.com matches example.com/lib")
		if n := w.up.Requests(); len(n) > 0 {
			t.Errorf("asked about a private module: %v", n)
		}
	})
	t.Run("GOPRIVATE is extended", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.set("GOPRIVATE=corp.example")
		f := w.fails("not-found", "go", "mod", "download", "github.com/acme/nosuch@v1.0.7")
		if !strings.HasSuffix(f.Causes[0].Run[0], "GOPRIVATE=corp.example,github.com/acme") {
			t.Errorf("%+v", f.Causes)
		}
	})
	t.Run("offline", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		out, _ := w.run("", "go", "mod", "download", "example.com/lib@v1.0.7")
		w.up.Reset()
		around := w.around()
		around.Prober = nil
		Explain(t.Context(), []byte(out), around)
		if n := w.up.Requests(); len(n) > 0 {
			t.Errorf("asked in spite of being offline: %v", n)
		}
	})
	t.Run("over", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		heal := w.up.Break("", godowntest.Cut(-1))
		out, _ := w.run("", "go", "mod", "download", "example.com/lib@v1.0.0")
		heal()
		f := Explain(t.Context(), []byte(out), w.around()).Failures[0]
		w.here(f, "It answers now")
	})
	t.Run("GOFLAGS", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		w.set("GOFLAGS=-mod=vendor")
		w.files(wantLib)
		f := w.fails("vendor-inconsistent", "go", "build", "./...")
		w.here(f, "GOFLAGS is -mod=vendor (set in the environment)")
		if !strings.Contains(f.Causes[0].Text.En, "GOFLAGS") {
			t.Errorf("%+v", f.Causes)
		}
	})
	t.Run("certificate", func(t *testing.T) {
		w := newWorld(t, goCommand(t))
		url, _ := w.tls(x509.Certificate{DNSNames: []string{"other.example"}})
		w.set("GOPROXY=" + url)
		f := w.fails("certificate-name", "go", "mod", "download", "example.com/lib@v1.0.0")
		w.here(f, "issued by “CN=Example Authority”")
		w.here(f, "made out to: other.example")
	})
}
