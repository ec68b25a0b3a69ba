package mirror

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Strategy says in which order mirrors are asked.
type Strategy int

// The strategies.
const (
	Fastest    Strategy = iota // by what was learnt: time to the first byte, throughput, failures
	Ordered                    // as they were configured
	RoundRobin                 // in turns, by weight
	LeastBusy                  // the one with the fewest requests under way for its weight
	Race                       // all at once; the first good answer wins
)

var strategyNames = []string{"fastest", "ordered", "round-robin", "least-busy", "race"}

// String returns the strategy's name.
func (s Strategy) String() string { return strategyNames[s] }

// ParseStrategy returns the strategy of that name.
func ParseStrategy(name string) (Strategy, error) {
	if i := slices.Index(strategyNames, name); i >= 0 {
		return Strategy(i), nil
	}
	return 0, fmt.Errorf("there is no strategy %q; there are %s", name, strings.Join(strategyNames, ", "))
}

// A candidate is a mirror as a strategy sees it.
type candidate struct {
	index    int // in the configuration
	weight   int
	underWay int
	tried    bool          // there is something learnt
	first    time.Duration // mean time to the first byte
	rate     float64       // bytes per second of one connection; 0: not known
	failing  float64       // share of requests that fail
	idle     time.Duration // since it was last asked
}

// order returns the candidates' indexes in the order in which they should be
// asked for about size bytes. turn counts requests.
func (s Strategy) order(list []candidate, size int64, turn uint64) []int {
	list = slices.Clone(list)
	switch s {
	case Fastest:
		fastest(list, size, turn)
	case RoundRobin:
		roundRobin(list, turn)
	case LeastBusy:
		leastBusy(list)
	case Ordered, Race:
	}
	out := make([]int, len(list))
	for i, c := range list {
		out[i] = c.index
	}
	return out
}

const (
	// exploreEvery: one of so many small requests goes to the mirror that was
	// asked longest ago, so that one which has recovered is noticed.
	exploreEvery = 40
	// exploreIdle: and only if that was so long ago.
	exploreIdle = 5 * time.Second
	// exploreSize is the most that a request may be worth to explore with.
	exploreSize = 64 << 10
	// failureCost is what a failed request costs besides its time.
	failureCost = time.Second
	// unknownRate is the throughput that a mirror is taken to have before it is known.
	unknownRate = 2 << 20
)

// cost is the time that size bytes are expected to take from c.
func (c *candidate) cost(size int64) time.Duration {
	rate := c.rate
	if rate == 0 {
		rate = unknownRate
	}
	once := float64(c.first) + float64(size)/rate*float64(time.Second)
	ok := max(1-c.failing, 0.02)
	return time.Duration(min((once+c.failing*float64(failureCost))/ok, float64(maxCost)))
}

// maxCost is what the slowest cost, however slow they are.
const maxCost = 1000 * time.Hour

// fastest puts what is not known yet first, so that it is, then the rest by
// cost; now and then the one that was not asked for long.
func fastest(list []candidate, size int64, turn uint64) {
	slices.SortStableFunc(list, func(a, b candidate) int {
		if a.tried != b.tried {
			if a.tried {
				return 1
			}
			return -1
		}
		if !a.tried {
			return cmp.Compare(a.underWay, b.underWay) // several requests try several mirrors
		}
		// A weight of 2 is worth half the time.
		return cmp.Compare(a.cost(size)/time.Duration(a.weight), b.cost(size)/time.Duration(b.weight))
	})
	if size > exploreSize || turn%exploreEvery != exploreEvery-1 || len(list) < 2 {
		return
	}
	oldest := 0
	for i, c := range list {
		if c.idle > list[oldest].idle {
			oldest = i
		}
	}
	if list[oldest].idle > exploreIdle {
		c := list[oldest]
		copy(list[1:oldest+1], list[:oldest])
		list[0] = c
	}
}

// roundRobin begins with the candidate whose turn it is; the others follow in order.
func roundRobin(list []candidate, turn uint64) {
	all := 0
	for _, c := range list {
		all += c.weight
	}
	if all == 0 {
		return
	}
	at := int(turn % uint64(all))
	for i, c := range list {
		if at -= c.weight; at < 0 {
			rotated := slices.Concat(list[i:], list[:i])
			copy(list, rotated)
			return
		}
	}
}

func leastBusy(list []candidate) {
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Compare(float64(a.underWay)/float64(a.weight), float64(b.underWay)/float64(b.weight))
	})
}
