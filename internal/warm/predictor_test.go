package warm

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godown-dev/godown"
)

// A shelf is a Source that notes what is fetched ahead from it.
type shelf struct {
	files map[string]string // content by name; of a zip it stands for that many bytes

	mu    sync.Mutex // guards the fields below
	ahead []string   // names, in order
	block chan struct{}
}

// newShelf holds modules: a go.mod for each path@version. They have an .info and a zip.
func newShelf(mods map[string]string) *shelf {
	l := &shelf{files: make(map[string]string)}
	for m, text := range mods {
		path, version, _ := strings.Cut(m, "@")
		at := path + "/@v/" + version
		l.files[at+".mod"] = "module " + path + "\n" + text
		l.files[at+".info"] = fmt.Sprintf(`{"Version":%q}`, version)
		l.files[at+".zip"] = "zip of " + m
		l.files[path+"/@v/list"] += version + "\n"
	}
	return l
}

func (l *shelf) Fetch(ctx context.Context, req godown.Request) (*godown.File, error) {
	select {
	case <-godown.Demanded(ctx):
	default:
		l.mu.Lock()
		l.ahead = append(l.ahead, req.Name())
		block := l.block
		l.mu.Unlock()
		if block != nil {
			select {
			case <-block:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	text, ok := l.files[req.Name()]
	if !ok {
		return nil, fs.ErrNotExist
	}
	f := godown.NewFile([]byte(text))
	f.Cache = godown.Miss
	return f, nil
}

// fetched returns what was fetched ahead since it was last asked, sorted.
func (l *shelf) fetched() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	got := l.ahead
	l.ahead = nil
	slices.Sort(got)
	return got
}

// asks has a client ask for files, and waits for what is fetched because of it.
func asks(t *testing.T, p *Predictor, client string, names ...string) {
	t.Helper()
	for _, name := range names {
		req, err := godown.ParseRequest(name)
		if err != nil {
			t.Fatal(err)
		}
		ctx := godown.WithEvent(t.Context(), &godown.Event{Client: client + ":1234"})
		p.Fetch(ctx, req)
		synctest.Wait()
	}
}

func names(kinds string, mods ...string) (list []string) {
	for _, m := range mods {
		path, version, _ := strings.Cut(m, "@")
		for _, kind := range strings.Fields(kinds) {
			if kind == "list" {
				list = append(list, path+"/@v/list")
			} else {
				list = append(list, path+"/@v/"+version+"."+kind)
			}
		}
	}
	return list
}

// unsettled returns for how many files, and bytes, it is not clear yet whether
// they will be asked for, and how many clients are remembered.
func (p *Predictor) unsettled() (files int, bytes int64, clients int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests, p.bytes, len(p.clients)
}

func TestPrediction(t *testing.T) {
	graph := map[string]string{
		"a.test/pruned@v1.0.0":   "go 1.24\nrequire (\n b.test/pruned v1.0.0\n c.test/old v1.0.0\n)\n",
		"b.test/pruned@v1.0.0":   "go 1.17\nrequire d.test/leaf v1.0.0\n",
		"c.test/old@v1.0.0":      "go 1.16\nrequire e.test/ancient v1.0.0\n",
		"d.test/leaf@v1.0.0":     "go 1.20\n",
		"e.test/ancient@v1.0.0":  "require d.test/leaf v0.9.0\n",
		"d.test/leaf@v0.9.0":     "",
		"b.test/pruned@v1.1.0":   "go 1.24\n",
		"b.test/pruned@v1.2.0-a": "go 1.24\n",
		"f.test/private@v1.0.0":  "go 1.24\n",
		"g.test/uses@v1.0.0":     "go 1.24\nrequire f.test/private v1.0.0\n",
	}
	a, b, c, d, e, d9 := "a.test/pruned@v1.0.0", "b.test/pruned@v1.0.0", "c.test/old@v1.0.0", "d.test/leaf@v1.0.0", "e.test/ancient@v1.0.0", "d.test/leaf@v0.9.0"
	for name, test := range map[string]struct {
		mode Mode
		asks []string
		want []string
	}{
		"a .mod: what it requires, and all of what has no graph pruning": {All, names("mod", a), names("mod", b, c, e, d9)},
		"a .mod that was foreseen":                                       {All, names("mod", a, b), names("mod", b, c, d, e, d9)},
		"an .info: its zip":                                              {All, names("info", d), names("zip", d)},
		"an .info after a list: what was retracted":                      {All, slices.Concat(names("list", d), names("info", d)), slices.Concat(names("info mod", d))},
		"a list: the latest release":                                     {All, names("list", b), names("info mod", "b.test/pruned@v1.1.0")},
		"a list that is empty: the latest version":                       {All, []string{"h.test/untagged/@v/list"}, []string{"h.test/untagged/@latest"}},
		"a download: .info of all": {All, slices.Concat(names("mod", b, d9, d), names("info", b)),
			slices.Concat(names("mod", d), names("zip", b), names("info", b, d))},
		"a module that is added": {All, slices.Concat(names("info", a), names("zip", a)),
			slices.Concat(names("zip mod list", a, b, c), names("mod", e, d9), names("info mod", "b.test/pruned@v1.1.0"), names("info", a, c))},
		"only small files":         {Mods, slices.Concat(names("mod", d), names("info", d), names("zip", d)), names("info", d)},
		"nothing":                  {Off, names("mod info zip list", a), nil},
		"never what is private":    {All, slices.Concat(names("mod", "g.test/uses@v1.0.0"), names("info zip list", "f.test/private@v1.0.0")), nil},
		"a branch: its version":    {All, []string{"b.test/pruned/@v/main.info"}, names("mod", "b.test/pruned@v1.1.0")},
		"what is no version":       {All, []string{"d.test/leaf/@v/v1.info"}, nil},
		"what does not exist":      {All, names("mod", "z.test/z@v1.0.0"), nil},
		"a client with no address": {All, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newShelf(graph)
				l.files["b.test/pruned/@v/main.info"] = `{"Version":"v1.1.0"}`
				l.files["h.test/untagged/@v/list"] = ""
				l.files["d.test/leaf/@v/v1.info"] = `{"Version":"../../etc"}`
				p := &Predictor{Source: l, Mode: test.mode, Skip: func(path string) bool { return path == "f.test/private" }}
				asks(t, p, "192.0.2.1", test.asks...)
				got := slices.Compact(l.fetched())
				want := slices.Compact(slices.Sorted(slices.Values(test.want)))
				if !slices.Equal(got, want) {
					t.Errorf("fetched ahead:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
				}
				p.Close()
			})
		})
	}
}

// What is fetched ahead for those who do not want it is bounded, whatever they ask for.
func TestPredictionIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newShelf(nil)
		p := &Predictor{Source: l, Mode: All, Requests: 10, Bytes: 1000}
		for i := range 200 {
			l.files[fmt.Sprintf("m%d.test/m/@v/v1.0.0.info", i)] = "{}"
			l.files[fmt.Sprintf("m%d.test/m/@v/v1.0.0.zip", i)] = strings.Repeat("z", 300)
		}
		for i := range 100 {
			asks(t, p, "192.0.2.1", fmt.Sprintf("m%d.test/m/@v/v1.0.0.info", i))
		}
		if got := l.fetched(); len(got) != 4 { // the fifth would not be allowed with 1,200 bytes
			t.Errorf("%d zips were fetched ahead", len(got))
		}
		for host := range 20 {
			for i := range 100 {
				asks(t, p, fmt.Sprintf("192.0.3.%d", host), fmt.Sprintf("m%d.test/m/@v/v1.0.0.info", i))
			}
		}
		if got := l.fetched(); len(got) > 4*allTogether {
			t.Errorf("for many clients %d zips were fetched ahead", len(got))
		}
		// Who takes what was fetched for him may cause more.
		asks(t, p, "192.0.2.1", "m0.test/m/@v/v1.0.0.zip", "m1.test/m/@v/v1.0.0.zip", "m2.test/m/@v/v1.0.0.zip", "m3.test/m/@v/v1.0.0.zip", "m150.test/m/@v/v1.0.0.info")
		if got := l.fetched(); !slices.Contains(got, "m150.test/m/@v/v1.0.0.zip") {
			t.Errorf("after all was used: %v", got)
		}
		if s := p.Stats(); s.Used != 4 || s.UsedBytes != 1200 || s.Refused == 0 || s.Wasted != 0 {
			t.Errorf("it has counted %+v", s)
		}
		p.Close()
		if s := p.Stats(); s.Wasted != s.Fetched-4 || s.WastedBytes != s.FetchedBytes-1200 {
			t.Errorf("at the end it has counted %+v", s)
		}
	})
}

func TestSmallFilesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mods := map[string]string{"big.test/m@v1.0.0": "go 1.24\n"}
		for i := range 100 {
			mods[fmt.Sprintf("m%d.test/m@v1.0.0", i)] = "go 1.24\n"
			mods["big.test/m@v1.0.0"] += fmt.Sprintf("require m%d.test/m v1.0.0\n", i)
		}
		l := newShelf(mods)
		p := &Predictor{Source: l, Mode: All, Requests: 10}
		asks(t, p, "192.0.2.1", "big.test/m/@v/v1.0.0.mod")
		if got := l.fetched(); len(got) != 10 {
			t.Errorf("for one client %d small files were fetched ahead", len(got))
		}
		for host := range 20 {
			asks(t, p, fmt.Sprintf("192.0.3.%d", host), "big.test/m/@v/v1.0.0.mod")
		}
		if got := l.fetched(); len(got) != 10*(allTogether-1) {
			t.Errorf("for all others %d small files were fetched ahead", len(got))
		}
		p.Close()
	})
}

// When a client's last connection is closed, nothing more is fetched for it.
func TestPredictionEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newShelf(map[string]string{"a.test/a@v1.0.0": "", "b.test/b@v1.0.0": ""})
		l.block = make(chan struct{})
		p := &Predictor{Source: l, Mode: All}
		p.Connected("192.0.2.1:1")
		p.Connected("192.0.2.1:2")
		asks(t, p, "192.0.2.1", "a.test/a/@v/v1.0.0.info")
		p.Gone("192.0.2.1:1")
		synctest.Wait()
		if n, _, _ := p.unsettled(); n != 1 {
			t.Errorf("with a connection left, %d files are fetched", n)
		}
		p.Gone("192.0.2.1:2")
		<-time.After(goneAfter / 2)
		if n, _, _ := p.unsettled(); n != 1 {
			t.Errorf("before it is clear that it has gone, %d files are fetched", n)
		}
		<-time.After(goneAfter)
		synctest.Wait()
		if n, bytes, _ := p.unsettled(); n != 0 || bytes != 0 {
			t.Errorf("%d files are still fetched, %d bytes", n, bytes)
		}
		// It comes back.
		close(l.block)
		l.fetched()
		p.Connected("192.0.2.1:3")
		asks(t, p, "192.0.2.1", "a.test/a/@v/v1.0.0.info")
		if got := l.fetched(); !slices.Equal(got, names("zip", "a.test/a@v1.0.0")) {
			t.Errorf("when it came back: %v", got)
		}
		// It falls silent, with its connection open; not for long at first.
		for range 3 {
			<-time.After(forgetAfter * 3 / 4)
			asks(t, p, "192.0.2.1", "b.test/b/@v/v0.0.1.mod")
		}
		if _, _, clients := p.unsettled(); clients != 1 || p.Stats().Wasted != 0 {
			t.Errorf("one that asks now and then was forgotten: %+v", p.Stats())
		}
		<-time.After(2 * forgetAfter)
		synctest.Wait()
		if _, _, clients := p.unsettled(); clients != 0 || p.Stats().Wasted != 1 {
			t.Errorf("%d clients are remembered; %+v", clients, p.Stats())
		}
		p.Close()
	})
}

func TestExpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newShelf(map[string]string{"a.test/a@v1.0.0": "go 1.24\nrequire b.test/b v1.0.0\n", "b.test/b@v1.0.0": ""})
		p := &Predictor{Source: l, Mode: All}
		var files []godown.Request
		for _, name := range append(names("mod info zip", "a.test/a@v1.0.0"), append(names("info", "b.test/b@v1.0.0"), names("zip", "z.test/z@v1.0.0")...)...) {
			req, _ := godown.ParseRequest(name)
			files = append(files, req)
		}
		here, failed := 0, 0
		var mu sync.Mutex // guards the two
		p.Expect(t.Context(), "192.0.2.1", files, func(o Outcome) {
			mu.Lock()
			defer mu.Unlock()
			if o.Err != nil {
				failed++
			} else {
				here++
			}
		})
		// A build may take its time, and use several processes.
		p.Connected("192.0.2.1:1")
		p.Gone("192.0.2.1:1")
		<-time.After(2 * forgetAfter)
		synctest.Wait()
		// Who was expected to ask for no zip of b will ask for none.
		asks(t, p, "192.0.2.1", append(names("mod info zip", "a.test/a@v1.0.0"), names("info", "b.test/b@v1.0.0")...)...)
		if got := l.fetched(); len(got) != 5 || here != 4 || failed != 1 {
			t.Errorf("fetched %v; %d are here, %d failed", got, here, failed)
		}
		if s := p.Stats(); s.Used != 4 || s.Fetched != 4 {
			t.Errorf("it has counted %+v", s)
		}
		p.Close()
	})
}

func TestNothingIsPredictedForTheCacheAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newShelf(map[string]string{"a.test/a@v1.0.0": ""})
		p := &Predictor{Source: l, Mode: All}
		ctx := godown.WithEvent(godown.CachedOnly(t.Context()), &godown.Event{Client: "192.0.2.1:1"})
		req, _ := godown.ParseRequest("a.test/a/@v/v1.0.0.info")
		p.Fetch(ctx, req)
		synctest.Wait()
		p.Close()
		if got := l.fetched(); len(got) > 0 {
			t.Errorf("fetched ahead: %v", got)
		}
	})
}

// Whose files hang does not keep others' from being fetched.
func TestClientsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newShelf(map[string]string{"good.test/m@v1.0.0": ""})
		p := &Predictor{Source: l, Mode: All}
		p.once.Do(p.init)
		p.prefetcher.Zips = 4
		l.block = make(chan struct{})
		for i := range 20 {
			asks(t, p, "192.0.2.1", fmt.Sprintf("m%d.test/m/@v/v1.0.0.info", i))
		}
		if got := l.fetched(); len(got) != 3 {
			t.Errorf("one client has %d of 4 places", len(got))
		}
		asks(t, p, "192.0.2.2", "good.test/m/@v/v1.0.0.info")
		if got := l.fetched(); !slices.Equal(got, names("zip", "good.test/m@v1.0.0")) {
			t.Errorf("for another client was fetched: %v", got)
		}
		p.Close()
		if n, bytes, _ := p.unsettled(); n != 0 || bytes != 0 {
			t.Errorf("at the end %d files are still fetched, %d bytes", n, bytes)
		}
	})
}

// A zip counts little before its size is known; so it is looked at again how much there is.
func TestBytesAreLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newShelf(nil)
		p := &Predictor{Source: l, Mode: All, Bytes: 6 * unknownSize}
		p.once.Do(p.init)
		p.prefetcher.Zips = 1
		l.block = make(chan struct{})
		for i := range 6 {
			l.files[fmt.Sprintf("m%d.test/m/@v/v1.0.0.zip", i)] = strings.Repeat("z", 4*unknownSize)
			asks(t, p, "192.0.2.1", fmt.Sprintf("m%d.test/m/@v/v1.0.0.info", i))
		}
		close(l.block)
		synctest.Wait()
		if got := l.fetched(); len(got) != 2 { // with the second the bound is passed
			t.Errorf("%d zips were fetched, where one and a half were allowed", len(got))
		}
		if s := p.Stats(); s.Refused != 4 || s.Failed != 0 {
			t.Errorf("it has counted %+v", s)
		}
		p.Close()
	})
}
