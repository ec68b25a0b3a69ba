package mirror

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

// A far mirror is heard beside a near one that lags.
func TestListWaitsForSecond(t *testing.T) {
	f := newField(t, 2, nil)
	f.mirrors[0].Break("/@v/list", godowntest.Replace("text/plain", []byte("v1.0.0\n")))
	f.mirrors[1].Break("/@v/list", godowntest.Latency(150*time.Millisecond))
	got, err := f.Fetch(t.Context(), list)
	if err != nil || !bytes.Contains(got.Data, []byte("v1.1.0")) {
		t.Errorf("%q, %v", got.Data, err)
	}
}

// What one mirror does not have, and another may have that fails just now, is asked for again.
func TestListOfOneThatFails(t *testing.T) {
	f := newField(t, 2, nil)
	f.mirrors[0].Break(everything, godowntest.Status(404, "no"))
	f.mirrors[1].BreakTimes(1, everything, godowntest.Reset(-1))
	got, err := f.Fetch(t.Context(), list)
	if err != nil || !bytes.Contains(got.Data, []byte("v1.1.0")) {
		t.Errorf("got %v", err)
	}
	f.mirrors[1].Vanish()
	if _, err := f.Fetch(t.Context(), list); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("when it stays away: %v", err)
	}
}

// Some mirrors add the time of each version.
func TestListWithTimes(t *testing.T) {
	f := newField(t, 2, nil)
	f.mirrors[0].Break("/@v/list", godowntest.Replace("text/plain", []byte("v1.0.0 2020-01-02T03:04:05Z\n\nv0.9.0\t2019-01-02T03:04:05Z")))
	got, err := f.Fetch(t.Context(), list)
	if err != nil || string(got.Data) != "v0.9.0\nv1.0.0\nv1.1.0\n" {
		t.Errorf("%q, %v", got.Data, err)
	}
}

func TestCompareLatest(t *testing.T) {
	// Each is older than the next.
	versions := []string{
		"", "v0.0.0-20190102030405-abcdefabcdef", "v1.0.1-0.20180102030405-abcdefabcdef", "v0.0.0-20200102030405-abcdefabcdef",
		"v0.1.0-alpha", "v1.0.0-rc.1", "v0.1.0", "v1.0.0", "v1.10.0",
	}
	versions[1], versions[2] = versions[2], versions[1] // by their time, not by their number
	for i, a := range versions {
		for j, b := range versions {
			want := slices.Index(versions, a) - slices.Index(versions, b)
			if got := compareLatest(a, b); got != sign(want) {
				t.Errorf("%q (%d) and %q (%d): %d", a, i, b, j, got)
			}
		}
	}
}

func sign(n int) int { return max(-1, min(n, 1)) }
