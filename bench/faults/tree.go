package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/godown-dev/godown/internal/godowntest"
)

const (
	current  = "v1.2.0" // the version of each module that is downloaded
	previous = "v1.1.0" // one of which only the .mod is asked for
)

// A tree is a main module and all that it requires.
type tree struct {
	mods  *godowntest.Modules
	goMod []byte
	goSum []byte   // complete
	zips  []string // that a download of all modules must get
	size  int64    // of the zips, bytes
}

// sizes returns those of the zips in bytes, about 40 MB in all and spread as
// in the build list of a web framework.
func sizes() []int64 {
	list := []int64{9_000_000}
	for i := range int64(12) {
		list = append(list, 1_000_000+i*180_000)
	}
	for i := range int64(19) {
		list = append(list, 20_000+i*15_500)
	}
	// Those of a size do not come one after the other.
	mixed := make([]int64, len(list))
	for i, size := range list {
		mixed[i*7%len(list)] = size
	}
	return mixed
}

func modulePath(i int) string { return fmt.Sprintf("fault.test/m%02d", i) }

// makeTree makes modules of all sizes. The small ones have no go directive and
// require each other in an older version, so that the go command needs the
// .mod of those, too, before it knows the build list.
func makeTree() (*tree, error) {
	mods, err := godowntest.ParseModules("")
	if err != nil {
		return nil, err
	}
	t := &tree{mods: mods}
	all := sizes()
	var top, archive strings.Builder
	top.WriteString("module fault.test/main\n\ngo 1.26\n\nrequire (\n")
	for i, size := range all {
		path := modulePath(i)
		fmt.Fprintf(&top, "\t%s %s\n", path, current)
		fmt.Fprintf(&archive, "-- %s@%s/go.mod --\nmodule %s\n", path, previous, path)
		if size >= 1_000_000 {
			if err := mods.AddBig(path, current, size); err != nil {
				return nil, err
			}
			continue
		}
		fmt.Fprintf(&archive, "-- %s@%s/go.mod --\nmodule %s\n\nrequire (\n\t%s %s\n\t%s %s\n)\n", path, current, path,
			modulePath((i+1)%len(all)), previous, modulePath((i+2)%len(all)), previous)
		fmt.Fprintf(&archive, "-- %s@%s/data.txt --\n", path, current)
		writeNoise(&archive, path, size)
	}
	top.WriteString(")\n")
	t.goMod = []byte(top.String())
	if err := mods.Add(archive.String()); err != nil {
		return nil, err
	}
	var sum bytes.Buffer
	for _, v := range mods.Versions() {
		sums, _ := mods.Sums(v.Path, v.Version)
		fmt.Fprintf(&sum, "%s %s %s\n%s %s/go.mod %s\n", v.Path, v.Version, sums.Zip, v.Path, v.Version, sums.Mod)
		if v.Version == current {
			name := v.Path + "/@v/" + v.Version + ".zip"
			t.zips = append(t.zips, name)
			t.size += int64(len(mods.Data(name)))
		}
	}
	t.goSum = sum.Bytes()
	return t, nil
}

// writeNoise writes lines of base64 that pack to about size bytes, the same
// each time.
func writeNoise(w *strings.Builder, seed string, size int64) {
	noise := rand.NewChaCha8(sha256.Sum256([]byte(seed)))
	line := make([]byte, 57)
	for n := int64(0); n < size; n += int64(len(line)) {
		noise.Read(line) // never fails
		w.WriteString(base64.StdEncoding.EncodeToString(line))
		w.WriteByte('\n')
	}
}

// write writes the main module into a folder.
func (t *tree) write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), t.goMod, 0o666); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), t.goSum, 0o666)
}

// check compares every zip below a GOMODCACHE with the origin's, and says what
// is wrong; "" is nothing.
func (t *tree) check(modcache string) string {
	for _, name := range t.zips {
		got, err := os.ReadFile(filepath.Join(modcache, "cache", "download", filepath.FromSlash(name)))
		if err != nil {
			return err.Error()
		}
		if !bytes.Equal(got, t.mods.Data(name)) {
			return "wrong bytes in " + name
		}
	}
	return ""
}
