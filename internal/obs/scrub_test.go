package obs_test

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/obs"
)

func TestWatchScrub(t *testing.T) {
	o := obs.New(slog.New(slog.NewTextHandler(io.Discard, nil)), false)
	var stats godown.ScrubStats
	o.WatchScrub(func() godown.ScrubStats { return stats })
	scrape := func() string {
		w := httptest.NewRecorder()
		o.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	if text := scrape(); strings.Contains(text, "\ngodown_scrub_completed") || !strings.Contains(text, `godown_scrub_files_total{result="bad"} 0`) {
		t.Errorf("before the first file:\n%s", text)
	}
	stats = godown.ScrubStats{Good: 1, Unproven: 2, Bad: 3, Unreadable: 4, Bytes: 5, Repaired: 6, Complete: time.Unix(7, 0), Position: 0.5}
	text := scrape()
	for _, line := range []string{
		`godown_scrub_files_total{result="good"} 1`, `godown_scrub_files_total{result="unproven"} 2`,
		`godown_scrub_files_total{result="bad"} 3`, `godown_scrub_files_total{result="unreadable"} 4`,
		"godown_scrub_bytes_total 5", "godown_scrub_repaired_total 6", "godown_scrub_completed_timestamp_seconds 7", "godown_scrub_position 0.5",
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("there is no line %s", line)
		}
	}
}
