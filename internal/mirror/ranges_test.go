package mirror

import (
	"bytes"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// noRange answers any range with that status.
func noRange(code int) godowntest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(code)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// The only mirror there is may refuse ranges in any way.
func TestRangesAreRefused(t *testing.T) {
	for _, code := range []int{400, 403, 404, 405, 416, 500, 501} {
		f := newBigField(t, 1, func(o *Options, _ []Mirror) { o.Retries = -1 })
		f.mirrors[0].Break("[.]zip$", noRange(code))
		f.mustGive(t, bigZip)
		f.mustGive(t, helloZip)
		if f.members[0].ranges() {
			t.Errorf("%d: it is asked for ranges again and again", code)
		}
		if n := f.mirrors[0].Count(helloZip.Name()); n != 1 {
			t.Errorf("%d: it was asked %d times for the next zip", code, n)
		}
	}
	// What refuses the whole, too, says nothing of ranges.
	f := newBigField(t, 1, nil)
	f.mirrors[0].Break("[.]zip$", godowntest.Status(403, "not for you"))
	if _, err := f.Fetch(t.Context(), bigZip); err == nil || !f.members[0].ranges() {
		t.Errorf("got %v", err)
	}
}

func TestRangesAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mirror := mirrorAt(t, "http://127.0.0.1:1")
		m := newMember(mirror, 0, &Options{})
		m.ignoresRanges()
		if m.ranges() || m.mixes() {
			t.Error("ranges are asked for all the same")
		}
		<-time.After(noRangesTime + time.Second)
		if !m.ranges() {
			t.Error("they are never tried again")
		}
		mirror.Facts.NoRanges = true
		if m := newMember(mirror, 0, &Options{}); m.ranges() {
			t.Error("what is known beforehand is tried")
		}
	})
}

// A mirror of several servers, each of which has tags of its own.
func TestTagsOfSeveralServers(t *testing.T) {
	for _, weak := range []string{"W/", ""} {
		f := newBigField(t, 1, nil)
		var n atomic.Int32
		f.mirrors[0].Break("[.]zip$", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", fmt.Sprintf(`%s"%d"`, weak, n.Add(1)))
				http.ServeContent(w, r, "x.zip", time.Time{}, bytes.NewReader(f.mods.Data(bigZip.Name())))
			})
		})
		data, err := godown.ReadAll(t.Context(), f.cached(t), bigZip, 1<<30)
		if err != nil || !bytes.Equal(data, f.mods.Data(bigZip.Name())) {
			t.Errorf("%q: %d bytes, %v", weak, len(data), err)
		}
		if !f.members[0].ranges() {
			t.Errorf("%q: it is taken for one that knows no ranges", weak)
		}
	}
}

// Where nobody could take a piece over, the only mirror takes the time that it takes.
func TestOnlyMirrorIsSlowToBegin(t *testing.T) {
	t.Parallel()
	f := newBigField(t, 1, nil)
	f.warm(t)
	var n atomic.Int32
	f.mirrors[0].Break("[.]zip$", func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1) > 1 {
				next = godowntest.Latency(1200 * time.Millisecond)(next)
			}
			next.ServeHTTP(w, r)
		})
	})
	f.mustGive(t, bigZip)
	f.blameless(t)
}

// A zip of one mirror is of one content: what has another tag or length is no part of it.
func TestContentsAreNotMixed(t *testing.T) {
	t.Run("tag", func(t *testing.T) {
		f := newBigField(t, 1, func(o *Options, _ []Mirror) { o.Retries, o.Split = -1, -1 })
		f.mirrors[0].Break("[.]zip$", godowntest.Change(invert))         // from the second answer on: other content, another tag
		f.mirrors[0].BreakTimes(1, "[.]zip$", godowntest.Change(invert)) // which the first undoes
		f.mirrors[0].BreakTimes(1, "[.]zip$", godowntest.Cut(200_000))
		got, err := f.Fetch(t.Context(), bigZip)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := take(got); err == nil && !bytes.Equal(data, f.mods.Data(bigZip.Name())) {
			t.Error("two contents of one mirror were mixed")
		}
	})
	t.Run("length", func(t *testing.T) {
		f := newBigField(t, 2, nil)
		f.mirrors[0].Break("[.]zip$", godowntest.Rate(8<<20))
		f.mirrors[1].Break("[.]zip$", godowntest.Change(func(data []byte) []byte { return invert(data)[:len(data)-1] }))
		f.mustGive(t, bigZip)
	})
}
