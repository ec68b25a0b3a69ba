package doctor

import (
	"archive/zip"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"golang.org/x/mod/sumdb/note"
)

// A desk is a user's machine: a home, a project, an environment.
type desk struct {
	t       *testing.T
	home    string
	dir     string // the project
	file    string // of "go env -w"
	environ []string
}

// newDesk makes one on which nothing is set, with a folder that is no project.
func newDesk(t *testing.T, environ ...string) *desk {
	home := t.TempDir()
	d := &desk{t: t, home: home, dir: filepath.Join(home, "work"), file: filepath.Join(home, ".config", "go", "env")}
	d.write("work/.keep", "")
	d.write(".config/go/telemetry/mode", "off") // else the go command goes on writing there after it has ended
	d.environ = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GOCACHE=" + filepath.Join(home, "gocache"),
		"XDG_CONFIG_HOME=" + filepath.Join(home, ".config"), "GOTOOLCHAIN=local",
	}, environ...)
	return d
}

// write writes a file. KEY(NAME) in it becomes the key of a checksum database.
func (d *desk) write(name, content string) {
	d.t.Helper()
	if before, rest, ok := strings.Cut(content, "KEY("); ok {
		database, after, _ := strings.Cut(rest, ")")
		_, key, err := note.GenerateKey(rand.Reader, database)
		if err != nil {
			d.t.Fatal(err)
		}
		content = before + key + after
	}
	file := filepath.Join(d.home, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o666); err != nil {
		d.t.Fatal(err)
	}
}

// facts reads the desk's settings.
func (d *desk) facts() *Facts {
	d.t.Helper()
	m := goenv.Machine{Environ: d.environ, Dir: d.dir, LookPath: exec.LookPath}
	s, err := goenv.Read(d.t.Context(), m)
	f := &Facts{
		Machine: m, Settings: s, Trouble: err, Home: d.home, Root: filepath.Join(d.home, "root"), OS: "linux",
		Presets: []Preset{{Group: "cn", URL: "https://goproxy.cn"}, {Group: "cn", URL: "https://goproxy.io"}, {Group: "cn", URL: "https://mirrors.example/goproxy"}},
		Now:     func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) },
	}
	if err != nil {
		return f
	}
	editor, err := goenv.NewEditor(m, s, filepath.Join(d.home, "history"))
	if err != nil {
		return f // there is no file
	}
	f.Change = func(ctx context.Context, name, value string) error {
		_, err := editor.Set(ctx, []goenv.Change{{Name: name, Value: value, Unset: value == ""}}, "doctor --fix")
		return err
	}
	return f
}

// found returns what the checks of settings find.
func (d *desk) found() []Finding { return Examine(d.t.Context(), d.facts(), SettingsChecks()) }

// run runs a command of the project and returns all it says; nothing of it leaves the machine.
func (d *desk) run(command ...string) string {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), command[0], command[1:]...)
	cmd.Dir, cmd.Env = d.dir, d.environ
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// namesOf returns the findings' ids, without hints.
func namesOf(list []Finding, least Severity) []string {
	var all []string
	for _, f := range list {
		if f.Severity >= least {
			all = append(all, f.ID)
		}
	}
	return all
}

const project = "module example.com/app\n\ngo 1.21\n\nrequire rsc.io/quote v1.5.2\n"

// Nobody is to be alarmed where all is well.
func TestHealthy(t *testing.T) {
	private := strings.Replace(project, "rsc.io/quote v1.5.2", "git.corp.example.com/team/lib v1.0.0", 1)
	for name, c := range map[string]struct {
		mod     string
		environ []string
		file    string
	}{
		"default":                {},
		"default, in a project":  {mod: project},
		"cn":                     {mod: project, file: "GOPROXY=https://goproxy.cn,direct\n"},
		"cn, any error":          {mod: project, file: "GOPROXY=https://goproxy.cn|direct\n"},
		"cn, database":           {mod: project, environ: []string{"GOPROXY=https://goproxy.cn,direct", "GOSUMDB=sum.golang.google.cn"}},
		"cn, several":            {mod: project, file: "GOPROXY=https://goproxy.cn|https://goproxy.io|direct\n"},
		"no scheme":              {mod: project, file: "GOPROXY=goproxy.cn,direct\n"},
		"blanks":                 {mod: project, file: "GOPROXY=https://goproxy.cn, direct\n"},
		"private":                {mod: private, file: "GOPRIVATE=git.corp.example.com/*\n"},
		"private, whole domain":  {mod: private, file: "GOPRIVATE=*.corp.example.com,github.com/acme\n"},
		"private, cn":            {mod: private, file: "GOPROXY=https://goproxy.cn,direct\nGOPRIVATE=git.corp.example.com\n"},
		"client of a proxy":      {mod: private, file: "GOPROXY=http://proxy.corp.example.com:8080,direct\n"},
		"client, nothing else":   {mod: private, file: "GOPROXY=https://proxy.corp.example.com,off\n"},
		"client, one address":    {mod: private, environ: []string{"GOPROXY=http://10.1.2.3:8081/goproxy/"}},
		"client, private":        {mod: private, file: "GOPROXY=https://proxy.corp.example.com\nGONOPROXY=none\nGOPRIVATE=git.corp.example.com\n"},
		"own database":           {mod: project, file: "GOPROXY=https://proxy.corp.example.com\nGOSUMDB=KEY(sums.corp.example.com)\n"},
		"other tools' variables": {environ: []string{"GOROOT_FINAL=/x", "GOPS=1", "GOLAND_JDK=x", "GOGC=50", "GOTRACEBACK=all", "GOOGLE_API=x", "GODOWN_LISTEN=:1", "GOPROXY_PASSWORD=x"}},
		"vcs":                    {mod: private, file: "GOPRIVATE=git.corp.example.com\nGOVCS=private:git,public:git\n"},
		"auth":                   {mod: private, file: "GOAUTH=netrc\n", environ: []string{"GOPRIVATE=git.corp.example.com"}},
		"flags":                  {mod: project, file: "GOFLAGS=-buildvcs=false -trimpath\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, c.environ...)
			if c.mod != "" {
				d.write("work/go.mod", c.mod)
			}
			if c.file != "" {
				d.write(".config/go/env", c.file)
			}
			for _, finding := range d.found() {
				t.Errorf("%s: %s: %q", finding.Severity, finding.ID, finding.Evidence)
			}
		})
	}
}

// A provoked is a trouble, and what shows that it is one.
type provoked struct {
	name    string // of the case, if the id is not enough
	id      string
	worst   Severity
	environ []string
	file    string            // of "go env -w"
	files   map[string]string // in the home
	mod     string
	// run is a go command that goes wrong, and says what it says; HTTP stands for the port of a loopback server
	// that answers 404. Nil where nothing goes wrong at once.
	run  []string
	says string
	// mended is the setting after the fix was made; "" to look only at whether the finding is gone.
	mended string
	person bool // only a person can mend it
	more   []string
}

// download is a go command that asks the list for a module.
func download() []string { return []string{"go", "mod", "download", "example.com/no@v1.0.0"} }

func provocations() []provoked {
	noPublic := "GOPROXY=http://127.0.0.1:HTTP"
	return []provoked{
		{id: "goproxy-empty", worst: Fault, file: "GOPROXY=,\n", run: download(), says: "contains no entries"},
		{id: "goproxy-quotes", worst: Fault, file: "GOPROXY=\"http://127.0.0.1:HTTP,direct\"\n", run: download(), says: "first path segment in URL cannot contain colon", mended: "GOPROXY=http://127.0.0.1:HTTP,direct"},
		{id: "goproxy-separator", name: "chinese comma", worst: Fault, file: "GOPROXY=http://127.0.0.1:HTTP，direct\n", run: download(), says: "invalid port", mended: "GOPROXY=http://127.0.0.1:HTTP,direct"},
		{id: "goproxy-separator", name: "semicolon", worst: Fault, file: "GOPROXY=http://127.0.0.1:HTTP;direct\n", run: download(), says: "invalid port", mended: "GOPROXY=http://127.0.0.1:HTTP,direct"},
		{id: "goproxy-separator", name: "blank", worst: Fault, file: "GOPROXY=http://127.0.0.1:HTTP direct\n", run: download(), says: "invalid port", mended: "GOPROXY=http://127.0.0.1:HTTP,direct"},
		{id: "goproxy-scheme", name: "word", worst: Fault, file: "GOPROXY=http://127.0.0.1:HTTP,Direct\n", run: download(), says: "missing scheme: Direct", mended: "GOPROXY=http://127.0.0.1:HTTP,direct"},
		{id: "goproxy-scheme", name: "misspelt", worst: Fault, file: "GOPROXY=htps://goproxy.cn,direct\n", run: download(), says: "invalid proxy URL scheme", mended: "GOPROXY=https://goproxy.cn,direct"},
		{id: "goproxy-scheme", name: "one slash", worst: Fault, file: "GOPROXY=http:/127.0.0.1:HTTP,off\n", run: download(), says: "no Host in request URL", mended: "GOPROXY=http://127.0.0.1:HTTP,off"},
		{id: "goproxy-scheme", name: "no colon", worst: Fault, file: "GOPROXY=https//goproxy.cn\n", mended: "GOPROXY=https://goproxy.cn"},
		{id: "goproxy-scheme", name: "lone host", worst: Fault, file: "GOPROXY=nexus\n", run: download(), says: "missing scheme: nexus", mended: "GOPROXY=http://nexus"},
		{id: "goproxy-scheme", name: "file", worst: Fault, file: "GOPROXY=file://srv/goproxy\n", run: download(), says: "invalid file:// proxy URL", person: true},
		{id: "goproxy-no-scheme", worst: Warning, file: "GOPROXY=127.0.0.1:HTTP\n", run: download(), says: "server gave HTTP response to HTTPS client", mended: "GOPROXY=http://127.0.0.1:HTTP"},
		{id: "goproxy-off", worst: Warning, file: "GOPROXY=off\n", run: download(), says: "module lookup disabled by GOPROXY=off"},
		{id: "goproxy-direct", worst: Hint, file: "GOPROXY=direct\n"},
		{id: "goproxy-direct-first", worst: Warning, file: "GOPROXY=direct,http://127.0.0.1:HTTP\nGOVCS=public:off\n", mended: "GOPROXY=http://127.0.0.1:HTTP,direct"},
		{id: "goproxy-after-end", worst: Warning, file: "GOPROXY=http://127.0.0.1:HTTP,off,https://goproxy.cn\n", run: download(), says: "disabled by GOPROXY=off", mended: "GOPROXY=http://127.0.0.1:HTTP,https://goproxy.cn,off"},
		{id: "goproxy-refusal-passed", worst: Warning, file: "GOPROXY=http://127.0.0.1:DENY|http://127.0.0.1:HTTP|https://goproxy.cn\n", mended: "GOPROXY=http://127.0.0.1:DENY|http://127.0.0.1:HTTP,https://goproxy.cn"},
		{id: "goproxy-failover", worst: Hint, file: "GOPROXY=https://goproxy.cn,https://goproxy.io,direct\n", mended: "GOPROXY=https://goproxy.cn|https://goproxy.io,direct"},
		{id: "goproxy-http", worst: Warning, file: "GOPROXY=http://goproxy.cn,direct\n", mended: "GOPROXY=https://goproxy.cn,direct"},
		{id: "goproxy-typo", name: "letter", worst: Warning, file: "GOPROXY=https://gopoxy.cn,direct\n", mended: "GOPROXY=https://goproxy.cn,direct"},
		{id: "goproxy-typo", name: "country", worst: Warning, file: "GOPROXY=https://goproxy.com,direct\n", mended: "GOPROXY=https://goproxy.cn,direct"},
		{id: "goproxy-sumdb", worst: Fault, file: "GOPROXY=https://sum.golang.google.cn,https://goproxy.cn\n", mended: "GOPROXY=https://goproxy.cn"},
		{id: "goproxy-dead", worst: Fault, file: "GOPROXY=https://gocenter.io,https://goproxy.cn\n", mended: "GOPROXY=https://goproxy.cn"},
		{id: "goproxy-folder", worst: Fault, file: "GOPROXY=file:///no/such/folder\n", run: download(), says: "no such file or directory", person: true},
		{id: "goproxy-http-proxy", name: "variable", worst: Fault, environ: []string{"HTTPS_PROXY=127.0.0.1:8888"}, file: "GOPROXY=http://127.0.0.1:8888\n"},
		{id: "goproxy-http-proxy", name: "port", worst: Warning, file: "GOPROXY=http://127.0.0.1:7890,https://goproxy.cn\n", mended: "GOPROXY=https://goproxy.cn"},
		{id: "goproxy-http-proxy", name: "socks", worst: Fault, file: "GOPROXY=socks5://127.0.0.1:1080\n", run: download(), says: "invalid proxy URL scheme"},

		{id: "gosumdb-off", worst: Warning, file: "GOSUMDB=off\n"},
		{id: "gosumdb-invalid", name: "misspelt", worst: Fault, file: "GOSUMDB=sum.golang.com\n" + noPublic + "/ok\n", run: []string{"go", "mod", "download", "example.com/yes@v1.0.0"}, says: "invalid GOSUMDB: malformed verifier id", mended: "GOSUMDB=sum.golang.org"},
		{id: "gosumdb-invalid", name: "cn", worst: Fault, file: "GOSUMDB=https://sum.golang.google.com\n" + noPublic + "/ok\n", run: []string{"go", "mod", "download", "example.com/yes@v1.0.0"}, says: "invalid GOSUMDB", mended: "GOSUMDB=sum.golang.google.cn"},
		{id: "gosumdb-invalid", name: "blank", worst: Fault, environ: []string{"GOSUMDB= "}, file: noPublic + "/ok\n", run: []string{"go", "mod", "download", "example.com/yes@v1.0.0"}, says: "missing GOSUMDB", person: true},
		{id: "gosumdb-invalid", name: "words", worst: Fault, file: "GOSUMDB=sum.golang.org https://a.example https://b.example\n" + noPublic + "/ok\n", run: []string{"go", "mod", "download", "example.com/yes@v1.0.0"}, says: "too many fields"},
		{id: "gosumdb-invalid", name: "alias with URL", worst: Fault, file: "GOSUMDB=sum.golang.google.cn https://sum.golang.google.cn\n" + noPublic + "/ok\n", run: []string{"go", "mod", "download", "example.com/yes@v1.0.0"}, says: "invalid GOSUMDB", mended: "GOSUMDB=sum.golang.google.cn"},
		{id: "gosumdb-no-url", worst: Warning, file: "GOPROXY=direct\nGOSUMDB=KEY(sums)\n", person: true, more: []string{"goproxy-direct"}},

		{id: "private-pattern", name: "scheme", worst: Warning, file: "GOPRIVATE=https://git.corp.example.com\n", mended: "GOPRIVATE=git.corp.example.com"},
		{id: "private-pattern", name: "dots", worst: Warning, file: "GOPRIVATE=git.corp.example.com/...\n", mended: "GOPRIVATE=git.corp.example.com"},
		{id: "private-pattern", name: "stars", worst: Warning, file: "GOPRIVATE=git.corp.example.com/**\n", mended: "GOPRIVATE=git.corp.example.com/*"},
		{id: "private-pattern", name: "blanks", worst: Warning, file: "GOPRIVATE=git.corp.example.com, *.acme.example\n", mended: "GOPRIVATE=git.corp.example.com,*.acme.example"},
		{id: "private-pattern", name: "semicolon", worst: Warning, file: "GOPRIVATE=git.corp.example.com;acme.example\n", mended: "GOPRIVATE=git.corp.example.com,acme.example"},
		{id: "private-pattern", name: "ssh", worst: Warning, file: "GOPRIVATE=git@git.corp.example.com:team\n", mended: "GOPRIVATE=git.corp.example.com/team"},
		{id: "private-pattern", name: "bracket", worst: Warning, file: "GONOSUMDB=git.corp.example.com/[a\n"},
		{id: "checks-off", name: "private", worst: Warning, file: "GOPRIVATE=*\n"},
		{id: "checks-off", name: "sums", worst: Warning, file: "GONOSUMDB=*,git.corp.example.com\n", mended: "GONOSUMDB=git.corp.example.com"},
		{id: "private-wide", worst: Warning, file: "GOPRIVATE=github.com\n", person: true},
		{id: "gonoproxy-public", worst: Hint, file: "GONOPROXY=golang.org,git.corp.example.com\n", mended: "GONOPROXY=git.corp.example.com"},
		{id: "gonoproxy-leak", worst: Warning, file: "GOPROXY=https://goproxy.cn,direct\nGOPRIVATE=git.corp.example.com\nGONOPROXY=none\n"},
		{id: "gonosumdb-leak", worst: Warning, file: "GOPRIVATE=git.corp.example.com,acme.example\nGONOSUMDB=acme.example\n"},
		{id: "private-leak", worst: Warning, file: "GOPROXY=https://goproxy.cn,direct\n", mod: "module example.com/app\n\nrequire git.corp.example.com/team/lib v1.0.0\n", mended: "GOPRIVATE=git.corp.example.com"},
		{id: "goinsecure-wide", worst: Warning, file: "GOINSECURE=*,git.corp.example.com\n", mended: "GOINSECURE=git.corp.example.com"},

		{id: "goflags-invalid", name: "unknown", worst: Fault, file: "GOFLAGS=-nosuch\n", run: []string{"go", "list"}, says: "unknown flag -nosuch"},
		{id: "goflags-invalid", name: "quote", worst: Fault, file: "GOFLAGS='-ldflags=-w\n", run: []string{"go", "list"}, says: "unterminated"},
		{id: "goflags-insecure", worst: Fault, file: "GOFLAGS=-insecure -trimpath\n" + noPublic + "\n", run: []string{"go", "get", "example.com/no@v1.0.0"}, says: "-insecure flag is no longer supported", mended: "GOFLAGS=-trimpath"},
		{id: "goflags-vendor", worst: Fault, file: "GOFLAGS=-mod=vendor\nGOPROXY=https://goproxy.cn,direct\n", mod: project, run: []string{"go", "list", "-deps", "rsc.io/quote"}, says: "inconsistent vendoring"},
		{id: "goflags-mod", worst: Hint, file: "GOFLAGS=-mod=mod\nGOPROXY=https://goproxy.cn,direct\n", mod: project, files: map[string]string{"work/vendor/modules.txt": "# rsc.io/quote v1.5.2\n## explicit\n"}},
		{id: "goproxy-http", name: "own", worst: Hint, file: "GOPROXY=http://goproxy.acme.example,direct\n", person: true},
		{id: "unknown-variable", name: "a script's own", worst: Hint, environ: []string{"GO_MOD_CACHE=/x"}, person: true},
		{id: "goflags-modcacherw", worst: Hint, file: "GOFLAGS=-modcacherw\n"},
		{id: "goauth-invalid", name: "relative", worst: Fault, file: "GOAUTH=git rel\nGOPROXY=https://127.0.0.1:HTTP\n", run: download(), says: "requires an absolute path"},
		{id: "goauth-invalid", name: "off and more", worst: Fault, file: "GOAUTH=off;netrc\nGOPROXY=https://127.0.0.1:HTTP\n", run: download(), says: "GOAUTH=off cannot be combined"},
		{id: "goauth-command", worst: Warning, file: "GOAUTH=no-such-credentials-program x\n", person: true},
		{id: "goauth-off", worst: Warning, file: "GOAUTH=off\nGOPRIVATE=git.corp.example.com\n", files: map[string]string{".netrc": "machine git.corp.example.com login me password secret\n"}},
		{id: "govcs-invalid", name: "colon", worst: Fault, file: "GOVCS=git\nGOPROXY=direct\n", run: []string{"go", "mod", "download", "github.com/acme/no@v1.0.0"}, says: "missing colon", more: []string{"goproxy-direct"}},
		{id: "govcs-invalid", name: "twice", worst: Fault, file: "GOVCS=public:git,public:hg\nGOPROXY=direct\n", run: []string{"go", "mod", "download", "github.com/acme/no@v1.0.0"}, says: "unreachable pattern in GOVCS", more: []string{"goproxy-direct"}},
		{id: "govcs-private", worst: Warning, file: "GOVCS=private:hg\nGOPRIVATE=github.com/acme\n", run: []string{"go", "mod", "download", "github.com/acme/no@v1.0.0"}, says: "GOVCS disallows using git for private"},

		{id: "go111module-invalid", worst: Fault, environ: []string{"GO111MODULE=yes"}, run: []string{"go", "list"}, says: "unknown environment setting GO111MODULE=yes", person: true},
		{id: "go111module-off", name: "in a project", worst: Fault, file: "GO111MODULE=off\n", mod: project, run: []string{"go", "list", "-deps", "rsc.io/quote"}, says: "cannot find package"},
		{id: "go111module-off", name: "elsewhere", worst: Warning, file: "GO111MODULE=off\n"},
		{id: "go111module-auto", worst: Hint, file: "GO111MODULE=auto\n"},
		{id: "go-fails", worst: Fault, environ: []string{"GOPATH=go"}, run: []string{"go", "list"}, says: "GOPATH entry is relative", person: true},
		{id: "gomodcache-relative", worst: Fault, environ: []string{"GOMODCACHE=mod"}, file: "GOSUMDB=off\n" + noPublic + "/ok\n", run: []string{"go", "mod", "download", "example.com/yes@v1.0.0"}, says: "GOMODCACHE entry is relative", person: true, more: []string{"gosumdb-off"}},

		{id: "gotoolchain-invalid", worst: Fault, environ: []string{"GOTOOLCHAIN=latest"}, run: []string{"go", "version"}, says: "invalid GOTOOLCHAIN", person: true},
		{id: "gotoolchain-invalid", name: "mode", worst: Fault, environ: []string{"GOTOOLCHAIN=go1.26.0+any"}, run: []string{"go", "version"}, says: "invalid GOTOOLCHAIN", person: true},
		{id: "gotoolchain-invalid", name: "language", worst: Fault, environ: []string{"GOTOOLCHAIN=go1.91", noPublic}, run: []string{"go", "version"}, says: "is a language version but not a toolchain version", person: true, more: []string{"go-vulnerable"}},
		{id: "gotoolchain-too-old", worst: Fault, mod: "module m\n\ngo 1.99\n", run: []string{"go", "list"}, says: "go.mod requires go >= 1.99", person: true},
		{id: "gotoolchain-too-old", name: "path", worst: Fault, environ: []string{"GOTOOLCHAIN=path"}, mod: "module m\n\ngo 1.21\n\ntoolchain go1.99.1\n", run: []string{"go", "list"}, says: `cannot find "go1.99.1" in PATH`, person: true},
		{id: "gotoolchain-fetch", worst: Fault, environ: []string{"GOTOOLCHAIN=auto"}, file: "GOSUMDB=off\n" + noPublic + "/ok\n", mod: "module m\n\ngo 1.99.1\n", run: []string{"go", "list"}, says: "checksum database disabled by GOSUMDB=off", more: []string{"gosumdb-off", "go-vulnerable"}},
		{id: "gotoolchain-fetch", name: "off", worst: Fault, environ: []string{"GOTOOLCHAIN=auto"}, file: "GOPROXY=off\n", mod: "module m\n\ngo 1.99.1\n", run: []string{"go", "list"}, says: "toolchain not available", more: []string{"goproxy-off", "go-vulnerable"}},

		{id: "unknown-variable", name: "GONOSUMCHECK", worst: Warning, environ: []string{"GONOSUMCHECK=git.corp.example.com"}, person: true},
		{id: "unknown-variable", name: "letter", worst: Warning, environ: []string{"GORPOXY=https://goproxy.cn"}, person: true},
		{id: "unknown-variable", name: "small letters", worst: Warning, environ: []string{"goproxy=https://goproxy.cn"}, person: true},
		{id: "unknown-variable", name: "file", worst: Warning, file: "GOSUMSDB=off\n", person: true},
		{id: "goenv-lines", worst: Warning, file: "export GOPROXY=https://goproxy.cn\nGOSUMDB = off\n", person: true},
		{id: "setting-shadowed", worst: Hint, environ: []string{"GOPROXY=https://goproxy.cn,direct"}, file: "GOPROXY=https://goproxy.io,direct\n", person: true},
		{id: "goenv-off", worst: Hint, environ: []string{"GOENV=off"}, file: "GOPROXY=https://goproxy.cn,direct\n", person: true},
	}
}

// Each finding is provoked for real; the go command really does what it says; and its fix mends it.
func TestFindings(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, ".info"):
			if strings.HasPrefix(r.URL.Path, "/ok/") {
				w.Write([]byte(`{"Version":"` + strings.TrimSuffix(filepath.Base(r.URL.Path), ".info") + `"}`))
				return
			}
		case strings.HasSuffix(r.URL.Path, ".mod") && strings.HasPrefix(r.URL.Path, "/ok/"):
			w.Write([]byte("module example.com/yes\n"))
			return
		case strings.HasSuffix(r.URL.Path, ".zip") && strings.HasPrefix(r.URL.Path, "/ok/"):
			z := zip.NewWriter(w)
			name, release, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/ok/"), "/@v/")
			if file, err := z.Create(name + "@" + strings.TrimSuffix(release, ".zip") + "/go.mod"); err == nil {
				io.WriteString(file, "module example.com/yes\n")
			}
			z.Close()
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	fill := strings.NewReplacer("HTTP", port, "DENY", "9")
	all := &gallery{found: make(map[string]Finding), plain: strings.NewReplacer(port, "HTTP")}
	t.Cleanup(func() { all.check(t) })
	for _, c := range provocations() {
		t.Run(strings.TrimSpace(c.id+" "+c.name), func(t *testing.T) {
			t.Parallel()
			ports := func(s string) string {
				if strings.Contains(s, "HTTPS_PROXY") {
					return s
				}
				return fill.Replace(s)
			}
			var environ []string
			for _, v := range c.environ {
				environ = append(environ, ports(v))
			}
			d := newDesk(t, environ...)
			if c.file != "" {
				d.write(".config/go/env", ports(c.file))
			}
			if c.mod == "" && c.run != nil {
				c.mod = "module example.com/app\n\ngo 1.21\n"
			}
			if c.mod != "" {
				d.write("work/go.mod", c.mod)
			}
			for name, content := range c.files {
				d.write(name, content)
			}
			if c.run != nil {
				if out := d.run(c.run...); !strings.Contains(out, c.says) {
					t.Errorf("%v says\n%s, and not %q", c.run, out, c.says)
				}
			}
			list := d.found()
			i := slices.IndexFunc(list, func(f Finding) bool { return f.ID == c.id })
			if i < 0 {
				t.Fatalf("it is not found; there are %v", namesOf(list, Hint))
			}
			finding := list[i]
			if finding.Severity != c.worst {
				t.Errorf("it is a %v", finding.Severity)
			}
			for _, other := range namesOf(list, Hint) {
				if other != c.id && !slices.Contains(c.more, other) {
					t.Errorf("%s is found too", other)
				}
			}
			whole(t, finding)
			all.hang(d, strings.TrimSpace(c.id+" "+c.name), finding)
			do := slices.IndexFunc(finding.Fixes, func(f Fix) bool { return f.Do != nil })
			if c.person {
				if do >= 0 {
					t.Errorf("%q mends it", finding.Fixes[do].Command)
				}
				return
			}
			if do != 0 {
				t.Fatalf("no fix, or not the first: %+v", finding.Fixes)
			}
			d.mend(finding, c, ports(c.mended))
		})
	}
}

// mend makes the first fix of a finding, once by its command and once by itself, and looks whether that is so.
func (d *desk) mend(finding Finding, c provoked, mended string) {
	t := d.t
	before, _ := os.ReadFile(d.file)
	shell := exec.Command("sh", "-c", finding.Fixes[0].Command)
	shell.Dir, shell.Env = d.dir, d.environ
	if out, err := shell.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", finding.Fixes[0].Command, err, out)
	}
	typed, _ := os.ReadFile(d.file)
	if err := os.WriteFile(d.file, before, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := finding.Fixes[0].Do(t.Context()); err != nil {
		t.Error(err)
	}
	done, _ := os.ReadFile(d.file)
	if string(typed) != string(done) {
		t.Errorf("typed, %q makes %q; --fix makes %q", finding.Fixes[0].Command, typed, done)
	}
	if mended != "" && !slices.Contains(strings.Split(string(done), "\n"), mended) {
		t.Errorf("it is mended to %q", done)
	}
	if left := namesOf(d.found(), Hint); slices.Contains(left, c.id) {
		t.Errorf("it is still there: %v, with %q", left, done)
	}
}

// whole checks that a finding says all that it must in both languages.
func whole(t *testing.T, f Finding) {
	t.Helper()
	all := append([]lang.Text{f.Title, f.Consequence}, f.Evidence...)
	if len(f.Evidence) == 0 || len(f.Fixes) == 0 {
		t.Errorf("%s has no evidence, or no fix", f.ID)
	}
	for _, fix := range f.Fixes {
		if fix.Command == "" && fix.Say.IsZero() {
			t.Errorf("%s has an empty fix", f.ID)
		}
		if !fix.Say.IsZero() {
			all = append(all, fix.Say)
		}
	}
	for _, text := range all {
		if text.En == "" || text.Zh == "" || strings.Contains(text.En+text.Zh, "%!") {
			t.Errorf("%s: %q", f.ID, text)
		}
	}
}
