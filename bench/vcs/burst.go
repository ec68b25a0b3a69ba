package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/dirhash"
)

const clients = 50 // of a burst

// A burst is many clients that ask for the same files.
type burst struct {
	stand *stand
	files []string // paths

	mu   sync.Mutex // guards sums
	sums map[string]uint64
}

// burst measures proxies alone: there is nobody else whom clients could ask like this.
func (b *bench) burst(ctx context.Context, h *host, round int) error {
	for _, name := range b.turns(round, asGodown) {
		s, err := b.stand(ctx, h, name)
		if err != nil {
			return err
		}
		load := &burst{stand: s, sums: make(map[string]uint64)}
		for _, m := range b.versions() {
			path, version, _ := strings.Cut(m, "@")
			for _, kind := range []string{"info", "mod", "zip"} {
				load.files = append(load.files, "/"+path+"/@v/"+version+"."+kind)
			}
		}
		err = b.measure(ctx, s, result{Row: "burst", Round: round}, false, func(ctx context.Context) (took, cpu time.Duration, err error) {
			start := time.Now()
			err = load.run(ctx)
			took = time.Since(start)
			if err == nil {
				err = b.checkZips(s.dir)
			}
			return took, 0, err
		})
		s.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// run has all clients ask for all files, each beginning with another version,
// and compares what they are given. The first client keeps its zips.
func (l *burst) run(ctx context.Context) error {
	errs := make([]error, clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for k := range l.files {
				name := l.files[(k+3*i)%len(l.files)]
				if err := l.get(ctx, client, name, i == 0 && strings.HasSuffix(name, ".zip")); err != nil {
					errs[i] = fmt.Errorf("client %d: %s: %w", i, name, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// get asks for a file, and compares it with what another client was given.
func (l *burst) get(ctx context.Context, client *http.Client, name string, keep bool) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.stand.url+name, nil)
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
		return fmt.Errorf("%d: %s", resp.StatusCode, text)
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	var to io.Writer = sum
	if keep {
		f, err := os.Create(filepath.Join(l.stand.dir, zipName(name)))
		if err != nil {
			return err
		}
		defer f.Close()
		to = io.MultiWriter(sum, f)
	}
	n, err := io.Copy(to, resp.Body)
	if err != nil {
		return err
	}
	got := uint64(n)<<32 | uint64(sum.Sum32())
	l.mu.Lock()
	defer l.mu.Unlock()
	if want, ok := l.sums[name]; ok && want != got {
		return errors.New("another client was given other bytes")
	}
	l.sums[name] = got
	return nil
}

// zipName returns the file in which a zip is kept.
func zipName(path string) string { return strings.ReplaceAll(strings.Trim(path, "/"), "/", "+") }

// checkZips compares the hashes of kept zips with what the go command found of others.
func (b *bench) checkZips(dir string) error {
	sums := make(map[string]string)
	for _, m := range b.versions() {
		path, version, _ := strings.Cut(m, "@")
		h1, err := dirhash.HashZip(filepath.Join(dir, zipName(path+"/@v/"+version+".zip")), dirhash.Hash1)
		if err != nil {
			return err
		}
		sums[m] = h1
	}
	return b.agree(sums)
}
