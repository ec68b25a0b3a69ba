package obs_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/obs"
)

func TestMirrorsAreShown(t *testing.T) {
	o := obs.New(slog.New(slog.DiscardHandler), false)
	list := []godown.MirrorStatus{
		{
			Name: "a.test", Group: 1, State: "up", Rank: 1, FirstByteMS: 20, BytesPerSec: 1e6, FailureRate: 0.25, UnderWay: 2, Requests: 10,
			Failures: map[string]int64{"reset": 3}, Bytes: 100, HedgesWon: 1, HedgesLost: 2, Benched: 1,
		},
		{Name: "b.test", Group: 1, State: "down", Rank: 2},
		{Name: "a.test", Group: 2, State: "down", Rank: 2, FirstByteMS: 90, Requests: 5, Failures: map[string]int64{"reset": 1, "lie": 1}, Bytes: 7},
	}
	o.WatchMirrors(func() []godown.MirrorStatus { return list })
	got := scrape(o)
	for _, want := range []string{
		`godown_mirror_up{upstream="a.test"} 1`, `godown_mirror_up{upstream="b.test"} 0`, `godown_mirror_rank{upstream="b.test"} 2`,
		`godown_mirror_first_byte_seconds{upstream="a.test"} 0.02`, `godown_mirror_bytes_per_second{upstream="a.test"} 1e+06`,
		`godown_mirror_failure_rate{upstream="a.test"} 0.25`, `godown_mirror_under_way{upstream="a.test"} 2`,
		`godown_mirror_requests_total{upstream="a.test"} 15`, `godown_mirror_bytes_total{upstream="a.test"} 107`,
		`godown_mirror_failures_total{kind="reset",upstream="a.test"} 4`, `godown_mirror_failures_total{kind="lie",upstream="a.test"} 1`,
		`godown_mirror_failures_total{kind="slow",upstream="b.test"} 0`,
		`godown_mirror_hedges_total{result="won",upstream="a.test"} 1`, `godown_mirror_hedges_total{result="lost",upstream="a.test"} 2`,
		`godown_mirror_benched_modules{upstream="a.test"} 1`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(got, `godown_mirror_first_byte_seconds{upstream="b.test"}`) || strings.Contains(got, `godown_mirror_bytes_per_second{upstream="b.test"}`) {
		t.Error("a mean is shown that is not known")
	}
	if list[0].Requests != 10 || list[0].Failures["reset"] != 3 {
		t.Error("the statuses were changed")
	}
}

func TestMirrorChanges(t *testing.T) {
	var b bytes.Buffer
	o := obs.New(slog.New(slog.NewTextHandler(&b, nil)), false)
	for _, tt := range []struct{ from, to, log, counted string }{
		{"up", "down", `level=WARN msg="a mirror is down; others are asked in its place" upstream=a.test from=up to=down why="3 failures"`, "down"},
		{"down", "up", `level=INFO msg="a mirror is back" upstream=a.test from=down to=up`, "up"},
		{"up", "busy", `level=INFO msg="a mirror asks us to wait`, "busy"},
		{"up", "lied", `level=WARN msg="a mirror gave a wrong file`, "lied"},
	} {
		b.Reset()
		o.MirrorChanged("a.test", tt.from, tt.to, "3 failures")
		if !strings.Contains(b.String(), tt.log) || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("the log is %q, want one line with %q", b.String(), tt.log)
		}
		if want := `godown_mirror_changes_total{to="` + tt.counted + `",upstream="a.test"} 1`; !strings.Contains(scrape(o), want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
}
