package godown_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// FuzzParseRequest checks that what is accepted has one name, in a URL, in a
// Store and in GOMODCACHE, which leads nowhere else.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		"/golang.org/x/mod/@v/list", "github.com/!burnt!sushi/toml/@latest", "example.com/m/@v/v2.0.0+incompatible.zip", "example.com/m/@v/v1.0.0-!r!c.mod",
		"example.com/m/@v/master.info", "golang.org/toolchain/@v/v0.0.1-go1.26.0.linux-amd64.zip", "example.com/../@v/list", "//x.y/@v/list", "x.y/@v/..info",
		"x.y/@v/a%2fb.info", "x.y/@v/\x00.info", `x.y\z/@v/list`, "gopkg.in/yaml.v3/@v/v3.0.1.info", "x.y/@v/.info", "x.y/@v/[a] {b}@#~.info", "x.y/@latest/@v/list", "x.y/@v/@latest",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		req, err := godown.ParseRequest(in)
		if err != nil {
			if !errors.Is(err, godown.ErrRequest) || len(err.Error()) > 2000 {
				t.Errorf("error is %v", err)
			}
			return
		}
		name := req.Name()
		if name != strings.TrimPrefix(in, "/") {
			t.Errorf("Name is %q", name)
		}
		if !fs.ValidPath(name) || strings.ContainsAny(name, "\\:\x00?*\"<>|") {
			t.Errorf("%q is no name for a file", name)
		}
		for elem := range strings.SplitSeq(name, "/") {
			if elem[0] == '.' || elem != strings.TrimRight(elem, ".") || strings.ToLower(elem) != elem {
				t.Errorf("%q has the element %q", name, elem)
			}
		}
		if again, err := godown.ParseRequest(name); err != nil || again != req {
			t.Errorf("%q is again parsed as %v, error %v", name, again, err)
		}
		if req.Fixed() && (req.Kind == godown.List || req.Kind == godown.Latest || module.CanonicalVersion(req.Version) != req.Version) {
			t.Errorf("%v is fixed", req)
		}
		if !req.Fixed() && (req.Kind == godown.Mod || req.Kind == godown.Zip) {
			t.Errorf("%v is not fixed", req)
		}
	})
}

// FuzzParseGOPROXY checks that each entry can be asked, and that errors show no secrets.
func FuzzParseGOPROXY(f *testing.F) {
	for _, seed := range []string{
		"https://a.test,direct", "a.test|b.test:80/x,off", " , ", "http://user:s3cret@a.test/%2f", "file:///x", "https://user:s3cret@:", "[::1]:80|[", "off|", "//a.test", "https://a.test?x#y",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		entries, err := godown.ParseGOPROXY(list)
		if err != nil {
			if entries != nil {
				t.Errorf("both entries and an error: %v", err)
			}
			return
		}
		if len(entries) == 0 {
			t.Error("no entries and no error")
		}
		for i, e := range entries {
			last := i == len(entries)-1
			switch {
			case e.URL == nil && (e.Word != "direct" && e.Word != "off" || !last || e.Any):
				t.Errorf("entry %d is %+v", i, e)
			case e.URL != nil && (e.Word != "" || e.URL.Scheme == "file" && e.URL.Host != "" || e.URL.Scheme != "file" && (e.URL.Host == "" || !strings.HasPrefix(e.URL.Scheme, "http"))):
				t.Errorf("entry %d is %+v", i, e)
			case e.URL != nil:
				up := &godown.Upstream{URL: e.URL, Transport: http.DefaultTransport}
				if password, _ := e.URL.User.Password(); len(password) > 8 && strings.Contains(up.Name(), password) {
					t.Errorf("the name %q shows the password %q", up.Name(), password)
				}
			}
		}
	})
}

// FuzzParseGOPROXYSecret puts a secret before an "@", with anything around it.
func FuzzParseGOPROXYSecret(f *testing.F) {
	for _, seed := range [][2]string{{"https://user:", "a.test"}, {"ftp://", "a test"}, {"https://a:", "[::1"}, {"x,//", "b:c"}, {"file://", "/%zz"}, {"user:", "https://a.test"}, {"https:/", "x?y"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, before, behind string) {
		const secret = "s3cret0123456789"
		if _, err := godown.ParseGOPROXY(before + secret + "@" + behind); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%v", err)
		}
	})
}

// FuzzParseSumDB checks that a name that is accepted is a good folder and URL.
func FuzzParseSumDB(f *testing.F) {
	for _, seed := range []string{
		"sum.golang.org", "sum.golang.google.cn", "sum.golang.org https://a.test/x", "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
		"a/../b+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8 http://x", "off", " ", "a b c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := godown.ParseSumDB(spec)
		if err != nil {
			return
		}
		if !fs.ValidPath(s.Name) || s.Name == "." || strings.ContainsAny(s.Name, "?#@ \\") || s.Key == "" {
			t.Errorf("%+v", s)
		}
		if again, err := godown.ParseSumDB(s.Key); err != nil || again.Name != s.Name || again.URL != nil {
			t.Errorf("its key alone: %+v, error %v", again, err)
		}
	})
}

// FuzzCheckZip compares with those who will take the zip: x/mod/zip must accept
// and unpack what CheckZip accepts, with the same hash, and CheckZip what it
// unpacks. CheckZip refuses one thing more, with intent: a zip whose end record
// says that the directory is where it cannot be. archive/zip looks for it
// elsewhere then, but something is missing from such a zip.
func FuzzCheckZip(f *testing.F) {
	for _, data := range goodZips() {
		if len(data) < 10_000 {
			f.Add(data)
		}
	}
	for _, data := range godowntest.EvilZips(zipRequest.Path, zipRequest.Version) {
		if len(data) < 10_000 {
			f.Add(data)
		}
	}
	f.Add(asZip64(makeZip("go.mod", "x.go")))
	version := module.Version{Path: zipRequest.Path, Version: zipRequest.Version}
	f.Fuzz(func(t *testing.T, data []byte) {
		if z, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err == nil {
			var total uint64
			for _, file := range z.File {
				total += min(file.UncompressedSize64, 1<<30)
			}
			if total > 1<<20 {
				t.Skip("takes too long")
			}
		}
		h1, err := checkZipBytes(t.Context(), data)
		if err != nil {
			if _, ok := errors.AsType[*godown.Mismatch](err); !ok || h1 != "" {
				t.Errorf("hash %q, error is %v", h1, err)
			}
		}
		dir := t.TempDir()
		name := filepath.Join(dir, "x.zip")
		if err := os.WriteFile(name, data, 0o666); err != nil {
			t.Fatal(err)
		}
		unzip := modzip.Unzip(filepath.Join(dir, "unpacked"), version, name)
		if err == nil && unzip != nil {
			t.Errorf("accepted is what cannot be unpacked: %v", unzip)
		}
		want, hashErr := dirhash.HashZip(name, dirhash.Hash1)
		if err == nil && hashErr == nil && h1 != want && !sameNameTwice(data) {
			t.Errorf("hash is %s, want %s", h1, want)
		}
		if err == nil && hashErr != nil {
			t.Errorf("accepted is what cannot be hashed: %v", hashErr)
		}
		if err != nil && unzip == nil && hashErr == nil && !strings.Contains(err.Error(), "points outside of it") && !sameNameTwice(data) {
			t.Errorf("refused is what the go command would take: %v", err)
		}
	})
}

// sameNameTwice reports whether a folder is there twice: dirhash.HashZip then
// looks at the last one only, for both.
func sameNameTwice(data []byte) bool {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return false
	}
	seen := make(map[string]bool)
	for _, f := range z.File {
		if seen[f.Name] {
			return true
		}
		seen[f.Name] = true
	}
	return false
}

// FuzzParseLookup parses what stands behind lookup/. What is taken is spelt so in clients' requests.
func FuzzParseLookup(f *testing.F) {
	for _, name := range []string{"example.com/!hello@v1.0.0", "example.com/hello@v2.0.0+incompatible", "golang.org/toolchain@v0.0.1-go1.21.0.linux-amd64", "a@b@c", "@v1.0.0", "example.com/x@v1.0"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		m, err := godown.ParseLookup(name)
		if err != nil {
			return
		}
		if strings.ContainsAny(m.Path+m.Version, " \n\t@!") {
			t.Errorf("%q: %q", name, m)
		}
	})
}
