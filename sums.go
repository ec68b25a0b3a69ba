package godown

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Sums is a checksum database as the go command uses one: a transparency log
// that need not be trusted, as each record is proven to be in the tree whose
// head the database has signed, and each head to continue the last one. It
// verifies .mod and .zip files, and serves the database's files to clients.
//
// What was verified is stored: records, tiles and the latest signed head, under
// sumdb/NAME/ as in GOMODCACHE/cache/download, the head beside them.
type Sums struct {
	Spec   SumDBSpec
	Store  Store
	Remote func(ctx context.Context, path string) ([]byte, error) // fetches "lookup/…", "tile/…" or "latest"; an absence is an fs.ErrNotExist
	// Private modules are never named to the database; patterns as in GONOSUMDB.
	Private string
	TTL     time.Duration // how long the latest head is served before the database is asked anew; default 1 min
	Alarm   func(Alarm)   // may be nil
	Views   []SumView     // the ways to the database whose heads Watch compares; none: Remote alone

	once     sync.Once
	verifier note.Verifiers
	chores   chores
	records  *hot[string, []byte] // proven records by file name, as they are stored
	tiles    *hot[tlog.Tile, []byte]
	calls    calls[[]byte]

	loading  sync.Mutex // held while the head is read from the store
	stopping sync.Mutex // held while evidence is stored
	mu       sync.Mutex // guards the fields below
	loaded   bool
	head     signedHead
	asked    time.Time      // when the database was last asked for its head
	changed  time.Time      // when the head last became another
	waiting  []signedHead   // heads that are to be merged when there is time
	stopped  *SecurityError // why nothing new is believed; nil: it is
	fork     *SumFork       // the evidence for that, if it can be read
	unsaved  []byte         // evidence that the store has not taken yet
	stops    int            // how often the three fields above were changed by stop or saveFork
	watched  []watched      // by index in views()

	seen sightings
}

// A SumDBSpec says which checksum database is meant.
type SumDBSpec struct {
	Name string   // as in sum.golang.org: a host and perhaps a path
	Key  string   // to verify its signature
	URL  *url.URL // where it is, bypassing proxies; nil: https://Name, or a proxy's /sumdb/Name
}

// The public key of sum.golang.org, as it is built into the go command.
const publicSumDBKey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

// ParseSumDB parses a value of GOSUMDB other than "off": a known name or a
// verifier key, and perhaps a URL.
func ParseSumDB(spec string) (SumDBSpec, error) {
	if spec == "sum.golang.google.cn" {
		spec = "sum.golang.org https://sum.golang.google.cn" // the same, reachable in mainland China
	}
	fields := strings.Fields(spec)
	if len(fields) == 0 || len(fields) > 2 {
		return SumDBSpec{}, fmt.Errorf("%q is neither NAME, KEY, NAME URL nor KEY URL", spec)
	}
	key := fields[0]
	if key == "sum.golang.org" {
		key = publicSumDBKey
	}
	v, err := note.NewVerifier(key)
	if err != nil {
		return SumDBSpec{}, fmt.Errorf("%q is neither a known checksum database nor a key of the form name+hash+key: %w", fields[0], err)
	}
	s := SumDBSpec{Name: v.Name(), Key: key}
	direct, err := url.Parse("https://" + s.Name)
	if err != nil || strings.HasSuffix(s.Name, "/") || direct.RawPath != "" || direct.Host == "" ||
		*direct != (url.URL{Scheme: "https", Host: direct.Host, Path: direct.Path}) || !fs.ValidPath(s.Name) {
		return SumDBSpec{}, fmt.Errorf("the checksum database's name %q is not of the form host or host/path", s.Name)
	}
	if len(fields) == 2 {
		if s.URL, err = parseProxyURL(fields[1]); err != nil {
			return SumDBSpec{}, fmt.Errorf("the checksum database's URL: %w", err)
		}
	}
	return s, nil
}

// tileHeight is the height of tiles that the go command uses.
const tileHeight = 8

func (s *Sums) init() {
	setDefault(&s.TTL, time.Minute)
	if s.Alarm == nil {
		s.Alarm = func(Alarm) {}
	}
	if v, err := note.NewVerifier(s.Spec.Key); err == nil {
		s.verifier = note.VerifierList(v)
	} else {
		s.verifier = note.VerifierList() // nothing verifies
	}
	s.records = newHot[string, []byte](16 << 20)
	s.tiles = newHot[tlog.Tile, []byte](16 << 20)
}

// Verify compares h1 with the database's record.
func (s *Sums) Verify(ctx context.Context, req Request, h1 string) error {
	record, err := s.Lookup(ctx, req.Path, req.Version)
	if err != nil {
		if _, ok := errors.AsType[*SecurityError](err); ok {
			return err
		}
		return &Unverified{Request: req, By: "checksum database " + s.Spec.Name, Absent: errors.Is(err, fs.ErrNotExist), Err: err}
	}
	switch known := findSum(recordText(record), sumPrefix(req)); known {
	case h1:
		return nil
	case "":
		return &Unverified{Request: req, By: "checksum database " + s.Spec.Name, Absent: true, Err: errors.New("its record has no line for this file")}
	default:
		return &Mismatch{Request: req, Reason: fmt.Sprintf("its hash is %s, but checksum database %s has %s", h1, s.Spec.Name, known)}
	}
}

// Recall returns the hash of a record that was proven before.
func (s *Sums) Recall(ctx context.Context, req Request) string {
	s.once.Do(s.init)
	name, err := lookupName(req.Path, req.Version)
	if err != nil {
		return ""
	}
	record, err := s.atHand(ctx, name)
	if err != nil {
		return ""
	}
	return findSum(recordText(record), sumPrefix(req))
}

// Ahead begins to look up what Verify will soon be asked about.
func (s *Sums) Ahead(ctx context.Context, req Request) {
	go s.Lookup(ctx, req.Path, req.Version) // Verify joins it, or repeats what failed
}

func lookupName(path, version string) (string, error) {
	p, err := module.EscapePath(path)
	if err != nil {
		return "", err
	}
	v, err := module.EscapeVersion(version)
	if err != nil {
		return "", err
	}
	return "lookup/" + p + "@" + v, nil
}

// recordText returns the go.sum lines of a record.
func recordText(record []byte) string {
	_, text, _, err := tlog.ParseRecord(record)
	if err != nil {
		return ""
	}
	return string(text)
}

// storeName returns where a file of the database is stored.
func (s *Sums) storeName(name string) string { return "sumdb/" + s.Spec.Name + "/" + name }

// atHand returns a record that is stored, and that stored tiles prove.
func (s *Sums) atHand(ctx context.Context, name string) ([]byte, error) {
	if r, ok := s.records.get(name); ok {
		return r, nil
	}
	if err := s.loadHead(ctx); err != nil {
		return nil, err
	}
	r, err := s.load(ctx, name)
	if err == nil {
		err = s.prove(CachedOnly(ctx), r)
	}
	if err != nil {
		return nil, err
	}
	s.records.put(name, r, int64(len(r)+len(name)))
	return r, nil
}

func (s *Sums) load(ctx context.Context, name string) ([]byte, error) {
	f, err := s.Store.Open(ctx, s.storeName(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readLimited(f, 1<<20)
	if err == nil && len(data) == 0 {
		err = fs.ErrNotExist // the go command leaves such in a seeded folder
	}
	return data, err
}

// save stores a file, after a while: everything stored is proven again when it
// is read in another process's life, so nobody waits for the disk.
func (s *Sums) save(name string, data []byte) {
	s.later(func(ctx context.Context) {
		if err := s.Store.Put(ctx, s.storeName(name), bytes.NewReader(data)); err != nil {
			s.Alarm(Alarm{Kind: "store", Err: err})
		}
	})
}

// Lookup returns the record of a module version, as the database's
// /lookup/ answers: its number, its go.sum lines, and a signed head that proves it.
// That there is none is an fs.ErrNotExist.
func (s *Sums) Lookup(ctx context.Context, path, version string) ([]byte, error) {
	s.once.Do(s.init)
	name, err := lookupName(path, version)
	if err != nil {
		return nil, &NotFound{Text: err.Error()}
	}
	if r, ok := s.records.get(name); ok {
		return r, nil
	}
	return s.calls.do(ctx, name, func(ctx context.Context) ([]byte, error) {
		return s.lookup(ctx, name)
	})
}

func (s *Sums) lookup(ctx context.Context, name string) ([]byte, error) {
	if err := s.loadHead(ctx); err != nil {
		return nil, err
	}
	// A stored record, perhaps one that an operator has put there, is proven
	// once in a process's life. If that fails the database is asked anew.
	if record, err := s.load(ctx, name); err == nil {
		if s.prove(ctx, record) == nil {
			s.records.put(name, record, int64(len(record)+len(name)))
			return record, nil
		}
	}
	if err := s.trusted(ctx); err != nil {
		return nil, err
	}
	record, err := s.fetch(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := s.prove(ctx, record); err != nil {
		if errors.Is(err, fs.ErrNotExist) { // a tile is absent, but the record is not
			err = errors.New(err.Error())
		}
		return nil, err
	}
	if err := s.distrust(); err != nil { // found out meanwhile
		return nil, err
	}
	s.save(name, record)
	s.records.put(name, record, int64(len(record)+len(name)))
	return record, nil
}

// prove checks that a record is in the tree.
func (s *Sums) prove(ctx context.Context, record []byte) error {
	id, text, signed, err := tlog.ParseRecord(record)
	if err != nil {
		return fmt.Errorf("malformed record: %w", err)
	}
	head, _ := s.latest()
	if id >= head.N {
		if err := s.merge(ctx, signed); err != nil {
			return err
		}
		head, _ = s.latest()
	} else if _, err := s.open(signed); err != nil {
		return err
	} else if !IsCachedOnly(ctx) {
		// The tree that we know suffices. That its head goes on in this one is
		// for nobody to wait for.
		s.mergeLater(signed)
	}
	if id < 0 || id >= head.N {
		return fmt.Errorf("record %d is not in the tree of %d records", id, head.N)
	}
	r, err := s.withTiles(ctx, s.fetch, func(r *tileReader) error {
		hashes, err := tlog.TileHashReader(head, r).ReadHashes([]int64{tlog.StoredHashIndex(0, id)})
		if err != nil {
			return err
		}
		if hashes[0] != tlog.RecordHash(text) {
			// The record itself is not signed: whoever is on the way may have changed it.
			return fmt.Errorf("record %d is not the one in the tree of %d records", id, head.N)
		}
		return nil
	})
	if err == nil {
		r.keep()
	}
	return err
}

// fetch asks the database.
func (s *Sums) fetch(ctx context.Context, name string) ([]byte, error) {
	return s.calls.do(ctx, "remote "+name, func(ctx context.Context) ([]byte, error) {
		return s.Remote(ctx, name)
	})
}

// calls lets any number of callers share one call.
type calls[T any] struct {
	working sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	under  map[string]*call[T]
	ctx    context.Context // of all calls
	cancel context.CancelFunc
	closed bool
}

type call[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// callTimeout is how long a shared call may take in all.
const callTimeout = 2 * time.Minute

// do calls f, or waits for the same call of another. The call goes on when its
// callers leave, but not when all is closed.
func (c *calls[T]) do(ctx context.Context, key string, f func(context.Context) (T, error)) (T, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		var none T
		return none, errClosed
	}
	under, ok := c.under[key]
	if !ok {
		under = &call[T]{done: make(chan struct{})}
		if c.under == nil {
			c.under = make(map[string]*call[T])
			c.ctx, c.cancel = context.WithCancel(context.Background())
		}
		c.under[key] = under
		c.working.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
			defer cancel()
			defer context.AfterFunc(c.ctx, cancel)()
			under.value, under.err = f(ctx)
			c.mu.Lock()
			delete(c.under, key)
			c.mu.Unlock()
			close(under.done)
		})
	}
	c.mu.Unlock()
	select {
	case <-under.done:
		return under.value, under.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// close ends all calls, and waits for their end. There are no more after it.
func (c *calls[T]) close() {
	c.mu.Lock()
	c.closed = true
	cancel := c.cancel
	c.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	c.working.Wait()
}
