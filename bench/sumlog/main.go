// Command sumlog measures our own checksum database as it grows: how many
// records a second are appended, how long a client waits for a record that is
// there, for one that is not, and for a tile, and how long opening the log takes.
//
//	go run ./bench/sumlog [-dir FOLDER] [-sizes 10000,100000,1000000]
//
// It asks the log as the HTTP handler does, in this process, with all data on
// the disk below -dir. What another size costs stands beside it as a ratio to
// the first size.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"fmt"
	"log"
	mathrand "math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const name = "sum.bench.example"

func main() {
	dir := flag.String("dir", os.TempDir(), "where the log is made, in a folder of its own that is removed at the end")
	list := flag.String("sizes", "10000,100000,1000000", "sizes of the log, in records, at which it is measured")
	samples := flag.Int("samples", 2000, "how often each request is made at each size")
	flag.Parse()
	if err := measure(*dir, *list, *samples); err != nil {
		log.Fatal(err)
	}
}

// A row is what was measured at one size.
type row struct {
	size   int
	rate   float64       // records appended per second since the size before
	known  times         // a record that is there
	fresh  times         // a record that is appended first, one client
	tile   times         // a full tile of hashes
	open   time.Duration // opening the log
	disk   int64         // bytes
	memory uint64        // bytes in use after a collection
}

// times are sorted.
type times []time.Duration

func (t times) at(q float64) time.Duration { return t[min(int(q*float64(len(t))), len(t)-1)] }

func measure(dir, list string, samples int) error {
	folder, err := os.MkdirTemp(dir, "sumlog-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	store, err := godown.OpenDir(folder)
	if err != nil {
		return err
	}
	defer store.Close()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := sumlog.Create(ctx, store, name, signer); err != nil {
		return err
	}
	options := sumlog.Options{Name: name, Store: store, Signers: []note.Signer{signer}, Verifiers: []note.Verifier{verifier}, Origin: record,
		Alarm: func(a godown.Alarm) { log.Printf("alarm %s: %v", a.Kind, a.Err) }}
	var rows []row
	size := 0
	for text := range strings.SplitSeq(list, ",") {
		want, err := strconv.Atoi(text)
		if err != nil || want <= size {
			return fmt.Errorf("-sizes: %q is no number above %d", text, size)
		}
		r, err := grow(ctx, options, size, want, samples)
		if err != nil {
			return err
		}
		size = r.size
		for e, err := range store.List(ctx, "") {
			if err != nil {
				return err
			}
			r.disk += e.Size
		}
		rows = append(rows, r)
		print(rows[0], r, len(rows) == 1)
	}
	return nil
}

// grow appends records up to want, and measures.
func grow(ctx context.Context, options sumlog.Options, size, want, samples int) (row, error) {
	l, err := sumlog.Open(ctx, options)
	if err != nil {
		return row{}, err
	}
	start := time.Now()
	if err := appendMany(ctx, l, size, want); err != nil {
		return row{}, err
	}
	r := row{size: want, rate: float64(want-size) / time.Since(start).Seconds()}
	if err := l.Close(ctx); err != nil {
		return r, err
	}
	start = time.Now()
	if l, err = sumlog.Open(ctx, options); err != nil {
		return r, err
	}
	r.open = time.Since(start)
	r.known, err = clock(samples, func(int) error {
		return get(ctx, l, "lookup/"+escaped(version(mathrand.IntN(want))))
	})
	if err != nil {
		return r, err
	}
	r.tile, err = clock(samples, func(int) error {
		t := tlog.Tile{H: 8, L: 0, N: mathrand.Int64N(int64(want) / 256), W: 256}
		return get(ctx, l, t.Path())
	})
	if err != nil {
		return r, err
	}
	r.fresh, err = clock(samples/20, func(i int) error {
		return get(ctx, l, "lookup/"+escaped(version(want+i)))
	})
	r.size += samples / 20
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r.memory = m.HeapAlloc
	if cerr := l.Close(ctx); err == nil {
		err = cerr
	}
	return r, err
}

// clients is how many ask for new records at once while the log grows.
const clients = 4096

func appendMany(ctx context.Context, l *sumlog.Log, from, to int) error {
	var wait sync.WaitGroup
	errs := make(chan error, clients)
	for c := range clients {
		wait.Go(func() {
			for i := from + c; i < to; i += clients {
				if _, _, err := l.Lookup(ctx, version(i)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wait.Wait()
	close(errs)
	return <-errs
}

// clock calls f n times, one after the other.
func clock(n int, f func(int) error) (times, error) {
	t := make(times, n)
	for i := range t {
		start := time.Now()
		if err := f(i); err != nil {
			return nil, err
		}
		t[i] = time.Since(start)
	}
	slices.Sort(t)
	return t, nil
}

func get(ctx context.Context, l *sumlog.Log, file string) error {
	f, err := l.FetchSum(ctx, name+"/"+file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return f.Close()
}

func version(i int) module.Version {
	return module.Version{Path: fmt.Sprintf("example.com/team-%d/project-%d", i%977, i/16), Version: fmt.Sprintf("v1.%d.%d", i%16, i%7)}
}

func escaped(m module.Version) string { return m.Path + "@" + m.Version }

// record makes the go.sum lines of a version.
func record(_ context.Context, m module.Version) ([]byte, error) {
	sum := sha256.Sum256([]byte(m.String()))
	h1 := "h1:" + base64.StdEncoding.EncodeToString(sum[:])
	return fmt.Appendf(nil, "%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, h1, m.Path, m.Version, h1), nil
}

func print(first, r row, head bool) {
	if head {
		fmt.Println("| records | appended/s | known p50 | p99 | new p50 | p99 | tile p50 | p99 | open | disk | bytes a record | heap |")
		fmt.Println("|---|---|---|---|---|---|---|---|---|---|---|---|")
	}
	ratio := func(d, of time.Duration) string {
		return fmt.Sprintf("%v (%.2f)", d.Round(time.Microsecond), float64(d)/float64(of))
	}
	fmt.Printf("| %d | %.0f (%.2f) | %s | %s | %s | %s | %s | %s | %v | %d MB | %d | %d MB |\n",
		r.size, r.rate, r.rate/first.rate,
		ratio(r.known.at(.5), first.known.at(.5)), ratio(r.known.at(.99), first.known.at(.99)),
		ratio(r.fresh.at(.5), first.fresh.at(.5)), ratio(r.fresh.at(.99), first.fresh.at(.99)),
		ratio(r.tile.at(.5), first.tile.at(.5)), ratio(r.tile.at(.99), first.tile.at(.99)),
		r.open.Round(time.Millisecond), r.disk>>20, r.disk/int64(r.size), r.memory>>20)
}
