package godowntest_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/godowntest"
)

// A client is a real go command in a folder with a go.mod of its own.
type client struct {
	dir string
	env []string
}

func newClient(t *testing.T, goproxy, gosumdb string) *client {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("needs the go command")
	}
	c := &client{dir: t.TempDir(), env: godowntest.GoEnv(t.TempDir(), goproxy, gosumdb)}
	if err := os.WriteFile(filepath.Join(c.dir, "go.mod"), []byte("module client\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	return c
}

// run runs go with arguments and returns what it prints.
func (c *client) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = c.dir
	cmd.Env = append(cmd.Environ(), c.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestGoCommand has the real go command download everything there is.
func TestGoCommand(t *testing.T) {
	mods := godowntest.NewModules(t, archive)
	db := godowntest.NewSumDB(t, "sum.test/with/path", mods)
	if err := db.Grow(300); err != nil {
		t.Fatal(err)
	}
	up := godowntest.NewUpstream(t, mods)
	up.Attach(db)
	c := newClient(t, up.URL, db.Spec())
	args := []string{"mod", "download", "-json"}
	for _, v := range mods.Versions() {
		if v.Path != "golang.org/toolchain" { // the go command takes it only for a switch
			args = append(args, v.String())
		}
	}
	out, err := c.run(t, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, arg := range args[3:] {
		path, version, _ := strings.Cut(arg, "@")
		if sums, _ := mods.Sums(path, version); !strings.Contains(out, sums.Zip) || !strings.Contains(out, sums.Mod) {
			t.Errorf("%s has other sums than %+v:\n%s", arg, sums, out)
		}
	}
	for query, want := range map[string]string{
		"example.com/hello@latest": "v1.1.0",
		"example.com/hello@master": "v1.2.1-0.20220304050607-0123456789ab",
	} {
		if out, err := c.run(t, "list", "-m", query); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s, want %s", query, err, out, want)
		}
	}
	if got := db.Count("lookup/example.com/hello@v1.0.0"); got != 1 {
		t.Errorf("%d lookups of hello@v1.0.0, want 1", got)
	}
	if up.Count("sumdb/sum.test/with/path/supported") == 0 {
		t.Error("the database was not reached through the mirror")
	}
}

// TestSumDBFaults has the real go command find each fault of a checksum database.
func TestSumDBFaults(t *testing.T) {
	mods := godowntest.NewModules(t, archive)
	good := func(t *testing.T) (*godowntest.SumDB, *client) {
		db := godowntest.NewSumDB(t, "sum.test", mods)
		return db, newClient(t, godowntest.NewUpstream(t, mods).URL, db.SpecURL())
	}
	const first, second = "example.com/hello@v1.0.0", "example.com/hello@v1.1.0"
	for name, test := range map[string]struct {
		fault func(t *testing.T, db *godowntest.SumDB)
		want  string // in the go command's message
	}{
		"none":          {func(t *testing.T, db *godowntest.SumDB) {}, ""},
		"vanish":        {func(t *testing.T, db *godowntest.SumDB) { db.Vanish() }, "connection refused"},
		"status":        {func(t *testing.T, db *godowntest.SumDB) { db.Break("lookup/", godowntest.Status(500, "")) }, "500"},
		"bad signature": {func(t *testing.T, db *godowntest.SumDB) { db.Break("", godowntest.BadSignature()) }, "invalid signature"},
		"corrupt tile":  {func(t *testing.T, db *godowntest.SumDB) { db.Break("tile/", godowntest.Flip(0)) }, "downloaded inconsistent tile"},
		"lie": {func(t *testing.T, db *godowntest.SumDB) {
			sums, _ := mods.Sums("example.com/hello", "v1.0.0")
			db.Lie("example.com/hello", "v1.1.0", sums)
		}, "checksum mismatch"},
		"fork": {func(t *testing.T, db *godowntest.SumDB) {
			before, err := db.Size()
			if err == nil {
				err = db.Fork()
			}
			if after, _ := db.Size(); err != nil || after != before+1 {
				t.Fatalf("a fork of %d records has %d (error %v)", before, after, err)
			}
		}, "SECURITY ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, c := good(t)
			if err := db.Grow(5); err != nil {
				t.Fatal(err)
			}
			if out, err := c.run(t, "mod", "download", first); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			test.fault(t, db)
			out, err := c.run(t, "mod", "download", second)
			if (err != nil) != (test.want != "") || !strings.Contains(out, test.want) {
				t.Errorf("%v\n%s\nwant %q", err, out, test.want)
			}
		})
	}
}

func TestSumDBAbsent(t *testing.T) {
	db := godowntest.NewSumDB(t, "sum.test", godowntest.NewModules(t, archive))
	resp, err := http.Get(db.URL + "/lookup/example.com/none@v1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusNotFound {
		t.Errorf("%s\n%s", resp.Status, body)
	}
}
