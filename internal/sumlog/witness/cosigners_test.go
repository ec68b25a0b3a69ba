package witness_test

import (
	"context"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown/internal/sumlog/witness"
	"github.com/godown-dev/godown/internal/sumlog/witness/witnesstest"
)

// A council is Cosigners with witnesses a.example, b.example… of a log.
type council struct {
	*witness.Cosigners
	t         *testing.T
	log       *log
	witnesses []*witnesstest.Witness
	keys      []note.Verifier

	mu        sync.Mutex // guards what follows
	published []witness.Cosigned
	alarms    []error
}

// convene must be called in a bubble of synctest.
func convene(t *testing.T, n, quorum int) *council {
	t.Helper()
	c := &council{t: t, log: newLog(t, origin)}
	c.log.grow(100)
	net := make(wire)
	conf := witness.Config{
		Quorum: quorum,
		// Proofs are made in several goroutines here, so not by log.prove.
		Prove: func(_ context.Context, tree tlog.Tree, old int64) (tlog.TreeProof, error) {
			return tlog.ProveTree(tree.N, old, c.log)
		},
		Publish: func(_ context.Context, done witness.Cosigned) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.published = append(c.published, done)
		},
		Alarm: func(err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.alarms = append(c.alarms, err)
		},
	}
	for i := range n {
		host := string(rune('a'+i)) + ".example"
		served := witnesstest.New(host)
		served.Trust(origin, c.log.key)
		net[host] = served
		w := ask(t, served, "https://"+host)
		w.Transport = net
		c.witnesses = append(c.witnesses, served)
		c.keys = append(c.keys, w.Key)
		conf.Witnesses = append(conf.Witnesses, w)
	}
	var err error
	if c.Cosigners, err = witness.Start(conf); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// offer offers the checkpoint of n records.
func (c *council) offer(n int64) {
	c.t.Helper()
	if err := c.Offer(c.log.checkpoint(n)); err != nil {
		c.t.Fatal(err)
	}
}

// pass lets time pass, of the bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// has checks the newest checkpoint: its size and who cosigned it; none: "".
func (c *council) has(size int64, by ...string) {
	c.t.Helper()
	latest, ok := c.Latest()
	if ok != (size > 0) || latest.Tree.N != size || c.Status().Cosigned != size {
		c.t.Fatalf("the newest checkpoint is of %d records (%v), want %d", latest.Tree.N, ok, size)
	}
	if size == 0 {
		return
	}
	var names []string
	for _, sig := range latest.Cosignatures {
		names = append(names, strings.TrimSuffix(sig.Name, ".example"))
	}
	if !slices.Equal(names, by) {
		c.t.Errorf("it is cosigned by %v, want %v", names, by)
	}
	n, err := note.Open(latest.Note, note.VerifierList(append(c.keys, c.log.key)...))
	if err != nil || len(n.Sigs) != 1+len(by) || n.Text != c.log.text(size) {
		c.t.Errorf("as a note it is %+v: %v", n, err)
	}
}

func (c *council) told() (published, alarms int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.published), len(c.alarms)
}

func TestCosigners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := convene(t, 3, 0)
		c.has(0)
		if s := c.Status(); s.Quorum != 3 || len(s.Witnesses) != 3 || s.Witnesses[1].URL != "https://b.example" {
			t.Errorf("at first the state is %+v", s)
		}
		pass(time.Hour)
		c.offer(4)
		synctest.Wait()
		c.has(4, "a", "b", "c")
		c.offer(9)
		pass(time.Minute)
		c.has(9, "a", "b", "c")
		s := c.Status()
		for _, w := range s.Witnesses {
			if w.Size != 9 || w.Time.IsZero() || w.Asked.IsZero() || w.Error != "" || w.Failures != 0 || !w.Next.IsZero() {
				t.Errorf("%+v", w)
			}
		}
		if p, a := c.told(); p != 2 || a != 0 || s.Offered != 9 {
			t.Errorf("%d were published with %d alarms; %d were offered", p, a, s.Offered)
		}
		// Nobody is asked for what is there.
		pass(24 * time.Hour)
		if got := c.witnesses[0].Asked(); !slices.Equal(got, []int64{0, 4}) {
			t.Errorf("a witness was asked from %v", got)
		}
	})
}

// TestOften: of checkpoints that come quickly, some are left out, but not the last.
func TestOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := convene(t, 1, 0)
		for n := range int64(100) {
			c.offer(n + 1)
			pass(50 * time.Millisecond)
		}
		pass(10 * time.Second)
		c.has(100, "a")
		if p, _ := c.told(); p > 3 {
			t.Errorf("%d checkpoints were published", p)
		}
	})
}

func TestOffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := convene(t, 1, 0)
		other := newLog(t, origin)
		other.growWith(8, "another record")
		c.offer(8)
		c.offer(7) // of another writer, late
		c.offer(8)
		if err := c.Offer(other.checkpoint(8)); err == nil {
			t.Error("two trees of the same size were taken")
		}
		for _, bad := range []string{"", "checkpoint", "a\nb\nc\n\n— x AAAAAAA=\n"} {
			if err := c.Offer([]byte(bad)); err == nil {
				t.Errorf("%q was taken", bad)
			}
		}
		synctest.Wait()
		c.has(8, "a")
		checkpoint := c.log.checkpoint(9)
		if err := c.Offer(checkpoint); err != nil {
			t.Error(err)
		}
		clear(checkpoint) // is the caller's
		pass(time.Minute)
		c.has(9, "a")
		c.Close()
		c.offer(10)
		pass(time.Hour)
		c.has(9, "a")
	})
}

// TestQuorum: a witness that is away does not matter if there are enough
// others, is left alone more and more, and is asked for what is newest when it is back.
func TestQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := convene(t, 3, 2)
		requests := 0 // by one goroutine, the next when that one has ended
		c.witnesses[1].Fault(func(rw http.ResponseWriter, _ *http.Request) {
			requests++
			http.Error(rw, "later", http.StatusServiceUnavailable)
		})
		c.offer(4)
		pass(time.Second)
		c.has(4, "a", "c")
		s := c.Status().Witnesses[1]
		if s.Failures != 1 || !strings.Contains(s.Error, "503") || s.Alarm != "" || s.Next.IsZero() || s.Size != 0 {
			t.Errorf("%+v", s)
		}
		for n := range int64(60) {
			c.offer(5 + n)
			pass(time.Minute)
			c.has(5+n, "a", "c")
		}
		if requests < 10 || requests > 25 {
			t.Errorf("in an hour it was asked %d times", requests)
		}
		c.witnesses[1].Fault(nil)
		before, _ := c.told()
		pass(10 * time.Minute)
		c.has(64, "a", "b", "c")
		if after, _ := c.told(); after != before+1 {
			t.Errorf("its cosignature was published %d times", after-before)
		}
		if s := c.Status().Witnesses[1]; s.Failures != 0 || s.Error != "" || s.Size != 64 || !s.Next.IsZero() {
			t.Errorf("%+v", s)
		}
		if got := c.witnesses[1].Asked(); !slices.Equal(got, []int64{0}) {
			t.Errorf("it was asked from %v", got)
		}
	})
}

// TestMore: what has a quorum is published at once, and all that came after it together.
func TestMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := convene(t, 4, 2)
		c.offer(4)
		synctest.Wait()
		c.has(4, "a", "b", "c", "d")
		c.mu.Lock()
		defer c.mu.Unlock()
		var counts []int
		for _, p := range c.published {
			counts = append(counts, len(p.Cosignatures))
		}
		if !slices.Equal(counts, []int{2, 4}) {
			t.Errorf("published with %v cosignatures", counts)
		}
	})
}

// TestNoQuorum: without enough cosignatures the newest that had them stays.
func TestNoQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := convene(t, 2, 0)
		c.offer(4)
		synctest.Wait()
		c.has(4, "a", "b")
		c.witnesses[0].Fault(hang)
		c.offer(6)
		pass(time.Hour)
		c.has(4, "a", "b")
		for n := range int64(50) { // does not wait for anybody
			c.offer(7 + n)
		}
		if s := c.Status(); s.Offered != 56 || s.Witnesses[0].Failures == 0 || s.Witnesses[1].Size < 6 {
			t.Errorf("%+v", s)
		}
		c.witnesses[0].Fault(nil)
		pass(10 * time.Minute)
		c.has(56, "a", "b")
	})
}

func TestAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := convene(t, 2, 1)
		other := newLog(t, origin)
		other.growWith(50, "another record")
		c.witnesses[0].SetTree(origin, other.tree(3))
		c.offer(4)
		pass(time.Second)
		c.has(4, "b")
		s := c.Status().Witnesses[0]
		if _, alarms := c.told(); alarms != 1 || !strings.Contains(s.Alarm, "not the beginning of ours") {
			t.Errorf("%d alarms: %+v", alarms, s)
		}
		// It is one alarm, whatever it answers, until it cosigns again.
		pass(time.Hour)
		c.witnesses[0].Fault(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(500) })
		pass(time.Hour)
		s = c.Status().Witnesses[0]
		if _, alarms := c.told(); alarms != 1 || s.Alarm == "" || !strings.Contains(s.Error, "500") {
			t.Errorf("%d alarms: %+v", alarms, s)
		}
		c.witnesses[0].Fault(nil)
		c.witnesses[0].SetTree(origin, c.log.tree(2))
		pass(time.Hour)
		c.has(4, "a", "b")
		if s := c.Status().Witnesses[0]; s.Alarm != "" || s.Error != "" {
			t.Errorf("%+v", s)
		}
		// A new one is told again.
		c.witnesses[0].SetTree(origin, other.tree(50))
		c.offer(5)
		pass(time.Hour)
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.alarms) != 2 || !strings.Contains(c.alarms[1].Error(), "rolled back") {
			t.Errorf("%v", c.alarms)
		}
	})
}

// TestOtherWriter: a witness is ahead because another process shows it the
// trees of the same log; what it has seen comes here a little later.
func TestOtherWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := convene(t, 1, 0)
		c.offer(4)
		synctest.Wait()
		c.witnesses[0].SetTree(origin, c.log.tree(10))
		c.offer(8)
		pass(time.Minute)
		c.has(4, "a")
		if _, alarms := c.told(); alarms != 1 {
			t.Errorf("%d alarms", alarms)
		}
		pass(4 * time.Hour) // it is hardly asked by now
		c.offer(12)
		synctest.Wait()
		c.has(12, "a")
		if s := c.Status().Witnesses[0]; s.Alarm != "" {
			t.Errorf("%+v", s)
		}

		// What was offered while the witness was asked is no contradiction.
		asked := make(chan struct{})
		c.witnesses[0].Fault(func(rw http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			<-asked
			rw.Header().Set("Content-Type", "text/x.tlog.size")
			rw.WriteHeader(http.StatusConflict)
			io.WriteString(rw, "20\n")
		})
		pass(time.Minute)
		before := len(c.witnesses[0].Asked())
		c.offer(15)
		<-asked
		c.offer(20)
		c.witnesses[0].SetTree(origin, c.log.tree(20))
		c.witnesses[0].Fault(nil)
		asked <- struct{}{}
		pass(time.Minute)
		c.has(20, "a")
		if _, alarms := c.told(); alarms != 1 {
			t.Errorf("%d alarms", alarms)
		}
		if got := c.witnesses[0].Asked()[before:]; !slices.Equal(got, []int64{20}) {
			t.Errorf("it was asked from %v", got)
		}
	})
}

// TestClose: work that is under way ends.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := convene(t, 2, 1)
		c.witnesses[0].Fault(hang)
		c.witnesses[1].Fault(hang)
		c.offer(4)
		synctest.Wait()
		c.Close()
		c.Close()
		c.has(0)
		if s := c.Status().Witnesses[0]; s.Failures != 0 {
			t.Errorf("being closed is held against it: %+v", s)
		}
	})
}

// TestCloseWaits, also for what it called.
func TestCloseWaits(t *testing.T) {
	l := newLog(t, origin)
	l.grow(4)
	served := witnesstest.New("a.example")
	served.Trust(origin, l.key)
	w := ask(t, served, "https://a.example")
	w.Transport = wire{"a.example": served}
	called, ended := make(chan struct{}), false
	c, err := witness.Start(witness.Config{Witnesses: []*witness.Witness{w}, Prove: l.prove, Publish: func(ctx context.Context, _ witness.Cosigned) {
		close(called)
		<-ctx.Done()
		runtime.Gosched()
		ended = true
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Offer(l.checkpoint(4)); err != nil {
		t.Error(err)
	}
	<-called
	c.Close()
	if !ended {
		t.Error("Publish is still running")
	}
}

func TestStart(t *testing.T) {
	parse := func(served *witnesstest.Witness) *witness.Witness { return ask(t, served, "https://w.example") }
	a, b := parse(witnesstest.New("a.example")), parse(witnesstest.New("b.example"))
	prove := func(context.Context, tlog.Tree, int64) (tlog.TreeProof, error) { return nil, nil }
	for name, conf := range map[string]witness.Config{
		"no prove":      {Witnesses: []*witness.Witness{a}},
		"no witnesses":  {Prove: prove},
		"large quorum":  {Prove: prove, Witnesses: []*witness.Witness{a, b}, Quorum: 3},
		"less than all": {Prove: prove, Witnesses: []*witness.Witness{a, b}, Quorum: -1},
		"one twice":     {Prove: prove, Witnesses: []*witness.Witness{a, b, parse(witnesstest.New("a.example"))}},
		"one key twice": {Prove: prove, Witnesses: []*witness.Witness{a, {Key: renamed(t, a.Key), URL: a.URL}}},
		"one name twice": {Prove: prove, Witnesses: []*witness.Witness{
			{Key: renamed(t, a.Key), URL: a.URL}, {Key: renamed(t, b.Key), URL: a.URL}}},
		"no URL": {Prove: prove, Witnesses: []*witness.Witness{{Key: a.Key}}},
	} {
		if c, err := witness.Start(conf); err == nil {
			c.Close()
			t.Errorf("%s: it started", name)
		}
	}
}
