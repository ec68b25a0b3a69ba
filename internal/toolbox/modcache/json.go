package modcache

import (
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// The types below are what --json prints; docs/cache.md has their fields.

// A VersionJSON is a version.
type VersionJSON struct {
	Module         string    `json:"module"`
	Version        string    `json:"version"`
	Bytes          int64     `json:"bytes"`
	ExtractedBytes int64     `json:"extracted_bytes"`
	ZipBytes       int64     `json:"zip_bytes"`
	Files          int       `json:"files"`
	FetchedAt      time.Time `json:"fetched_at"`
	Needed         string    `json:"needed,omitempty"`
}

// A ListJSON is what ls prints.
type ListJSON struct {
	Dir      string        `json:"dir"`
	Bytes    int64         `json:"bytes"`
	Versions []VersionJSON `json:"versions"`
}

// A UsageJSON is what du prints.
type UsageJSON struct {
	Dir     string      `json:"dir"`
	Bytes   int64       `json:"bytes"`
	Kinds   []KindJSON  `json:"kinds"`
	Owners  []OwnerJSON `json:"owners"`
	Unknown []string    `json:"unknown"`
	Unread  []string    `json:"unread"`
}

// A KindJSON is the size of things of one kind.
type KindJSON struct {
	Kind  string `json:"kind"`
	Bytes int64  `json:"bytes"`
	Count int    `json:"count"`
}

// An OwnerJSON is the size of somebody's modules.
type OwnerJSON struct {
	Owner    string `json:"owner"`
	Bytes    int64  `json:"bytes"`
	Versions int    `json:"versions"`
}

// A RemovalJSON is something that is to be removed, or was.
type RemovalJSON struct {
	Kind      string    `json:"kind"`
	Name      string    `json:"name"`
	Module    string    `json:"module,omitempty"`
	Version   string    `json:"version,omitempty"`
	KeepsMod  bool      `json:"keeps_mod,omitempty"`
	Bytes     int64     `json:"bytes"`
	FetchedAt time.Time `json:"fetched_at"`
	State     string    `json:"state"`
	Error     string    `json:"error,omitempty"`
}

// A KeptJSON is a version that nobody needs and that stays, as nobody else may have it.
type KeptJSON struct {
	Module  string `json:"module"`
	Version string `json:"version"`
	Why     string `json:"why"`
}

// A RemovedJSON is what rm and prune print.
type RemovedJSON struct {
	Dir          string        `json:"dir"`
	DryRun       bool          `json:"dry_run"`
	BytesBefore  int64         `json:"bytes_before"`
	BytesFreed   int64         `json:"bytes_freed"`
	Removals     []RemovalJSON `json:"removals"`
	Projects     []string      `json:"projects,omitempty"`
	Programs     []string      `json:"programs,omitempty"`
	KeptNeeded   int           `json:"kept_needed,omitempty"`
	KeptYoung    int           `json:"kept_young,omitempty"`
	KeptFits     int           `json:"kept_fits,omitempty"`
	KeptOnly     []KeptJSON    `json:"kept_only,omitempty"`
	OverMaxBytes int64         `json:"over_max_bytes,omitempty"`
	Warnings     []string      `json:"warnings,omitempty"`
}

// ListOf returns versions for --json.
func ListOf(s *Stock, list []Version, needs *Needs) ListJSON {
	out := ListJSON{Dir: s.Dir, Versions: []VersionJSON{}}
	for _, v := range list {
		one := VersionJSON{Module: v.Path, Version: v.Version, Bytes: v.Bytes(), ExtractedBytes: v.Extracted, ZipBytes: v.Zip, Files: v.Files, FetchedAt: v.Fetched.UTC()}
		if needs != nil {
			one.Needed = needs.Of(v).String()
		}
		out.Bytes += one.Bytes
		out.Versions = append(out.Versions, one)
	}
	return out
}

// UsageOf returns what a stock holds for --json.
func UsageOf(s *Stock) UsageJSON {
	out := UsageJSON{Dir: s.Dir, Bytes: s.Bytes(), Kinds: []KindJSON{}, Owners: []OwnerJSON{}, Unknown: append([]string{}, s.Unknown...), Unread: []string{}}
	for _, one := range s.Sums() {
		out.Kinds = append(out.Kinds, KindJSON{one.ID, one.Bytes, one.N})
	}
	for _, one := range s.Shares() {
		out.Owners = append(out.Owners, OwnerJSON{one.Owner, one.Bytes, one.Versions})
	}
	for _, err := range s.Unread {
		out.Unread = append(out.Unread, err.Error())
	}
	return out
}

// RemovalOf returns a removal for --json. State is "planned" before it, and after it
// "removed", "back" (a go command has fetched it anew) or "failed".
func RemovalOf(r Result, planned bool) RemovalJSON {
	out := RemovalJSON{Kind: "version", Name: r.String(), KeepsMod: r.KeepMod, Bytes: r.Bytes(), FetchedAt: r.Time().UTC(), State: "removed"}
	switch {
	case r.Version != nil:
		out.Module, out.Version = r.Version.Path, r.Version.Version
	case r.Clone != nil:
		out.Kind = "clone"
	default:
		out.Kind = string(r.Leftover.Kind)
	}
	switch {
	case planned:
		out.State = "planned"
	case r.Err != nil:
		out.State, out.Error = "failed", r.Err.Error()
	case r.Back:
		out.State = "back"
	}
	return out
}

// NewRemoved begins what rm and prune print.
func NewRemoved(s *Stock) *RemovedJSON {
	return &RemovedJSON{Dir: s.Dir, Removals: []RemovalJSON{}}
}

// Say notes what prune keeps, and why.
func (r *RemovedJSON) Say(p Plan, survey *Survey, l lang.Language) {
	r.KeptNeeded, r.KeptYoung, r.KeptFits, r.OverMaxBytes = p.Needed, p.Young, p.Fits, p.Over
	for _, k := range p.Only {
		r.KeptOnly = append(r.KeptOnly, KeptJSON{k.Path, k.Version.Version, k.Why.In(l)})
	}
	if survey == nil {
		return
	}
	r.Projects, r.Programs = survey.Projects, survey.Binaries
	for _, w := range survey.Warnings {
		r.Warnings = append(r.Warnings, w.In(l))
	}
}
