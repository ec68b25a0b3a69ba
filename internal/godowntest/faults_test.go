package godowntest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

const zipName = "example.com/big/@v/v1.0.0.zip"

// big returns an upstream with a zip of some 100 kB, and the zip.
func big(t *testing.T) (*godowntest.Upstream, []byte) {
	t.Helper()
	mods := godowntest.NewModules(t, archive)
	if err := mods.AddBig("example.com/big", "v1.0.0", 100_000); err != nil {
		t.Fatal(err)
	}
	return godowntest.NewUpstream(t, mods), mods.Data(zipName)
}

// get asks for a file. The answer's body is read and its error returned; resp
// is nil if there was no answer.
func get(t *testing.T, up *godowntest.Upstream, name string, headers ...string) (resp *http.Response, body []byte, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, up.URL+"/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err = client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp, body, err
}

func TestUpstream(t *testing.T) {
	up, zip := big(t)
	resp, body, err := get(t, up, zipName)
	if err != nil || !bytes.Equal(body, zip) || resp.ContentLength != int64(len(zip)) {
		t.Fatalf("%d bytes, declared %d, error %v; want %d", len(body), resp.ContentLength, err, len(zip))
	}
	etag := resp.Header.Get("ETag")
	if resp.Header.Get("Accept-Ranges") != "bytes" || etag == "" || resp.Header.Get("Content-Type") != "application/zip" {
		t.Errorf("header is %v", resp.Header)
	}
	if resp, body, _ := get(t, up, zipName, "Range", "bytes=1000-", "If-Range", etag); resp.StatusCode != 206 || !bytes.Equal(body, zip[1000:]) {
		t.Errorf("a range: %s, %d bytes", resp.Status, len(body))
	}
	if resp, _, _ := get(t, up, zipName, "If-None-Match", etag); resp.StatusCode != 304 {
		t.Errorf("an entity tag that matches: %s", resp.Status)
	}
	for _, name := range []string{"example.com/none/@v/list", "sumdb/sum.test/supported"} {
		if resp, _, _ := get(t, up, name); resp.StatusCode != 404 {
			t.Errorf("%s: %s, want 404", name, resp.Status)
		}
	}
	want := []string{zipName, zipName, zipName, "example.com/none/@v/list", "sumdb/sum.test/supported"}
	if got := up.Requests(); !slices.Equal(got, want) || up.Count(zipName) != 3 {
		t.Errorf("requests are %q, %d for the zip", got, up.Count(zipName))
	}
	if got := up.Log()[1].Header.Get("Range"); got != "bytes=1000-" {
		t.Errorf("recorded Range is %q", got)
	}
	up.Reset()
	if up.Count(zipName) != 0 {
		t.Error("Reset forgets nothing")
	}
}

func TestFaults(t *testing.T) {
	up, zip := big(t)
	flipped := bytes.Clone(zip)
	flipped[len(zip)-1] ^= 1
	tests := []struct {
		name     string
		fault    godowntest.Fault
		status   int    // 0: no answer
		body     []byte // that arrives
		declared int64
		broken   bool // the body ends in an error
	}{
		{"status", godowntest.Status(429, "slow down", "Retry-After: 7"), 429, []byte("slow down"), 9, false},
		{"replace", godowntest.Replace("text/plain", []byte("other")), 200, []byte("other"), 5, false},
		{"huge", godowntest.Huge(70_000), 200, make([]byte, 70_000), 70_000, false},
		{"flip", godowntest.Flip(-1), 200, flipped, int64(len(zip)), false},
		{"flip sent", godowntest.FlipSent(int64(len(zip) - 1)), 200, flipped, int64(len(zip)), false},
		{"flip sent behind the end", godowntest.FlipSent(1 << 20), 200, zip, int64(len(zip)), false},
		{"shorten", godowntest.Shorten(500), 200, zip[:500], 500, false},
		{"cut", godowntest.Cut(5000), 200, zip[:5000], int64(len(zip)), true},
		{"cut at 0", godowntest.Cut(0), 200, nil, int64(len(zip)), true},
		{"cut before header", godowntest.Cut(-1), 0, nil, 0, false},
		{"cut behind the end", godowntest.Cut(1 << 20), 200, zip, int64(len(zip)), false},
		{"reset before header", godowntest.Reset(-1), 0, nil, 0, false},
		{"chunked", godowntest.Chunked(), 200, zip, -1, false},
		{"rate", godowntest.Rate(10_000_000), 200, zip, int64(len(zip)), false},
		{"latency", godowntest.Latency(time.Millisecond), 200, zip, int64(len(zip)), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			heal := up.Break(`\.zip$`, test.fault)
			defer heal()
			resp, body, err := get(t, up, zipName)
			if resp == nil {
				if test.status != 0 {
					t.Fatalf("no answer: %v", err)
				}
				return
			}
			if resp.StatusCode != test.status || resp.ContentLength != test.declared {
				t.Errorf("%s, %d bytes declared; want %d, %d", resp.Status, resp.ContentLength, test.status, test.declared)
			}
			if !bytes.Equal(body, test.body) || (err != nil) != test.broken {
				t.Errorf("%d bytes, error %v; want %d, error %v", len(body), err, len(test.body), test.broken)
			}
			if resp, _, _ := get(t, up, "example.com/big/@latest"); resp == nil || resp.StatusCode != 200 {
				t.Error("a request that does not match is broken too")
			}
		})
	}
	if _, body, err := get(t, up, zipName); err != nil || !bytes.Equal(body, zip) {
		t.Errorf("healed: %d bytes, error %v", len(body), err)
	}
}

func TestReset(t *testing.T) {
	up, _ := big(t)
	for _, n := range []int64{-1, 0, 5000} {
		heal := up.Break("", godowntest.Reset(n))
		_, body, err := get(t, up, zipName)
		if !errors.Is(err, syscall.ECONNRESET) || int64(len(body)) > max(n, 0) {
			t.Errorf("reset after %d: %d bytes, error %v", n, len(body), err)
		}
		heal()
	}
}

func TestStall(t *testing.T) {
	up, zip := big(t)
	for _, n := range []int{0, 5000} {
		heal := up.Break("", godowntest.Stall(int64(n)))
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, up.URL+"/"+zipName, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, n)
		if _, err := io.ReadFull(resp.Body, got); err != nil || !bytes.Equal(got, zip[:n]) {
			t.Errorf("the first %d bytes: error %v", n, err)
		}
		time.AfterFunc(20*time.Millisecond, cancel)
		if k, err := resp.Body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("after %d bytes: %d more, error %v", n, k, err)
		}
		resp.Body.Close()
		heal()
	}
	up.Break("", godowntest.Hang())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, up.URL+"/"+zipName, nil)
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that hangs: error %v", err)
	}
}

func TestHeadersFaults(t *testing.T) {
	up, zip := big(t)
	up.Break(`\.zip$`, godowntest.NoRanges())
	up.Break(`\.zip$`, godowntest.NoETag())
	resp, body, err := get(t, up, zipName, "Range", "bytes=1000-")
	if err != nil || resp.StatusCode != 200 || !bytes.Equal(body, zip) {
		t.Errorf("%s, %d bytes, error %v; want the whole file", resp.Status, len(body), err)
	}
	if resp.Header.Get("Accept-Ranges") != "" || resp.Header.Get("ETag") != "" {
		t.Errorf("header is %v", resp.Header)
	}
	up.Heal()
	up.Break("list$", godowntest.Status(503, "later", "Retry-After: 7"))
	if resp, _, _ := get(t, up, "example.com/hello/@v/list"); resp.Header.Get("Retry-After") != "7" {
		t.Errorf("header is %v", resp.Header)
	}
}

// TestChangeRange checks that a changed file is consistent: a range of it is changed too.
func TestChangeRange(t *testing.T) {
	up, zip := big(t)
	up.Break(`\.zip$`, godowntest.Flip(10))
	resp, body, err := get(t, up, zipName, "Range", "bytes=10-19")
	want := bytes.Clone(zip[10:20])
	want[0] ^= 1
	if err != nil || resp.StatusCode != 206 || !bytes.Equal(body, want) {
		t.Errorf("%s, %q, error %v; want 206, %q", resp.Status, body, err, want)
	}
}

func TestBreakTimes(t *testing.T) {
	up, _ := big(t)
	up.BreakTimes(2, "list$", godowntest.Status(500, "no"))
	for i, want := range []int{500, 500, 200} {
		if resp, _, _ := get(t, up, "example.com/hello/@v/list"); resp.StatusCode != want {
			t.Errorf("request %d: %s, want %d", i, resp.Status, want)
		}
	}
}

func TestVanish(t *testing.T) {
	up, zip := big(t)
	for range 2 {
		up.Vanish()
		if _, _, err := get(t, up, zipName); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("vanished: error %v", err)
		}
		if err := up.Return(); err != nil {
			t.Fatal(err)
		}
		if _, body, err := get(t, up, zipName); err != nil || !bytes.Equal(body, zip) {
			t.Errorf("returned: %d bytes, error %v", len(body), err)
		}
	}
}
