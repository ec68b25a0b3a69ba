package sumlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog/witness"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checkpointFile is the newest checkpoint with enough cosignatures.
const checkpointFile = "checkpoint"

// fetchCheckpoint answers with the newest checkpoint as
// https://c2sp.org/tlog-checkpoint has it. Where there are witnesses it is the
// newest that enough of them have cosigned; the log itself may be longer.
func (l *Log) fetchCheckpoint(ctx context.Context) (*godown.File, error) {
	l.look(ctx, lookEvery)
	if l.cosigners != nil || len(l.Signers) == 0 {
		cosigned, err := l.read(ctx, checkpointFile)
		if err == nil && l.sizeOf(cosigned) >= 0 {
			return file(cosigned, headFresh), nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if len(l.Signers) == 0 {
		return nil, &godown.NotFound{Text: "the checkpoint is signed where the private key is, and that is not here"}
	}
	s, _ := l.current()
	signed, err := l.Checkpoint(s.tree)
	if err != nil {
		return nil, err
	}
	return file(signed, headFresh), nil
}

// sizeOf returns the size of the tree of a stored file that is a checkpoint that was signed here, or -1.
func (l *Log) sizeOf(data []byte) int64 {
	n, err := note.Open(data, l.verifiers)
	if err != nil {
		return -1
	}
	origin, tree, _, err := witness.ParseCheckpoint(n.Text)
	if err != nil || origin != l.Name {
		return -1
	}
	return tree.N
}

// publish stores a checkpoint that was cosigned, unless another process has stored a newer one.
func (l *Log) publish(ctx context.Context, c witness.Cosigned) error {
	if have, err := l.read(ctx, checkpointFile); err == nil && l.sizeOf(have) > c.Tree.N {
		return nil
	}
	return l.put(ctx, checkpointFile, c.Note)
}

// contradicted tells of a witness that knows another history of the log, or
// more of it. What another process has committed meanwhile is no news.
func (l *Log) contradicted(err error) {
	if ahead, ok := errors.AsType[*witness.AheadError](err); ok {
		l.look(l.ctx, 0)
		if s, _ := l.current(); s != nil && ahead.Size <= s.tree.N {
			return
		}
	}
	l.Alarm(godown.Alarm{Kind: "fork", Origin: l.Name, Err: err})
}

// Checkpoint signs a tree of the log as https://c2sp.org/tlog-checkpoint has it; its origin is the log's name.
func (l *Log) Checkpoint(tree tlog.Tree) ([]byte, error) {
	return witness.Checkpoint(l.Name, tree, l.Signers...)
}

// startCosigning begins to show each tree to the witnesses. A checkpoint is
// served when more than half of them have cosigned it.
func (l *Log) startCosigning() error {
	if len(l.Witnesses) == 0 || len(l.Signers) == 0 {
		return nil
	}
	var err error
	l.cosigners, err = witness.Start(witness.Config{
		Witnesses: l.Witnesses,
		Quorum:    len(l.Witnesses)/2 + 1,
		Prove: func(ctx context.Context, tree tlog.Tree, old int64) (tlog.TreeProof, error) {
			return l.Prove(ctx, tree.N, old)
		},
		Publish: func(ctx context.Context, c witness.Cosigned) {
			if err := l.publish(ctx, c); err != nil {
				l.Alarm(godown.Alarm{Kind: "store", Err: fmt.Errorf("checksum database %s: %w", l.Name, err)})
			}
		},
		Alarm: l.contradicted,
	})
	return err
}

// offer shows the witnesses a new tree, soon.
func (l *Log) offer(tree tlog.Tree) {
	if l.cosigners == nil || tree.N == 0 {
		return
	}
	signed, err := l.Checkpoint(tree)
	if err == nil {
		err = l.cosigners.Offer(signed)
	}
	if err != nil {
		l.Alarm(godown.Alarm{Kind: "fork", Origin: l.Name, Err: err})
	}
}

// Prove returns the proof that the tree of size records, which the log has
// shown, goes on from that of the first old ones.
func (l *Log) Prove(ctx context.Context, size, old int64) (tlog.TreeProof, error) {
	s, _ := l.current()
	return tlog.ProveTree(size, old, l.hashes(ctx, s))
}
