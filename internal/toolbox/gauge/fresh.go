package gauge

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"golang.org/x/mod/semver"
)

// A union is what all mirrors together know of the lists of versions.
type union struct {
	givers   int                       // mirrors that gave at least one list
	versions map[string]map[string]int // by module and version: how many mirrors list it
	newest   []Module                  // the newest of each list, which are asked for

	mu    sync.Mutex           // guards times
	times map[string]time.Time // by module: when it was released; the earliest that was said, as nothing proves a .info
}

// compareLists unites the lists of all mirrors.
func compareLists(p *Plan, meters []*meter) *union {
	u := &union{versions: make(map[string]map[string]int), times: make(map[string]time.Time)}
	for _, m := range meters {
		if len(m.lists) > 0 {
			u.givers++
		}
		for path, l := range m.lists {
			if u.versions[path] == nil {
				u.versions[path] = make(map[string]int)
			}
			for _, v := range l.versions {
				u.versions[path][v]++
			}
		}
	}
	for _, path := range p.Lists {
		var top string
		for v := range u.versions[path] {
			if semver.Prerelease(v) == "" && (top == "" || semver.Compare(v, top) > 0) {
				top = v
			}
		}
		if top != "" {
			u.newest = append(u.newest, Module{Path: path, Version: top})
		}
	}
	return u
}

// newest asks a mirror for the newest versions that any mirror knows.
func (m *meter) newest(ctx context.Context, u *union) {
	if !m.alive || m.hopeless() || m.plan.Light {
		return
	}
	m.say(lang.Text{En: "newest versions", Zh: "最新版本"}, false)
	for _, mod := range u.newest {
		e := m.ask(ctx, m.client, File{Name: "newest", Module: mod.String()}, probe.Ask{URL: m.at(name(godown.Info, mod)), Keep: true}, true)
		if e == nil {
			return
		}
		f := m.last()
		var info struct {
			Version string
			Time    time.Time
		}
		switch {
		case e.OK() && json.Unmarshal(e.Body, &info) == nil && info.Version == mod.Version:
			u.note(mod, info.Time)
		case e.Status == http.StatusNotFound || e.Status == http.StatusGone:
		default:
			if !f.Failed {
				m.result.Failures++
			}
			f.Failed = true
		}
	}
}

// lag compares a mirror's lists and its newest versions with the union's.
func (m *meter) lag(u *union) {
	f := &m.result.Fresh
	f.Lists, f.Alone = len(m.lists), u.givers < 2
	now := m.plan.Now()
	for _, mod := range u.newest {
		released := u.released(mod)
		if l, ok := m.lists[mod.Path]; ok && !slices.Contains(l.versions, mod.Version) && !released.IsZero() {
			f.Lag = max(f.Lag, now.Sub(released))
		}
		if released.After(f.Released) {
			f.Module, f.Version, f.Released = mod.Path, mod.Version, released
			f.Has = m.has(mod)
		}
	}
	for path, l := range m.lists {
		have := make(map[string]bool, len(l.versions))
		for _, v := range l.versions {
			have[v] = true
		}
		for v := range u.versions[path] {
			if !have[v] {
				f.Behind++
			}
		}
	}
}

// has says whether the mirror gave the .info of one of the newest versions.
func (m *meter) has(mod Module) Answer {
	for _, f := range m.result.Files {
		if f.Name == "newest" && f.Module == mod.String() {
			switch {
			case f.Failed:
				return Unknown
			case f.Status == http.StatusOK:
				return Yes
			}
			return No
		}
	}
	return Unknown
}

// note notes when a mirror says that a version was released.
func (u *union) note(mod Module, t time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if known, ok := u.times[mod.String()]; !ok || t.Before(known) {
		u.times[mod.String()] = t
	}
}

// released returns when a version was released; zero if nobody has said it.
func (u *union) released(mod Module) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.times[mod.String()]
}
