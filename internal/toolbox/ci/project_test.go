package ci_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/ci"
)

func TestDetect(t *testing.T) {
	p := detect(t, shop+`
-- testdata/main.go --
package main
-- _x/main.go --
package main
-- .x/main.go --
package main
-- vendor/example.com/x/main.go --
package main
-- other/go.mod --
module example.com/other
-- other/main.go --
package main
-- cmd/api/main_test.go --
package main
import "C"
-- cmd/broken/main.go --
package main (
-- examples/a/main.go --
package main
-- gen.go --
//go:build ignore

package main
-- cmd/only/x_test.go --
package main
-- a b/main.go --
package main
`)
	if want := []string{"./cmd/api", "./cmd/worker", "./examples/a"}; !slices.Equal(p.Mains, want) {
		t.Errorf("main packages %q, want %q", p.Mains, want)
	}
	if p.CGO || !p.TestCGO || p.Vendor || p.Work || len(p.Modules) != 1 || p.Modules[0].Go != "1.25.3" || !p.Modules[0].Sum {
		t.Errorf("%+v", p)
	}

	p = detect(t, "-- go.mod --\nmodule x\n-- app/main.go --\npackage main\n-- cmd/z/main.go --\npackage main\n-- hack/a/main.go --\npackage main\n")
	if want := []string{"./cmd/z", "./app", "./hack/a"}; !slices.Equal(p.Mains, want) {
		t.Errorf("main packages %q, want %q", p.Mains, want)
	}

	p = detect(t, space)
	if !p.Work || !p.WorkSum || p.Sub != "go" || len(p.Modules) != 2 || p.CGO || !p.TestCGO || !slices.Equal(p.Mains, []string{"./api"}) || filepath.Base(p.Dir) != "go" {
		t.Errorf("%+v", p)
	}
	p = detect(t, native)
	if !p.CGO || !p.Modules[0].Local || p.Modules[0].Outside || !slices.Equal(p.Mains, []string{"."}) {
		t.Errorf("%+v", p)
	}

	alone, err := ci.Detect(filepath.Join(project(t, space), "go", "api"), "off")
	if err != nil || alone.Work || alone.Sub != "go/api" || len(alone.Modules) != 1 {
		t.Errorf("%+v %v", alone, err)
	}
	for name, c := range map[string]struct{ archive, want string }{
		"no project":        {"-- x --\n", "there is no go.mod"},
		"a broken go.mod":   {"-- go.mod --\nmodul x\n", "unknown directive"},
		"no module":         {"-- go.mod --\ngo 1.26\n", "does not say which module"},
		"use of elsewhere":  {"-- go.work --\ngo 1.26\nuse ../x\n", "is outside of"},
		"use of no module":  {"-- go.work --\ngo 1.26\nuse ./x\n", "the module in x"},
		"use of nothing":    {"-- go.work --\ngo 1.26\n", "uses no module"},
		"a folder to quote": {"-- go.work --\ngo 1.26\nuse \"./a b\"\n-- a b/go.mod --\nmodule x\n", "plain one"},
	} {
		if _, err := ci.Detect(project(t, c.archive), ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestVersion: which image builds what go.mod, the toolchain line and --go say.
func TestVersion(t *testing.T) {
	for _, c := range []struct{ mod, toolchain, given, want string }{
		{"1.25.3", "", "", "golang:1.25-trixie"},
		{"1.24", "", "", "golang:1.24-bookworm"},
		{"1.24.0", "go1.26.2", "", "golang:1.26-trixie"},
		{"1.27rc1", "", "", "golang:1.27-rc-trixie"},
		{"1.17", "", "", "golang:1.26-trixie"},
		{"1.24.0", "", "1.26", "golang:1.26-trixie"},
		{"1.24.0", "", "go1.26.3", "golang:1.26.3-trixie"},
		{"1.25.3", "", "1.25", "golang:1.25-trixie"},
	} {
		archive := "-- go.mod --\nmodule example.com/x\ngo " + c.mod + "\n"
		if c.toolchain != "" {
			archive += "toolchain " + c.toolchain + "\n"
		}
		text := makes(t, "gitlab", detect(t, archive), ci.Options{Go: c.given}).Files[0].Text()
		if !strings.Contains(text, "  image: "+c.want+"\n") {
			t.Errorf("%+v:\n%s", c, text)
		}
	}
}

// TestPrivate: of GOPRIVATE only what the project needs gets into a file that others can read.
func TestPrivate(t *testing.T) {
	archive := strings.Replace(shop, "rsc.io/quote", "mod.corp.internal/a", 1)
	s := makes(t, "gitlab", detect(t, archive), ci.Options{Setting: "*.corp.example,github.com/secret-plan"})
	if text := s.Files[0].Text(); !strings.Contains(text, "GODOWN_PRIVATE: '*.corp.example,mod.corp.internal'\n") || strings.Contains(text, "secret-plan") {
		t.Error(text)
	}
	if len(s.Notes) < 1 || !strings.Contains(s.Notes[0].En, "mod.corp.internal is taken for private") {
		t.Errorf("%v", s.Notes)
	}
	s = makes(t, "gitlab", detect(t, shop), ci.Options{})
	if len(s.Notes) != 1 || !strings.Contains(s.Notes[0].En, "git.corp.example looks like a git server of your own") || strings.Contains(s.Files[0].Text(), "PRIVATE") {
		t.Errorf("%v\n%s", s.Notes, s.Files[0].Text())
	}
	none := ""
	if s = makes(t, "gitlab", detect(t, archive), ci.Options{Private: &none}); strings.Contains(s.Files[0].Text(), "PRIVATE") || len(s.Notes) != 0 {
		t.Errorf("%v", s.Notes)
	}
}

func TestRefuses(t *testing.T) {
	bad := "git.corp.example;rm"
	for _, c := range []struct {
		target string
		o      ci.Options
		want   string
	}{
		{"travis", ci.Options{}, "there is nothing for \"travis\""},
		{"github", ci.Options{Server: "https://me:s3cret@proxy.example"}, "has a user, a password or a query"},
		{"github", ci.Options{Server: "https://proxy.example/?token=s3cret"}, "has a user, a password or a query"},
		{"github", ci.Options{Server: "proxy.example"}, "is not the URL of a server"},
		{"github", ci.Options{Server: "https://proxy.example/$(s3cret)"}, "have to be quoted"},
		{"github", ci.Options{Server: "http://127.0.0.1:8080"}, "this machine's own"},
		{"github", ci.Options{Server: "http://proxy.example", Auth: "token"}, "over https only"},
		{"github", ci.Options{Auth: "magic"}, "--auth \"magic\" is not known"},
		{"github", ci.Options{Auth: "oidc"}, "add --server"},
		{"github", ci.Options{Auth: "token"}, "name them with --private"},
		{"github", ci.Options{Server: server, Auth: "ssh"}, "--auth ssh has no use"},
		{"gitea", ci.Options{Server: server, Auth: "oidc"}, "gives its jobs no OIDC token"},
		{"docker", ci.Options{Server: server, Auth: "oidc"}, "gives its jobs no OIDC token"},
		{"github", ci.Options{SumDB: "sum.example+x"}, "--server URL"},
		{"github", ci.Options{Server: server, SumDB: "PRIVATE+KEY+s3cret"}, "not the line"},
		{"github", ci.Options{Private: &bad}, "is no pattern"},
		{"github", ci.Options{Variant: "alpine"}, "has no choice"},
		{"gitlab", ci.Options{Variant: "scratch"}, "without a shell"},
		{"docker", ci.Options{Variant: "arch"}, "--variant \"arch\" is not known"},
		{"docker", ci.Options{Package: "./cmd/none"}, "is no main package"},
		{"docker", ci.Options{Package: "../x"}, "is not a folder of the project"},
		{"github", ci.Options{Package: "./cmd/api"}, "builds all"},
		{"github", ci.Options{Go: "new"}, "is no version of Go"},
		{"github", ci.Options{Go: "1.24"}, "is older than go 1.25.3"},
		{"github", ci.Options{Go: "1.25.1"}, "is older than go 1.25.3"},
	} {
		c.o.Here, c.o.Needs = "1.26.8", "1.26"
		s, err := ci.Make(c.target, detect(t, shop), c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cret@") || strings.Contains(err.Error(), "=s3cret") || strings.Contains(err.Error(), "+s3cret") {
			t.Errorf("%s %+v: %v, want %q\n%v", c.target, c.o, err, c.want, s)
		}
		if w, ok := errors.AsType[*ci.Wrong](err); !ok || w.Why.Zh == w.Why.En || strings.Contains(w.Why.Zh, "%!") || strings.Contains(w.Why.En, "%!") {
			t.Errorf("%v is not said in Chinese: %+v", err, w)
		}
	}
	library := "-- go.mod --\nmodule example.com/x\ngo 1.23.0\n-- x.go --\npackage x\n"
	if _, err := ci.Make("docker", detect(t, library), ci.Options{Here: "1.26.8", Needs: "1.26"}); err == nil || !strings.Contains(err.Error(), "there is no main package") {
		t.Error(err)
	}
	if _, err := ci.Make("github", detect(t, library), ci.Options{Here: "1.26.8", Needs: "1.26", Server: server, Auth: "token"}); err == nil || !strings.Contains(err.Error(), "use --auth netrc, or --go 1.24") {
		t.Error(err)
	}
	if _, err := ci.Make("docker", detect(t, native), ci.Options{Here: "1.26.8", Needs: "1.26", Variant: "scratch"}); err == nil || !strings.Contains(err.Error(), "needs a C library") {
		t.Error(err)
	}
}
