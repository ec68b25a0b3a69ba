package godown

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// forkFile is where the evidence of a fork is stored. While there is a file of
// that name, whatever it holds, nothing new is believed: not in this process,
// nor in another on the same store. It is removed by people alone.
const forkFile = "fork"

// A SumFork is the evidence that a checksum database has signed two histories:
// two heads with its signature, of which the older is not the beginning of the
// newer. Nobody but who has the database's private key can make one.
type SumFork struct {
	Database string    `json:"database"`
	Time     time.Time `json:"time"` // when it was found out, by our clock
	Old      SumHead   `json:"old"`
	New      SumHead   `json:"new"`
	// Hash is that of the new tree's first records, as many as the old tree has;
	// it should be the old tree's.
	Hash tlog.Hash `json:"hash"`
	// Proof is that of Hash in the new tree, see [tlog.CheckTree]. It is empty if
	// both trees have one size, or if not all tiles for it could be had.
	Proof tlog.TreeProof `json:"proof"`
}

// A SumHead is a head as the database has signed it.
type SumHead struct {
	Signed string   `json:"signed"`
	Shown  []string `json:"shown,omitempty"` // who showed it; none: it was stored here before
}

// Check returns nil if f proves that the database with that public key has
// signed two histories.
func (f *SumFork) Check(key string) error {
	v, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("the database's key: %w", err)
	}
	older, err := openHead([]byte(f.Old.Signed), note.VerifierList(v))
	if err != nil {
		return fmt.Errorf("the old head: %w", err)
	}
	newer, err := openHead([]byte(f.New.Signed), note.VerifierList(v))
	if err != nil {
		return fmt.Errorf("the new head: %w", err)
	}
	if f.Hash == older.Hash {
		return errors.New("the old tree is the beginning of the new one")
	}
	if err := tlog.CheckTree(f.Proof, newer.N, newer.Hash, older.N, f.Hash); err != nil {
		return fmt.Errorf("both heads are signed, but the proof is not whole: %w", err)
	}
	return nil
}

func (s *Sums) newFork(older, newer signedHead, hash tlog.Hash, proof tlog.TreeProof) *SumFork {
	return &SumFork{
		Database: s.Spec.Name, Time: time.Now().UTC(),
		Old:  SumHead{string(older.signed), older.shown},
		New:  SumHead{string(newer.signed), newer.shown},
		Hash: hash, Proof: proof,
	}
}

// stop ends all trust in what the database says from now on, and returns why.
// What was proven before stays: it is in the tree of a head that was seen
// before. It goes on after a restart, as the evidence is stored.
func (s *Sums) stop(ctx context.Context, fork *SumFork) error {
	data, err := json.MarshalIndent(fork, "", "\t")
	if err != nil {
		return fmt.Errorf("checksum database %s: evidence: %w", s.Spec.Name, err)
	}
	data = append(data, '\n')
	s.mu.Lock()
	first := s.stopped == nil
	if first {
		s.stopped, s.fork, s.unsaved = s.stoppedBy(fork, nil), fork, data
		s.stops++
	}
	stopped := s.stopped
	s.mu.Unlock()
	if first {
		s.Alarm(Alarm{Kind: "fork", Origin: s.Spec.Name, Err: stopped})
		s.saveFork(ctx)
	}
	return stopped
}

// stoppedBy says why nothing new is believed. bad is what is wrong with the
// evidence; without any fork is nil.
func (s *Sums) stoppedBy(fork *SumFork, bad error) *SecurityError {
	file := "the file " + s.storeName(forkFile) + " in the store of modules (DATA/modules of godown)"
	var b strings.Builder
	if fork == nil {
		fmt.Fprintf(&b, "%s says so, but it cannot be read (%v).\n", file, bad)
	} else {
		fmt.Fprintf(&b, "it has signed two histories, found out at %s.\n", fork.Time.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(&b, "What was proven before is still served; nothing new is taken from it until an operator has looked.\n"+
		"The evidence is %s: removing it makes us go on with the history known before.", file)
	if fork == nil {
		return &SecurityError{Database: s.Spec.Name, Detail: b.String()}
	}
	if bad != nil {
		fmt.Fprintf(&b, "\nThat file alone does not prove it: %v.", bad)
	}
	for _, h := range []struct {
		name string
		SumHead
	}{{"old", fork.Old}, {"new", fork.New}} {
		shown := "known before"
		if len(h.Shown) > 0 {
			shown = "shown by " + strings.Join(h.Shown, ", ")
		}
		fmt.Fprintf(&b, "\n%s head, %s:\n\t%s", h.name, shown, strings.ReplaceAll(strings.TrimSpace(h.Signed), "\n", "\n\t"))
	}
	fmt.Fprintf(&b, "\nproof that the new tree begins with another:\n\t%v", fork.Hash)
	for _, h := range fork.Proof {
		fmt.Fprintf(&b, "\n\t%v", h)
	}
	return &SecurityError{Database: s.Spec.Name, Detail: b.String()}
}

// saveFork stores evidence that is not stored yet. What another process has
// found out stays: either is proof enough.
func (s *Sums) saveFork(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	s.stopping.Lock()
	defer s.stopping.Unlock()
	s.mu.Lock()
	data := s.unsaved
	s.mu.Unlock()
	if data == nil {
		return
	}
	have, err := s.readFork(ctx)
	proves := err == nil
	if proves {
		fork, bad := parseSumFork(have)
		proves = bad == nil && fork.Check(s.Spec.Key) == nil
	}
	if !proves && (err == nil || errors.Is(err, fs.ErrNotExist)) {
		err = s.Store.Put(ctx, s.storeName(forkFile), bytes.NewReader(data))
	}
	if err != nil { // trusted tries again
		s.Alarm(Alarm{Kind: "store", Err: fmt.Errorf("the evidence against checksum database %s cannot be stored, and is lost if this process ends: %w", s.Spec.Name, err)})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved = nil
	s.stops++
}

// readFork is load for a file that means something also if it is empty.
func (s *Sums) readFork(ctx context.Context) ([]byte, error) {
	f, err := s.Store.Open(ctx, s.storeName(forkFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f, 1<<20)
}

// distrust returns why nothing new is believed, as far as this process knows.
func (s *Sums) distrust() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped == nil {
		return nil // not a nil *SecurityError
	}
	return s.stopped
}

// trusted returns nil if something new may be believed, else why not. It looks
// for evidence that another process has stored, or a person has removed.
func (s *Sums) trusted(ctx context.Context) error {
	s.mu.Lock()
	before, unsaved := s.stops, s.unsaved != nil
	s.mu.Unlock()
	if unsaved {
		s.saveFork(ctx)
		return s.distrust()
	}
	data, err := s.readFork(ctx)
	var stopped *SecurityError
	var fork *SumFork
	switch {
	case err == nil:
		stopped, fork = s.readStop(data)
	case !errors.Is(err, fs.ErrNotExist):
		if stopped := s.distrust(); stopped != nil {
			return stopped
		}
		return fmt.Errorf("whether checksum database %s is to be trusted: %w", s.Spec.Name, err)
	}
	s.mu.Lock()
	if s.stops != before { // stop was faster, and knows better
		s.mu.Unlock()
		return s.distrust()
	}
	known := s.stopped != nil
	if stopped == nil || !known {
		s.stopped, s.fork = stopped, fork
	}
	s.mu.Unlock()
	if stopped != nil && !known {
		s.Alarm(Alarm{Kind: "fork", Origin: s.Spec.Name, Err: stopped})
	}
	return s.distrust()
}

// readStop reads stored evidence.
func (s *Sums) readStop(data []byte) (*SecurityError, *SumFork) {
	fork, err := parseSumFork(data)
	if err == nil {
		err = fork.Check(s.Spec.Key)
	}
	return s.stoppedBy(fork, err), fork
}

func parseSumFork(data []byte) (*SumFork, error) {
	fork := new(SumFork)
	if err := json.Unmarshal(data, fork); err != nil {
		return nil, fmt.Errorf("it holds no evidence: %w", err)
	}
	if fork.Old.Signed == "" || fork.New.Signed == "" {
		return nil, errors.New("it does not hold two heads")
	}
	return fork, nil
}
