package godown_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

var bigZip = godown.Request{Kind: godown.Zip, Path: "example.com/big", Version: "v1.0.0"}

// big returns modules with one of about size bytes, and its zip.
func big(t *testing.T, size int64) (*godowntest.Modules, []byte) {
	t.Helper()
	mods := godowntest.NewModules(t, "")
	if err := mods.AddBig(bigZip.Path, bigZip.Version, size); err != nil {
		t.Fatal(err)
	}
	return mods, mods.Data(bigZip.Name())
}

// pipe is a Source of one body that the test writes; size is what it claims.
func pipe(size int) (godown.Source, *io.PipeWriter) {
	r, w := io.Pipe()
	return godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) {
		return &godown.File{Body: r, Size: int64(size), Origin: "the pipe"}, nil
	}), w
}

const heldTail = 64 << 10

func TestZipStreamsButForItsTail(t *testing.T) {
	for _, good := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			mods, zip := big(t, 700<<10)
			if !good {
				zip = bytes.Clone(zip)
				zip[1000] ^= 1
			}
			src, w := pipe(len(zip))
			r := newRig(t, func(r *rig) { r.Verifier, r.StreamAfter = oracle{mods}, time.Second }, godown.Step{Source: src})
			var got atomic.Int64
			ended := make(chan error, 1)
			go func() {
				f, err := r.Fetch(t.Context(), bigZip)
				if err != nil {
					ended <- err
					return
				}
				defer f.Close()
				if f.Size != int64(len(zip)) {
					t.Errorf("Size is %d, want %d", f.Size, len(zip))
				}
				buf := make([]byte, 10_000)
				for {
					n, err := f.Reader().Read(buf)
					if !bytes.Equal(buf[:n], zip[got.Load():got.Load()+int64(n)]) {
						t.Error("wrong bytes")
					}
					if got.Add(int64(n)); err != nil {
						ended <- err
						return
					}
				}
			}()
			w.Write(zip[:14_000]) // as over a line with a slow start
			pass(100 * time.Millisecond)
			w.Write(zip[14_000:300_000])
			pass(700 * time.Millisecond)
			if got.Load() != 0 {
				t.Errorf("%d bytes were passed on before it was clear that it takes long", got.Load())
			}
			pass(300 * time.Millisecond)
			if got.Load() != 300_000 {
				t.Errorf("of 300000 bytes that arrived %d were passed on", got.Load())
			}
			w.Write(zip[300_000 : len(zip)-1])
			synctest.Wait()
			if want := int64(len(zip) - heldTail); got.Load() != want {
				t.Errorf("before it was verified %d bytes were passed on, want %d", got.Load(), want)
			}
			w.Write(zip[len(zip)-1:])
			w.Close()
			err := <-ended
			_, mismatch := errors.AsType[*godown.Mismatch](err)
			if good && (err != io.EOF || got.Load() != int64(len(zip))) {
				t.Errorf("a good zip ended with %v after %d bytes", err, got.Load())
			}
			if !good && (!mismatch || got.Load() >= int64(len(zip))) {
				t.Errorf("a bad zip ended with %v after %d of %d bytes", err, got.Load(), len(zip))
			}
		})
	}
}

// A part of what is not verified yet would be a whole answer: it is not given.
func TestNoPartOfWhatIsNotVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mods, zip := big(t, 700<<10)
		src, w := pipe(len(zip))
		r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: src})
		req := httptest.NewRequest("GET", "/"+bigZip.Name(), nil)
		req.Header.Set("Range", "bytes=0-999")
		rec := httptest.NewRecorder()
		ended := make(chan bool)
		go func() {
			(&godown.Handler{Source: r.Cache}).ServeHTTP(rec, req)
			close(ended)
		}()
		w.Write(zip[:300_000])
		pass(2 * time.Second)
		w.Write(zip[300_000:])
		w.Close()
		<-ended
		if rec.Code != 200 || !bytes.Equal(rec.Body.Bytes(), zip) {
			t.Errorf("status %d with %d bytes", rec.Code, rec.Body.Len())
		}
	})
}

// When the first upstream's zip turns out wrong, a reader goes on with the next
// one's, if what it has read so far is the same.
func TestReaderGoesOnWithNextUpstream(t *testing.T) {
	for name, test := range map[string]struct {
		flip  int  // which byte the first upstream gives wrong, from the end
		quick bool // it arrives before anything is passed on
		ok    bool
	}{
		"quick":               {flip: 300 << 10, quick: true, ok: true},
		"not yet passed on":   {flip: 1000, ok: true},
		"already passed on":   {flip: 300 << 10, ok: false},
		"the very first byte": {flip: -1, ok: false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mods, zip := big(t, 400<<10)
				lie := bytes.Clone(zip)
				at := len(zip) - test.flip
				if test.flip < 0 {
					at = 0
				}
				lie[at] ^= 1
				src, w := pipe(len(lie))
				r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: src, Any: true}, godown.Step{Source: mods})
				if test.quick {
					r.StreamAfter = time.Hour
				}
				type result struct {
					data []byte
					err  error
				}
				ended := make(chan result, 1)
				go func() {
					f, err := r.Fetch(t.Context(), bigZip)
					if err != nil {
						ended <- result{nil, err}
						return
					}
					defer f.Close()
					data, err := io.ReadAll(f.Reader())
					ended <- result{data, err}
				}()
				w.Write(lie[:len(lie)-1])
				pass(2 * time.Second) // the reader has all but the tail, unless it is quick
				w.Write(lie[len(lie)-1:])
				w.Close()
				got := <-ended
				if test.ok && (got.err != nil || !bytes.Equal(got.data, zip)) {
					t.Errorf("got %d bytes, %v", len(got.data), got.err)
				}
				if !test.ok && (got.err == nil || len(got.data) >= len(zip)) {
					t.Errorf("a reader of wrong bytes got %d of %d, %v", len(got.data), len(zip), got.err)
				}
				synctest.Wait()
				// Whoever comes later gets the good one, and it is stored.
				if _, data := mustFetch(t, r, bigZip); !bytes.Equal(data, zip) {
					t.Error("a later caller got wrong bytes")
				}
				if r.alarms.count("mismatch") != 1 {
					t.Errorf("%d alarms", r.alarms.count("mismatch"))
				}
			})
		})
	}
}

// Small files wait for their verification: nobody notices the lie.
func TestNextUpstreamAfterALie(t *testing.T) {
	lie := godown.SourceFunc(func(_ context.Context, req godown.Request) (*godown.File, error) {
		return godown.NewFile([]byte("module example.com/evil\n")), nil
	})
	mods := godowntest.NewModules(t, helloModules)
	req := hello(godown.Mod, "v1.0.0")
	any := newRig(t, nil, godown.Step{Source: lie, Any: true}, godown.Step{Source: mods})
	wantFetch(t, any, req, mods.Data(req.Name()), godown.Miss)
	comma := newRig(t, nil, godown.Step{Source: lie}, godown.Step{Source: mods})
	_, err := comma.Fetch(t.Context(), req)
	if _, ok := errors.AsType[*godown.Mismatch](err); !ok {
		t.Errorf("after a comma: %v, want *Mismatch", err)
	}
}

func TestBodyOfUnknownLength(t *testing.T) {
	mods, zip := big(t, 300<<10)
	src, w := pipe(-1)
	r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: src})
	go func() {
		w.Write(zip)
		w.Close()
	}()
	f, data := mustFetch(t, r, bigZip)
	if f.Size != int64(len(zip)) || !bytes.Equal(data, zip) {
		t.Errorf("Size %d, %d bytes", f.Size, len(data))
	}
}

func TestBodyOfWrongLength(t *testing.T) {
	for _, claim := range []int{-1000, 1000} {
		mods, zip := big(t, 300<<10)
		src, w := pipe(len(zip) + claim)
		r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: src})
		go func() {
			w.Write(zip)
			w.Close()
		}()
		f, err := r.Fetch(t.Context(), bigZip)
		if err == nil {
			_, err = io.Copy(io.Discard, f.Reader())
			f.Close()
		}
		if err == nil {
			t.Errorf("a body %d bytes longer than claimed was served whole", -claim)
		}
		r.Close(t.Context())
		if _, err := r.Store.Open(t.Context(), bigZip.Name()); err == nil {
			t.Error("and stored")
		}
	}
}

// A reader may seek, as ranges need it, before the bytes are there.
func TestFollowerSeeks(t *testing.T) {
	mods, zip := big(t, 300<<10)
	src, w := pipe(len(zip))
	r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: src})
	go w.Write(zip[:200_000])
	f, err := r.Fetch(t.Context(), bigZip)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seeker := f.Body.(io.ReadSeeker)
	buf := make([]byte, 100)
	for _, at := range []int64{150_000, 10, 199_900} {
		seeker.Seek(at, io.SeekStart)
		if _, err := io.ReadFull(seeker, buf); err != nil || !bytes.Equal(buf, zip[at:at+100]) {
			t.Errorf("at %d: wrong bytes, %v", at, err)
		}
	}
	if end, _ := seeker.Seek(0, io.SeekEnd); end != int64(len(zip)) {
		t.Errorf("the end is at %d, want %d", end, len(zip))
	}
	seeker.Seek(int64(len(zip)-100), io.SeekStart)
	go func() {
		w.Write(zip[200_000:])
		w.Close()
	}()
	if _, err := io.ReadFull(seeker, buf); err != nil || !bytes.Equal(buf, zip[len(zip)-100:]) {
		t.Errorf("the tail: wrong bytes, %v", err)
	}
}

func TestReaderWhoLeavesWaitsNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mods, zip := big(t, 300<<10)
		src, w := pipe(len(zip))
		r := newRig(t, func(r *rig) { r.Verifier = oracle{mods} }, godown.Step{Source: src})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		go w.Write(zip[:200_000])
		f, err := r.Fetch(ctx, bigZip)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, f.Reader())
		if !errors.Is(err, context.DeadlineExceeded) || n != 200_000 {
			t.Errorf("got %d bytes, %v", n, err)
		}
		f.Close()
		w.Write(zip[200_000:])
		w.Close()
		r.Close(t.Context())
		stored, err := r.Store.Open(t.Context(), bigZip.Name())
		if err != nil {
			t.Fatalf("the fetch ended with its only reader: %v", err)
		}
		stored.Close()
	})
}
