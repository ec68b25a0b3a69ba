package main

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/godown-dev/godown/internal/godowntest"
)

// small returns an origin with one module, and the name and content of its zip.
func small(t *testing.T) (o *origin, name string, zip []byte) {
	t.Helper()
	mods := godowntest.NewModules(t, "")
	if err := mods.AddBig("fault.test/a", current, 100_000); err != nil {
		t.Fatal(err)
	}
	o, err := startOrigin(mods)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.close)
	name = "fault.test/a/@v/" + current + ".zip"
	return o, name, mods.Data(name)
}

// get asks a mirror for a file, over a connection of its own.
func get(t *testing.T, m *mirror, name string, headers ...string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, m.URL+"/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// TestMirror looks at what a mirror does of its own: entity tags, counts, going and coming back.
func TestMirror(t *testing.T) {
	o, name, zip := small(t)
	list, err := startMirrors(o, conditions{}, conditions{rate: 100_000_000, single: true})
	if err != nil {
		t.Fatal(err)
	}
	defer list.close()
	var tags []string
	for _, m := range list {
		resp, body, err := get(t, m, name)
		if err != nil || !bytes.Equal(body, zip) {
			t.Fatalf("%d bytes, error %v; want %d", len(body), err, len(zip))
		}
		tags = append(tags, resp.Header.Get("ETag"))
	}
	for i, want := range []int{http.StatusPartialContent, http.StatusOK} {
		if resp, _, _ := get(t, list[0], name, "Range", "bytes=10-19", "If-Range", tags[i]); resp.StatusCode != want {
			t.Errorf("a range from the first mirror with the tag of number %d: %s, want %d", i+1, resp.Status, want)
		}
	}
	if n, sent := list[0].requests(".zip"), list[0].bytes(name); n != 3 || sent != int64(2*len(zip)+10) || list[0].peak() != 1 {
		t.Errorf("%d requests, %d bytes, %d at once", n, sent, list[0].peak())
	}
	list[0].vanish()
	if _, _, err := get(t, list[0], name); err == nil {
		t.Error("a mirror that has vanished answers")
	}
	if err := list[0].appear(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := get(t, list[0], name); err != nil {
		t.Error(err)
	}
}

// TestRows asks often enough that each fault that hits only some requests has
// hit one, and finds the same ones again with the same seed.
func TestRows(t *testing.T) {
	o, name, zip := small(t)
	outcome := func(r row) string {
		m, err := startMirror(1, o, conditions{fault: r.fault(newDice(3))})
		if err != nil {
			t.Fatal(err)
		}
		defer m.vanish()
		var hits []byte
		for range 60 {
			resp, body, err := get(t, m, name)
			switch {
			case err == nil && resp.StatusCode == http.StatusOK && bytes.Equal(body, zip):
				hits = append(hits, '.')
			case err == nil && resp.StatusCode == http.StatusOK && len(body) == len(zip):
				hits = append(hits, 'b') // a bit
			case err == nil && resp.StatusCode == http.StatusOK:
				hits = append(hits, 's') // shorter, consistently
			case err == nil:
				hits = append(hits, 'n') // not found, or out of order
			default:
				hits = append(hits, 'e')
			}
		}
		return string(hits)
	}
	for rowName, want := range map[string]byte{
		"404 for all":                          'n',
		"10 % 503":                             'n',
		"10 % reset in mid-body":               'e',
		"10 % truncated, length kept":          'e',
		"10 % of zips: a bit flipped":          'b',
		"10 % of zips: cut, length consistent": 's',
		"login page for all":                   's',
	} {
		for _, r := range rows() {
			if r.name != rowName {
				continue
			}
			first, second := outcome(r), outcome(r)
			n := bytes.Count([]byte(first), []byte{want})
			if first != second || n == 0 || n+bytes.Count([]byte(first), []byte{'.'}) != len(first) {
				t.Errorf("%s: %s, then %s; want some %c", rowName, first, second, want)
			}
		}
	}
}

// TestLagging counts the versions that a mirror which lags behind does not have.
func TestLagging(t *testing.T) {
	tree, err := makeTree()
	if err != nil {
		t.Fatal(err)
	}
	o, err := startOrigin(tree.mods)
	if err != nil {
		t.Fatal(err)
	}
	defer o.close()
	m, err := startMirror(1, o, conditions{fault: lagging})
	if err != nil {
		t.Fatal(err)
	}
	defer m.vanish()
	absent := 0
	for _, name := range tree.zips {
		if resp, _, err := get(t, m, name); err != nil {
			t.Fatal(err)
		} else if resp.StatusCode == http.StatusNotFound {
			absent++
		}
	}
	if n := len(tree.zips); n != 32 || absent < n/4 || absent > 3*n/4 {
		t.Errorf("%d of %d zips are absent", absent, n)
	}
	if tree.size < 30e6 || tree.size > 50e6 {
		t.Errorf("the zips have %d bytes", tree.size)
	}
}
