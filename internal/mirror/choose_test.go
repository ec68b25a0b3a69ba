package mirror

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestStrategies(t *testing.T) {
	ms := time.Millisecond
	near := candidate{index: 0, weight: 1, tried: true, first: 20 * ms, rate: 1 << 20}
	fat := candidate{index: 1, weight: 1, tried: true, first: 200 * ms, rate: 50 << 20, underWay: 3}
	ill := candidate{index: 2, weight: 1, tried: true, first: 10 * ms, rate: 50 << 20, failing: 0.5, underWay: 1}
	fresh := candidate{index: 3, weight: 2}
	heavy := candidate{index: 4, weight: 3, tried: true, first: 50 * ms, rate: 1 << 20, underWay: 4}
	for name, test := range map[string]struct {
		choose Strategy
		list   []candidate
		size   int64
		turn   uint64
		want   []int
	}{
		"fastest, small":          {Fastest, []candidate{ill, fat, near}, 2000, 0, []int{0, 1, 2}},
		"fastest, big":            {Fastest, []candidate{near, fat}, 10 << 20, 0, []int{1, 0}},
		"fastest, unknown first":  {Fastest, []candidate{near, fresh}, 2000, 0, []int{3, 0}},
		"fastest, weight":         {Fastest, []candidate{near, heavy}, 2000, 0, []int{4, 0}},
		"fastest, explores":       {Fastest, []candidate{near, idle(fat, time.Minute)}, 2000, exploreEvery - 1, []int{1, 0}},
		"fastest, not so soon":    {Fastest, []candidate{near, idle(fat, time.Second)}, 2000, exploreEvery - 1, []int{0, 1}},
		"fastest, not with a zip": {Fastest, []candidate{idle(fat, time.Minute), near}, 1 << 20, exploreEvery - 1, []int{1, 0}},
		"ordered":                 {Ordered, []candidate{ill, near, fat}, 2000, 7, []int{2, 0, 1}},
		"race":                    {Race, []candidate{ill, near, fat}, 2000, 7, []int{2, 0, 1}},
		"least busy":              {LeastBusy, []candidate{fat, ill, near}, 2000, 0, []int{0, 2, 1}},
		"least busy, weight":      {LeastBusy, []candidate{fat, heavy}, 2000, 0, []int{4, 1}},
		"nobody":                  {RoundRobin, nil, 0, 5, []int{}},
	} {
		if got := test.choose.order(test.list, test.size, test.turn); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	// In turns, by weight, and everybody is in the list each time.
	first := make(map[int]int)
	list := []candidate{near, fresh, heavy}
	for turn := range uint64(60) {
		order := RoundRobin.order(list, 0, turn)
		first[order[0]]++
		if slices.Sort(order); !slices.Equal(order, []int{0, 3, 4}) {
			t.Fatalf("turn %d: %v", turn, order)
		}
	}
	if first[0] != 10 || first[3] != 20 || first[4] != 30 {
		t.Errorf("the shares are %v", first)
	}
}

func idle(c candidate, d time.Duration) candidate {
	c.idle = d
	return c
}

// However slow a mirror is, it is slower than one that is not.
func TestCostOfTheSlowest(t *testing.T) {
	fine := candidate{rate: 1 << 20}
	for _, c := range []candidate{{rate: 0.05}, {rate: 0.2, failing: 0.8}, {rate: 1e-9, failing: 1}} {
		if d := c.cost(500 << 20); d <= fine.cost(500<<20) {
			t.Errorf("%+v costs %v", c, d)
		}
	}
}

func TestParseStrategy(t *testing.T) {
	for _, s := range []Strategy{Fastest, Ordered, RoundRobin, LeastBusy, Race} {
		if got, err := ParseStrategy(s.String()); got != s || err != nil {
			t.Errorf("%v is read as %v, %v", s, got, err)
		}
	}
	if _, err := ParseStrategy("best"); err == nil {
		t.Error("there is a strategy called best")
	}
}

func TestCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &Options{Rise: 2, Fall: 3, Every: 30 * time.Second}
		var c circuit
		fail := func() string { return c.failure(time.Now(), o) }
		win := func() string { return c.success(time.Now(), o) }
		want := func(got, want string) {
			t.Helper()
			if got != want {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
		want(fail(), "")
		want(fail(), "")
		want(win(), "") // in a row they must be
		want(fail(), "")
		want(fail(), "")
		want(fail(), stateDown)
		if c.trial(time.Now()) {
			t.Error("it is tried at once")
		}
		<-time.After(firstWait)
		if !c.trial(time.Now()) || c.trial(time.Now()) {
			t.Error("not exactly one request tries it")
		}
		want(fail(), "")
		<-time.After(firstWait)
		if c.trial(time.Now()) {
			t.Error("the wait has not doubled")
		}
		for range 10 {
			want(fail(), "")
		}
		if c.wait != o.Every {
			t.Errorf("it waits %v", c.wait)
		}
		<-time.After(o.Every)
		want(win(), "")
		if !c.trial(time.Now()) {
			t.Error("after one success the next trial has to wait")
		}
		want(win(), stateUp)
		if c.down || c.fails != 0 || c.since != time.Now() {
			t.Errorf("it is %+v", c)
		}
	})
}

func TestLearning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l learnt
		if p95, median := l.percentiles(); p95 != 0 || median != 0 {
			t.Error("something is known of nothing")
		}
		for i := range 100 {
			l.answered(time.Duration(i%10+1) * time.Millisecond)
		}
		if p95, median := l.percentiles(); p95 != 10*time.Millisecond || median != 6*time.Millisecond {
			t.Errorf("the 95th percentile is %v, the median %v", p95, median)
		}
		for range 10 {
			l.failed(1)
		}
		if f := l.failingNow(time.Now()); f < 0.85 || f > 0.95 {
			t.Errorf("after ten failures the rate is %v", f)
		}
		<-time.After(3 * failingHalves)
		if f := l.failingNow(time.Now()); f > 0.13 {
			t.Errorf("some minutes later the rate is %v", f)
		}
		l.moved(1<<20, time.Second)
		l.moved(100, time.Millisecond) // tells nothing
		if l.rate != 1<<20 {
			t.Errorf("the throughput is %v", l.rate)
		}
		l.moved(100, time.Second) // crawls
		if l.rate > 900_000 {
			t.Errorf("the throughput is still %v", l.rate)
		}
	})
}

func TestBudget(t *testing.T) {
	b := budget{saved: 1}
	if !b.spend() || b.spend() {
		t.Error("it gives more than it has")
	}
	spent := 0
	for range 1000 {
		b.earn(0.1)
		if b.spend() {
			spent++
		}
	}
	if spent < 98 || spent > 100 {
		t.Errorf("of 1000 requests %d may be doubled", spent)
	}
	for range 1000 {
		b.earn(0.1)
	}
	if b.saved > maxSaved {
		t.Errorf("it saves up %v", b.saved)
	}
}
