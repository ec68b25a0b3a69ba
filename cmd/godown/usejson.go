package main

import (
	"time"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
)

// A useJSON is what 'godown use --json' prints; docs/use.md tells of each field.
type useJSON struct {
	Go       string        `json:"go,omitempty"`
	File     string        `json:"file,omitempty"`
	Profile  string        `json:"profile,omitempty"`
	Settings []settingJSON `json:"settings,omitempty"`
	Changes  []changeJSON  `json:"changes,omitempty"`
	Written  bool          `json:"written"`
	Steps    []stepJSON    `json:"steps,omitempty"`
	Presets  []presetJSON  `json:"presets,omitempty"`
	Profiles []profileJSON `json:"profiles,omitempty"`
	Notes    []noteJSON    `json:"notes,omitempty"`
	Files    []lineJSON    `json:"files,omitempty"`
}

type settingJSON struct {
	Name     string     `json:"name"`
	Value    string     `json:"value"`
	Place    string     `json:"place"`
	Shadowed []saidJSON `json:"shadowed,omitempty"`
}

type saidJSON struct {
	Place string `json:"place"`
	Value string `json:"value"`
}

type changeJSON struct {
	Name string  `json:"name"`
	Old  *string `json:"old"`
	New  *string `json:"new"`
}

type stepJSON struct {
	ID      int          `json:"id"`
	When    time.Time    `json:"when"`
	Why     string       `json:"why"`
	Undone  bool         `json:"undone"`
	Changes []changeJSON `json:"changes"`
}

type presetJSON struct {
	Name string   `json:"name"`
	URLs []string `json:"urls"`
}

type profileJSON struct {
	Name   string            `json:"name"`
	Saved  time.Time         `json:"saved"`
	Values map[string]string `json:"values"`
}

type noteJSON struct {
	ID      string `json:"id"`
	Warn    bool   `json:"warn"`
	Text    string `json:"text"`
	Command string `json:"command,omitempty"`
}

type lineJSON struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	For    string `json:"for"`
	Name   string `json:"name"`
	Value  string `json:"value"`
	Maybe  bool   `json:"maybe"`
	Writes bool   `json:"writes"`
}

// placeID returns a place as JSON has it.
func placeID(p goenv.Place) string {
	return map[goenv.Place]string{goenv.Environment: "environment", goenv.User: "user", goenv.Installation: "installation", goenv.BuiltIn: "built-in"}[p]
}

func settingsJSON(s *goenv.Settings) []settingJSON {
	var all []settingJSON
	for _, name := range goenv.ModuleSettings() {
		v, ok := s.Values[name]
		if !ok {
			continue
		}
		j := settingJSON{Name: name, Value: goenv.Shown(v.Text), Place: placeID(v.Place())}
		for _, said := range v.Said[1:] {
			j.Shadowed = append(j.Shadowed, saidJSON{placeID(said.Place), goenv.Shown(said.Text)})
		}
		all = append(all, j)
	}
	return all
}

func changesJSON(s *goenv.Settings, changes []goenv.Change) []changeJSON {
	var all []changeJSON
	for _, c := range changes {
		j := changeJSON{Name: c.Name}
		for _, said := range s.Values[c.Name].Said {
			if said.Place == goenv.User {
				old := goenv.Shown(said.Text)
				j.Old = &old
			}
		}
		if !c.Unset {
			value := goenv.Shown(c.Value)
			j.New = &value
		}
		all = append(all, j)
	}
	return all
}

func recordsJSON(records []goenv.Record) []stepJSON {
	all := []stepJSON{}
	for _, r := range records {
		j := stepJSON{ID: r.ID, When: r.When, Why: r.Why, Undone: r.Undone, Changes: []changeJSON{}}
		before, after := r.Before.Values(), r.After.Values()
		for _, name := range r.Changed() {
			c := changeJSON{Name: name}
			if v, ok := before[name]; ok {
				v = goenv.Shown(v)
				c.Old = &v
			}
			if v, ok := after[name]; ok {
				v = goenv.Shown(v)
				c.New = &v
			}
			j.Changes = append(j.Changes, c)
		}
		all = append(all, j)
	}
	return all
}

func newProfileJSON(p goenv.Profile) profileJSON {
	j := profileJSON{Name: p.Name, Saved: p.Saved, Values: make(map[string]string)}
	for name, v := range p.Values {
		j.Values[name] = goenv.Shown(v)
	}
	return j
}

func (u *useCommand) notesJSON(notes []goenv.Note) []noteJSON {
	var all []noteJSON
	for _, n := range notes {
		all = append(all, noteJSON{n.ID, n.Warn, n.Text.In(u.machine.lang), n.Command})
	}
	return all
}

func linesJSON(lines []goenv.FileLine) []lineJSON {
	var all []lineJSON
	for _, l := range lines {
		all = append(all, lineJSON{l.File, l.Number, l.For, l.Name, goenv.Shown(l.Value), l.Maybe, l.Writes})
	}
	return all
}
