package godown

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// A SumView is one way to a checksum database: a mirror, or the database
// itself. All should show one history.
type SumView struct {
	Name string // safe to show
	// Get fetches "latest" or "tile/…".
	Get func(ctx context.Context, path string) ([]byte, error)
}

// viewTimeout is how long one view may take to show its head, and again for
// the tiles of one proof.
const viewTimeout = 20 * time.Second

// Watch asks all Views for their heads now and then, about so often, until ctx
// ends. It names no module. What it sees is in Status; besides,
//   - a newer head that continues the known one is kept, with the time;
//   - two signed heads that are proven to be of two histories stop all trust,
//     until a person removes the evidence from the store;
//   - a head that is not signed is a mirror's fault: there is an alarm, and it
//     is not believed.
//
// That a view is not to be had, lags or gives wrong tiles raises no alarm.
// Below 1 it does nothing. Call it before Close, which does not end it.
func (s *Sums) Watch(ctx context.Context, every time.Duration) {
	if every <= 0 {
		return
	}
	s.once.Do(s.init)
	// Not all in the world at the same moment.
	for wait := rand.N(every/10 + 1); ; wait = every*9/10 + rand.N(every/5+1) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			s.look(ctx)
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

func (s *Sums) views() []SumView {
	if len(s.Views) > 0 {
		return s.Views
	}
	return []SumView{{Name: s.Spec.Name, Get: s.Remote}}
}

// A viewed is what a view showed in one round.
type viewed struct {
	tree   tlog.Tree
	signed []byte
	err    error // it could not be asked, or its head was not proven
	bad    error // its head is not signed
}

// look asks all views once.
func (s *Sums) look(watching context.Context) {
	views := s.views()
	// Each view may hang once in its tiles: that does not use up what the others need.
	ctx, cancel := context.WithTimeout(watching, callTimeout+time.Duration(len(views))*viewTimeout)
	defer cancel()
	broken := s.loadHead(ctx)
	refused := cmp.Or(s.trusted(ctx), broken)
	_, stopped := errors.AsType[*SecurityError](refused)
	if (broken != nil || refused != nil && !stopped) && watching.Err() == nil {
		s.Alarm(Alarm{Kind: "store", Err: cmp.Or(broken, refused)})
	}
	// When there were how many records is a side matter: heads are compared without it.
	if err := s.loadSightings(ctx); err != nil && watching.Err() == nil {
		s.Alarm(Alarm{Kind: "store", Err: err})
	}
	results := make([]viewed, len(views))
	var asking sync.WaitGroup
	for i, v := range views {
		asking.Go(func() { results[i] = s.askView(ctx, v) })
	}
	asking.Wait()
	if watching.Err() != nil {
		return
	}
	switch {
	case refused == nil:
		s.compare(ctx, results)
	case !stopped:
		for i := range results {
			results[i].err = cmp.Or(results[i].err, refused)
		}
	}
	if watching.Err() == nil {
		s.noteViews(results)
	}
}

// askView asks one view for its head.
func (s *Sums) askView(ctx context.Context, v SumView) (r viewed) {
	ctx, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()
	if r.signed, r.err = v.Get(ctx, "latest"); r.err != nil {
		return r
	}
	if r.tree, r.bad = s.open(r.signed); r.bad != nil {
		r.bad = fmt.Errorf("%s shows a head of checksum database %s that is not the database's: %w; it begins with %.60q", v.Name, s.Spec.Name, r.bad, r.signed)
	}
	return r
}

// A shownHead is a head that some views have shown.
type shownHead struct {
	signedHead
	by   []int        // index of these views
	from []*tilesFrom // where its tiles should be
}

// A tilesFrom is where tiles may be had in one round.
type tilesFrom struct{ fetch remote }

// compare proves that all heads shown are of one history, and keeps the newest.
// Nothing is kept of a round that brings a fork to light. It sets the err of
// views whose heads could not be proven.
func (s *Sums) compare(ctx context.Context, results []viewed) {
	views := s.views()
	lookups := &tilesFrom{s.fetch}
	var heads []*shownHead // by size
	for i, r := range results {
		if r.err != nil || r.bad != nil {
			continue
		}
		at := slices.IndexFunc(heads, func(h *shownHead) bool { return h.tree == r.tree })
		if at < 0 {
			at = len(heads)
			heads = append(heads, &shownHead{signedHead: signedHead{tree: r.tree, signed: r.signed}})
		}
		heads[at].shown = append(heads[at].shown, views[i].Name)
		heads[at].by = append(heads[at].by, i)
		heads[at].from = append(heads[at].from, &tilesFrom{views[i].Get})
	}
	answered := len(heads) > 0
	if stored, err := s.load(ctx, "latest"); err == nil {
		// Another process on the same store may go by another head.
		if tree, err := s.open(stored); err == nil && !slices.ContainsFunc(heads, func(h *shownHead) bool { return h.tree == tree }) {
			h := signedHead{tree, stored, []string{"another process, in the store"}}
			heads = append(heads, &shownHead{signedHead: h, from: []*tilesFrom{{s.load}}})
		}
	}
	slices.SortStableFunc(heads, func(a, b *shownHead) int { return cmp.Compare(a.tree.N, b.tree.N) })
	known := s.known()
	newest := &shownHead{signedHead: known}
	var proofs []*tileReader
	// prove sets the err of the views that show h.
	prove := func(h, older, newer *shownHead) (proven, fork bool) {
		r, err := s.linked(ctx, older, newer, lookups)
		if f, ok := errors.AsType[*forked](err); ok {
			err, fork = s.stop(ctx, f.fork), true
			for _, i := range slices.Concat(older.by, newer.by) {
				results[i].err = err
			}
			return false, true
		}
		for _, i := range h.by {
			results[i].err = err
		}
		if err == nil {
			proofs = append(proofs, r)
		}
		return err == nil, false
	}
	var unproven []*shownHead
	for _, h := range heads {
		older, newer := newest, h
		if h.tree.N <= known.tree.N {
			older, newer = h, &shownHead{signedHead: known}
		}
		proven, fork := prove(h, older, newer)
		if fork {
			return
		}
		if !proven {
			unproven = append(unproven, h)
		} else if newer == h {
			newest = h
		}
	}
	// The tiles of a head may be nowhere, but those of a newer one prove whether
	// it is of the same history.
	for _, h := range unproven {
		if newest.tree == known.tree || h.tree.N > newest.tree.N {
			continue
		}
		if _, fork := prove(h, h, newest); fork {
			return
		}
	}
	for _, r := range proofs {
		r.keep()
	}
	if newest.tree != known.tree {
		done, err := s.adopt(known, newest.signedHead)
		if !done && err == nil { // a lookup has brought another meanwhile
			err = s.join(ctx, newest.signedHead)
		}
		if err != nil {
			for _, i := range newest.by {
				results[i].err = err
			}
			return
		}
	}
	if answered {
		s.mu.Lock()
		s.asked = time.Now()
		s.mu.Unlock()
	}
}

// linked is continues with the tiles of those who show the newer head: nobody
// else may have them. Should theirs be wrong, those that lookups use may do.
// Who hangs is not asked again in this round.
func (s *Sums) linked(ctx context.Context, older, newer *shownHead, lookups *tilesFrom) (*tileReader, error) {
	var errs []error
	for _, from := range slices.Concat(newer.from, []*tilesFrom{lookups}) {
		r, err := s.linkedFrom(ctx, from, older.signedHead, newer.signedHead)
		if _, proven := errors.AsType[*forked](err); proven || err == nil {
			return r, err
		}
		errs = append(errs, err)
	}
	return nil, cmp.Or(errs...)
}

func (s *Sums) linkedFrom(ctx context.Context, from *tilesFrom, older, newer signedHead) (*tileReader, error) {
	asking, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()
	r, err := s.continues(asking, from.fetch, older, newer)
	if err == nil {
		r.ctx = ctx // to be kept later
		return r, nil
	}
	if asking.Err() != nil && ctx.Err() == nil {
		from.fetch = func(context.Context, string) ([]byte, error) {
			return nil, errors.New("tiles took too long already in this round")
		}
	}
	return nil, err
}

// A watched is what is known of a view from all rounds.
type watched struct {
	SumViewStatus
	bad bool // the last head was not signed: its alarm was raised
}

// noteViews keeps what a round has shown.
func (s *Sums) noteViews(results []viewed) {
	views, now := s.views(), time.Now()
	head, _ := s.latest()
	var alarms []Alarm
	s.mu.Lock()
	if s.watched == nil {
		s.watched = make([]watched, len(views))
	}
	for i, r := range results {
		w := &s.watched[i]
		w.Name, w.Asked, w.Error = views[i].Name, now, ""
		if r.bad != nil && !w.bad {
			alarms = append(alarms, Alarm{Kind: "mismatch", Origin: views[i].Name, Err: r.bad})
		}
		if r.err == nil || r.tree.N > 0 { // it could be asked
			w.bad = r.bad != nil
		}
		if err := cmp.Or(r.bad, r.err); err != nil {
			w.Error = err.Error()
		}
		if r.bad == nil && r.tree.N > 0 {
			w.Size, w.Behind, w.Shown = r.tree.N, max(0, head.N-r.tree.N), now
		}
	}
	s.mu.Unlock()
	for _, a := range alarms {
		s.Alarm(a)
	}
}

// A SumsStatus is what is known of a checksum database, for people and for
// metrics. It holds no secrets, and names no module.
type SumsStatus struct {
	Name    string    `json:"name"`
	Key     string    `json:"key"`              // its public key
	Size    int64     `json:"size"`             // records in the newest tree that was proven
	Head    string    `json:"head"`             // that tree's head, as signed; empty: none is known yet
	Asked   time.Time `json:"asked,omitzero"`   // when it was last asked for its head, and answered
	Changed time.Time `json:"changed,omitzero"` // when the head last became another, since this process began
	Pairs   int       `json:"pairs"`            // how many sizes are known with the times at which they were seen

	Views []SumViewStatus `json:"views"` // none before Watch has asked them once

	Stopped  string   `json:"stopped,omitempty"`  // why nothing new is believed; empty: it is
	Evidence string   `json:"evidence,omitempty"` // the file in the store to look at, and to remove
	Fork     *SumFork `json:"fork,omitempty"`     // what that file holds, if it can be read
}

// A SumViewStatus is what one way to a checksum database shows.
type SumViewStatus struct {
	Name   string    `json:"name"`
	Size   int64     `json:"size"`            // records in the last signed head that it showed; 0: none
	Behind int64     `json:"behind"`          // how many records the newest head known then had more
	Shown  time.Time `json:"shown,omitzero"`  // when it showed that head
	Asked  time.Time `json:"asked,omitzero"`  // when it was last asked
	Error  string    `json:"error,omitempty"` // why the last answer is of no use; empty: it is good
}

// Status tells how the database is, from memory.
func (s *Sums) Status() SumsStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := SumsStatus{
		Name: s.Spec.Name, Key: s.Spec.Key, Size: s.head.tree.N, Head: string(s.head.signed),
		Asked: s.asked, Changed: s.changed, Views: []SumViewStatus{},
	}
	for _, w := range s.watched {
		st.Views = append(st.Views, w.SumViewStatus)
	}
	if s.stopped != nil {
		st.Stopped, st.Evidence, st.Fork = s.stopped.Error(), s.storeName(forkFile), s.fork
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	st.Pairs = len(s.seen.list)
	return st
}
