package obs_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/obs"
)

func TestWatchSums(t *testing.T) {
	o := obs.New(slog.New(slog.DiscardHandler), false)
	o.WatchSums(func() obs.OwnSums { return obs.OwnSums{Name: "sum.own.test", Records: 7, Waiting: 2} }, func() godown.SumsStatus {
		return godown.SumsStatus{Name: "sum.up.test", Size: 100, Stopped: "a fork", Views: []godown.SumViewStatus{
			{Name: "one", Size: 90, Behind: 10, Asked: time.Now()}, {Name: "one", Size: 90, Behind: 10}, {Name: "silent"},
		}}
	})
	w := httptest.NewRecorder()
	o.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`godown_sumdb_records{database="sum.own.test"} 7`,
		`godown_sumdb_waiting{database="sum.own.test"} 2`,
		`godown_sumdb_records{database="sum.up.test"} 100`,
		`godown_sumdb_stopped{database="sum.up.test"} 1`,
		`godown_sumdb_view_behind{database="sum.up.test",upstream="one"} 10`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(w.Body.String(), "silent") {
		t.Error("a view that showed nothing is in the metrics")
	}
}

func TestAlarms(t *testing.T) {
	o := obs.New(slog.New(slog.DiscardHandler), false)
	for range 3 {
		o.Alarm(godown.Alarm{Kind: "rot", Request: godown.Request{Kind: godown.Zip, Path: "example.com/a", Version: "v1.0.0"}})
	}
	for i := range 60 {
		o.Alarm(godown.Alarm{Kind: "store", Origin: strings.Repeat("x", i)})
		o.Alarm(godown.Alarm{Kind: "rot", Request: godown.Request{Kind: godown.Zip, Path: "example.com/a", Version: "v1.0.0"}})
	}
	list := o.Alarms()
	if len(list) != 50 || list[0].Kind != "rot" || list[0].Count != 63 || list[0].File != "example.com/a@v1.0.0 zip" || list[1].Origin != strings.Repeat("x", 59) {
		t.Errorf("Alarms() = %d alarms, first %+v, second %+v", len(list), list[0], list[1])
	}
	for i := range 60 {
		o.Alarm(godown.Alarm{Kind: "store", Origin: "disk", Err: fmt.Errorf("temporary file %d", i)})
	}
	o.Alarm(godown.Alarm{Kind: "rot", Request: godown.Request{Kind: godown.Zip, Path: "example.com/a", Version: "v1.0.0"}})
	if list := o.Alarms(); list[1].Count != 60 || list[1].Error != "temporary file 59" {
		t.Errorf("alarms of one disk: %+v", list[1])
	}
	o.Alarm(godown.Alarm{Kind: "fork", Err: errors.New("two histories")})
	for i := range 60 {
		o.Alarm(godown.Alarm{Kind: "mismatch", Origin: fmt.Sprint(i)})
	}
	list = o.Alarms()
	if len(list) != 50 || list[49].Kind != "fork" {
		t.Errorf("%d alarms, the last is %+v: the fork was forgotten", len(list), list[len(list)-1])
	}
}
