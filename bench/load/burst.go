package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

const (
	burstModule  = "example.com/burst"
	burstVersion = "v1.0.0"
	burstName    = burstModule + "/@v/" + burstVersion + ".zip"
)

// A burstResult is what the clients of one burst have seen.
type burstResult struct {
	middle time.Duration // until half of the clients had the first byte of the body
	first  time.Duration // until all of them had it
	last   time.Duration // until the last client had everything
	asked  int           // how often the upstream was asked for the zip
	memory int64         // the server's peak, bytes; 0 if not known
	cpu    time.Duration // of the server
}

// burst measures a cold zip that many ask for at once, against one that a
// single client asks for, by turns and each with a new folder.
func (b *bench) burst(ctx context.Context) error {
	mods, err := godowntest.ParseModules("")
	if err != nil {
		return err
	}
	if err := mods.AddBig(burstModule, burstVersion, b.size); err != nil {
		return err
	}
	up, err := startUpstream(mods, "")
	if err != nil {
		return err
	}
	defer up.close()
	t := newTarget(burstName, mods)
	files := filepath.Join(b.dir, "burst-floor")
	if err := writeFile(filepath.Join(files, filepath.FromSlash(burstName)), mods.Data(burstName)); err != nil {
		return err
	}
	floor, err := b.startServer(ctx, "floor-zip", b.exe, "floor-zip", files)
	if err != nil {
		return err
	}
	defer floor.stop()

	fmt.Printf("\n## Burst: a zip of %.0f MB, %d clients, round trip of the upstream %v; median (least–greatest) of %d rounds\n\n",
		float64(t.size)/1e6, b.clients, b.latency, b.burstRounds())
	row("upstream's rate", "server", "clients", "fetches", "first byte, median client, ms", "first byte, last client, ms", "all bytes, last client, s", "to a single client", "CPU-s", "peak MB")
	row("---", "---", "---:", "---", "---", "---", "---", "---", "---:", "---")
	for _, rate := range []int{10e6, 0} {
		up.Heal()
		up.Break("", godowntest.Latency(b.latency))
		if rate > 0 {
			up.Break(`\.zip$`, paced(rate))
		}
		if err := b.burstAt(ctx, up, t, floor, rate); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) burstRounds() int { return (b.rounds + 1) / 2 }

// burstAt measures with one rate of the upstream, in bytes/s; 0: unlimited.
func (b *bench) burstAt(ctx context.Context, up *upstream, t *target, floor *server, rate int) error {
	builds := b.builds()
	cold := make([][2][]burstResult, len(builds)) // of a single client, of many
	var warm [2][]burstResult
	for round := range b.burstRounds() {
		progress("burst at %s, round %d of %d", rateText(rate), round+1, b.burstRounds())
		for i, clients := range []int{1, b.clients} {
			for k, c := range builds {
				var r burstResult
				err := b.undisturbed(ctx, floor.pids, func() (err error) {
					r, err = b.coldBurst(ctx, c, up, t, clients)
					return err
				})
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				cold[k][i] = append(cold[k][i], r)
			}
			var r burstResult
			err := b.undisturbed(ctx, floor.pids, func() (err error) {
				r, err = b.burstOn(ctx, floor, t, clients)
				return err
			})
			if err != nil {
				return err
			}
			warm[i] = append(warm[i], r)
		}
	}
	for k, c := range builds {
		b.printBursts(rateText(rate), c.name+", cold", cold[k], &warm)
	}
	b.printBursts("–", "http.FileServer, warm", warm, nil)
	return nil
}

// printBursts prints two lines: what a single client has seen, and what many
// have. There are targets where there is a floor to compare with.
func (b *bench) printBursts(rate, name string, results [2][]burstResult, floor *[2][]burstResult) {
	for i, clients := range []int{1, b.clients} {
		of := func(f func(burstResult) float64) []float64 {
			var values []float64
			for _, r := range results[i] {
				values = append(values, f(r))
			}
			return values
		}
		firsts := of(func(r burstResult) float64 { return ms(r.first) })
		fetches := of(func(r burstResult) float64 { return float64(r.asked) })
		peaks := of(func(r burstResult) float64 { return float64(r.memory) / 1e6 })
		cells := []string{rate, name, fmt.Sprint(clients), "–",
			spread(of(func(r burstResult) float64 { return ms(r.middle) }), 0), spread(firsts, 0),
			spread(of(func(r burstResult) float64 { return r.last.Seconds() }), 2), "1",
			fmt.Sprintf("%.2f", median(of(func(r burstResult) float64 { return r.cpu.Seconds() }))), spread(peaks, 0)}
		if floor != nil {
			cells[3] = fmt.Sprint(slices.Max(fetches)) + verdict(slices.Max(fetches) == 1, "1")
			limit := 2 * ms(b.latency)
			cells[5] += verdict(median(firsts) <= limit, fmt.Sprintf("≤ %.0f", limit))
			cells[9] += verdict(slices.Max(peaks) < 60, "< 60")
		}
		if clients > 1 {
			ratios := of(func(r burstResult) float64 { return r.last.Seconds() })
			toFloor := slices.Clone(ratios)
			for k := range ratios {
				ratios[k] /= results[0][k].last.Seconds()
				if floor != nil {
					toFloor[k] /= floor[i][k].last.Seconds()
				}
			}
			cells[7] = spread(ratios, 2)
			if floor != nil {
				cells[7] += verdict(median(ratios) <= 1.2, "≤ 1.20")
				cells[7] += "; to as many of http.FileServer " + spread(toFloor, 2)
			}
		}
		row(cells...)
	}
}

func rateText(rate int) string {
	if rate == 0 {
		return "unlimited"
	}
	return fmt.Sprintf("%d MB/s", rate/1e6)
}

// coldBurst starts godown with an empty folder and has the clients ask.
func (b *bench) coldBurst(ctx context.Context, c *candidate, up *upstream, t *target, clients int) (burstResult, error) {
	data, err := os.MkdirTemp(b.dir, "burst-*")
	if err != nil {
		return burstResult{}, err
	}
	defer os.RemoveAll(data)
	s, err := b.startGodown(ctx, c.name, c.exe, data, up)
	if err != nil {
		return burstResult{}, err
	}
	defer s.stop()
	up.Reset()
	r, err := b.burstOn(ctx, s, t, clients)
	if err != nil {
		return r, fmt.Errorf("%w; godown wrote: %s", err, s.said())
	}
	r.asked = up.Count(t.name)
	return r, nil
}

// burstOn has the clients ask at once. All are connected before, and compare
// every byte by a checksum.
func (b *bench) burstOn(ctx context.Context, s *server, t *target, clients int) (burstResult, error) {
	list := make([]*client, clients)
	for i := range list {
		c, err := dial(ctx, s.address, 64<<10, 5*time.Minute)
		if err != nil {
			return burstResult{}, err
		}
		defer c.close()
		list[i] = c
	}
	firsts, lasts := make([]time.Duration, clients), make([]time.Duration, clients)
	errs := make([]error, clients)
	var wg sync.WaitGroup
	before, _ := cpuTime(s.pids)
	start := time.Now()
	for i, c := range list {
		wg.Go(func() {
			firsts[i], errs[i] = c.checkFrom(t, start)
			lasts[i] = time.Since(start)
		})
	}
	stop := context.AfterFunc(ctx, func() {
		for _, c := range list {
			c.close()
		}
	})
	wg.Wait()
	stop()
	after, _ := cpuTime(s.pids)
	slices.Sort(firsts)
	r := burstResult{middle: firsts[clients/2], first: firsts[clients-1], last: slices.Max(lasts), cpu: after - before}
	r.memory, _ = peakMemory(s.pids)
	return r, errors.Join(append(errs, ctx.Err())...)
}

// paced sends so many bytes a second by a fixed schedule: what was sent late
// because the machine is busy is made up for.
func paced(rate int) godowntest.Fault {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(&pacedWriter{ResponseWriter: w, ctx: r.Context(), rate: rate}, r)
		})
	}
}

type pacedWriter struct {
	http.ResponseWriter
	ctx   context.Context // of the request
	rate  int             // bytes/s
	start time.Time
	sent  int
}

// Write writes p piece by piece, each when it is due.
func (w *pacedWriter) Write(p []byte) (written int, err error) {
	if w.start.IsZero() {
		w.start = time.Now()
	}
	for len(p) > 0 {
		due := w.start.Add(time.Duration(w.sent) * time.Second / time.Duration(w.rate))
		if err := pause(w.ctx, time.Until(due)); err != nil {
			return written, err
		}
		n, err := w.ResponseWriter.Write(p[:min(len(p), w.rate/200)])
		written, w.sent = written+n, w.sent+n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}
