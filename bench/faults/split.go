package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

const (
	splitModule  = "fault.test/big"
	splitVersion = "v1.0.0"
	splitName    = splitModule + "/@v/" + splitVersion + ".zip"
	splitSize    = 50_000_000
	splitMirrors = 4
	splitRate    = 2_000_000 // bytes/s
	splitTarget  = 7.0       // MB/s
)

// A splitResult is one zip that was fetched from several mirrors.
type splitResult struct {
	Told  bool // that each mirror is to be asked by one connection only
	Round int
	OK    bool // the bytes are the origin's
	Why   string
	Rate  float64 // MB/s
	Sent  []int64 // bytes of the zip that each mirror has sent
	Most  []int   // requests that each mirror had under way at once
	Size  int64   // of the zip
}

// split measures a big zip of which each mirror sends only a part fast.
func (b *bench) split(ctx context.Context) error {
	mods, err := godowntest.ParseModules("")
	if err != nil {
		return err
	}
	if err := mods.AddBig(splitModule, splitVersion, splitSize); err != nil {
		return err
	}
	o, err := startOrigin(mods)
	if err != nil {
		return err
	}
	defer o.close()
	var all []splitResult
	var failed []error
	for round := range b.rounds {
		for _, told := range []bool{true, false} {
			progress("split, round %d of %d", round+1, b.rounds)
			r := splitResult{Told: told, Round: round, Size: int64(len(mods.Data(splitName)))}
			if err := b.splitOnce(ctx, o, &r); err != nil {
				failed = append(failed, fmt.Errorf("mirrors %s: %w", toldText(told), err))
				continue
			}
			all = append(all, r)
			if r.Why != "" {
				progress("%s", r.Why)
			}
		}
	}
	b.report.Split = all
	fmt.Printf("\n## Split: a zip of %.0f MB from %d mirrors %v away, each with %.0f MB/s however many connections; %d rounds\n\n",
		splitSize/1e6, splitMirrors, b.latency, splitRate/1e6, b.rounds)
	line("godown's configuration", "ok", "MB/s", "share of the mirrors, %", "sent beyond the file's size, %", "requests at once, by mirror")
	line("---", "---:", "---", "---", "---:", "---")
	for _, told := range []bool{true, false} {
		printSplit(slices.DeleteFunc(slices.Clone(all), func(r splitResult) bool { return r.Told != told }), told)
	}
	if len(failed) > 0 {
		return failed[0] // the others are most likely the same
	}
	return nil
}

func toldText(told bool) string {
	if told {
		return "with connections: 1"
	}
	return "by their URLs only"
}

func printSplit(list []splitResult, told bool) {
	var rates, beyond []float64
	shares, most := make([][]float64, splitMirrors), make([][]int, splitMirrors)
	for _, r := range list {
		if !r.OK {
			continue
		}
		var sum int64
		for _, n := range r.Sent {
			sum += n
		}
		rates = append(rates, r.Rate)
		beyond = append(beyond, 100*float64(sum-r.Size)/float64(r.Size))
		for i := range splitMirrors {
			shares[i] = append(shares[i], 100*float64(r.Sent[i])/float64(sum))
			most[i] = append(most[i], r.Most[i])
		}
	}
	cells := []string{"mirrors " + toldText(told), fmt.Sprintf("%d/%d", len(rates), len(list)), "–", "–", "–", "–"}
	if len(rates) > 0 {
		cells[2] = spread(rates, 2)
		if told {
			cells[2] += verdict(median(rates) >= splitTarget, fmt.Sprintf("≥ %.0f", splitTarget))
		}
		var share, peak []string
		for i := range splitMirrors {
			share = append(share, fmt.Sprintf("%.0f", median(shares[i])))
			peak = append(peak, fmt.Sprint(slices.Max(most[i])))
		}
		cells[3], cells[4], cells[5] = strings.Join(share, " "), fmt.Sprintf("%.1f", median(beyond)), strings.Join(peak, " ")
	}
	line(cells...)
}

// splitOnce fetches the zip through a new godown. Its error is that this could
// not be tried.
func (b *bench) splitOnce(ctx context.Context, o *origin, r *splitResult) error {
	dir, err := os.MkdirTemp(b.dir, "split-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	list, err := startMirrors(o, slices.Repeat([]conditions{{latency: b.latency, rate: splitRate, single: true}}, splitMirrors)...)
	if err != nil {
		return err
	}
	defer list.close()
	upstream := list.proxies()
	args := []string{"--sumdb=" + o.db.Spec()}
	if r.Told {
		upstream = "mirrors" // all of the file, as one group
		var config strings.Builder
		config.WriteString("mirrors:\n")
		for _, m := range list {
			fmt.Fprintf(&config, "  - url: %s\n    connections: 1\n", m.URL)
		}
		name := filepath.Join(dir, "godown.yaml")
		if err := os.WriteFile(name, []byte(config.String()), 0o666); err != nil {
			return err
		}
		args = append(args, "--config="+name)
	}
	s, err := b.startGodown(ctx, dir, append(args, "--upstream="+upstream)...)
	if err != nil {
		return err
	}
	defer s.Stop()
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	start := time.Now()
	err = fetch(ctx, http.DefaultClient, s.URL+"/"+splitName, o.mods.Data(splitName))
	r.Rate = float64(r.Size) / 1e6 / time.Since(start).Seconds()
	if r.OK = err == nil; !r.OK {
		r.Why = err.Error()
	}
	if errors.Is(err, errBytes) {
		b.trouble = append(b.trouble, err)
	}
	for _, m := range list {
		r.Sent = append(r.Sent, m.bytes(splitName))
		r.Most = append(r.Most, m.peak())
	}
	return nil
}

var errBytes = errors.New("wrong bytes")

// fetch asks for a URL and compares the body with what it must be, on the way.
func fetch(ctx context.Context, client *http.Client, url string, want []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("%s: %s: %s", url, resp.Status, bytes.TrimSpace(text))
	}
	buf := make([]byte, 64<<10)
	for at := 0; ; {
		n, err := resp.Body.Read(buf)
		if n > len(want)-at || !bytes.Equal(buf[:n], want[at:at+n]) {
			return fmt.Errorf("%s: %w from offset %d on", url, errBytes, at)
		}
		at += n
		switch {
		case err == io.EOF && at == len(want):
			return nil
		case err != nil:
			return fmt.Errorf("%s: broke off after %d of %d bytes: %w", url, at, len(want), err)
		}
	}
}
