package godown_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
)

// The ways in which a step of a list can end.
const (
	stepGives   = iota // a file
	stepAbsent         // an fs.ErrNotExist of another type
	stepGone           // a *NotFound
	stepDenies         // a *Denied
	stepFails          // any other error
	stepOutcome        // how many ways there are
)

// A listStep is one step of a list under test, which notes that it is asked.
type listStep struct {
	name   string
	reject func(ctx context.Context, why error) (*godown.File, error)
	err    error
	asked  *[]string
}

func (s *listStep) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	*s.asked = append(*s.asked, s.name)
	if s.err != nil {
		return nil, s.err
	}
	f := godown.NewFile([]byte(s.name))
	f.Reject = s.reject
	return f, nil
}

func outcomeError(outcome int, name string) error {
	switch outcome {
	case stepAbsent:
		return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	case stepGone:
		return &godown.NotFound{Text: name, Gone: true}
	case stepDenies:
		return &godown.Denied{Rule: name}
	case stepFails:
		return errors.New(name)
	}
	return nil
}

// goCommandList says, of steps that end as given, how many the go command
// would ask, and which one's answer or error it would report: the one that
// answers, else the last error that is not "not found", else the last one.
func goCommandList(outcomes []int, anyError []bool) (asked, reported int) {
	reported = -1
	telling := false
	for i, o := range outcomes {
		if o == stepGives {
			return i + 1, i
		}
		absent := o == stepAbsent || o == stepGone
		if !absent || !telling {
			reported = i
		}
		telling = telling || !absent
		if !absent && !anyError[i] {
			return i + 1, reported
		}
	}
	return len(outcomes), reported
}

// TestFirst compares all lists of up to four entries with what the go command
// does (cmd/go/internal/modfetch/proxy.go, TryProxies).
func TestFirst(t *testing.T) {
	req := godown.Request{Kind: godown.List, Path: "example.com/m"}
	lists := 0
	for n := 1; n <= 4; n++ {
		total := 1
		for range n {
			total *= stepOutcome * 2
		}
		for code := range total {
			var asked []string
			steps := make([]godown.Step, n)
			outcomes, anyError, errs := make([]int, n), make([]bool, n), make([]error, n)
			for i, rest := 0, code; i < n; i++ {
				outcomes[i], anyError[i] = rest%(stepOutcome*2)/2, rest%2 == 1
				rest /= stepOutcome * 2
				name := fmt.Sprint(i)
				errs[i] = outcomeError(outcomes[i], name)
				steps[i] = godown.Step{Any: anyError[i], Source: &listStep{name: name, err: errs[i], asked: &asked}}
			}
			f, err := godown.First(steps...).Fetch(t.Context(), req)
			wantAsked, reported := goCommandList(outcomes, anyError)
			if strings.Join(asked, "") != "0123"[:wantAsked] {
				t.Fatalf("outcomes %v, any error %v: asked %v, want the first %d", outcomes, anyError, asked, wantAsked)
			}
			if err != errs[reported] || err == nil && string(f.Data) != fmt.Sprint(reported) {
				t.Fatalf("outcomes %v, any error %v: error %v, want that of step %d", outcomes, anyError, err, reported)
			}
			lists++
		}
	}
	if lists < 10_000 {
		t.Errorf("only %d lists", lists)
	}
}

func TestFirstEmpty(t *testing.T) {
	if _, err := godown.First().Fetch(t.Context(), godown.Request{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no steps at all: error is %v, want an fs.ErrNotExist", err)
	}
}

// TestFirstCancelled checks that nobody else is asked for a caller who has left.
func TestFirstCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var asked []string
	leaves := godown.SourceFunc(func(ctx context.Context, req godown.Request) (*godown.File, error) {
		cancel()
		return nil, ctx.Err()
	})
	src := godown.First(godown.Step{Source: leaves, Any: true}, godown.Step{Source: &listStep{name: "next", asked: &asked}})
	if _, err := src.Fetch(ctx, godown.Request{}); !errors.Is(err, context.Canceled) || len(asked) > 0 {
		t.Errorf("error is %v, asked afterwards: %v", err, asked)
	}
}

// TestFirstReject rejects each file of a list in turn. A list is written as its
// steps with what stands behind them; upper case steps can themselves give
// another file once, in lower case; x fails, 4 is absent.
func TestFirstReject(t *testing.T) {
	for list, want := range map[string]string{
		"a":       "a -",       // nothing to reject for
		"a,b":     "a -",       // "," goes on only when it does not exist, and it does
		"a|":      "a -",       // nothing follows
		"a|b":     "a b -",     // b is the last one
		"a|b|c":   "a b c -",   //
		"a|b,c":   "a b -",     //
		"a|4,b":   "a b -",     // 4 is skipped
		"a|x,b":   "a x",       // the error of x
		"a|4":     "a wrong:a", // not found is not better than wrong
		"x|a|4":   "a wrong:a", //
		"x|a|b":   "a b -",     //
		"4,a|b":   "a b -",     //
		"A":       "A a wrong:a",
		"A,b":     "A a wrong:a",
		"A|b":     "A a b -",
		"A|B|c":   "A a B b c -",
		"A|4":     "A a wrong:a",
		"A|B":     "A a B b wrong:b",
		"4,A|x,b": "A a x",
	} {
		var asked, got []string
		var steps []godown.Step
		for rest := list; rest != ""; {
			s := &listStep{name: rest[:1], asked: &asked}
			switch {
			case s.name == "x":
				s.err = errors.New("x")
			case s.name == "4":
				s.err = &godown.NotFound{Text: "4"}
			case s.name != strings.ToLower(s.name):
				other := godown.NewFile([]byte(strings.ToLower(s.name)))
				other.Reject = func(_ context.Context, why error) (*godown.File, error) { return nil, why }
				s.reject = func(context.Context, error) (*godown.File, error) { return other, nil }
			}
			rest = rest[1:]
			steps = append(steps, godown.Step{Source: s, Any: strings.HasPrefix(rest, "|")})
			rest = strings.TrimLeft(rest, ",|")
		}
		f, err := godown.First(steps...).Fetch(t.Context(), godown.Request{})
		for err == nil {
			got = append(got, string(f.Data))
			if f.Reject == nil {
				got = append(got, "-")
				break
			}
			f, err = f.Reject(t.Context(), errors.New("wrong:"+string(f.Data)))
		}
		if err != nil {
			got = append(got, err.Error())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s gives %v, want %v", list, got, want)
		}
	}
}

// TestFirstRejectShared checks that rejecting changes nothing for another who holds the file.
func TestFirstRejectShared(t *testing.T) {
	var asked []string
	shared := godown.NewFile([]byte("shared"))
	give := godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) { return shared, nil })
	src := godown.First(godown.Step{Source: give, Any: true}, godown.Step{Source: &listStep{name: "b", asked: &asked}})
	f, err := src.Fetch(t.Context(), godown.Request{})
	if err != nil || f.Reject == nil {
		t.Fatalf("%v, %v", f, err)
	}
	if shared.Reject != nil {
		t.Error("First has changed a file that is not its own")
	}
	for range 2 { // two callers may reject
		if g, err := f.Reject(t.Context(), errors.New("wrong")); err != nil || string(g.Data) != "b" {
			t.Errorf("Reject gives %v, %v", g, err)
		}
	}
}

func TestSplit(t *testing.T) {
	var asked []string
	src := godown.Split(func(path string) bool { return strings.HasPrefix(path, "corp.example.com/") },
		&listStep{name: "private", asked: &asked}, &listStep{name: "public", asked: &asked})
	for _, path := range []string{"corp.example.com/m", "example.com/m", "corp.example.community/m"} {
		if _, err := src.Fetch(t.Context(), godown.Request{Kind: godown.List, Path: path}); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(asked, " "); got != "private public public" {
		t.Errorf("asked %s", got)
	}
}

// A closeNoter notes that it was closed.
type closeNoter struct {
	io.Reader
	closed int
}

func (c *closeNoter) Close() error { c.closed++; return nil }

func TestReadAll(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		data  []byte
		body  io.Reader
		fail  error
		limit int64
		want  string
		ok    bool
	}{
		"data":             {data: []byte("12345"), limit: 5, want: "12345", ok: true},
		"data, too long":   {data: []byte("12345"), limit: 4},
		"body":             {body: strings.NewReader("12345"), limit: 5, want: "12345", ok: true},
		"body, too long":   {body: strings.NewReader("12345"), limit: 4},
		"body breaks off":  {body: io.MultiReader(strings.NewReader("123"), failingReader{broken}), limit: 5},
		"source has none":  {fail: fs.ErrNotExist, limit: 5},
		"empty, limit 0":   {data: []byte{}, limit: 0, ok: true},
		"body of nothing":  {body: strings.NewReader(""), limit: 0, ok: true},
		"body, far longer": {body: io.LimitReader(endless{}, 1<<40), limit: 10},
	} {
		f := &godown.File{Data: test.data, Size: -1}
		noter := &closeNoter{Reader: test.body}
		if test.body != nil {
			f.Body = noter
		}
		src := godown.SourceFunc(func(context.Context, godown.Request) (*godown.File, error) { return f, test.fail })
		got, err := godown.ReadAll(t.Context(), src, godown.Request{}, test.limit)
		if (err == nil) != test.ok || err == nil && string(got) != test.want || len(got) > 100 {
			t.Errorf("%s: %.100q, error %v", name, got, err)
		}
		if test.fail != nil && !errors.Is(err, test.fail) {
			t.Errorf("%s: error %v, want one that is %v", name, err, test.fail)
		}
		if test.body != nil && noter.closed != 1 {
			t.Errorf("%s: the body was closed %d times", name, noter.closed)
		}
	}
}

type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
