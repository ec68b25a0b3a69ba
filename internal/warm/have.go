package warm

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
)

// Missing returns those of files that a go command with that GOMODCACHE would
// ask its proxy for, in the same order. It leaves out the files of fixed
// versions that are there:
//
//   - a .info or .mod in cache/download;
//   - a .zip in cache/download, with its .ziphash or without: a lost .ziphash is
//     computed anew from the .zip;
//   - the folder of an unpacked zip with its .ziphash, and without the .partial
//     file of an unpacking that was broken off. `go mod download`, and it alone,
//     would want the zip all the same.
//
// Lists, latest versions and queries are asked for each time. A modcache that
// is not absolute holds nothing, as the go command refuses it.
func Missing(modcache string, files []godown.Request) []godown.Request {
	download := filepath.Join(modcache, "cache", "download")
	if !filepath.IsAbs(modcache) || !isFolder(download) {
		return slices.Clone(files)
	}
	var missing []godown.Request
	for _, f := range files {
		if !f.Fixed() || !inModcache(modcache, download, f) {
			missing = append(missing, f)
		}
	}
	return missing
}

// inModcache reports whether the go command has the file of a fixed version.
func inModcache(modcache, download string, f godown.Request) bool {
	name := f.Name()
	if name == "" {
		return false
	}
	file := filepath.Join(download, filepath.FromSlash(name))
	if isThere(file) {
		return true
	}
	if f.Kind != godown.Zip || !isThere(file+"hash") {
		return false
	}
	path, zip, _ := strings.Cut(name, "/@v/")
	version := strings.TrimSuffix(zip, ".zip")
	return isFolder(filepath.Join(modcache, filepath.FromSlash(path+"@"+version))) &&
		!isThere(strings.TrimSuffix(file, "zip")+"partial")
}

func isThere(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}
