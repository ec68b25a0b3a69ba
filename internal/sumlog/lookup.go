package sumlog

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog/index"
	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

// Recall returns the number and the text of a version's record. That the log
// has none is an fs.ErrNotExist.
func (l *Log) Recall(ctx context.Context, m module.Version) (int64, []byte, error) {
	s, head := l.current()
	id, text, err := l.find(ctx, s, m)
	if err == nil && id >= head.tree.N {
		return 0, nil, noRecord(m)
	}
	return id, text, err
}

func noRecord(m module.Version) error {
	return &godown.NotFound{Text: "no record of " + m.String()}
}

// find looks for the record of a version.
func (l *Log) find(ctx context.Context, s *state, m module.Version) (int64, []byte, error) {
	ids, err := l.index.Find(ctx, index.KeyOf(m.Path, m.Version))
	if err != nil {
		return 0, nil, fmt.Errorf("checksum database %s: %w", l.Name, cloak(err))
	}
	for _, id := range ids {
		if id >= s.tree.N {
			continue // it was appended after s
		}
		text, err := l.record(ctx, s, id)
		if err != nil {
			return 0, nil, err
		}
		if strings.HasPrefix(string(text), m.Path+" "+m.Version+" ") {
			return id, text, nil
		}
	}
	l.mu.Lock()
	damaged := l.damaged
	l.mu.Unlock()
	if damaged != nil {
		return 0, nil, fmt.Errorf("checksum database %s: whether it has a record of %v cannot be told, as not all of it can be read: %w", l.Name, m, cloak(damaged))
	}
	return 0, nil, noRecord(m)
}

// Lookup returns the number and the text of a version's record, and appends it
// if there is none yet. That there is no such version is an fs.ErrNotExist.
func (l *Log) Lookup(ctx context.Context, m module.Version) (int64, []byte, error) {
	id, text, err := l.lookForIt(ctx, m)
	if !errors.Is(err, fs.ErrNotExist) || l.Origin == nil || len(l.Signers) == 0 {
		return id, text, err
	}
	made, err := l.Origin(ctx, m)
	if err != nil {
		return 0, nil, err
	}
	id, have, err := l.append(ctx, m, made)
	if err == nil && string(have) != string(made) {
		l.differs(m, have, made)
	}
	return id, have, err
}

// lookForIt is Recall that knows what other processes have appended, too.
func (l *Log) lookForIt(ctx context.Context, m module.Version) (int64, []byte, error) {
	id, text, err := l.Recall(ctx, m)
	if errors.Is(err, fs.ErrNotExist) {
		wait := time.Duration(batchWait)
		if len(l.Signers) == 0 {
			wait = 0 // nobody else will find it
		}
		l.look(ctx, wait)
		id, text, err = l.Recall(ctx, m)
	}
	return id, text, err
}

// differs tells that another process has appended another record than ours would have been.
func (l *Log) differs(m module.Version, have, made []byte) {
	l.Alarm(godown.Alarm{
		Kind: "mismatch", Request: godown.Request{Kind: godown.Zip, Path: m.Path, Version: m.Version}, Origin: l.Name,
		Err: fmt.Errorf("checksum database %s has a record of %v that says\n%sbut here it would be\n%s", l.Name, m, have, made),
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	ended := l.closed && !l.busy && !l.noting // and Close may have waited for all work
	if l.Differs != nil && !ended {
		l.working.Go(func() { l.Differs(l.ctx, m) }) // it may take long, and neither clients nor appends wait for it
	}
}

// maxNotes bounds what waits to be noted; what comes beyond is entered when somebody looks it up.
const maxNotes = 10_000

// Note has a version entered into the log when there is time, if it is not there.
func (l *Log) Note(m module.Version) {
	if l.Origin == nil || len(l.Signers) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.noted[m] || len(l.notes) >= maxNotes {
		return
	}
	l.noted[m] = true
	l.notes = append(l.notes, m)
	if !l.noting {
		l.noting = true
		l.working.Go(l.enterNotes)
	}
}

// enterNotes enters what was noted, until that is all.
func (l *Log) enterNotes() {
	for {
		l.mu.Lock()
		if len(l.notes) == 0 {
			l.noting = false
			l.mu.Unlock()
			return
		}
		m := l.notes[0]
		l.notes = l.notes[1:]
		l.mu.Unlock()
		l.enter(m)
		l.mu.Lock()
		delete(l.noted, m)
		l.mu.Unlock()
	}
}

// enter appends the record of a version, and does not wait until that is done.
// If it cannot be made now that is for a client's lookup to tell.
func (l *Log) enter(m module.Version) {
	ctx, cancel := context.WithTimeout(l.ctx, commitTimeout)
	defer cancel()
	_, have, err := l.Recall(ctx, m)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	made, oerr := l.Origin(ctx, m)
	switch {
	case oerr != nil:
	case err != nil:
		_ = l.enqueue(&entry{module: m, text: made, noted: true})
	case string(have) != string(made):
		l.differs(m, have, made)
	}
}

// checkRecord returns an error if text is not what a record of m can be: the
// lines of go.sum for its zip and its go.mod.
func checkRecord(m module.Version, text []byte) error {
	if err := module.Check(m.Path, m.Version); err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 3 || lines[2] != "" || !isSum(lines[0], m.Path+" "+m.Version+" ") || !isSum(lines[1], m.Path+" "+m.Version+"/go.mod ") {
		return fmt.Errorf("this is no record of %v: %.300q", m, text)
	}
	if len(text) >= 1<<16 {
		return fmt.Errorf("a record of %d bytes is longer than a log's entry can be", len(text))
	}
	_, err := tlog.FormatRecord(0, text)
	return err
}

func isSum(line, prefix string) bool {
	hash, ok := strings.CutPrefix(line, prefix+"h1:")
	sum, err := base64.StdEncoding.DecodeString(hash)
	return ok && err == nil && len(sum) == tlog.HashSize
}
