package ci

import "github.com/godown-dev/godown/internal/toolbox/lang"

// A Wrong says what is wrong with what was asked for, or with the project, and what to do.
type Wrong struct{ Why lang.Text }

func (w *Wrong) Error() string { return w.Why.En }

func wrong(en, zh string, args ...any) error {
	return &Wrong{lang.Text{En: en, Zh: zh}.With(args...)}
}
