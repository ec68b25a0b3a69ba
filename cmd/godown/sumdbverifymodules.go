package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog/audit"
	"golang.org/x/mod/module"
)

// storedModules are the files of modules in the data folder, and what a log says of them.
type storedModules struct {
	shelves []shelf
	files   [][]godown.Request // of each shelf
	bad     []verifyLine       // what cannot be listed

	mu      sync.Mutex                // guards records, as one goroutine reads the log while others may look
	records map[module.Version]hashes // of what is stored
}

// hashes are those of a record; empty where there is none.
type hashes struct{ zip, mod string }

// A modulesEnd says how many files of modules were held to the records of a log.
type modulesEnd struct {
	Files    int `json:"files"`    // that were read
	Good     int `json:"good"`     // they are what the records say
	Bad      int `json:"bad"`      // and those that cannot be read
	NoRecord int `json:"noRecord"` // of which the log, or the part of it that was read, has no record
}

// listModules lists the .mod and .zip files that are stored.
func listModules(ctx context.Context, cfg *Config) (*storedModules, error) {
	s := &storedModules{records: make(map[module.Version]hashes)}
	for _, name := range []string{"modules", "published"} {
		folder := filepath.Join(cfg.Data, name)
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			continue
		}
		store, err := godown.OpenDir(folder)
		if err != nil {
			return nil, err
		}
		defer store.Close()
		var files []godown.Request
		for e, err := range godown.ListAll(ctx, store) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				s.bad = append(s.bad, verifyLine{Verdict: string(godown.Unreadable), Path: folder, Reason: "some files cannot be listed: " + err.Error()})
				continue
			}
			req, err := godown.ParseRequest(e.Name)
			if err == nil && (req.Kind == godown.Mod || req.Kind == godown.Zip) {
				files = append(files, req)
				s.records[module.Version{Path: req.Path, Version: req.Version}] = hashes{}
			}
		}
		s.shelves = append(s.shelves, shelf{folder: folder, published: name == "published"})
		s.files = append(s.files, files)
	}
	return s, nil
}

// record takes in a record of the log.
func (s *storedModules) record(r audit.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := module.Version{Path: r.Path, Version: r.Version}
	if known, stored := s.records[m]; stored && known.zip == "" { // a second record is a finding
		s.records[m] = hashes{r.Zip, r.Mod}
	}
	return nil
}

// Recall returns the hash that the log has of a file.
func (s *storedModules) Recall(_ context.Context, req godown.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.records[module.Version{Path: req.Path, Version: req.Version}]
	if req.Kind == godown.Mod {
		return h.mod
	}
	return h.zip
}

// Verify is never called, as nobody is asked.
func (s *storedModules) Verify(_ context.Context, req godown.Request, _ string) error {
	return &godown.Unverified{Request: req, By: "the log", Absent: true}
}

// check reads the stored files of which the log has records. Where it was read
// as a whole, the others are counted.
func (s *storedModules) check(ctx context.Context, since bool) (modulesEnd, []verifyLine) {
	var end modulesEnd
	bad := s.bad
	words := verifying{record: func(context.Context, godown.Request) string { return "the log" }}
	var mu sync.Mutex // guards end and bad
	for i := range s.shelves {
		at := s.shelves[i]
		store, err := godown.OpenDir(at.folder)
		if err != nil {
			bad = append(bad, verifyLine{Verdict: string(godown.Unreadable), Path: at.folder, Reason: err.Error()})
			continue
		}
		cache := &godown.Cache{Store: store, Verifier: s}
		jobs := make(chan godown.Request)
		var workers sync.WaitGroup
		for range verifyWorkers {
			workers.Go(func() {
				for req := range jobs {
					// Nothing is changed by it, whatever it finds.
					found := cache.CheckIn(ctx, store, req, godown.Checking{})
					l := words.lineOf(ctx, &at, found)
					mu.Lock()
					bad = end.add(bad, l, at.published)
					mu.Unlock()
				}
			})
		}
		for _, req := range s.files[i] {
			if s.Recall(ctx, req) == "" {
				mu.Lock()
				end.NoRecord++
				mu.Unlock()
				continue
			}
			select {
			case jobs <- req:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				break
			}
		}
		close(jobs)
		workers.Wait()
		_ = cache.Close(ctx) // it has done nothing
		_ = store.Close()
	}
	if since {
		end.NoRecord = 0 // of most, the record was not read this time
	}
	return end, bad
}

// add counts a file, and adds it to bad if it is.
func (e *modulesEnd) add(bad []verifyLine, l verifyLine, published bool) []verifyLine {
	if l.skip {
		return bad
	}
	e.Files++
	switch l.Verdict {
	case string(godown.Good):
		e.Good++
		return bad
	case string(godown.Bad):
		if !published {
			l.Advice = "'godown verify --repair' sets it aside and fetches it anew"
		}
	}
	e.Bad++
	return append(bad, l)
}

// String returns the summary for people.
func (e modulesEnd) String() string {
	text := fmt.Sprintf("%s as the records say", count(int64(e.Good), "stored file is", "stored files are"))
	if e.Bad > 0 {
		text += fmt.Sprintf(", %d not", e.Bad)
	}
	if e.NoRecord > 0 {
		text += fmt.Sprintf(", %s no record", count(int64(e.NoRecord), "has", "have"))
	}
	return text
}

// count returns "1 ONE" or "N MANY".
func count(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
