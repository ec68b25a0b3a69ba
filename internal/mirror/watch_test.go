package mirror

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

func TestWhoIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = 30 * time.Second
		mirror := mirrorAt(t, "http://127.0.0.1:1")
		mirror.Never = "private.example"
		o := &Options{Fall: 3, Rise: 2, Every: every, Stall: time.Second, Changed: func(Change) {}}
		m := newMember(mirror, 0, o)
		want := func(what string, want bool) {
			t.Helper()
			if got := m.wantsProbe(hello, true, every); got != want {
				t.Errorf("%s: %v", what, got)
			}
		}
		want("one that was never asked", true)
		if m.wantsProbe(hello, false, every) {
			t.Error("one of a pool that nobody uses is probed")
		}
		if m.wantsProbe(godown.Request{Kind: godown.Mod, Path: "private.example", Version: "v1.0.0"}, true, every) {
			t.Error("one is probed with what it is never asked for")
		}
		m.last = time.Now()
		want("one that has just been asked", false)
		m.busy = time.Now().Add(time.Minute)
		<-time.After(every)
		want("one that asked to be left alone", false)
		<-time.After(every)
		want("later", true)
		m.last = time.Now()
		m.circuit.open(time.Now(), firstWait)
		want("one that is down", true)
		m.circuit = circuit{}
		for range 3 {
			m.lie(hello, mismatch)
		}
		want("one that is down for its lies", false)
		<-time.After(time.Minute)
		want("some time after its lies", true)
	})
}

// A mirror that does not have what is probed has answered all the same.
func TestProbeOfWhatIsNotThere(t *testing.T) {
	f := newField(t, 2, nil)
	f.members[1].circuit.open(time.Now(), firstWait)
	f.mirrors[1].Break(everything, godowntest.Status(404, "lags"))
	for range f.Rise {
		f.ask(t.Context(), f.members[1], hello)
	}
	if s := f.Status()[1]; s.State != stateUp || s.Failures["lag"] == 0 {
		t.Errorf("it is %s, with the failures %v", s.State, s.Failures)
	}
}
