package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/godown-dev/godown/internal/sumlog/audit"
)

// end prints what was found, and returns the exit code.
func (v *sumVerifying) end(r sumVerified, code int) (int, error) {
	r.OK = code == exitOK
	if v.json {
		out := json.NewEncoder(v.stdout)
		out.SetEscapeHTML(false)
		if err := out.Encode(r); err != nil {
			return exitFailed, fmt.Errorf("verify: writing to stdout: %w", err)
		}
		return code, errorIf(r.Error)
	}
	var b strings.Builder
	if r.Audit != nil {
		writeFindings(&b, r.Audit)
		if r.Own != "" && contradicted(r.Audit) {
			fmt.Fprintf(&b, "It was compared with the head in %s as well.\n", r.Own)
		}
	}
	for _, l := range r.Bad {
		fmt.Fprintln(&b, l)
	}
	if r.Audit != nil && r.Audit.Head != nil {
		fmt.Fprintln(&b, summary(r, v.lookups > 0))
	}
	if _, err := v.stdout.Write([]byte(b.String())); err != nil {
		return exitFailed, fmt.Errorf("verify: writing to stdout: %w", err)
	}
	return code, errorIf(r.Error)
}

func errorIf(text string) error {
	if text == "" {
		return nil
	}
	return errors.New("sumdb verify: " + line(text, 2000))
}

// writeFindings writes a line for each finding, and the heads that contradict each other.
func writeFindings(b *strings.Builder, r *audit.Report) {
	for _, f := range r.Findings {
		fmt.Fprintf(b, "%s:", f.Kind)
		if f.Name != "" {
			fmt.Fprintf(b, " %s:", f.Name)
		}
		if f.Record >= 0 {
			fmt.Fprintf(b, " record %d:", f.Record)
		}
		fmt.Fprintf(b, " %s\n", line(f.What, 1000))
	}
	if more := r.Total() - int64(len(r.Findings)); more > 0 {
		fmt.Fprintf(b, "and %d more\n", more)
	}
	switch {
	case r.Fork != nil:
		fmt.Fprintln(b, r.Fork)
	case r.RolledBack || r.Counts[audit.KindUnproven] > 0:
		fmt.Fprintf(b, "The head that was seen before:\n%sThe head that is shown now:\n%s", indented(string(r.Seen.Signed)), indented(r.Head.Signed))
	}
}

func indented(signed string) string {
	return "\t" + strings.ReplaceAll(strings.TrimSpace(signed), "\n", "\n\t") + "\n"
}

// summary is the last line. Asked says that there were to be look-ups.
func summary(r sumVerified, asked bool) string {
	a := r.Audit
	text := fmt.Sprintf("%s at %s: ", r.Database, r.At)
	from := ""
	if a.From > 0 {
		from = fmt.Sprintf(" from number %d on", a.From)
	}
	if a.Lookups > 0 {
		from += fmt.Sprintf(" and %s", count(int64(a.Lookups), "look-up", "look-ups"))
	} else if asked && a.Complete && a.Records == 0 {
		from += " and no look-up, as there was no record to ask for"
	}
	switch n := a.Total(); {
	case n > 0:
		text += fmt.Sprintf("%s; %d of %d records were read%s", count(n, "thing is wrong", "things are wrong"), a.Records, a.Head.Size, from)
	case !a.Complete:
		text += fmt.Sprintf("nothing wrong was found as far as it was read: %d of %d records%s", a.Records, a.Head.Size, from)
	case !r.OK:
		text += fmt.Sprintf("the log is right: %d of %d records%s", a.Records, a.Head.Size, from)
		if len(r.Bad) > 0 {
			text += ", but modules are not"
		}
	default:
		text += fmt.Sprintf("all is right: %d of %d records%s", a.Records, a.Head.Size, from)
	}
	if r.Modules != nil {
		text += "; " + r.Modules.String()
	}
	return text
}
