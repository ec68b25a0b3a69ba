package modcache

import (
	"cmp"
	"slices"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A Rule says what prune may remove. All of its conditions must hold.
type Rule struct {
	Needs    *Needs        // what is needed stays; nil: nobody has said what is
	Older    time.Duration // only what was fetched so long ago; 0: any time
	Young    time.Duration // what was fetched so lately stays, leftovers too
	MaxSize  int64         // bytes; only until the place has no more, the oldest first; 0: all
	Clones   time.Duration // only clones that nothing was fetched into for so long; 0: none
	Now      time.Time
	KeepOnly func(v Version) lang.Text // why nobody else may have the version, so that it stays; nil: nothing is so
}

// A Plan is what prune is going to do.
type Plan struct {
	Remove []Removal // versions by name, then clones, then leftovers
	Needed int       // versions that stay as they are needed, in whole or their .mod
	Young  int       // versions that nobody needs, and that stay as they are not old enough
	Fits   int       // versions that nobody needs, and that stay as the place is small enough without
	Only   []Kept    // versions that nobody needs, and that nobody else may have
	Before int64     // bytes in the place
	After  int64     // bytes that stay
	Over   int64     // bytes above MaxSize that stay, as they are needed or young
}

// A Kept is a version that stays, and why.
type Kept struct {
	Version
	Why lang.Text
}

// Prune says what a rule removes of a stock.
func (s *Stock) Prune(r Rule) Plan {
	p := Plan{Before: s.Bytes()}
	var versions, others []Removal
	for i := range s.Versions {
		v := &s.Versions[i]
		need := Nothing
		if r.Needs != nil {
			need = r.Needs.Of(*v)
		}
		switch {
		case need == All || need == ModOnly && !v.whole():
			p.Needed++
			continue
		case r.age(v.Fetched) < max(r.Older, r.Young):
			p.Young++
			continue
		}
		if r.KeepOnly != nil {
			if why := r.KeepOnly(*v); !why.IsZero() {
				p.Only = append(p.Only, Kept{*v, why})
				continue
			}
		}
		versions = append(versions, Removal{Version: v, KeepMod: need == ModOnly})
		if need == ModOnly {
			p.Needed++
		}
	}
	for i := range s.Clones {
		if c := &s.Clones[i]; r.Clones > 0 && r.age(c.Fetched) >= max(r.Clones, r.Older, r.Young) {
			others = append(others, Removal{Clone: c})
		}
	}
	for i := range s.Leftovers {
		l := &s.Leftovers[i]
		if least := l.Kind.least(); r.age(l.Time) >= max(r.Young, least) {
			others = append(others, Removal{Leftover: l})
		}
	}
	p.After = p.Before
	for _, o := range others {
		p.After -= o.Bytes()
	}
	if r.MaxSize > 0 {
		versions = p.fit(versions, r.MaxSize)
	} else {
		for _, v := range versions {
			p.After -= v.Bytes()
		}
	}
	p.Remove = append(versions, others...)
	return p
}

// least returns how old a leftover must be in any case. A file that is being written
// has no lock, but for a zip's; without it the go command that writes it would fail.
func (k LeftoverKind) least() time.Duration {
	if k == Temporary {
		return time.Hour
	}
	return 0
}

// age returns how long ago something was; what lies ahead, by a clock that was wrong, is young.
func (r Rule) age(t time.Time) time.Duration { return max(r.Now.Sub(t), 0) }

// fit takes the oldest of versions until no more than size is left.
func (p *Plan) fit(versions []Removal, size int64) []Removal {
	slices.SortStableFunc(versions, func(a, b Removal) int { return cmp.Compare(a.Time().UnixNano(), b.Time().UnixNano()) })
	n := 0
	for ; n < len(versions) && p.After > size; n++ {
		p.After -= versions[n].Bytes()
	}
	p.Fits = len(versions) - n
	p.Over = max(p.After-size, 0)
	versions = versions[:n]
	slices.SortStableFunc(versions, func(a, b Removal) int { return cmp.Compare(a.String(), b.String()) })
	return versions
}
