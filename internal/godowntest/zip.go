package godowntest

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strconv"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
)

// An Entry is a file in a zip, good or evil.
type Entry struct {
	Name  string // whole: in a good module zip it begins with PATH@VERSION/
	Data  []byte
	Store bool  // do not compress
	Zeros int64 // instead of Data: so many zero bytes, packed to a thousandth
	Claim int64 // with Zeros: the unpacked size that the zip pretends, if not 0
}

// Zip returns a zip file of the entries, as they are: nothing is checked.
func Zip(entries ...Entry) []byte { return make(packer).zip(entries...) }

// A packer makes zips and packs the same number of zeros only once.
type packer map[int64]raw

func (p packer) zip(entries ...Entry) []byte {
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, e := range entries {
		// A bytes.Buffer never fails, so neither does a zip.Writer upon it.
		if e.Zeros == 0 {
			method := zip.Deflate
			if e.Store {
				method = zip.Store
			}
			w, _ := zw.CreateHeader(&zip.FileHeader{Name: e.Name, Method: method})
			w.Write(e.Data)
			continue
		}
		z, ok := p[e.Zeros]
		if !ok {
			z = packZeros(e.Zeros)
			p[e.Zeros] = z
		}
		size := e.Zeros
		if e.Claim != 0 {
			size = e.Claim
		}
		w, _ := zw.CreateRaw(&zip.FileHeader{
			Name:               e.Name,
			Method:             zip.Deflate,
			CRC32:              z.crc,
			CompressedSize64:   uint64(len(z.data)),
			UncompressedSize64: uint64(size),
		})
		w.Write(z.data)
	}
	zw.Close()
	return buf.Bytes()
}

// A raw is deflated data with the checksum of what it unpacks to.
type raw struct {
	data []byte
	crc  uint32
}

func packZeros(n int64) raw {
	var buf bytes.Buffer
	fw, _ := flate.NewWriter(&buf, flate.BestSpeed) // fails for unknown levels only
	crc := crc32.NewIEEE()
	io.CopyN(io.MultiWriter(fw, crc), zeros{}, n)
	fw.Close()
	return raw{buf.Bytes(), crc.Sum32()}
}

// zeros is an endless stream of zero bytes.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// EvilZips returns, by what is wrong with them, zips that must not be served as
// the given version. The zip package of x/mod unpacks none of them.
func EvilZips(path, version string) map[string][]byte {
	const large = 16<<20 + 1 // one more than a go.mod or LICENSE may have
	p := make(packer)
	prefix := path + "@" + version + "/"
	mod := Entry{Name: prefix + "go.mod", Data: []byte("module " + path + "\n")}
	file := Entry{Name: prefix + "x.go", Data: []byte("package x\n")}
	good := Zip(mod, file)
	var bomb []Entry
	for i := range 33 {
		bomb = append(bomb, Entry{Name: prefix + strconv.Itoa(i), Zeros: large})
	}
	with := func(name string) []byte {
		return Zip(mod, file, Entry{Name: name, Data: []byte("evil\n")})
	}
	return map[string][]byte{
		"bomb":           p.zip(bomb...), // 528 MiB unpacked
		"claimed size":   Zip(mod, Entry{Name: prefix + "a", Zeros: 1 << 20, Claim: 10}),
		"large go.mod":   p.zip(Entry{Name: prefix + "go.mod", Zeros: large}),
		"large LICENSE":  p.zip(mod, Entry{Name: prefix + "LICENSE", Zeros: large}),
		"outside":        with("example.org/outside@" + version + "/x.go"),
		"dot dot":        with(prefix + "../../x.go"),
		"absolute":       with("/" + prefix + "y.go"),
		"backslash":      with(prefix + `..\y.go`),
		"case collision": with(prefix + "X.go"),
		"duplicate":      with(prefix + "x.go"),
		"inner go.mod":   with(prefix + "sub/go.mod"),
		"other version":  Zip(Entry{Name: path + "@v0.0.1-other/x.go", Data: file.Data}),
		"no end":         good[:len(good)-22],
		"half":           good[:len(good)/2],
		"empty":          {},
		"login page":     []byte(loginPage),
	}
}

// bigEntries returns a go.mod and one file of size pseudo-random bytes.
func bigEntries(v module.Version, size int64) []Entry {
	prefix := v.Path + "@" + v.Version + "/"
	data := make([]byte, size)
	rand.NewChaCha8(sha256.Sum256([]byte(v.String()))).Read(data)
	return []Entry{
		{Name: prefix + "go.mod", Data: []byte("module " + v.Path + "\n")},
		{Name: prefix + "big.bin", Data: data, Store: true},
	}
}

// hash returns the sums of a zip with the given entries and of its .mod.
func hash(entries []Entry, mod []byte) (Sums, error) {
	var names []string
	data := make(map[string][]byte)
	for _, e := range entries {
		names = append(names, e.Name)
		data[e.Name] = e.Data
	}
	zip, err := dirhash.Hash1(names, func(name string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data[name])), nil
	})
	if err != nil {
		return Sums{}, err
	}
	h, err := dirhash.Hash1([]string{"go.mod"}, func(string) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(mod)), nil
	})
	return Sums{Zip: zip, Mod: h}, err
}
