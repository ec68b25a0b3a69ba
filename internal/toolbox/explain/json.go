package explain

import "github.com/godown-dev/godown/internal/toolbox/lang"

// A Document is a report for programs; docs/explain.md says what each field is.
type Document struct {
	Failures []DocumentFailure `json:"failures"`
	Suspects []DocumentLine    `json:"suspects"`
}

// A DocumentFailure is a [Failure] in one language.
type DocumentFailure struct {
	ID        string          `json:"id"`
	Topic     string          `json:"topic"`
	Elsewhere bool            `json:"elsewhere"`
	Line      int             `json:"line"`
	Message   string          `json:"message"`
	Count     int             `json:"count"`
	Modules   []string        `json:"modules"`
	What      string          `json:"what"`
	Why       string          `json:"why"`
	Here      []string        `json:"here"`
	Causes    []DocumentCause `json:"causes"`
}

// A DocumentCause is a [Cause] in one language.
type DocumentCause struct {
	Text string   `json:"text"`
	Run  []string `json:"run"`
}

// A DocumentLine is a [Line].
type DocumentLine struct {
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// Document returns the report for programs, with texts in one language. No list is null.
func (r *Report) Document(l lang.Language) Document {
	d := Document{Failures: []DocumentFailure{}, Suspects: []DocumentLine{}}
	for _, f := range r.Failures {
		out := DocumentFailure{
			ID: f.ID, Topic: f.Topic, Elsewhere: f.Elsewhere, Line: f.Line, Message: f.Message, Count: f.Count,
			Modules: append([]string{}, f.Modules...), What: f.What.In(l), Why: f.Why.In(l), Here: []string{}, Causes: []DocumentCause{},
		}
		for _, t := range f.Here {
			out.Here = append(out.Here, t.In(l))
		}
		for _, c := range f.Causes {
			out.Causes = append(out.Causes, DocumentCause{c.Text.In(l), append([]string{}, c.Run...)})
		}
		d.Failures = append(d.Failures, out)
	}
	for _, s := range r.Suspects {
		d.Suspects = append(d.Suspects, DocumentLine(s))
	}
	return d
}
