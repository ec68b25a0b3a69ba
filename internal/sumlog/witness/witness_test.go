package witness_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/godown-dev/godown/internal/sumlog/witness"
	"github.com/godown-dev/godown/internal/sumlog/witness/witnesstest"
)

const origin = "sum.example.com"

// setting is a log of 20 records, and a witness of it behind a server.
func setting(t *testing.T) (*log, *witnesstest.Witness, *witness.Witness) {
	t.Helper()
	l := newLog(t, origin)
	l.grow(20)
	served := witnesstest.New("witness.example.org/w")
	served.Trust(origin, l.key)
	server := httptest.NewServer(http.StripPrefix("/prefix", served))
	t.Cleanup(server.Close)
	return l, served, ask(t, served, server.URL+"/prefix/")
}

// ask returns the client of a witness; it knows nothing of its state.
func ask(t *testing.T, served *witnesstest.Witness, url string) *witness.Witness {
	t.Helper()
	w, err := witness.ParseWitness(served.VerifierKey() + " " + url)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestCosign(t *testing.T) {
	l, served, w := setting(t)
	cosign := func(w *witness.Witness, n int64) {
		t.Helper()
		checkpoint := l.checkpoint(n)
		c, err := w.Cosign(t.Context(), checkpoint, l.prove)
		if err != nil {
			t.Fatal(err)
		}
		got, err := note.Open(append(slices.Clone(checkpoint), c.Line...), note.VerifierList(l.key, w.Key))
		if err != nil || len(got.Sigs) != 2 || got.Text != l.text(n) {
			t.Fatalf("%v: %v", got, err)
		}
		if c.Name != "witness.example.org/w" || c.Time.IsZero() {
			t.Errorf("it is by %q at %v", c.Name, c.Time)
		}
		if served.Tree(origin) != l.tree(n) {
			t.Errorf("the witness has %v", served.Tree(origin))
		}
	}
	cosign(w, 5)
	cosign(w, 12)
	cosign(w, 13)
	cosign(w, 13)
	if got := served.Asked(); !slices.Equal(got, []int64{0, 5, 12, 13}) {
		t.Errorf("it was asked with the old sizes %v", got)
	}
	if l.proofs != 2 { // from 0 and to the same size there is nothing to prove
		t.Errorf("%d proofs were made", l.proofs)
	}

	// A process that does not know what the witness has learns it from the refusal.
	again := &witness.Witness{Key: w.Key, URL: w.URL}
	cosign(again, 20)
	// A witness that was set up anew has less than is known of it.
	served.SetTree(origin, tlog.Tree{})
	cosign(again, 20)
	served.SetTree(origin, l.tree(3))
	cosign(again, 20)
	if got := served.Asked()[4:]; !slices.Equal(got, []int64{0, 13, 20, 0, 20, 3}) {
		t.Errorf("it was asked with the old sizes %v", got)
	}
}

// TestHistory has witnesses that contradict the log.
func TestHistory(t *testing.T) {
	other := newLog(t, origin)
	other.growWith(30, "another record")
	for name, c := range map[string]struct {
		has  func(l *log) tlog.Tree
		want error
	}{
		"ahead":               {func(l *log) tlog.Tree { l.grow(25); return l.tree(25) }, &witness.AheadError{Witness: "witness.example.org/w", Size: 25, Tree: 20}},
		"ahead with another":  {func(*log) tlog.Tree { return other.tree(30) }, &witness.AheadError{Witness: "witness.example.org/w", Size: 30, Tree: 20}},
		"a fork of this size": {func(*log) tlog.Tree { return other.tree(20) }, &witness.ForkError{Witness: "witness.example.org/w", Size: 20, Tree: 20}},
		"a fork before":       {func(*log) tlog.Tree { return other.tree(11) }, &witness.ForkError{Witness: "witness.example.org/w", Size: 11, Tree: 20}},
	} {
		t.Run(name, func(t *testing.T) {
			l, served, w := setting(t)
			served.SetTree(origin, c.has(l))
			for range 2 { // the second time, from what was learnt
				_, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove)
				if err == nil || err.Error() != c.want.Error() || fmt.Sprintf("%T", err) != fmt.Sprintf("%T", c.want) {
					t.Errorf("got  %v\nwant %v", err, c.want)
				}
			}
		})
	}
}

// TestAheadNoMore: what was known of a witness is no verdict.
func TestAheadNoMore(t *testing.T) {
	l, served, w := setting(t)
	if _, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove); err != nil {
		t.Fatal(err)
	}
	served.SetTree(origin, l.tree(4))
	if _, err := w.Cosign(t.Context(), l.checkpoint(8), l.prove); err != nil {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	l, served, w := setting(t)
	refused := func(code int, says string) {
		t.Helper()
		_, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove)
		status, ok := errors.AsType[*witness.StatusError](err)
		if !ok || status.Code != code || !strings.Contains(err.Error(), says) {
			t.Errorf("want %d and %q, got %v", code, says, err)
		}
	}
	served.Trust(origin)
	refused(http.StatusForbidden, "trusts none of the keys")
	_, key := signer(t, origin)
	served.Trust(origin, key)
	refused(http.StatusForbidden, "trusts none of the keys")

	for _, code := range []int{400, 401, 404, 405, 422, 429, 500, 503} {
		served.Fault(func(rw http.ResponseWriter, _ *http.Request) {
			http.Error(rw, "because \x1b[1m of this\nand that", code)
		})
		refused(code, `(it says "because \x1b[1m of this")`)
	}
	served.Fault(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(500)
		io.WriteString(rw, strings.Repeat("é\xff", 5000))
	})
	refused(500, "é?é?")
	_, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove)
	if n := len(err.Error()); n > 500 {
		t.Errorf("an error of %d bytes", n)
	}
	served.Fault(nil)
	served2 := witnesstest.New("witness.example.org/w") // knows no log
	server := httptest.NewServer(served2)
	defer server.Close()
	w = ask(t, served2, server.URL)
	refused(http.StatusNotFound, "does not know the log sum.example.com")
}

func TestRedirect(t *testing.T) {
	l, served, w := setting(t)
	var reached atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer elsewhere.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		served.Fault(func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, elsewhere.URL, code) })
		_, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove)
		status, ok := errors.AsType[*witness.StatusError](err)
		if !ok || status.Code != code || !strings.Contains(err.Error(), "redirects") {
			t.Errorf("%d: %v", code, err)
		}
	}
	if reached.Load() {
		t.Error("it was followed")
	}
}

func TestConflict(t *testing.T) {
	l, served, w := setting(t)
	served.SetTree(origin, l.tree(7))
	requests := 0 // one after another
	conflict := func(kind string, body func() string) error {
		requests = 0
		served.Fault(func(rw http.ResponseWriter, _ *http.Request) {
			requests++
			rw.Header().Set("Content-Type", kind)
			rw.WriteHeader(http.StatusConflict)
			io.WriteString(rw, body())
		})
		w = &witness.Witness{Key: w.Key, URL: w.URL}
		_, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove)
		return err
	}
	// A size that changes each time is no way to keep us busy.
	err := conflict("text/x.tlog.size", func() string { return fmt.Sprintf("%d\n", requests) })
	if err == nil || !strings.Contains(err.Error(), "another size") || requests != 4 {
		t.Errorf("after %d requests: %v", requests, err)
	}
	err = conflict("text/x.tlog.size; charset=utf-8", func() string { return "0\n" })
	if err == nil || !strings.Contains(err.Error(), "this is the size it has") || requests != 1 {
		t.Errorf("after %d requests: %v", requests, err)
	}
	for _, bad := range []struct{ kind, body string }{
		{"", "7\n"},
		{"text/plain", "7\n"},
		{"text/x.tlog.size", ""},
		{"text/x.tlog.size", "7"},
		{"text/x.tlog.size", "07\n"},
		{"text/x.tlog.size", "-7\n"},
		{"text/x.tlog.size", "7\n\n"},
		{"text/x.tlog.size", "99999999999999999999\n"},
		{"text/x.tlog.size", "sieben\n"},
	} {
		err := conflict(bad.kind, func() string { return bad.body })
		_, fork := errors.AsType[*witness.ForkError](err)
		_, ahead := errors.AsType[*witness.AheadError](err)
		if err == nil || fork || ahead || requests != 1 {
			t.Errorf("%q: after %d requests: %v", bad, requests, err)
		}
	}
	served.Fault(nil)
	if _, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove); err != nil {
		t.Error(err)
	}
	// Who says that about the very same size has another hash for it.
	err = conflict("text/plain", func() string { return "the hashes differ" })
	if _, ok := errors.AsType[*witness.ForkError](err); ok {
		t.Errorf("from size 0: %v", err)
	}
	served.Fault(nil)
	if _, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove); err != nil {
		t.Fatal(err)
	}
	served.Fault(func(rw http.ResponseWriter, _ *http.Request) {
		http.Error(rw, "the hashes differ", http.StatusConflict)
	})
	_, err = w.Cosign(t.Context(), l.checkpoint(20), l.prove)
	if _, ok := errors.AsType[*witness.ForkError](err); !ok {
		t.Errorf("from size 20: %v", err)
	}
}

// TestAnswers has answers that must not be believed, and such that are all right.
func TestAnswers(t *testing.T) {
	l, served, w := setting(t)
	text := l.text(20)
	now := uint64(time.Now().Unix())
	foreign := witnesstest.New("foreign.example").Cosign(text, now)
	namesake := strings.Replace(foreign, "foreign.example", "witness.example.org/w", 1) // has another ID
	long := "— long.example " + base64.StdEncoding.EncodeToString(make([]byte, 2432)) + "\n"
	mine := served.Cosign(text, now)
	broken := func() string { // name and ID are right
		name, b64, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(mine), "— "), " ")
		data, err := base64.StdEncoding.DecodeString(b64)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-1] ^= 1
		return "— " + name + " " + base64.StdEncoding.EncodeToString(data) + "\n"
	}()
	for name, answer := range map[string]string{
		"alone":                  mine,
		"behind others":          foreign + namesake + long + mine,
		"before others":          mine + foreign,
		"twice":                  mine + mine,
		"before one that is bad": mine + broken,
		"a little in the future": served.Cosign(text, now+60),
		"old":                    served.Cosign(text, 1),
	} {
		served.Spoil(func(string) string { return answer })
		c, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove)
		if err != nil || !strings.HasPrefix(c.Line, "— witness.example.org/w ") || strings.Count(c.Line, "\n") != 1 {
			t.Errorf("%s: %q, %v", name, c.Line, err)
			continue
		}
		if _, err := note.Open(append(l.checkpoint(20), c.Line...), note.VerifierList(w.Key)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, answer := range map[string]string{
		"nothing":                 "",
		"an empty line":           "\n",
		"no line end":             strings.TrimSpace(mine),
		"garbage":                 "\x00\xff",
		"a page":                  "<!DOCTYPE html>\n<p>hello</p>\n",
		"garbage before":          "hello\n" + mine,
		"only others":             foreign + namesake,
		"another name":            strings.Replace(mine, "witness.example.org/w", "witness.example.org/v", 1),
		"a bad one before":        broken + mine,
		"another tree's":          served.Cosign(l.text(19), now),
		"a plain signature":       plain(t, mine),
		"no time":                 served.Cosign(text, 0),
		"far in the future":       served.Cosign(text, now+86400),
		"as far as it goes":       served.Cosign(text, math.MaxInt64),
		"and further":             served.Cosign(text, math.MaxUint64),
		"base64 with more at end": strings.Replace(mine, "\n", "=\n", 1),
	} {
		served.Spoil(func(string) string { return answer })
		c, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove)
		if err == nil || c != (witness.Cosignature{}) {
			t.Errorf("%s: %v, %v", name, c, err)
		}
	}
}

// TestEndless has an answer that fits, and goes on for ever.
func TestEndless(t *testing.T) {
	l, served, w := setting(t)
	line := served.Cosign(l.text(20), 1)
	served.Fault(func(rw http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			io.WriteString(rw, line)
		}
	})
	_, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove)
	if err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}

// plain makes a line without a time of one with it.
func plain(t *testing.T, line string) string {
	t.Helper()
	name, b64, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "— "), " ")
	data, err := base64.StdEncoding.DecodeString(b64)
	if err != nil {
		t.Fatal(err)
	}
	return "— " + name + " " + base64.StdEncoding.EncodeToString(append(data[:4:4], data[12:]...)) + "\n"
}

func TestProveFails(t *testing.T) {
	l, served, w := setting(t)
	served.SetTree(origin, l.tree(7))
	broken := errors.New("a tile is missing")
	_, err := w.Cosign(t.Context(), l.checkpoint(20), func(context.Context, tlog.Tree, int64) (tlog.TreeProof, error) { return nil, broken })
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "20 records begins with that of 7") {
		t.Error(err)
	}
	_, err = w.Cosign(t.Context(), l.checkpoint(20), func(context.Context, tlog.Tree, int64) (tlog.TreeProof, error) {
		return make(tlog.TreeProof, 64), nil
	})
	if err == nil || !strings.Contains(err.Error(), "64 hashes") || len(served.Asked()) != 1 {
		t.Errorf("%v; asked %v", err, served.Asked())
	}
	for _, bad := range []string{"", "no note", "a\n1\n\n— x AAAAAAA=\n", l.text(20)} {
		if _, err := w.Cosign(t.Context(), []byte(bad), l.prove); err == nil {
			t.Errorf("%q was cosigned", bad)
		}
	}
}

// A wire is a http.RoundTripper without a network: handlers by host.
type wire map[string]http.Handler

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		w[r.URL.Host].ServeHTTP(rec, r)
	}()
	select {
	case <-answered:
	case <-r.Context().Done():
		<-answered // handlers here mind their context
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

// hang is a witness that does not answer.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLog(t, origin)
		l.grow(3)
		served := witnesstest.New("slow.example")
		served.Fault(hang)
		w := ask(t, served, "https://slow.example")
		w.Transport = wire{"slow.example": served}
		if _, err := w.Cosign(t.Context(), l.checkpoint(3), l.prove); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.Cosign(ctx, l.checkpoint(3), l.prove); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestParseWitness(t *testing.T) {
	w, err := witness.ParseWitness("  " + publishedWitness + "\thttps://witness.example/a/b ")
	if err != nil || w.URL.String() != "https://witness.example/a/b" || w.Key.Name() != "remora.n621.de" {
		t.Fatal(w, err)
	}
	for _, bad := range []string{
		"", publishedWitness, "https://witness.example", publishedWitness + " https://w.example more",
		publishedLog + " https://w.example",
		publishedWitness + " ftp://w.example", publishedWitness + " w.example", publishedWitness + " https:///path",
		publishedWitness + " https://w.example?x", publishedWitness + " https://w.example?", publishedWitness + " https://w.example#x",
		publishedWitness + " https://me:secret@w.example", publishedWitness + " https://me:secret@w.example:port",
	} {
		w, err := witness.ParseWitness(bad)
		if err == nil || w != nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, %v", bad, w, err)
		}
	}
	u, err := url.Parse("gopher://x")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []*witness.Witness{{}, {Key: w.Key}, {URL: u}, {Key: w.Key, URL: u}} {
		if _, err := w.Cosign(t.Context(), nil, nil); err == nil {
			t.Error("a witness without key or URL cosigned")
		}
	}
}

// TestRace has other writers of the log between the requests for one cosignature.
func TestRace(t *testing.T) {
	l, served, _ := setting(t)
	sizes := []int64{7, 9, 16} // what the witness has when it is asked, again and again
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if len(sizes) > 0 {
			served.SetTree(origin, l.tree(sizes[0]))
			sizes = sizes[1:]
		}
		served.ServeHTTP(rw, r)
	}))
	defer server.Close()
	w := ask(t, served, server.URL)
	if _, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove); err != nil {
		t.Error(err)
	}
	if got := served.Asked(); !slices.Equal(got, []int64{0, 7, 9, 16}) {
		t.Errorf("it was asked from %v", got)
	}
}

// TestTogether has all sizes shown to one witness at the same time.
func TestTogether(t *testing.T) {
	l, served, w := setting(t)
	var checkpoints [][]byte
	for n := range int64(20) {
		checkpoints = append(checkpoints, l.checkpoint(n+1))
	}
	prove := func(_ context.Context, tree tlog.Tree, old int64) (tlog.TreeProof, error) {
		return tlog.ProveTree(tree.N, old, l)
	}
	errs := make([]error, len(checkpoints))
	var asking sync.WaitGroup
	for i, checkpoint := range checkpoints {
		asking.Go(func() { _, errs[i] = w.Cosign(t.Context(), checkpoint, prove) })
	}
	asking.Wait()
	cosigned := 0
	for i, err := range errs {
		_, ahead := errors.AsType[*witness.AheadError](err)
		switch {
		case err == nil:
			cosigned++
		case !ahead && !strings.Contains(err.Error(), "another size"):
			t.Errorf("%d records: %v", i+1, err)
		}
	}
	if last := served.Tree(origin); cosigned == 0 || last != l.tree(last.N) {
		t.Errorf("%d cosignatures, and the witness has %v", cosigned, last)
	}
	if _, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove); err != nil {
		t.Error(err)
	}
}

// TestStalls has an answer that begins, and does not go on.
func TestStalls(t *testing.T) {
	l, served, w := setting(t)
	served.Fault(func(rw http.ResponseWriter, r *http.Request) {
		io.WriteString(rw, "— ")
		http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	})
	w.Timeout = 50 * time.Millisecond
	if _, err := w.Cosign(t.Context(), l.checkpoint(20), l.prove); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
