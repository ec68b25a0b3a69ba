package witness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Config says what Cosigners work with. Witnesses and Prove must be set.
type Config struct {
	Witnesses []*Witness // of different names and keys
	Quorum    int        // cosignatures that a checkpoint needs; 0: those of all witnesses
	Prove     Prove

	// Interval is the least time between two checkpoints that are shown to the
	// witnesses; default 5 s. Those offered in between are left out. It is also
	// the first time that is waited after a failure.
	Interval time.Duration

	// Publish is told of each newer checkpoint that has a quorum, and again
	// when it has more cosignatures, one call after another; may be nil. It
	// must not call Close, and ctx ends when Close is called. Where several
	// processes ask for one log, another may have published a newer one.
	Publish func(ctx context.Context, c Cosigned)

	// Alarm is told when a witness begins to contradict the log, with an
	// AheadError or a ForkError; may be nil. As for Publish, calls do not overlap.
	Alarm func(err error)
}

const (
	interval = 5 * time.Second // default of Config.Interval
	maxPause = 5 * time.Minute // after failures, or Interval if that is longer
)

// Cosigned is a checkpoint with cosignatures.
type Cosigned struct {
	Note         []byte // the checkpoint, with a line for each cosignature at its end; not to be changed
	Tree         tlog.Tree
	Cosignatures []Cosignature // in the order of the witnesses; not to be changed
}

// Status is what Cosigners have reached.
type Status struct {
	Quorum    int             `json:"quorum"`
	Offered   int64           `json:"offered"`  // size of the newest tree that was offered
	Cosigned  int64           `json:"cosigned"` // size of the newest tree that has a quorum
	Witnesses []WitnessStatus `json:"witnesses"`
}

// WitnessStatus is the state of one witness. Times are zero if there are none.
type WitnessStatus struct {
	Name     string    `json:"name"`
	URL      string    `json:"url"`
	Size     int64     `json:"size"`               // of the newest tree that it cosigned for us
	Time     time.Time `json:"time,omitzero"`      // of that cosignature, says the witness
	Asked    time.Time `json:"asked,omitzero"`     // when it was last asked
	Failures int       `json:"failures,omitempty"` // since its last cosignature
	Error    string    `json:"error,omitempty"`    // why the last time failed
	Alarm    string    `json:"alarm,omitempty"`    // that it contradicted the log, until it cosigns again
	Next     time.Time `json:"next,omitzero"`      // when it is asked again after failures
}

// Cosigners ask witnesses to cosign the newest checkpoint of a log, in a
// goroutine of their own. All witnesses are shown the same checkpoint; the
// next one is taken when they have answered, or their time is over.
type Cosigners struct {
	conf   Config
	cancel context.CancelFunc
	wake   chan struct{} // has room for one: something was offered
	done   sync.WaitGroup

	mu      sync.Mutex // guards what follows, and what candidates and members say is guarded
	offered *candidate // the newest; nil: none yet
	latest  *Cosigned  // nil: none yet
	members []*member
}

// A candidate is a checkpoint that is to have a quorum.
type candidate struct {
	note  []byte
	text  string
	tree  tlog.Tree
	lines map[*member]Cosignature // guarded
}

// A member is a witness and what is known of it.
type member struct {
	*Witness
	status WitnessStatus // guarded
	ahead  int64         // guarded: the size that it claimed, if its last answer was an AheadError; else 0
}

// Start begins to work; the owner must call Close.
func Start(conf Config) (*Cosigners, error) {
	if conf.Prove == nil {
		return nil, errors.New("cosigners: nothing proves the log's consistency")
	}
	if len(conf.Witnesses) == 0 {
		return nil, errors.New("cosigners: no witnesses")
	}
	if conf.Quorum < 0 || conf.Quorum > len(conf.Witnesses) {
		return nil, fmt.Errorf("cosigners: a quorum of %d cosignatures cannot be had from %d witnesses", conf.Quorum, len(conf.Witnesses))
	}
	if conf.Quorum == 0 {
		conf.Quorum = len(conf.Witnesses)
	}
	if conf.Interval <= 0 {
		conf.Interval = interval
	}
	c := &Cosigners{conf: conf, wake: make(chan struct{}, 1)}
	for _, w := range conf.Witnesses {
		if err := w.check(); err != nil {
			return nil, err
		}
		for _, other := range c.members { // one witness must not count twice
			if other.Key.name == w.Key.name || other.Key.key.Equal(w.Key.key) {
				return nil, fmt.Errorf("cosigners: the witnesses %s and %s have the same name or key", other.Key.name, w.Key.name)
			}
		}
		c.members = append(c.members, &member{Witness: w, status: WitnessStatus{Name: w.Key.name, URL: w.URL.String()}})
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.done.Go(func() { c.run(ctx) })
	return c, nil
}

// Close ends all work, and waits for it.
func (c *Cosigners) Close() error {
	c.cancel()
	c.done.Wait()
	return nil
}

// Offer says that there is a newer checkpoint, signed by the log. It never
// waits. A checkpoint of a tree that is not larger than the newest one offered
// is ignored, so that several writers may offer theirs in any order; one that
// contradicts it is an error.
func (c *Cosigners) Offer(checkpoint []byte) error {
	checkpoint = slices.Clone(checkpoint)
	text, _, tree, err := open(checkpoint)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offered != nil && tree.N <= c.offered.tree.N {
		if tree.N == c.offered.tree.N && tree.Hash != c.offered.tree.Hash {
			return fmt.Errorf("cosigners: two checkpoints of %d records were offered, with the hashes %s and %s",
				tree.N, c.offered.tree.Hash, tree.Hash)
		}
		return nil
	}
	c.offered = &candidate{note: checkpoint, text: text, tree: tree, lines: make(map[*member]Cosignature)}
	select {
	case c.wake <- struct{}{}:
	default: // is awake
	}
	return nil
}

// Latest returns the newest checkpoint that has a quorum; ok is false if there is none.
func (c *Cosigners) Latest() (latest Cosigned, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.latest == nil {
		return Cosigned{}, false
	}
	return *c.latest, true
}

// Status tells the state of all witnesses, in the order of Config.Witnesses.
func (c *Cosigners) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{Quorum: c.conf.Quorum}
	if c.offered != nil {
		s.Offered = c.offered.tree.N
	}
	if c.latest != nil {
		s.Cosigned = c.latest.Tree.N
	}
	for _, m := range c.members {
		s.Witnesses = append(s.Witnesses, m.status)
	}
	return s
}

// cosigned returns the candidate with the cosignatures that it has. c.mu must be held.
func (c *Cosigners) cosigned(cand *candidate) *Cosigned {
	done := &Cosigned{Tree: cand.tree}
	var b strings.Builder
	b.Write(cand.note)
	for _, m := range c.members {
		if sig, ok := cand.lines[m]; ok {
			done.Cosignatures = append(done.Cosignatures, sig)
			b.WriteString(sig.Line)
		}
	}
	done.Note = []byte(b.String())
	return done
}
