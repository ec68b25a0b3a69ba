package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8           // of tiles, in both formats
	width  = 1 << height // of a full tile, in hashes
	data   = -1          // the level of records, as in tlog.Tile
)

// name returns the file of a tile.
func (a *Auditor) name(t tlog.Tile) string {
	path := t.Path()
	if a.Format == GoFormat {
		return path
	}
	path = strings.TrimPrefix(path, fmt.Sprintf("tile/%d/", height))
	if rest, ok := strings.CutPrefix(path, "data/"); ok {
		path = "entries/" + rest
	}
	return "tile/" + path
}

// A part is what was read for one tile: hashes, records, a fault or an error.
type part struct {
	name   string
	fault  *Finding // the file is missing or damaged
	err    error    // the file could not be had
	hashes []byte   // of a tile of hashes; as wide as was asked for

	records []Record // of a tile of records; as many as were asked for
	sums    []byte   // their hashes
	wrong   []error  // what is malformed of each
}

// load reads a tile, or the full one where a partial is gone because of it.
func (a *Auditor) load(ctx context.Context, t tlog.Tile) part {
	p := part{name: a.name(t)}
	got := t
	b, err := a.Get(ctx, p.name)
	if errors.Is(err, fs.ErrNotExist) && t.W < width {
		full := t
		full.W = width
		if b, err = a.Get(ctx, a.name(full)); err == nil {
			got, p.name = full, a.name(full)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		p.fault = &Finding{Kind: KindMissing, Name: p.name, Record: -1, What: "the file is missing"}
		return p
	}
	if err != nil {
		p.err = fmt.Errorf("reading %s: %w", p.name, err)
		return p
	}
	if t.L != data {
		if want := got.W * tlog.HashSize; len(b) != want {
			p.fault = &Finding{Kind: KindTile, Name: p.name, Record: -1, What: fmt.Sprintf("the file has %d bytes, not %d", len(b), want)}
			return p
		}
		p.hashes = b[:t.W*tlog.HashSize]
		return p
	}
	split := splitData
	if a.Format == TilesFormat {
		split = splitEntries
	}
	texts, err := split(b, got.W)
	if err != nil {
		p.fault = &Finding{Kind: KindTile, Name: p.name, Record: -1, What: "the file is malformed: " + err.Error()}
		return p
	}
	p.read(t, texts[:t.W])
	return p
}

// read hashes and parses the records of a tile.
func (p *part) read(t tlog.Tile, texts [][]byte) {
	p.records = make([]Record, len(texts))
	p.wrong = make([]error, len(texts))
	p.sums = make([]byte, 0, len(texts)*tlog.HashSize)
	for i, text := range texts {
		p.records[i] = Record{ID: t.N<<height + int64(i), Text: text}
		p.wrong[i] = p.records[i].parse()
		sum := tlog.RecordHash(text)
		p.sums = append(p.sums, sum[:]...)
	}
}

// ordered does work for all that is in, jobs of them at once, and uses the
// results in order. It returns when all goroutines that it started have ended.
func ordered[In, Out any](ctx context.Context, jobs int, in iter.Seq[In], work func(context.Context, In) Out, use func(In, Out) error) error {
	type job struct {
		in  In
		out chan Out
	}
	next, stop := iter.Pull(in)
	defer stop()
	var working sync.WaitGroup
	defer working.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var queue []job
	for {
		for len(queue) < jobs {
			v, ok := next()
			if !ok {
				break
			}
			j := job{v, make(chan Out, 1)}
			queue = append(queue, j)
			working.Go(func() { j.out <- work(ctx, v) })
		}
		if len(queue) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case out := <-queue[0].out:
			if err := use(queue[0].in, out); err != nil {
				return err
			}
		}
		queue = queue[1:]
	}
}
