package explain

import (
	"slices"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// Around is the machine, as far as explanations may look at it.
type Around struct {
	Settings *goenv.Settings          // of the go command; nil: not known
	Getenv   func(name string) string // the environment; nil: not known
	Prober   *probe.Prober            // nil: the network is asked nothing

	Now func() time.Time // the machine's clock; nil: not known

	// Elsewhere says that the output may be another machine's: what is found
	// here is told, but rules out nothing.
	Elsewhere bool
}

func (a *Around) getenv(name string) string {
	if a.Getenv == nil {
		return ""
	}
	return a.Getenv(name)
}

// A scene is one failure with what its entry finds out about it.
type scene struct {
	around  *Around
	failure *Failure
	fields  map[string]string
	message string

	what  lang.Text   // instead of the entry's
	why   lang.Text   // instead of the entry's
	here  []lang.Text // what was found
	first []cause     // that were found
	top   []string    // ids of causes that are now the most likely, in their order
	not   []string    // ids of causes that are out of the question
}

// found notes what was found on this machine.
func (s *scene) found(en, zh string, args ...any) {
	s.here = append(s.here, lang.Text{En: en, Zh: zh}.With(args...))
}

// likely puts causes before all others, by what the output says.
func (s *scene) likely(ids ...string) { s.top = append(s.top, ids...) }

// likelyHere does so by what was found on this machine.
func (s *scene) likelyHere(ids ...string) {
	if !s.around.Elsewhere {
		s.likely(ids...)
	}
}

// ruleOut drops causes, by what the output says.
func (s *scene) ruleOut(ids ...string) { s.not = append(s.not, ids...) }

// ruleOutHere does so by what was found on this machine.
func (s *scene) ruleOutHere(ids ...string) {
	if !s.around.Elsewhere {
		s.ruleOut(ids...)
	}
}

// rank orders causes: those that likely named in their order, then all others as they stand.
func (s *scene) rank(id string) int {
	if i := slices.Index(s.top, id); id != "" && i >= 0 {
		return i
	}
	return len(s.top)
}

// setting returns a setting of the go command, or "".
func (s *scene) setting(name string) string {
	if s.around.Settings == nil {
		return ""
	}
	return s.around.Settings.Text(name)
}

// said returns where a setting was said.
func (s *scene) said(name string) lang.Text {
	v, ok := s.around.Settings.Values[name]
	if !ok || len(v.Said) == 0 {
		return lang.Text{En: "nowhere", Zh: "没有设置"}
	}
	switch said := v.Said[0]; said.Place {
	case goenv.Environment:
		return lang.Text{En: "set in the environment", Zh: "由环境变量设置"}
	case goenv.User:
		return lang.Text{En: "set by go env -w in " + said.File, Zh: "由 go env -w 写在 " + said.File}
	case goenv.Installation:
		return lang.Text{En: "Go's default, in " + said.File, Zh: "Go 的默认值，见 " + said.File}
	}
	return lang.Text{En: "Go's default", Zh: "Go 的默认值"}
}
