//go:build unix

package explain

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/godown-dev/godown/internal/godowntest"
)

func sumProvocations() []provocation {
	lied := func(w *world) {
		w.sums()
		other := godowntest.NewModules(w.t, "-- example.com/lib@v1.0.0/go.mod --\nmodule example.com/lib\n\n-- example.com/lib@v1.0.0/lib.go --\npackage lie\n")
		sums, _ := other.Sums("example.com/lib", "v1.0.0")
		w.db.Lie("example.com/lib", "v1.0.0", sums)
	}
	broken := func(match string, f godowntest.Fault) func(w *world) {
		return func(w *world) { w.sums(); w.db.Break(match, f) }
	}
	const wrongZip = wantLib + "-- go.sum --\nexample.com/lib v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	const wrongMod = wantLib + "-- go.sum --\nexample.com/lib v1.0.0/go.mod h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	touch := func(name string) func(w *world) {
		return func(w *world) {
			if out, ok := w.run("", "go", "mod", "download", "example.com/lib@v1.0.0"); !ok {
				w.t.Fatal(out)
			}
			name := filepath.Join(w.dir, "home", "modcache", name)
			data, err := os.ReadFile(name)
			if err != nil {
				w.t.Fatal(err)
			}
			if err := os.WriteFile(name, append(data, '\n'), 0o666); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return []provocation{
		{name: "checksum-go-sum", want: "checksum-go-sum", files: wrongZip, run: "go mod download"},
		{name: "checksum-go-sum-mod", want: "checksum-go-sum", files: wrongMod, run: "go mod download"},
		{name: "checksum-go-sum-list", want: "checksum-go-sum", files: wrongZip, run: "go list -mod=mod ./..."},
		{name: "checksum-database", want: "checksum-database", files: wantLib, run: "go mod tidy", do: lied},
		{name: "checksum-database-get", want: "checksum-database", files: project, run: "go get example.com/lib@v1.0.0", do: lied},
		{name: "checksum-cached-dir", want: "cache-modified", files: wantLib, run: "- go mod tidy\ngo mod verify", do: touch("example.com/lib@v1.0.0/lib.go")},
		{name: "checksum-cached-zip", want: "cache-modified", files: wantLib, run: "- go mod tidy\n- sh -c 'echo h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= >$WORK/home/modcache/cache/download/example.com/lib/@v/v1.0.0.ziphash'\ngo mod verify"},
		{name: "checksum-cached-ziphash", want: "checksum-go-sum", files: wantLib, run: "- go mod tidy\n- sh -c 'printf h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= >$WORK/home/modcache/cache/download/example.com/lib/@v/v1.0.0.ziphash'\ngo list -deps ./..."},
		{name: "checksum-cached-mod", want: "checksum-go-sum", files: wantLib, run: "- go mod tidy\n- sh -c 'echo >>$WORK/home/modcache/cache/download/example.com/lib/@v/v1.0.0.mod'\ngo list -m all"},
		{name: "go-sum-malformed", want: "go-sum-malformed", files: wantLib + "-- go.sum --\n<<<<<<< HEAD\nexample.com/lib v1.0.0 h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", run: "go mod download"},
		{name: "missing-go-sum", want: "missing-go-sum", files: wantLib, run: "go vet ./..."},
		{name: "missing-go-sum-deps", want: "missing-go-sum", files: wantLib, run: "go build ./..."},
		{name: "missing-go-sum-zip", want: "missing-go-sum", files: wantLib, run: "- go mod tidy\n- sed -i /v1.0.0.h1/d go.sum\ngo build ./..."},
		{name: "missing-go-sum-graph", want: "missing-go-sum", files: project + "\nrequire example.com/dep v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/dep\"\n", run: "go list -m all"},
		{name: "missing-go-sum-mod", want: "missing-go-sum", files: project + "\nrequire example.com/dep v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/dep\"\n", run: "- go mod tidy\n- sed -i /lib/d go.sum\ngo list -mod=readonly -deps ./..."},
		{name: "database-fork", want: "security-error", files: wantLib, run: "- go mod download example.com/dep@v1.0.0\nfork\ngo mod tidy", do: func(w *world) { w.sums(); w.db.Grow(10) }},
		{name: "database-signature", want: "database-invalid", run: get, do: broken("latest|lookup/", godowntest.BadSignature())},
		{name: "database-404", want: "database-absent", run: get, do: broken("lookup/", godowntest.Status(404, "not found: example.com/lib@v1.0.0: unrecognized import path"))},
		{name: "database-410", want: "database-absent", files: project, run: "go get example.com/lib@v1.0.0", do: broken("lookup/", godowntest.Status(410, "not found: example.com/lib@v1.0.0: unrecognized import path"))},
		{name: "database-500", want: "database-unreachable", run: get, do: broken("lookup/", godowntest.Status(500, "oops"))},
		{name: "database-403", want: "database-unreachable", run: get, do: func(w *world) { w.sums(); w.up.Break("sumdb/", godowntest.Status(403, "no")) }},
		{name: "database-refused", want: "database-unreachable", files: wantLib, run: "go mod tidy", do: func(w *world) { w.sums(); w.set("GOSUMDB=" + w.db.Spec() + " http://" + w.closed()); w.up.Detach() }},
		{name: "database-no-host", want: "database-unreachable", files: wantLib, run: "go mod tidy", do: func(w *world) { w.sums(); w.set("GOSUMDB=" + w.db.Spec() + " https://sums..example"); w.up.Detach() }},
		{name: "database-login-page", want: "database-invalid", run: get, do: broken("latest|lookup/", godowntest.LoginPage())},
		{name: "database-malformed", want: "gosumdb", run: get, env: []string{"GOSUMDB=sums.example.com+what"}},
		{name: "database-unknown", want: "gosumdb", run: get, env: []string{"GOSUMDB=sums.example.com"}},
	}
}

func versionProvocations() []provocation {
	return []provocation{
		{name: "no-matching-versions", want: "no-matching-versions", files: project, run: "go get example.com/lib@v1.7"},
		{name: "no-matching-latest", want: "no-matching-versions", files: project, run: "go get example.com/lib@<v1.0.0"},
		{name: "no-matching-upgrade", want: "no-matching-versions", run: "go list -m example.com/lib@v9", files: project},
		{name: "no-such-package", want: "no-such-package", files: project, run: "go get example.com/lib/nosuch@v1.0.0"},
		{name: "no-such-package-tidy", want: "no-such-package", files: project + "-- p.go --\npackage p\n\nimport _ \"example.com/lib/nosuch\"\n", run: "go mod tidy"},
		{name: "no-such-package-required", want: "no-such-package", files: project + "\nrequire example.com/lib v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/lib/nosuch\"\n", run: "go build -mod=mod ./..."},
		{name: "declared-path", want: "declared-path", files: project, run: "go get example.com/moved@v1.0.0"},
		{name: "declared-path-tidy", want: "declared-path", files: project + "-- p.go --\npackage p\n\nimport _ \"example.com/moved\"\n", run: "go mod tidy"},
		{name: "declared-path-required", want: "declared-path", files: project + "\nrequire example.com/moved v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/moved\"\n", run: "go mod tidy"},
		{name: "ambiguous-import", want: "ambiguous-import", files: project + "\nrequire example.com/split v1.0.0\n\nrequire example.com/split/sub v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/split/sub\"\n", run: "go mod tidy"},
		{name: "ambiguous-import-build", want: "ambiguous-import", files: project + "\nrequire example.com/split v1.0.0\n\nrequire example.com/split/sub v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/split/sub\"\n", run: "go list -mod=mod -deps ./..."},
		{name: "retracted", want: "retracted", files: project, run: "go get example.com/sorry@v1.0.0", succeeds: true},
		{name: "disallowed-version", want: "not-found", files: project, run: "go get example.com/lib@v1.0.0..v2"},
		{name: "disallowed-version-string", want: "disallowed-version", run: "go mod download example.com/lib@a!b"},
		{name: "malformed-module-path", want: "malformed-path", files: project, run: "go get https://example.com/lib@v1.0.0"},
		{name: "malformed-module-dot-git", want: "import-no-dot", files: project, run: "go get git@example.com:acme/lib.git"},
		{name: "malformed-module-blank", want: "malformed-path", files: project, run: "go get 'example.com/l ib@v1.0.0'"},
		{name: "malformed-import", want: "malformed-path", files: project + "-- p.go --\npackage p\n\nimport _ \"https://example.com/lib\"\n", run: "go mod tidy"},
		{name: "version-form", want: "version-form", files: project + "\nrequire example.com/lib 1.0.0\n", run: "go list -m all"},
		{name: "version-major-form", want: "major-suffix", files: project + "\nrequire example.com/lib v2.0.0\n", run: "go list -m all"},
		{name: "broken-dependency", want: "dependency-go-mod", files: project, run: "go get example.com/broken@v1.0.0"},
		{name: "go-too-old", want: "go-too-old", files: project, run: "go get example.com/new@v1.0.0"},
		{name: "go-too-old-tidy", want: "go-too-old", files: project + "\nrequire example.com/new v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/new\"\n", run: "go mod tidy"},
		{name: "go-too-old-project", want: "go-too-old", files: "-- go.mod --\nmodule example.com/project\n\ngo 1.99.0\n", run: "go list ./..."},
		{name: "go-too-old-install", want: "go-too-old", run: "go install example.com/new@v1.0.0"},
		{name: "toolchain-unavailable", want: "toolchain-unavailable", files: "-- go.mod --\nmodule example.com/project\n\ngo 1.99.0\n", run: "go list ./...", env: []string{"GOTOOLCHAIN=auto"}},
		{name: "toolchain-named", want: "toolchain-unavailable", run: "go version", env: []string{"GOTOOLCHAIN=go1.99.1"}},
		{name: "toolchain-off", want: "toolchain-unavailable", run: "go version", env: []string{"GOTOOLCHAIN=go1.99.1", "GOPROXY=off"}},
		{name: "toolchain-direct", want: "toolchain-unavailable", run: "go version", env: []string{"GOTOOLCHAIN=go1.99.1", "GOPROXY=$UP"}},
		{name: "toolchain-refused", want: "refused", run: "go version", env: []string{"GOTOOLCHAIN=go1.99.1", "GOPROXY=$CLOSED"}},
		{name: "toolchain-path", want: "gotoolchain", run: "go version", env: []string{"GOTOOLCHAIN=go1.99.1+path"}},
		{name: "toolchain-nonsense", want: "gotoolchain", run: "go version", env: []string{"GOTOOLCHAIN=1.99.1"}},
	}
}

func projectProvocations() []provocation {
	vendored := "-- vendor/modules.txt --\n# example.com/lib v1.1.0\n## explicit; go 1.18\nexample.com/lib\n-- vendor/example.com/lib/lib.go --\npackage lib\n"
	return []provocation{
		{name: "no-go-mod-tidy", want: "no-go-mod", run: "go mod tidy"},
		{name: "no-go-mod-get", want: "no-go-mod", run: "go get example.com/lib@v1.0.0"},
		{name: "no-go-mod-build", want: "no-go-mod", run: "go build ./...", files: "-- p.go --\npackage p\n"},
		{name: "no-go-mod-here", want: "no-go-mod", run: "go list .", files: "-- p.go --\npackage p\n"},
		{name: "no-go-mod-import", want: "no-go-mod", run: "go list -deps p.go", files: "-- p.go --\npackage p\n\nimport _ \"example.com/lib\"\n"},
		{name: "updates-needed", want: "updates-needed", files: "-- go.mod --\nmodule example.com/project\n\ngo 1.16\n\nrequire (\n\texample.com/dep v1.0.0\n\texample.com/lib v1.0.0\n)\n-- p.go --\npackage p\n\nimport _ \"example.com/dep\"\nimport _ \"example.com/lib\"\n", run: "go list -deps ./...", do: func(w *world) {
			var sums strings.Builder
			for _, m := range w.mods.Versions() {
				h, _ := w.mods.Sums(m.Path, m.Version)
				fmt.Fprintf(&sums, "%s %s %s\n%[1]s %[2]s/go.mod %[4]s\n", m.Path, m.Version, h.Zip, h.Mod)
			}
			w.write("project/go.sum", []byte(sums.String()), 0o666)
		}},
		{name: "updates-query", want: "missing-go-sum", files: project + "\nrequire example.com/lib v1\n", run: "go list -m all"},
		{name: "not-required", want: "not-required", files: project + "-- p.go --\npackage p\n\nimport _ \"example.com/lib\"\n", run: "go list -deps ./..."},
		{name: "not-required-build", want: "not-required", files: project + "-- p.go --\npackage p\n\nimport _ \"example.com/lib\"\n", run: "go build ./..."},
		{name: "not-required-sub", want: "missing-go-sum", files: wantLib + "-- q.go --\npackage p\n\nimport _ \"example.com/dep\"\n", run: "go build ./..."},
		{name: "not-in-std", want: "not-in-std", files: project + "-- p.go --\npackage p\n\nimport _ \"nosuch/thing\"\n", run: "go build ./..."},
		{name: "not-in-own-module", want: "not-required", files: project + "-- p.go --\npackage p\n\nimport _ \"example.com/project/nosuch\"\n", run: "go build ./..."},
		{name: "own-package-tidy", want: "not-found", files: project + "-- p.go --\npackage p\n\nimport _ \"example.com/project/nosuch\"\n", run: "go mod tidy"},
		{name: "internal-package", want: "internal-package", files: project + "\nrequire example.com/inside v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/inside/internal/x\"\n", run: "- go mod tidy\ngo build ./..."},
		{name: "import-cycle", want: "import-cycle", files: project + "-- a/a.go --\npackage a\n\nimport _ \"example.com/project/b\"\n-- b/b.go --\npackage b\n\nimport _ \"example.com/project/a\"\n", run: "go build ./..."},
		{name: "case-collision", want: "case-collision", files: project + "-- go.mod --\nmodule example.com/project\n\ngo 1.20\n\nrequire (\n\texample.com/Lib v1.0.0\n\texample.com/lib v1.0.0\n)\n-- p.go --\npackage p\n\nimport _ \"example.com/lib\"\nimport _ \"example.com/Lib\"\n", run: "go list -mod=mod -deps ./...", do: func(w *world) {
			if err := w.mods.Add("-- example.com/Lib@v1.0.0/go.mod --\nmodule example.com/Lib\n-- example.com/Lib@v1.0.0/lib.go --\npackage lib\n"); err != nil {
				w.t.Fatal(err)
			}
		}},
		{name: "replace-missing", want: "replace-missing", files: wantLib + "-- go.mod --\nmodule example.com/project\n\ngo 1.20\n\nrequire example.com/lib v1.0.0\n\nreplace example.com/lib => ../lib\n", run: "go build ./..."},
		{name: "replace-missing-tidy", want: "replace-missing", files: wantLib + "-- go.mod --\nmodule example.com/project\n\ngo 1.20\n\nrequire example.com/lib v1.0.0\n\nreplace example.com/lib => ../lib\n", run: "go mod tidy"},
		{name: "replace-no-go-mod", want: "replace-missing", files: wantLib + "-- go.mod --\nmodule example.com/project\n\ngo 1.20\n\nrequire example.com/lib v1.0.0\n\nreplace example.com/lib => ./lib\n-- lib/lib.go --\npackage lib\n", run: "go mod tidy"},
		{name: "replaced-not-required", want: "not-required", files: "-- go.mod --\nmodule example.com/project\n\ngo 1.20\n\nreplace example.com/lib => ./lib\n-- lib/go.mod --\nmodule example.com/lib\n-- lib/lib.go --\npackage lib\n-- p.go --\npackage p\n\nimport _ \"example.com/lib\"\n", run: "go build ./..."},
		{name: "replace-form", want: "go-mod-errors", files: project + "\nreplace example.com/lib => lib\n", run: "go list -m all"},
		{name: "unknown-directive", want: "unknown-directive", files: project + "\ntoolchian go1.21.0\n", run: "go list -m all"},
		{name: "unknown-block", want: "unknown-directive", files: project + "\ntoolz (\n\texample.com/lib\n)\n", run: "go list -m all"},
		{name: "go-version-form", want: "go-version-form", files: "-- go.mod --\nmodule example.com/project\n\ngo 1.20.x\n", run: "go list -m all"},
		{name: "go-mod-conflict", want: "unknown-directive", files: "-- go.mod --\n<<<<<<< HEAD\nmodule example.com/project\n", run: "go list -m all"},
		{name: "go-mod-no-module", want: "go-mod-errors", files: "-- go.mod --\ngo 1.20\n", run: "go list -m all"},
		{name: "vendor-inconsistent", want: "vendor-inconsistent", files: wantLib + vendored, run: "go list ./..."},
		{name: "vendor-inconsistent-flag", want: "vendor-inconsistent", files: wantLib + vendored, run: "go list -mod=vendor ./..."},
		{name: "vendor-package", want: "vendor-missing", files: strings.Replace(wantLib, "v1.0.0", "v1.1.0", 1) + vendored + "-- q.go --\npackage p\n\nimport _ \"example.com/dep\"\n", run: "go build ./..."},
		{name: "vendor-query", want: "mod-vendor", files: strings.Replace(wantLib, "v1.0.0", "v1.1.0", 1) + vendored, run: "go list -m example.com/lib@latest"},
		{name: "vendor-all", want: "mod-vendor", files: strings.Replace(wantLib, "v1.0.0", "v1.1.0", 1) + vendored, run: "go list -m -u all"},
		{name: "not-in-workspace", want: "not-in-workspace", files: "-- go.work --\ngo 1.20\n\nuse ./a\n-- a/go.mod --\nmodule example.com/a\n\ngo 1.20\n-- b/go.mod --\nmodule example.com/b\n\ngo 1.20\n-- b/b.go --\npackage b\n", run: "cd b go build ./..."},
		{name: "not-in-workspace-list", want: "not-in-workspace", files: "-- go.work --\ngo 1.20\n\nuse ./a\n-- a/go.mod --\nmodule example.com/a\n\ngo 1.20\n-- b/go.mod --\nmodule example.com/b\n\ngo 1.20\n-- b/b.go --\npackage b\n", run: "cd b go list ."},
		{name: "workspace-empty", want: "not-in-workspace", files: "-- go.work --\ngo 1.20\n-- a/go.mod --\nmodule example.com/a\n\ngo 1.20\n-- a/a.go --\npackage a\n", run: "cd a go build ./..."},
		{name: "workspace-missing-module", want: "workspace-missing", files: "-- go.work --\ngo 1.20\n\nuse ./a\n", run: "go list -m all"},
		{name: "workspace-mod", want: "workspace-mod", files: "-- go.work --\ngo 1.20\n\nuse ./a\n-- a/go.mod --\nmodule example.com/a\n\ngo 1.20\n-- a/a.go --\npackage a\n", run: "cd a go list -mod=mod ./..."},
		{name: "workspace-go", want: "workspace-go", files: "-- go.work --\ngo 1.20\n\nuse ./a\n-- a/go.mod --\nmodule example.com/a\n\ngo 1.21.0\n-- a/a.go --\npackage a\n", run: "cd a go list ./..."},
		{name: "workspace-vendor", want: "vendor-inconsistent", since: "1.22", files: "-- go.work --\ngo 1.22\n\nuse ./a\n-- a/go.mod --\nmodule example.com/a\n\ngo 1.22\n\nrequire example.com/lib v1.0.0\n-- a/a.go --\npackage a\n\nimport _ \"example.com/lib\"\n-- vendor/modules.txt --\n## workspace\n", run: "cd a go list ./..."},
		{name: "workspace-replace", want: "workspace-replace", files: "-- go.work --\ngo 1.20\n\nuse (\n\t./a\n\t./b\n)\n-- a/go.mod --\nmodule example.com/a\n\ngo 1.20\n\nreplace example.com/lib => ./one\n-- b/go.mod --\nmodule example.com/b\n\ngo 1.20\n\nreplace example.com/lib => ./two\n", run: "go list -m all"},
	}
}

func settingProvocations() []provocation {
	return []provocation{
		{name: "goproxy-off", want: "goproxy-off", run: get, env: []string{"GOPROXY=off"}},
		{name: "goproxy-off-tidy", want: "goproxy-off", files: wantLib, run: "go mod tidy", env: []string{"GOPROXY=off"}},
		{name: "goproxy-off-after", want: "goproxy-off", run: "go mod download example.com/nosuch@v1.0.0", env: []string{"GOPROXY=$UP,off"}},
		{name: "goproxy-empty", want: "goproxy-entries", run: get, env: []string{"GOPROXY= "}},
		{name: "goproxy-comma", want: "goproxy-entries", run: get, env: []string{"GOPROXY=,"}},
		{name: "goproxy-scheme", want: "goproxy-entries", run: get, env: []string{"GOPROXY=goproxy"}},
		{name: "goproxy-odd-scheme", want: "goproxy-entries", run: get, env: []string{"GOPROXY=ftp://goproxy.example"}},
		{name: "goproxy-file", want: "not-found", run: get, env: []string{"GOPROXY=file:///nonexistent"}},
		{name: "goflags-form", want: "goflags", run: get, env: []string{"GOFLAGS=mod=mod"}},
		{name: "goflags-unknown", want: "goflags", run: "go list ./...", files: project, env: []string{"GOFLAGS=-modd=mod"}},
		{name: "goflags-value", want: "mod-flag", run: "go list ./...", files: project, env: []string{"GOFLAGS=-mod=modd"}},
		{name: "goflags-vendor", want: "vendor-inconsistent", files: wantLib, run: "go build ./...", env: []string{"GOFLAGS=-mod=vendor"}},
		{name: "govcs-form", want: "govcs-form", run: "go list -m github.com/acme/simple@v1.0.0", env: []string{"GOVCS=git", "GOPROXY=direct"}},
		{name: "go111module-off", want: "go111module", run: "go mod tidy", files: project, env: []string{"GO111MODULE=off"}},
		{name: "go111module-odd", want: "go111module", run: "go mod tidy", files: project, env: []string{"GO111MODULE=yes"}},
		{name: "no-home", want: "no-home", run: "go build ./...", files: project + "-- p.go --\npackage p\n", env: []string{"HOME=", "GOCACHE=", "XDG_CACHE_HOME="}},
		{name: "no-gopath", want: "no-home", run: get, env: []string{"HOME=", "GOPATH=", "GOMODCACHE="}},
		{name: "import-401", want: "import-401", run: "go list -m vanity.example/mod@v1.0.0", do: func(w *world) {
			w.host().Login("vanity.example", "Basic x")
			w.git.Import("vanity.example/mod", "git", "https://vanity.example/mod", "")
		}},
		{name: "goauth-word", want: "goauth", since: "1.24", run: "go list -m vanity.example/mod@v1.0.0", env: []string{"GOAUTH=netrc; off"}, do: func(w *world) { w.host() }},
	}
}

func machineProvocations() []provocation {
	mounted := func(options string) func(w *world) {
		return func(w *world) {
			dir := filepath.Join(w.dir, "home", "modcache")
			if err := os.MkdirAll(dir, 0o777); err != nil {
				w.t.Fatal(err)
			}
			w.goes = w.write("mounted/go", []byte("#!/bin/sh\nexec unshare -Urm sh -c 'mount -t tmpfs -o "+options+" none "+dir+"; exec \"$@\"' sh "+w.goes+" \"$@\"\n"), 0o777)
		}
	}
	return []provocation{
		{name: "disk-full", want: "disk-full", run: "go mod download example.com/big@v1.0.0", record: true, do: func(w *world) {
			if err := w.mods.AddBig("example.com/big", "v1.0.0", 1<<20); err != nil {
				w.t.Fatal(err)
			}
			mounted("size=200k")(w)
		}},
		{name: "disk-full-project", want: "disk-full", run: get, record: true, do: mounted("nr_inodes=3")},
		{name: "read-only", want: "read-only", run: get, record: true, do: mounted("ro")},
		{name: "permission", want: "permission", run: get, record: true, do: func(w *world) { w.asNobody() }},
		{name: "permission-cache", want: "permission", run: "go build ./...", files: project + "-- p.go --\npackage p\n", record: true, do: func(w *world) { w.asNobody() }},
		{name: "permission-project", want: "permission", run: "go get example.com/lib@v1.0.0", files: project, record: true, do: func(w *world) {
			w.asNobody()
			w.set("GOMODCACHE="+w.dir+"/open/mod", "GOPATH="+w.dir+"/open", "GOCACHE="+w.dir+"/open/build")
			if err := os.Mkdir(w.dir+"/open", 0o777); err != nil {
				w.t.Fatal(err)
			}
			os.Chmod(w.dir+"/open", 0o777)
		}},
		{name: "not-a-folder", want: "permission", run: get, do: func(w *world) { w.set("GOMODCACHE=" + w.write("file", nil, 0o666)) }},
		{name: "too-many-files", want: "too-many-files", files: project, run: "go list -m all", record: true, do: func(w *world) {
			w.goes = w.write("few/go", []byte("#!/bin/sh\nulimit -n 4\nexec "+w.goes+" \"$@\"\n"), 0o777)
		}},
	}
}
