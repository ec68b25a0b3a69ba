package main

import (
	"context"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

const (
	versionsPerModule = 10
	bigList           = 3000 // versions in the long list, about 27 kB
	bigModule         = "example.com/big/list"

	smallestZip, largestZip = 5e3, 5e6 // bytes; as many between 5 and 50 kB as between 500 kB and 5 MB
)

// A target is a file that is asked for, and what must come.
type target struct {
	name    string // below a proxy's root
	request []byte // the whole HTTP request but for the Host line, see client
	size    int64
	sum     uint32
}

// A tree is the modules that are served, and the requests that loads consist of.
type tree struct {
	mods                         *godowntest.Modules
	small, lists, longList, zips []*target
	zipSize                      int64 // of all zips, bytes
}

// makeTree makes modules of pseudo-random bytes: the same every time.
func makeTree(versions int) (*tree, error) {
	mods, err := godowntest.ParseModules("")
	if err != nil {
		return nil, err
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	modules := max(1, versions/versionsPerModule)
	for i := range modules * versionsPerModule {
		path := fmt.Sprintf("example.com/group%d/module%d", i/versionsPerModule%7, i/versionsPerModule)
		size := smallestZip * math.Pow(largestZip/smallestZip, rnd.Float64())
		if err := mods.AddBig(path, fmt.Sprintf("v1.%d.0", i%versionsPerModule), int64(size)); err != nil {
			return nil, err
		}
	}
	t := &tree{mods: mods}
	for _, req := range mods.Requests() {
		f := newTarget(req.Name(), mods)
		switch req.Kind {
		case godown.Info, godown.Mod:
			t.small = append(t.small, f)
		case godown.List:
			t.lists = append(t.lists, f)
		case godown.Zip:
			t.zips = append(t.zips, f)
			t.zipSize += f.size
		}
	}
	for i := range bigList {
		if err := mods.AddBig(bigModule, fmt.Sprintf("v1.%d.%d", i/100, i%100), 10); err != nil {
			return nil, err
		}
	}
	t.longList = append(t.longList, newTarget(godown.Request{Kind: godown.List, Path: bigModule}.Name(), mods))
	for _, list := range [][]*target{t.small, t.lists, t.zips} {
		rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	return t, nil
}

func newTarget(name string, mods *godowntest.Modules) *target {
	f, err := godown.ParseRequest("/" + name)
	if err != nil {
		panic(err) // the name was made by Request.Name
	}
	answer, err := mods.Fetch(context.Background(), f)
	if err != nil {
		panic(err) // Modules lists only what it has
	}
	return &target{
		name: name,
		// What the go command sends.
		request: []byte("GET /" + name + " HTTP/1.1\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n"),
		size:    answer.Size,
		sum:     crc32.Checksum(answer.Data, crc32.MakeTable(crc32.Castagnoli)),
	}
}

// allSmall returns every target that is not a zip.
func (t *tree) allSmall() []*target { return slices.Concat(t.small, t.lists, t.longList) }

// all returns every target.
func (t *tree) all() []*target { return append(t.allSmall(), t.zips...) }

// writeSmall writes the small files below dir, for the floor.
func (t *tree) writeSmall(dir string) error {
	for _, f := range t.allSmall() {
		req, err := godown.ParseRequest("/" + f.name)
		if err != nil {
			return err
		}
		answer, err := t.mods.Fetch(context.Background(), req)
		if err != nil {
			return err
		}
		if err := writeFile(filepath.Join(dir, filepath.FromSlash(f.name)), answer.Data); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(name string, data []byte) error {
	err := os.WriteFile(name, data, 0o644)
	if os.IsNotExist(err) {
		if err = os.MkdirAll(filepath.Dir(name), 0o755); err == nil {
			err = os.WriteFile(name, data, 0o644)
		}
	}
	return err
}

// An upstream is a fake mirror with the checksum database that it passes through.
type upstream struct {
	*godowntest.Upstream
	db *godowntest.SumDB
}

// startUpstream serves mods, and at address as well if that is not empty.
func startUpstream(mods *godowntest.Modules, address string) (*upstream, error) {
	up, err := godowntest.StartUpstream(mods)
	if err != nil {
		return nil, err
	}
	db, err := godowntest.StartSumDB("sum.bench.test", mods)
	if err != nil {
		up.Close()
		return nil, err
	}
	up.Attach(db)
	u := &upstream{up, db}
	if address == "" {
		return u, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		u.close()
		return nil, err
	}
	go http.Serve(l, up) // until this program ends
	return u, nil
}

func (u *upstream) close() {
	u.Close()
	u.db.Close()
}
