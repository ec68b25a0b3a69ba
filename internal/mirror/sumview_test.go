package mirror

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

const latestHead = "sumdb/sum.test/latest"

// newSumField returns n mirrors, all of which pass a database on.
func newSumField(t *testing.T, n int, change func(*Options, []Mirror)) (*field, *godowntest.SumDB) {
	t.Helper()
	f := newField(t, n, change)
	db := godowntest.NewSumDB(t, "sum.test", f.mods)
	for _, m := range f.mirrors {
		m.Attach(db)
	}
	return f, db
}

// Each mirror is asked itself, and gives what it gives.
func TestGetters(t *testing.T) {
	f, db := newSumField(t, 5, func(_ *Options, l []Mirror) {
		l[3].Facts.NoSumDB = true
		l[4].Only = "example.com/*"
	})
	f.mirrors[1].Break("latest", godowntest.LoginPage())
	f.mirrors[2].Detach()
	getters := f.Getters()
	if len(getters) != 3 {
		t.Fatalf("%d getters", len(getters))
	}
	for i, g := range getters {
		if g.Name() != f.members[i].name {
			t.Errorf("number %d is %s", i, g.Name())
		}
		data, err := g.Get(t.Context(), latestHead)
		absent, ok := errors.AsType[*godown.NotFound](err)
		if head := len(data) > 20 && string(data[:20]) == "go.sum database tree"; head != (i == 0) || (err == nil) != (i < 2) || i == 2 && (!ok || !absent.Unasked) {
			t.Errorf("number %d: %.30q, %v", i, data, err)
		}
		if n := f.mirrors[i].Count(latestHead); (n == 1) != (i < 2) {
			t.Errorf("number %d was asked %d times", i, n)
		}
	}
	// Its support is asked for now and then, not every time.
	for range 3 {
		getters[0].Get(t.Context(), "sumdb/sum.test/supported")
		getters[0].Get(t.Context(), latestHead)
		getters[2].Get(t.Context(), latestHead)
	}
	for _, i := range []int{0, 2} {
		if n := f.mirrors[i].Count("sumdb/sum.test/supported"); n != 1 {
			t.Errorf("number %d was asked %d times whether it passes the database on", i, n)
		}
	}
	if n := db.Count("latest"); n != 4 { // those of number 1 do not reach it
		t.Errorf("the database was asked %d times: %v", n, db.Requests())
	}
}

// Who asked to be left alone is, and who is down is tried when it is time.
func TestGettersLeaveAlone(t *testing.T) {
	f, _ := newSumField(t, 2, func(o *Options, _ []Mirror) { o.Fall = 1 })
	getters := f.Getters()
	f.mirrors[0].Break("latest", godowntest.Status(429, "", "Retry-After: 60"))
	f.mirrors[1].Break("latest", godowntest.Status(500, ""))
	for i, g := range getters {
		for range 3 {
			if _, err := g.Get(t.Context(), latestHead); err == nil {
				t.Errorf("number %d answers", i)
			}
		}
		if n := f.mirrors[i].Count(latestHead); n != 1 {
			t.Errorf("number %d was asked %d times", i, n)
		}
	}
	if _, err := getters[0].Get(t.Context(), latestHead); err == nil {
		t.Error("no error")
	} else if busy, ok := errors.AsType[*godown.Busy](err); !ok || busy.Who != getters[0].Name() || busy.After < 50*time.Second {
		t.Errorf("the busy one: %v", err)
	}
	states := func() (states []string) {
		for _, s := range f.Status() {
			states = append(states, s.State)
		}
		return states
	}
	if got := states(); !slices.Equal(got, []string{stateBusy, stateDown}) {
		t.Errorf("states are %v", got)
	}
	f.mirrors[1].Heal()
	m := f.members[1]
	for range f.Rise {
		m.mu.Lock()
		m.circuit.until = time.Now() // time for a trial
		m.mu.Unlock()
		if _, err := getters[1].Get(t.Context(), latestHead); err != nil {
			t.Error(err)
		}
	}
	if got := states(); !slices.Equal(got, []string{stateBusy, stateUp}) {
		t.Errorf("states are %v", got)
	}
}

// Who hangs is given up, and it is held against it; that who asks has left is not.
func TestGettersGiveUp(t *testing.T) {
	f, _ := newSumField(t, 1, func(o *Options, _ []Mirror) { o.Stall = 50 * time.Millisecond })
	f.mirrors[0].Break("latest", godowntest.Hang())
	g := f.Getters()[0]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Get(ctx, latestHead); !errors.Is(err, context.Canceled) {
		t.Errorf("who left gets %v", err)
	}
	if n := f.Status()[0].Failures; len(n) > 0 {
		t.Errorf("failures: %v", n)
	}
	if _, err := g.Get(t.Context(), latestHead); err == nil {
		t.Error("it answers")
	}
	if n := f.Status()[0].Failures; len(n) != 1 || n["other"] > 0 {
		t.Errorf("failures: %v", n)
	}
}

// A watch through a route of pools sees each mirror, and the database itself.
func TestGettersAreViews(t *testing.T) {
	f, db := newSumField(t, 2, nil)
	forked := godowntest.NewSumDB(t, "sum.test", f.mods)
	if err := forked.Grow(3); err != nil {
		t.Fatal(err)
	}
	f.mirrors[1].Detach()
	f.mirrors[1].Attach(forked) // another key: it is no fork but a forgery
	route := f.route(t)
	var views []godown.SumView
	for _, g := range f.Getters() {
		views = append(views, route.Through(g))
	}
	views = append(views, route.Straight())
	spec, err := godown.ParseSumDB(db.Spec())
	if err != nil {
		t.Fatal(err)
	}
	store, err := godown.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	alarms := make(chan godown.Alarm, 100)
	s := &godown.Sums{Spec: spec, Store: store, Remote: route.Fetch, Views: views, Alarm: func(a godown.Alarm) { alarms <- a }}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Watch(ctx, time.Millisecond)
	}()
	a := <-alarms
	cancel()
	<-done
	if err := errors.Join(s.Close(t.Context()), store.Close()); err != nil {
		t.Error(err)
	}
	if a.Kind != "mismatch" || a.Origin != f.members[1].name {
		t.Errorf("the alarm is %+v", a)
	}
	st := s.Status()
	if len(st.Views) != 3 || st.Views[0].Error != "" || st.Views[1].Error == "" || st.Views[2].Error == "" || st.Stopped != "" {
		t.Errorf("the status is %s", fmt.Sprintf("%+v", st))
	}
}
