package godown

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
)

// FirstSeen is the Verifier of modules that no checksum database answers for:
// it keeps the first hash that it is shown of a file, and holds all later ones to it.
// For each version it stores the lines that go.sum would have, under the name
// of the zip with .sum in place of .zip.
type FirstSeen struct {
	Store Store // not the one of the modules

	mu sync.Mutex // held from looking at a record until it is written
}

// Verify compares h1 with the first hash that was seen, or keeps it as that.
func (s *FirstSeen) Verify(ctx context.Context, req Request, h1 string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines, err := s.lines(ctx, req)
	if err != nil {
		return &Unverified{Request: req, By: "the store of first seen hashes", Err: err}
	}
	prefix := sumPrefix(req)
	switch known := findSum(lines, prefix); {
	case known == h1:
		return nil
	case known != "":
		return &Mismatch{Request: req, Reason: fmt.Sprintf("its hash is %s, but it was %s when it was first seen", h1, known)}
	}
	if err := putString(ctx, s.Store, sumName(req), lines+prefix+h1+"\n"); err != nil {
		return &Unverified{Request: req, By: "the store of first seen hashes", Err: err}
	}
	return nil
}

// Recall returns the first hash that was seen.
func (s *FirstSeen) Recall(ctx context.Context, req Request) string {
	lines, err := s.lines(ctx, req)
	if err != nil {
		return ""
	}
	return findSum(lines, sumPrefix(req))
}

func (s *FirstSeen) lines(ctx context.Context, req Request) (string, error) {
	f, err := s.Store.Open(ctx, sumName(req))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := readLimited(f, 64<<10)
	return string(data), err
}

func sumName(req Request) string {
	return strings.TrimSuffix(Request{Kind: Zip, Path: req.Path, Version: req.Version}.Name(), ".zip") + ".sum"
}

// sumPrefix returns how the go.sum line of a .mod or .zip begins.
func sumPrefix(req Request) string {
	if req.Kind == Mod {
		return req.Path + " " + req.Version + "/go.mod "
	}
	return req.Path + " " + req.Version + " "
}

// findSum returns the hash of the line that begins with prefix, or the empty string.
func findSum(lines, prefix string) string {
	for line := range strings.Lines(lines) {
		if h1, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), prefix); ok {
			return h1
		}
	}
	return ""
}
