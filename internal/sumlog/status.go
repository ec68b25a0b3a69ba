package sumlog

import (
	"context"
	"time"

	"github.com/godown-dev/godown/internal/sumlog/witness"
)

// Status is what a Log tells of itself.
type Status struct {
	Name     string   `json:"name"`
	Size     int64    `json:"size"` // how many records it has
	Hash     string   `json:"hash"` // of the tree, in base64
	Head     string   `json:"head"` // as it was signed
	ReadOnly bool     `json:"readOnly,omitempty"`
	Waiting  int      `json:"waiting"`           // records that are to be appended
	Trouble  string   `json:"trouble,omitempty"` // why nothing can be appended now, or not all be read; empty: all is well
	Last     []Record `json:"last"`              // the last appends, newest first

	Cosigning *witness.Status `json:"cosigning,omitempty"` // how the witnesses do, if there are any
}

// A Record is one record of a Log.
type Record struct {
	Number  int64      `json:"number"`
	Module  string     `json:"module"`
	Version string     `json:"version"`
	Time    *time.Time `json:"time,omitempty"` // when it was appended, if that is still known
}

// Status tells how the log is, with its last n records.
func (l *Log) Status(ctx context.Context, n int) (Status, error) {
	l.look(ctx, lookEvery)
	s, head := l.current()
	_, waiting := l.Size()
	status := Status{
		Name: l.Name, Size: head.tree.N, Hash: head.tree.Hash.String(), Head: string(head.signed),
		ReadOnly: len(l.Signers) == 0, Waiting: waiting, Last: []Record{},
	}
	l.mu.Lock()
	if l.unsure {
		status.Trouble = "what is committed cannot be made durable: nothing is appended until the disk takes something"
	}
	if l.damaged != nil {
		status.Trouble = "not all records can be read, so nothing is appended: " + l.damaged.Error()
	}
	l.mu.Unlock()
	if l.cosigners != nil {
		cosigning := l.cosigners.Status()
		status.Cosigning = &cosigning
	}
	for id := head.tree.N - 1; id >= 0 && len(status.Last) < n; id-- {
		text, err := l.record(ctx, s, id)
		if err != nil {
			return status, err
		}
		m, err := versionOf(text)
		if err != nil {
			return status, err
		}
		r := Record{Number: id, Module: m.Path, Version: m.Version}
		for _, a := range s.appends {
			if a.First <= id && id < a.First+int64(a.N) {
				r.Time = &a.Time
			}
		}
		status.Last = append(status.Last, r)
	}
	return status, nil
}

// Size returns how many records the log has, and how many are to be appended.
func (l *Log) Size() (records int64, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head.tree.N, len(l.queue) + len(l.noted)
}
