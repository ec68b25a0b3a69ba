package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/sumlog/audit"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// isOwnName reports whether the data folder has a database of that name.
func isOwnName(cfg *Config, name string) bool {
	names, err := listSumDBs(sumDBFolder(cfg))
	return err == nil && slices.Contains(names, name)
}

// An ownHead is the head of the database in the data folder; zero if there is none.
type ownHead struct {
	file   string // for people
	signed []byte
	size   int64
}

// ownHead returns the head of the database in the data folder, if it is one of that
// name that is read elsewhere.
func (v *sumVerifying) ownHead(ctx context.Context, place sumPlace) (ownHead, error) {
	if place.own != "" || !isOwnName(v.cfg, v.auditor.Name) {
		return ownHead{}, nil
	}
	store, err := godown.OpenDir(sumDBFolder(v.cfg))
	if err != nil {
		return ownHead{}, err
	}
	defer store.Close()
	name := path.Join(v.auditor.Name, "latest")
	own := ownHead{file: filepath.Join(store.Path(), filepath.FromSlash(name))}
	if own.signed, err = readSmall(ctx, store, name); err != nil || own.signed == nil {
		return ownHead{}, err
	}
	n, err := note.Open(own.signed, v.auditor.Verifiers)
	var tree tlog.Tree
	if err == nil {
		tree, err = tlog.ParseTree([]byte(n.Text))
	}
	if err != nil {
		return ownHead{}, fmt.Errorf("the head of the database in the data folder, %s, which it is to agree with: %w; "+
			"put that right first ('godown sumdb import'), or name another folder with --data", own.file, err)
	}
	own.size = tree.N
	return own, nil
}

// errEnough ends an audit that has compared the heads.
var errEnough = errors.New("that is enough")

// auditBoth reads the log, which must agree with what was seen and with our own head.
func (v *sumVerifying) auditBoth(ctx context.Context, last audit.Seen, own ownHead) (audit.Report, error) {
	if own.signed == nil {
		return v.audit(ctx, last)
	}
	first, second := last, audit.Seen{Signed: own.signed, Size: own.size}
	if size, ok := sizeOfHead(last.Signed); len(last.Signed) == 0 || ok && size < own.size {
		first, second = audit.Seen{Signed: own.signed, Size: last.Size}, audit.Seen{Signed: last.Signed, Size: size}
	}
	report, err := v.audit(ctx, first)
	if err != nil || report.Head == nil || report.RolledBack || len(second.Signed) == 0 {
		return report, err
	}
	a := v.auditor
	a.Since, a.Lookups, a.Progress = true, 0, nil
	a.Record = func(audit.Record) error { return errEnough }
	other, err := a.Run(ctx, second)
	if errors.Is(err, errEnough) {
		err = nil
	}
	for _, f := range other.Findings {
		if f.Kind != audit.KindFork && f.Kind != audit.KindRollback && f.Kind != audit.KindUnproven && f.Kind != audit.KindHead {
			continue // the first one has it, too
		}
		if report.Counts == nil {
			report.Counts = make(map[audit.Kind]int64)
		}
		report.Counts[f.Kind]++
		report.Findings = append(report.Findings, f)
	}
	if other.Fork != nil {
		report.Fork = other.Fork
	}
	if report.Total() > 0 {
		report.Seen = last // nothing of what contradicts is kept
	}
	return report, err
}

// sizeOfHead returns how many records a head of either format says there are. Nothing is proven.
func sizeOfHead(signed []byte) (int64, bool) {
	lines := strings.SplitN(string(signed), "\n", 3)
	if len(lines) < 3 {
		return 0, false
	}
	n, err := strconv.ParseInt(lines[1], 10, 64)
	return n, err == nil
}

// contradicted reports whether heads do not agree.
func contradicted(r *audit.Report) bool {
	return r.Fork != nil || r.RolledBack || r.Counts[audit.KindUnproven] > 0
}
