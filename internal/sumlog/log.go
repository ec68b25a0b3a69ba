package sumlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog/index"
	"github.com/godown-dev/godown/internal/sumlog/witness"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Log is a checksum database of our own. Its methods are safe for concurrent
// use, and so are several Logs, in several processes, on one Store.
type Log struct {
	options
	verifiers note.Verifiers
	index     *index.Index
	cosigners *witness.Cosigners // nil: there are no witnesses
	tiles     tiles

	loading chan struct{} // holds a value while the state of the store is taken over, or a new one is committed

	mu      sync.Mutex // guards the fields below
	state   *state
	newest  *state    // what the index may read: state, or the one that is to take its place
	head    head      // what clients are shown; with a key it is that of state
	looked  time.Time // when the store was last looked at for what others have committed
	unsure  bool      // what is committed is not known, or may not be durable: nothing new is signed
	damaged error     // why not all records can be read: what is not found may yet be there
	queue   []*entry  // what is to be appended
	waited  bool      // somebody waits for one of queue
	busy    bool      // there is a goroutine that appends
	noted   map[module.Version]bool
	notes   []module.Version // what Note was told of, and is still to be looked up
	noting  bool             // there is a goroutine for notes
	closed  bool
	hurry   chan struct{} // tells the goroutine that appends that somebody waits
	working sync.WaitGroup
	ctx     context.Context // of all work that nobody waits for
	cancel  context.CancelFunc
}

// Options are what a Log is opened with.
type Options struct {
	Name  string       // as clients know it: a host, perhaps with a path
	Store godown.Store // also a [godown.Swapper]

	// Signers are the private keys. The first is that of the database's main key; more
	// are for its rotation. None: the log is read only, and shows the heads that others sign.
	Signers []note.Signer
	// Verifiers are the public keys: those of Signers, and such as heads were signed with before.
	Verifiers []note.Verifier

	// Origin returns the go.sum lines of a version that has no record yet; that there is
	// no such version is an fs.ErrNotExist. nil: nothing is appended.
	Origin func(ctx context.Context, m module.Version) ([]byte, error)
	Alarm  func(godown.Alarm) // may be nil

	Witnesses []*witness.Witness // that are asked to cosign
	// Seen are signed heads of the log that are known from elsewhere: it must go on from each.
	Seen [][]byte
	// Differs is told of a version of which the log has another record than Origin made:
	// another process was quicker. May be nil.
	Differs func(ctx context.Context, m module.Version)
}

type options = Options

// batchWait is how long a record that nobody waits for is kept until it is appended with others.
const batchWait = 100 * time.Millisecond

// lookEvery is how often the store is looked at for what other processes have committed.
const lookEvery = time.Second

// Create makes a log without records in the store. That there is one already is an fs.ErrExist.
func Create(ctx context.Context, store godown.Store, name string, signers ...note.Signer) error {
	swapper, ok := store.(godown.Swapper)
	if !ok {
		return errNoSwap
	}
	if len(signers) == 0 {
		return errors.New("a checksum database cannot be made without a private key")
	}
	for e, err := range store.List(ctx, name+"/") {
		if err != nil {
			return err
		}
		// A file of an earlier one would be taken for the new one's.
		return fmt.Errorf("there is a checksum database %s already, or something of one: %s: %w", name, e.Name, fs.ErrExist)
	}
	err := swapper.Swap(ctx, name+"/commit", nil, tlog.FormatTree(emptyTree()))
	if errors.Is(err, godown.ErrChanged) {
		return fmt.Errorf("there is a checksum database %s already: %w", name, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	signed, err := sign(emptyTree(), signers)
	if err != nil {
		return err
	}
	return store.Put(ctx, name+"/latest", bytes.NewReader(signed))
}

var (
	errNoSwap = errors.New("this store has no compare-and-swap, without which no log can be kept in it")
	errClosed = errors.New("the checksum database is being closed")
	// ErrReadOnly says that a log is opened without its private key.
	ErrReadOnly = errors.New("the private key of the checksum database is not here: nothing can be added to it")
)

func sign(tree tlog.Tree, signers []note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: string(tlog.FormatTree(tree))}, signers...)
}

// Open opens a log that Create, or Import, has made. What a crash has left undone is done.
func Open(ctx context.Context, o Options) (*Log, error) {
	if _, ok := o.Store.(godown.Swapper); !ok {
		return nil, errNoSwap
	}
	if o.Alarm == nil {
		o.Alarm = func(godown.Alarm) {}
	}
	l := &Log{options: o, loading: make(chan struct{}, 1), hurry: make(chan struct{}, 1), noted: make(map[module.Version]bool)}
	l.verifiers = note.VerifierList(o.Verifiers...)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if err := l.open(ctx); err != nil {
		l.cancel()
		return nil, fmt.Errorf("checksum database %s: %w", o.Name, err)
	}
	return l, nil
}

func (l *Log) open(ctx context.Context) error {
	signed, unsigned := l.storedHead(ctx) // before the tree, which is then as new or newer
	s, unconfirmed, err := l.load(ctx)
	if err != nil {
		return err
	}
	if errors.Is(unsigned, fs.ErrNotExist) && s.tree.N == 0 && len(l.Signers) > 0 && unconfirmed == nil {
		signed.tree, unsigned = s.tree, nil // Create was cut short
	}
	if unsigned != nil {
		return errors.Join(unsigned, unconfirmed)
	}
	if err := l.holds(ctx, s, signed.tree); err != nil {
		return err
	}
	for _, known := range l.Seen {
		tree, err := openHead(known, l.Name, l.verifiers)
		if err != nil {
			return fmt.Errorf("a head that was seen before: %w", err)
		}
		if err := l.holds(ctx, s, tree); err != nil {
			return err
		}
	}
	if unconfirmed != nil {
		// The disk takes nothing: what was signed before goes on being served.
		l.unsure = true
		l.Alarm(godown.Alarm{Kind: "store", Err: fmt.Errorf("checksum database %s: %w; nothing can be added to it now", l.Name, unconfirmed)})
	}
	l.newest = s
	if err := l.openIndex(ctx, s); err != nil {
		return err
	}
	if err = l.startCosigning(); err == nil {
		err = l.adopt(s, signed)
	}
	if err != nil {
		return errors.Join(err, l.end(ctx))
	}
	if unconfirmed == nil {
		l.sweep(ctx, s)
	}
	return nil
}

// openIndex opens the index. Where it has to be made anew and records cannot be
// read, there is one in memory of the others: they can be looked up.
func (l *Log) openIndex(ctx context.Context, s *state) (err error) {
	l.index, err = index.Open(ctx, l.Store, l.Name+"/index/", s.tree.N, l.keys, index.Options{
		Bind:   l.bind,
		Failed: func(err error) { l.Alarm(godown.Alarm{Kind: "store", Err: err}) },
	})
	if err == nil || ctx.Err() != nil {
		return err
	}
	l.spoil(err)
	l.index, err = index.Open(ctx, godown.Unwritable(err), l.Name+"/index/", s.tree.N, l.keysThatAre, index.Options{})
	return err
}

// spoil notes that not all records can be read.
func (l *Log) spoil(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.damaged == nil {
		l.damaged = err
	}
}

// end ends what works for the log.
func (l *Log) end(ctx context.Context) error {
	var err error
	if l.cosigners != nil {
		err = l.cosigners.Close()
	}
	return errors.Join(err, l.index.Close(ctx))
}

// holds checks that the tree that is committed goes on from the one that was
// signed last. A folder that was put back from a backup, or that was changed by
// somebody, must never be signed again: clients would see two histories.
func (l *Log) holds(ctx context.Context, s *state, tree tlog.Tree) error {
	if tree.N > s.tree.N {
		return fmt.Errorf("a head of %d records was signed, but %d are committed: some were lost, such as by putting back an old copy of the folder; put back all of a newer one, or begin a database of another name", tree.N, s.tree.N)
	}
	if hash, err := l.treeHash(ctx, s, tree.N); err != nil {
		return err
	} else if hash != tree.Hash {
		return fmt.Errorf("the head of %d records that was signed is of another tree than the %d records that are committed: nothing may be signed any more; begin a database of another name", tree.N, s.tree.N)
	}
	return nil
}

// adopt makes s what is served and appended to; the index has all of its records.
// Caller has l.loading, or nobody else has l. Where s is not signed here, h is
// the head that clients are shown, of no more records.
func (l *Log) adopt(s *state, h head) error {
	l.mu.Lock()
	sure := !l.unsure
	l.mu.Unlock()
	if len(l.Signers) > 0 && sure {
		signed, err := sign(s.tree, l.Signers)
		if err != nil {
			return err
		}
		h = head{s.tree, signed}
	}
	l.mu.Lock()
	moved := h.tree != l.head.tree || l.state == nil
	l.state, l.head, l.looked = s, h, time.Now()
	l.mu.Unlock()
	if moved {
		l.offer(h.tree)
	}
	return nil
}

// A head is a tree as it was signed.
type head struct {
	tree   tlog.Tree
	signed []byte
}

// storedHead returns the head that was signed last.
func (l *Log) storedHead(ctx context.Context) (head, error) {
	signed, err := l.read(ctx, "latest")
	if err != nil {
		return head{}, fmt.Errorf("the head that was signed last: %w", err)
	}
	tree, err := openHead(signed, l.Name, l.verifiers)
	if err != nil {
		return head{}, fmt.Errorf("the head that was signed last, %s/latest: %w", l.Name, err)
	}
	return head{tree, signed}, nil
}

// load reads the state that is committed. Who has a key sees to it that it is
// durable, and that its full tiles are in the store: whoever committed it may have
// died before. Why that failed is in unconfirmed; such a state may not be signed.
func (l *Log) load(ctx context.Context) (s *state, unconfirmed, err error) {
	for try := 0; ; try++ {
		text, err := l.read(ctx, "commit")
		if err != nil {
			return nil, nil, fmt.Errorf("the committed tree: %w", err)
		}
		tree, err := tlog.ParseTree(text)
		if err == nil && !bytes.Equal(text, tlog.FormatTree(tree)) {
			err = errors.New("it has more than a tree")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("the committed tree, %s/commit: %w", l.Name, err)
		}
		s := &state{tree: tree}
		if tree.N > 0 {
			data, err := l.read(ctx, tailName(tree))
			if errors.Is(err, fs.ErrNotExist) && try < 10 {
				continue // another process has committed a newer tree meanwhile
			}
			if err == nil {
				s, err = decodeState(data, tree)
			}
			if err != nil {
				return nil, nil, fmt.Errorf("%s/%s, which holds the newest records: %w", l.Name, tailName(tree), cloak(err))
			}
		} else if tree != emptyTree() {
			return nil, nil, fmt.Errorf("the committed tree, %s/commit: that is not the hash of no records", l.Name)
		}
		if len(l.Signers) > 0 {
			unconfirmed = l.confirm(ctx, tree)
			if errors.Is(unconfirmed, godown.ErrChanged) && ctx.Err() == nil {
				continue
			}
		}
		l.checkFilled(ctx, s)
		if unconfirmed == nil {
			s.filled = l.putFilled(ctx, s.filled)
		}
		return s, unconfirmed, nil
	}
}

// confirm makes a commit durable that may not be.
func (l *Log) confirm(ctx context.Context, tree tlog.Tree) error {
	if signed, err := l.storedHead(ctx); err == nil && signed.tree == tree {
		return nil // who signed it knew
	}
	text := tlog.FormatTree(tree)
	if err := l.Store.(godown.Swapper).Swap(ctx, l.Name+"/commit", text, text); err != nil {
		return fmt.Errorf("the committed tree cannot be made durable: %w", err)
	}
	return nil
}

// read returns a file of the log.
func (l *Log) read(ctx context.Context, name string) ([]byte, error) {
	f, err := l.Store.Open(ctx, l.Name+"/"+name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Body == nil || f.Size < 0 {
		return io.ReadAll(f.Reader())
	}
	data := make([]byte, f.Size)
	_, err = io.ReadFull(f.Body, data)
	return data, err
}

func (l *Log) put(ctx context.Context, name string, data []byte) error {
	return l.Store.Put(ctx, l.Name+"/"+name, bytes.NewReader(data))
}

// look takes over what others have committed, if that was not looked for of late.
// Where that would mean to wait, and atMost is not 0, it is left to another time.
func (l *Log) look(ctx context.Context, atMost time.Duration) {
	if !l.due(atMost) {
		return
	}
	if atMost > 0 {
		select {
		case l.loading <- struct{}{}:
		default:
			return // somebody is at it
		}
	} else if l.lock(ctx) != nil {
		return
	}
	defer l.unlock()
	if !l.due(atMost) {
		return
	}
	// It is not only for who asks, who may leave.
	ctx, cancel := context.WithTimeout(l.ctx, commitTimeout)
	defer cancel()
	if err := l.reload(ctx); err != nil && l.ctx.Err() == nil {
		// What is known goes on being served.
		l.Alarm(godown.Alarm{Kind: "store", Err: fmt.Errorf("checksum database %s: %w", l.Name, err)})
	}
}

// due reports whether the store was last looked at so long ago.
func (l *Log) due(atMost time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.looked) >= atMost
}

// lock waits for l.loading.
func (l *Log) lock(ctx context.Context) error {
	select {
	case l.loading <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Log) unlock() { <-l.loading }

// reload takes over what is committed. Caller has l.loading.
func (l *Log) reload(ctx context.Context) error {
	have, _ := l.current()
	l.mu.Lock()
	l.looked = time.Now()
	unsure := l.unsure
	l.mu.Unlock()
	var stored head // before the tree, which is then as new or newer
	if len(l.Signers) == 0 {
		var err error
		if stored, err = l.storedHead(ctx); err != nil {
			return cloak(err)
		}
	}
	if text, err := l.read(ctx, "commit"); err != nil {
		return cloak(err)
	} else if bytes.Equal(text, tlog.FormatTree(have.tree)) && !unsure {
		if len(l.Signers) == 0 {
			return l.adopt(have, stored) // the head may be newer
		}
		return nil
	}
	s, unconfirmed, err := l.load(ctx)
	if err = errors.Join(err, unconfirmed); err != nil {
		return cloak(err)
	}
	if s.tree.N < have.tree.N {
		return fmt.Errorf("the committed tree has %d records, but had %d before", s.tree.N, have.tree.N)
	}
	if hash, err := l.treeHash(ctx, s, have.tree.N); err != nil {
		return err
	} else if hash != have.tree.Hash {
		return fmt.Errorf("the committed tree of %d records does not go on from that of %d", s.tree.N, have.tree.N)
	}
	l.mu.Lock()
	l.unsure = false
	l.mu.Unlock()
	return l.advance(ctx, have, s, stored)
}

// advance makes the newer state next the current one. Caller has l.loading.
func (l *Log) advance(ctx context.Context, have, next *state, stored head) error {
	l.mu.Lock()
	l.newest = next
	l.mu.Unlock()
	for first := max(have.tree.N, l.index.Size()); first < next.tree.N; {
		n := int(min(next.tree.N-first, 16*tileWidth))
		keys, err := l.keys(ctx, first, n)
		if err != nil {
			return err
		}
		if err := l.index.Add(ctx, keys); err != nil {
			return err
		}
		first += int64(n)
	}
	return l.adopt(next, stored)
}

// current returns the state, and the head for clients.
func (l *Log) current() (*state, head) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.head
}

// keys reads the index's keys of records.
func (l *Log) keys(ctx context.Context, first int64, n int) ([]index.Key, error) {
	s := l.readable()
	keys := make([]index.Key, 0, n)
	for len(keys) < n {
		texts, err := l.records(ctx, s, first+int64(len(keys)))
		if err != nil {
			return nil, err
		}
		for _, text := range texts[:min(n-len(keys), len(texts))] {
			m, err := versionOf(text)
			if err != nil {
				return nil, fmt.Errorf("a record from number %d on: %w", first, err)
			}
			keys = append(keys, index.KeyOf(m.Path, m.Version))
		}
	}
	return keys, nil
}

// keysThatAre is keys for a log of which some records cannot be read: in their
// place stands the key of no version.
func (l *Log) keysThatAre(ctx context.Context, first int64, n int) ([]index.Key, error) {
	var all []index.Key
	for len(all) < n {
		at := first + int64(len(all))
		count := min(n-len(all), tileWidth-int(at%tileWidth))
		keys, err := l.keys(ctx, at, count)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			keys = make([]index.Key, count)
		}
		all = append(all, keys...)
	}
	return all, nil
}

// bind returns the tree's hash of n records, by which the index tells its files from those of another log.
func (l *Log) bind(ctx context.Context, first, n int64) ([]byte, error) {
	level := bits.TrailingZeros64(uint64(n))
	hashes, err := l.hashes(ctx, l.readable()).ReadHashes([]int64{tlog.StoredHashIndex(level, first/n)})
	if err != nil {
		return nil, err
	}
	return hashes[0][:], nil
}

func (l *Log) readable() *state {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

// versionOf returns the module version that a record is about.
func versionOf(text []byte) (module.Version, error) {
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Split(line, " ")
	if len(fields) != 3 {
		return module.Version{}, fmt.Errorf("%.100q is no line of go.sum", line)
	}
	return module.Version{Path: fields[0], Version: fields[1]}, nil
}

// sweep removes tails of trees before the current one, that a crash or another process has left.
func (l *Log) sweep(ctx context.Context, s *state) {
	if len(l.Signers) == 0 {
		return
	}
	prefix := l.Name + "/tail/"
	for e, err := range l.Store.List(ctx, prefix) {
		if err != nil {
			return // it is for tidiness only
		}
		var size int64
		if _, err := fmt.Sscanf(strings.TrimPrefix(e.Name, prefix), "%d-", &size); err == nil && size <= s.tree.N && e.Name != l.Name+"/"+tailName(s.tree) {
			_ = l.Store.Delete(ctx, e.Name)
		}
	}
}

// Close appends what is queued, until ctx ends, and ends all other work.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	l.closed = true
	l.notes = nil
	l.mu.Unlock()
	l.rush()
	done := make(chan struct{})
	go func() {
		l.working.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
		l.cancel()
		<-done
	}
	l.cancel()
	return errors.Join(err, l.end(ctx))
}
