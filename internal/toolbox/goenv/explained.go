package goenv

import "github.com/godown-dev/godown/internal/toolbox/lang"

// An Explained is an error that says in both languages what is wrong; Error says it in English.
type Explained struct {
	text  lang.Text
	cause error // nil if there is none
}

// explain returns an error. If its last argument is an error, that is its cause.
func explain(en, zh string, args ...any) *Explained {
	e := &Explained{text: lang.Text{En: en, Zh: zh}.With(args...)}
	if len(args) > 0 {
		e.cause, _ = args[len(args)-1].(error)
	}
	return e
}

// known returns an error that callers can ask for, with its Chinese.
func known(err error, zh string) *Explained {
	return &Explained{text: lang.Text{En: err.Error(), Zh: zh}, cause: err}
}

func (e *Explained) Error() string { return e.In(lang.English) }

// In returns what is wrong.
func (e *Explained) In(l lang.Language) string { return e.text.In(l) }

func (e *Explained) Unwrap() error { return e.cause }
