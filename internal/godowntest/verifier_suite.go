package godowntest

import (
	"context"
	"errors"
	"testing"

	"github.com/godown-dev/godown"
)

// TestVerifier checks the contract of a [godown.Verifier] that has not been
// asked about any of mods yet, of which there is at least one. If it knows, as
// a checksum database does, it can tell a wrong hash before it has seen the
// right one; else it learns from the first that it sees.
func TestVerifier(t *testing.T, v godown.Verifier, mods *Modules, knows bool) {
	hashes := make(map[godown.Request]string)
	for _, m := range mods.Versions() {
		sums, _ := mods.Sums(m.Path, m.Version)
		hashes[godown.Request{Kind: godown.Mod, Path: m.Path, Version: m.Version}] = sums.Mod
		hashes[godown.Request{Kind: godown.Zip, Path: m.Path, Version: m.Version}] = sums.Zip
	}
	if len(hashes) == 0 {
		t.Fatal("no modules to verify")
	}
	const wrong = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

	t.Run("Unknown", func(t *testing.T) {
		for req := range hashes {
			if got := v.Recall(t.Context(), req); got != "" {
				t.Errorf("Recall(%v) before any Verify = %q, want nothing", req, got)
			}
		}
	})
	t.Run("Cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for req, h1 := range hashes {
			if err := v.Verify(ctx, req, h1); isMismatch(err) {
				t.Errorf("Verify(%v), right hash, cancelled: %v", req, err)
			}
		}
	})
	if knows {
		t.Run("WrongFirst", func(t *testing.T) {
			for req := range hashes {
				if err := v.Verify(t.Context(), req, wrong); !isMismatch(err) {
					t.Errorf("Verify(%v), wrong hash: error is %v, want a *Mismatch", req, err)
				}
			}
		})
		t.Run("NoRecord", func(t *testing.T) {
			req := godown.Request{Kind: godown.Zip, Path: "example.com/Nothing/here", Version: "v1.0.0"}
			err := v.Verify(t.Context(), req, wrong)
			if u, ok := errors.AsType[*godown.Unverified](err); !ok || !u.Absent {
				t.Errorf("Verify(%v), no record: error is %v, want an *Unverified that is Absent", req, err)
			}
			if got := v.Recall(t.Context(), req); got != "" {
				t.Errorf("Recall(%v), no record = %q, want nothing", req, got)
			}
		})
	}
	t.Run("Right", func(t *testing.T) {
		for req, h1 := range hashes {
			for range 2 {
				if err := v.Verify(t.Context(), req, h1); err != nil {
					t.Errorf("Verify(%v), right hash: %v", req, err)
				}
			}
			if got := v.Recall(t.Context(), req); got != h1 {
				t.Errorf("Recall(%v) = %q, want %q", req, got, h1)
			}
		}
	})
	t.Run("Wrong", func(t *testing.T) {
		for req, h1 := range hashes {
			if err := v.Verify(t.Context(), req, wrong); !isMismatch(err) {
				t.Errorf("Verify(%v), wrong hash: error is %v, want a *Mismatch", req, err)
			}
			if got := v.Recall(t.Context(), req); got != h1 {
				t.Errorf("Recall(%v) after a wrong hash = %q, want %q", req, got, h1)
			}
		}
	})
}

func isMismatch(err error) bool {
	_, ok := errors.AsType[*godown.Mismatch](err)
	return ok
}
