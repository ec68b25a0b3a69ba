package mirror

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

const bigSize = 5 << 20

// newBigField has a zip of 5 MiB that is fetched in pieces.
func newBigField(t testing.TB, n int, change func(*Options, []Mirror)) *field {
	t.Helper()
	f := newField(t, n, func(o *Options, list []Mirror) {
		o.Split = 512 << 10
		if change != nil {
			change(o, list)
		}
	})
	if err := f.mods.AddBig(bigZip.Path, bigZip.Version, bigSize); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPieces(t *testing.T) {
	type faults map[int]godowntest.Fault
	for name, test := range map[string]struct {
		faults faults // by mirror
		giving int    // how many mirrors gave something; 0: it doesn't matter
	}{
		"all well":          {faults{0: godowntest.Rate(8 << 20), 1: godowntest.Rate(8 << 20), 2: godowntest.Rate(8 << 20)}, 3},
		"one breaks off":    {faults{1: godowntest.Cut(200_000)}, 0},
		"one resets":        {faults{1: godowntest.Reset(100_000)}, 0},
		"first breaks off":  {faults{0: godowntest.Cut(200_000)}, 0},
		"first stalls":      {faults{0: godowntest.Stall(200_000)}, 0},
		"two stall":         {faults{0: godowntest.Stall(200_000), 2: godowntest.Stall(0)}, 0},
		"one crawls":        {faults{1: godowntest.Rate(10_000)}, 0},
		"first crawls":      {faults{0: godowntest.Rate(10_000)}, 0},
		"one has other":     {faults{1: godowntest.Shorten(3 << 20)}, 0},
		"one has no ranges": {faults{1: godowntest.NoRanges()}, 0},
		"no ranges at all":  {faults{0: godowntest.NoRanges(), 1: godowntest.NoRanges(), 2: godowntest.NoRanges()}, 1},
		"chunked":           {faults{0: godowntest.Chunked()}, 0},
		"bad ranges":        {faults{0: rangeOf("bytes 5-9/10"), 1: rangeOf(""), 2: rangeOf("bytes */7")}, 0},
		"no entity tags":    {faults{0: godowntest.NoETag(), 1: godowntest.NoETag()}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newBigField(t, 3, nil)
			for i, fault := range test.faults {
				f.mirrors[i].Break("[.]zip$", fault)
			}
			f.mustGive(t, bigZip)
			f.Close() // waits for those that were not needed any more
			giving := 0
			for _, s := range f.Status() {
				if s.UnderWay != 0 {
					t.Errorf("%d requests are still under way", s.UnderWay)
				}
				if s.Bytes > 0 {
					giving++
				}
			}
			if test.giving > 0 && giving != test.giving {
				t.Errorf("%d mirrors gave something, want %d", giving, test.giving)
			}
		})
	}
}

// rangeOf is a mirror that answers ranges with that Content-Range.
func rangeOf(value string) godowntest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Range", value)
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "nonsense")
		})
	}
}

// TestPiecesCostLittle checks that a zip in pieces costs hardly more bytes than it has.
func TestPiecesCostLittle(t *testing.T) {
	f := newBigField(t, 3, nil)
	for _, m := range f.mirrors {
		m.Break("[.]zip$", godowntest.Rate(6<<20))
	}
	f.mustGive(t, bigZip)
	var sum int64
	for _, s := range f.Status() {
		sum += s.Bytes
	}
	if size := int64(len(f.mods.Data(bigZip.Name()))); sum > size+size/10 {
		t.Errorf("%d bytes were received for a zip of %d", sum, size)
	}
}

func TestOneConnectionEach(t *testing.T) {
	f := newBigField(t, 3, func(_ *Options, list []Mirror) {
		for i := range list {
			list[i].Connections = 1
		}
	})
	var mu sync.Mutex
	now, most := make([]int, 3), make([]int, 3)
	for i, m := range f.mirrors {
		m.Break(everything, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				now[i]++
				most[i] = max(most[i], now[i])
				mu.Unlock()
				defer func() {
					mu.Lock()
					now[i]--
					mu.Unlock()
				}()
				next.ServeHTTP(w, r)
			})
		})
		m.Break("[.]zip$", godowntest.Rate(8<<20))
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { f.mustGive(t, bigZip) })
		wg.Go(func() { f.mustGive(t, hello) })
	}
	wg.Wait()
	for i, n := range most {
		if n > 2 { // a closed connection is noticed by the mirror a moment later
			t.Errorf("mirror %d had %d requests at once", i, n)
		}
	}
}

// A reader that wants the bytes in their order gets them too, from several mirrors if need be.
func TestStreamIsContinued(t *testing.T) {
	for name, fault := range map[string]godowntest.Fault{
		"cut": godowntest.Cut(3 << 20), "reset": godowntest.Reset(100), "stall": godowntest.Stall(2 << 20), "crawl": godowntest.Rate(100_000),
		"cut, no ranges": func(next http.Handler) http.Handler { return godowntest.NoRanges()(godowntest.Cut(3 << 20)(next)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newBigField(t, 2, func(o *Options, _ []Mirror) { o.Split = -1 })
			f.mirrors[0].Break("[.]zip$", fault)
			got, err := f.Fetch(t.Context(), bigZip)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Close()
			data, err := io.ReadAll(got.Reader())
			if err != nil || !bytes.Equal(data, f.mods.Data(bigZip.Name())) {
				t.Errorf("got %d bytes, %v", len(data), err)
			}
		})
	}
}

// mismatch is what a cache says to Reject.
var mismatch = &godown.Mismatch{Request: bigZip, Reason: "the test says so"}

// inverted is a mirror that has other bytes of the same length for bigZip, and no tag that tells.
func inverted(f *field) godowntest.Fault {
	data := invert(bytes.Clone(f.mods.Data(bigZip.Name())))
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "big.zip", time.Time{}, bytes.NewReader(data))
		})
	}
}

func invert(data []byte) []byte {
	for i := range data {
		data[i] ^= 1
	}
	return data
}

func TestMixtureIsRetriedFromOne(t *testing.T) {
	f := newBigField(t, 2, nil)
	f.mirrors[1].Break("[.]zip$", inverted(f))
	f.mirrors[0].Break("[.]zip$", godowntest.Rate(4<<20))
	got, err := f.Fetch(t.Context(), bigZip)
	if err != nil {
		t.Fatal(err)
	}
	data, err := take(got)
	if err != nil || bytes.Equal(data, f.mods.Data(bigZip.Name())) {
		t.Fatalf("the second gave nothing wrong: %v", err)
	}
	if o := got.Body.(interface{ Origin() string }).Origin(); !strings.Contains(o, f.members[0].name) || !strings.Contains(o, f.members[1].name) {
		t.Errorf("the mixture was given by %s", o)
	}
	for i := range 2 {
		if got, err = got.Reject(t.Context(), mismatch); err != nil {
			t.Fatal(err)
		}
		if i == 0 && !got.Hold {
			t.Error("after a wrong mixture bytes are passed on unverified")
		}
		if data, err = take(got); err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(data, f.mods.Data(bigZip.Name())) {
			break
		}
	}
	if !bytes.Equal(data, f.mods.Data(bigZip.Name())) {
		t.Error("the right bytes were not had")
	}
	if f.members[0].mixes() && f.members[1].mixes() {
		t.Error("both may still be mixed")
	}
}

// When those who gave a wrong mixture are gone, others are asked.
func TestMixtureIsReplacedByAnother(t *testing.T) {
	f := newBigField(t, 3, nil)
	f.members[2].suspect() // so that it gives no pieces at first
	f.mirrors[0].Break("[.]zip$", godowntest.Rate(4<<20))
	f.mirrors[1].Break("[.]zip$", inverted(f))
	got, err := f.Fetch(t.Context(), bigZip)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := take(got); err != nil || bytes.Equal(data, f.mods.Data(bigZip.Name())) {
		t.Fatalf("the second gave nothing wrong: %v", err)
	}
	f.mirrors[0].Vanish()
	f.mirrors[1].Vanish()
	if got, err = got.Reject(t.Context(), mismatch); err != nil {
		t.Fatal(err)
	}
	if data, err := take(got); err != nil || !bytes.Equal(data, f.mods.Data(bigZip.Name())) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

// A mirror whose only place another transfer holds is not waited for.
func TestPiecesDoNotWaitForPlaces(t *testing.T) {
	f := newBigField(t, 2, func(_ *Options, l []Mirror) { l[1].Connections = 1 })
	if err := f.members[1].acquire(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	f.mirrors[0].Break("[.]zip$", godowntest.Rate(8<<20))
	got, err := f.Fetch(within(t), bigZip)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := take(got); err != nil || !bytes.Equal(data, f.mods.Data(bigZip.Name())) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	f.members[1].release(true)
}

func TestLiarIsBenched(t *testing.T) {
	f := newField(t, 2, nil)
	f.mirrors[0].Break(everything, godowntest.LoginPage())
	got, err := f.Fetch(t.Context(), helloZip)
	if err != nil {
		t.Fatal(err)
	}
	got.Close()
	got, err = got.Reject(t.Context(), mismatch)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := take(got); err != nil || !bytes.Equal(data, f.mods.Data(helloZip.Name())) {
		t.Errorf("the other gave %d bytes, %v", len(data), err)
	}
	before := len(f.mirrors[0].Requests())
	f.mustGive(t, hello) // not asked for that module any more
	if n := len(f.mirrors[0].Requests()) - before; n > 0 {
		t.Errorf("the liar was asked %d times more for that module", n)
	}
	if s := f.Status()[0]; s.Benched != 1 || s.Failures["lie"] != 1 || f.changed("lied") != 1 {
		t.Errorf("its status is %+v, told %d times", s, f.changed("lied"))
	}
	_, err = got.Reject(t.Context(), mismatch)
	if !errors.Is(err, error(mismatch)) {
		t.Errorf("when all lie: %v", err)
	}
	// But where it is the only one left, it is asked.
	f.mirrors[1].Vanish()
	f.mirrors[0].Heal()
	f.mustGive(t, hello)
}

func TestManyLiesTakeItOut(t *testing.T) {
	f := newField(t, 2, nil)
	for range 3 {
		f.members[0].lie(hello, mismatch)
	}
	if s := f.Status()[0]; s.State != stateDown {
		t.Errorf("its state is %s", s.State)
	}
	if !f.members[0].doubtful() || f.members[1].doubtful() {
		t.Error("doubts fall on the wrong one")
	}
}

func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limiter{perSecond: 1 << 20}
		start := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 80 {
					l.wait(t.Context(), 64<<10)
				}
			})
		}
		wg.Wait()
		// 10 MiB, of which a tenth of a second's worth is free.
		if took := time.Since(start); took < 9800*time.Millisecond || took > 10*time.Second {
			t.Errorf("10 MiB at 1 MiB a second took %v", took)
		}
	})
}
