package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

// A row is what is wrong with the first of two mirrors.
type row struct {
	name  string
	dead  bool                           // nobody listens
	fault func(d *dice) godowntest.Fault // nil: none
}

const (
	noFault    = "none"
	share      = 0.1 // of the requests that a fault hits, where it does not hit all
	lorisRate  = 2000
	everything = ""
	zips       = `\.zip$`
)

// rows returns all rows; the first is the one without a fault.
func rows() []row {
	return []row{
		{name: noFault},
		{name: "dead port", dead: true},
		{name: "404 for all", fault: always(godowntest.Status(http.StatusNotFound, "not found"))},
		{name: "10 % 503", fault: sometimes(everything, func(*rand.Rand, int64) godowntest.Fault {
			return godowntest.Status(http.StatusServiceUnavailable, "out of order")
		})},
		{name: "10 % reset in mid-body", fault: sometimes(everything, func(r *rand.Rand, size int64) godowntest.Fault {
			return godowntest.Reset(r.Int64N(size))
		})},
		{name: "10 % truncated, length kept", fault: sometimes(everything, func(r *rand.Rand, size int64) godowntest.Fault {
			return godowntest.Cut(r.Int64N(size))
		})},
		{name: "10 % hang", fault: sometimes(everything, func(*rand.Rand, int64) godowntest.Fault { return godowntest.Hang() })},
		{name: "all hang", fault: always(godowntest.Hang())},
		{name: "slow-loris, 2 kB/s", fault: always(godowntest.Rate(lorisRate))},
		{name: "10 % of zips: a bit flipped", fault: sometimes(zips, func(r *rand.Rand, size int64) godowntest.Fault {
			return godowntest.FlipSent(r.Int64N(size))
		})},
		{name: "10 % of zips: cut, length consistent", fault: sometimes(zips, func(r *rand.Rand, size int64) godowntest.Fault {
			return godowntest.Shorten(int(r.Int64N(size)))
		})},
		{name: "lagging: half of the versions", fault: func(*dice) godowntest.Fault { return lagging }},
		{name: "login page for all", fault: always(godowntest.LoginPage())},
	}
}

// always is a fault of every request.
func always(f godowntest.Fault) func(*dice) godowntest.Fault {
	return func(*dice) godowntest.Fault { return f }
}

// sometimes is a fault that hits a share of the requests for names that match.
// of is given the size of the body that would be sent, at least 1.
func sometimes(match string, of func(r *rand.Rand, size int64) godowntest.Fault) func(*dice) godowntest.Fault {
	names := regexp.MustCompile(match)
	return func(d *dice) godowntest.Fault {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h := next
				if names.MatchString(r.URL.Path) {
					if rng := d.throw(r.URL.Path); rng.Float64() < share {
						h = of(rng, bodySize(next, r))(next)
					}
				}
				h.ServeHTTP(w, r)
			})
		}
	}
}

// bodySize returns how many bytes an answer would have, at least 1.
func bodySize(h http.Handler, r *http.Request) int64 {
	head := r.Clone(r.Context())
	head.Method = http.MethodHead
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, head)
	return max(1, rec.Result().ContentLength, int64(rec.Body.Len()))
}

// Dice decide what happens to a request by its name and by how often the name
// was asked for: so a second try may go well, each candidate meets the same
// luck, and the order of requests that are under way at once does not matter.
type dice struct {
	seed uint64

	mu    sync.Mutex // guards asked
	asked map[string]int
}

func newDice(seed uint64) *dice { return &dice{seed: seed, asked: make(map[string]int)} }

// throw returns the random numbers of the next request for a name.
func (d *dice) throw(name string) *rand.Rand {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[name]++
	return rand.New(rand.NewPCG(d.seed, hash(fmt.Sprintf("%s %d", name, d.asked[name]))))
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// lagging answers 404 for half of the module versions, always for the same.
func lagging(next http.Handler) http.Handler {
	absent := godowntest.Status(http.StatusNotFound, "not found")(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, file, ok := strings.Cut(r.URL.Path, "/@v/")
		if dot := strings.LastIndexByte(file, '.'); ok && dot > 0 {
			version := rand.NewPCG(0, hash(path+"@"+file[:dot])) // the hash's own bits are not evenly spread
			if version.Uint64()%2 == 0 {
				absent.ServeHTTP(w, r)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// slow is a fault that only takes time; the dice say whether.
func slow(d time.Duration) func(*rand.Rand, int64) godowntest.Fault {
	return func(*rand.Rand, int64) godowntest.Fault { return godowntest.Latency(d) }
}
