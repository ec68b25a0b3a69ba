package godowntest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"

	"github.com/godown-dev/godown/internal/godowntest"
)

const archive = `
-- example.com/hello@v1.0.0/go.mod --
module example.com/hello

go 1.20
-- example.com/hello@v1.0.0/hello.go --
package hello
-- example.com/hello@v1.1.0/go.mod --
module example.com/hello

go 1.20
-- example.com/hello@v1.1.0/hello.go --
package hello // newer
-- example.com/hello@v1.1.0/.info --
{ "Version":"v1.1.0", "Time":"2021-01-01T00:00:00Z" }
-- example.com/hello@v1.2.0-rc.1/hello.go --
package hello
-- example.com/hello@v1.2.1-0.20220304050607-0123456789ab/hello.go --
package hello
-- example.com/hello@master/.query --
v1.2.1-0.20220304050607-0123456789ab
-- github.com/BurntSushi/Toml@v0.1.0-Beta/toml.go --
package toml
-- example.com/old@v2.0.0+incompatible/old.go --
package old
-- example.com/pseudo@v0.0.0-20230101000000-ffffffffffff/p.go --
package p
-- example.com/pseudo@v0.0.0-20240101000000-000000000000/p.go --
package p
-- golang.org/toolchain@v0.0.1-go1.99.0.linux-amd64/bin/go --
#!/bin/sh
-- example.com/pinned@v1.0.0/p.go --
package p
-- example.com/pinned/@latest --
{"Version":"v0.9.0"}
`

func TestModules(t *testing.T) {
	mods := godowntest.NewModules(t, archive)
	for name, want := range map[string]string{
		"example.com/hello/@v/list":                               "v1.0.0\nv1.1.0\nv1.2.0-rc.1\n",
		"example.com/hello/@latest":                               `{ "Version":"v1.1.0", "Time":"2021-01-01T00:00:00Z" }` + "\n",
		"example.com/hello/@v/v1.0.0.info":                        `{"Version":"v1.0.0","Time":"2020-02-02T20:20:20Z"}`,
		"example.com/hello/@v/v1.0.0.mod":                         "module example.com/hello\n\ngo 1.20\n",
		"example.com/hello/@v/master.info":                        `{"Version":"v1.2.1-0.20220304050607-0123456789ab","Time":"2022-03-04T05:06:07Z"}`,
		"github.com/!burnt!sushi/!toml/@v/list":                   "v0.1.0-Beta\n",
		"github.com/!burnt!sushi/!toml/@v/v0.1.0-!beta.mod":       "module github.com/BurntSushi/Toml\n",
		"example.com/old/@v/v2.0.0+incompatible.mod":              "module example.com/old\n",
		"example.com/pseudo/@v/list":                              "",
		"example.com/pseudo/@latest":                              `{"Version":"v0.0.0-20240101000000-000000000000","Time":"2024-01-01T00:00:00Z"}`,
		"golang.org/toolchain/@v/v0.0.1-go1.99.0.linux-amd64.mod": "module golang.org/toolchain\n",
		"example.com/pinned/@latest":                              `{"Version":"v0.9.0"}` + "\n",
	} {
		if got := mods.Data(name); string(got) != want || got == nil && !strings.HasSuffix(name, "/list") {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{
		"example.com/hello/@v/v1.3.0.info", "example.com/hello/@v/dev.info", "example.com/none/@v/list",
		"github.com/BurntSushi/Toml/@v/list", "example.com/hello/@v/master.zip", "", "@v/list", "/@latest",
	} {
		if got := mods.Data(name); got != nil {
			t.Errorf("%s = %q, want nothing", name, got)
		}
	}
	mods.Remove("example.com/hello", "v1.1.0")
	if got, want := string(mods.Data("example.com/hello/@v/list")), "v1.0.0\nv1.2.0-rc.1\n"; got != want {
		t.Errorf("list after Remove = %q, want %q", got, want)
	}
}

func TestModulesRefusesNonsense(t *testing.T) {
	for _, bad := range []string{
		"-- example.com/hello/go.mod --\n",
		"-- example.com/hello@v1.0.0 --\n",
		"-- example.com/hello@v1.0/x.go --\n",
		"-- example.com/hello@v2.0.0/x.go --\n",
		"-- example.com/hello@v1.0.0/../x.go --\n",
		"-- example.com/hello@v1.0.0/.info --\n{}\n",
	} {
		if _, err := godowntest.ParseModules(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

// TestZips checks zips and sums against x/mod, which works on files.
func TestZips(t *testing.T) {
	mods := godowntest.NewModules(t, archive)
	if err := mods.AddBig("example.com/big", "v1.0.0", 1<<20); err != nil {
		t.Fatal(err)
	}
	for _, v := range mods.Versions() {
		path, _ := module.EscapePath(v.Path)
		version, _ := module.EscapeVersion(v.Version)
		data := mods.Data(path + "/@v/" + version + ".zip")
		name := write(t, data)
		if err := modzip.Unzip(filepath.Join(t.TempDir(), "m"), v, name); err != nil {
			t.Error(err)
		}
		sums, _ := mods.Sums(v.Path, v.Version)
		if h1, err := dirhash.HashZip(name, dirhash.Hash1); err != nil || h1 != sums.Zip {
			t.Errorf("sum of %v is %s (error %v), want %s", v, sums.Zip, err, h1)
		}
	}
	big := mods.Data("example.com/big/@v/v1.0.0.zip")
	if len(big) < 1<<20 || len(big) > 1<<20+1000 {
		t.Errorf("a big zip of 1 MiB has %d bytes", len(big))
	}
	again := godowntest.NewModules(t, "")
	again.AddBig("example.com/big", "v1.0.0", 1<<20)
	if !bytes.Equal(big, again.Data("example.com/big/@v/v1.0.0.zip")) {
		t.Error("a big zip is not the same each time")
	}
}

func TestEvilZips(t *testing.T) {
	v := module.Version{Path: "example.com/hello", Version: "v1.0.0"}
	for what, data := range godowntest.EvilZips(v.Path, v.Version) {
		err := modzip.Unzip(filepath.Join(t.TempDir(), "m"), v, write(t, data))
		if err == nil {
			t.Errorf("%s: unpacked without an error", what)
		}
		if len(data) > 2<<20 {
			t.Errorf("%s: has %d bytes", what, len(data))
		}
	}
}

// write writes data to a file and returns its name.
func write(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "m.zip")
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}
