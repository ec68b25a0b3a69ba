package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Head is a tree that a log has signed.
type Head struct {
	Size   int64     `json:"size"` // in records
	Hash   tlog.Hash `json:"hash"`
	Signed string    `json:"signed"` // the signed note that says so
}

func (h Head) tree() tlog.Tree { return tlog.Tree{N: h.Size, Hash: h.Hash} }

// maxHead is how long a signed head may be in bytes: a note may have 100
// signatures, and those that quantum computers cannot forge are of kilobytes.
const maxHead = 1 << 20

// open verifies a signed head.
func (a *Auditor) open(signed []byte, parse func([]byte) (tlog.Tree, error)) (Head, error) {
	if len(signed) > maxHead {
		return Head{}, fmt.Errorf("the head has %d bytes; at most %d are read", len(signed), maxHead)
	}
	n, err := note.Open(signed, a.Verifiers)
	if unverified, ok := errors.AsType[*note.UnverifiedNoteError](err); ok {
		var by []string
		for _, s := range unverified.Note.UnverifiedSigs {
			by = append(by, fmt.Sprintf("%q (key %08x)", clip(s.Name, 100), s.Hash))
		}
		return Head{}, fmt.Errorf("the head is not signed by a known key of %s, but by %s", a.Name, strings.Join(by, ", "))
	}
	if err != nil {
		return Head{}, fmt.Errorf("the head: %w", err)
	}
	own := false
	for _, s := range n.Sigs {
		own = own || s.Name == a.Name
	}
	if !own {
		return Head{}, fmt.Errorf("the head is signed by %q, not by %s", clip(n.Sigs[0].Name, 100), a.Name)
	}
	tree, err := parse([]byte(n.Text))
	if err != nil {
		return Head{}, fmt.Errorf("the head's text %q: %w", clip(n.Text, 200), err)
	}
	if tree.N > maxSize {
		return Head{}, fmt.Errorf("the head is said to be of %d records; more than %d are not believed", tree.N, int64(maxSize))
	}
	return Head{Size: tree.N, Hash: tree.Hash, Signed: string(signed)}, nil
}

// openSeen verifies what was seen, which may be of either format.
func (a *Auditor) openSeen(last Seen) (Head, error) {
	if len(last.Signed) == 0 && last.Size == 0 {
		return Head{}, nil
	}
	h, err := a.open(last.Signed, func(text []byte) (tlog.Tree, error) {
		if tree, err := tlog.ParseTree(text); err == nil {
			return tree, nil
		}
		return a.parseCheckpoint(text)
	})
	if err == nil && (last.Size < 0 || last.Size > h.Size) {
		err = fmt.Errorf("%d of %d records are said to have been read", last.Size, h.Size)
	}
	if err != nil {
		return Head{}, fmt.Errorf("what was seen by an earlier audit cannot be used: %w", err)
	}
	return h, nil
}

// parseCheckpoint parses the text of a c2sp.org/tlog-checkpoint of our origin.
func (a *Auditor) parseCheckpoint(text []byte) (tlog.Tree, error) {
	origin, tree, err := parseCheckpoint(string(text))
	if err == nil && origin != a.Origin {
		err = fmt.Errorf("its origin is %q, not %q", clip(origin, 100), a.Origin)
	}
	return tree, err
}

func parseCheckpoint(text string) (origin string, tree tlog.Tree, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" {
		return "", tlog.Tree{}, errors.New("a checkpoint has at least three lines: an origin, a size and a hash")
	}
	lines = lines[:len(lines)-1]
	for _, line := range lines { // any number of extensions may follow, which mean nothing to us
		if line == "" {
			return "", tlog.Tree{}, errors.New("a checkpoint has no empty line")
		}
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != lines[1] {
		return "", tlog.Tree{}, fmt.Errorf("%q is not a number of records", clip(lines[1], 100))
	}
	hash, err := tlog.ParseHash(lines[2])
	if err != nil || base64.StdEncoding.EncodeToString(hash[:]) != lines[2] {
		return "", tlog.Tree{}, fmt.Errorf("%q is not a hash", clip(lines[2], 100))
	}
	return lines[0], tlog.Tree{N: n, Hash: hash}, nil
}
