//go:build unix

package explain

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// TestReplay explains all that go commands of several versions have said: each
// must be explained by the entry that is meant, before any other.
func TestReplay(t *testing.T) {
	m := newMatcher()
	for _, v := range versions(t) {
		said := recorded(t, v)
		if len(said) < 100 {
			t.Errorf("%s: there are %d recordings only", v, len(said))
		}
		for _, p := range provocations() {
			if out := said[p.name]; out != "" {
				check(t, m, v, p, ported(out))
			}
		}
	}
}

// check reports what is wrong with the explanation of an output.
func check(t *testing.T, m *matcher, v string, p provocation, out string) {
	t.Helper()
	r := m.explain(t.Context(), out, Around{})
	if len(r.Failures) == 0 {
		t.Errorf("%s %s: not recognised, want %s:\n%s", v, p.name, p.want, out)
		return
	}
	if got := r.Failures[0].ID; got != p.want {
		t.Errorf("%s %s: explained by %s, want %s:\n%s", v, p.name, got, p.want, out)
	}
	if len(r.Failures) > 1 && !p.several {
		t.Errorf("%s %s: explained %d times, also by %s:\n%s", v, p.name, len(r.Failures), r.Failures[1].ID, out)
	}
	for _, f := range r.Failures[:1] {
		i := slices.IndexFunc(m.entries, func(e entry) bool { return e.id == f.ID })
		if e := m.entries[i]; strings.Count(e.what.En+e.why.En, "…") != strings.Count(f.What.En+f.Why.En, "…") {
			t.Errorf("%s %s: %s: a field is not known: %s %s\n%s", v, p.name, f.ID, f.What.En, f.Why.En, out)
		}
		if v := fieldOf(f.Modules); strings.Contains(v, "/@") || strings.HasSuffix(v, "@v") {
			t.Errorf("%s %s: about the module %s", v, p.name, v)
		}
		for _, text := range texts(f) {
			if text.En == "" || text.Zh == "" {
				t.Errorf("%s %s: %s: a text in one language only: %q", v, p.name, f.ID, text)
			}
			if strings.ContainsAny(text.En, "{}") || strings.Contains(text.En, "%!") {
				t.Errorf("%s %s: %s: %q", v, p.name, f.ID, text.En)
			}
		}
	}
}

func fieldOf(modules []string) string { return strings.Join(modules, " ") }

func texts(f Failure) []lang.Text {
	all := append([]lang.Text{f.What, f.Why}, f.Here...)
	for _, c := range f.Causes {
		all = append(all, c.Text)
	}
	return all
}

// TestLive makes the present go command fail, once for each entry of the
// catalogue: what it says must be understood. What other ways there are to the
// same entry, TestReplay has from recordings.
func TestLive(t *testing.T) {
	goes, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	m := newMatcher()
	done := make(map[string]bool)
	for _, p := range provocations() {
		if p.record || done[p.want] && !p.several {
			continue
		}
		done[p.want] = true
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			check(t, m, "here", p, ported(p.provoke(t, goes)))
		})
	}
}

// TestAllProvoked wants each entry of the catalogue to be provoked, or to be in the list of those that cannot.
func TestAllProvoked(t *testing.T) {
	provoked := make(map[string]bool)
	for _, p := range provocations() {
		provoked[p.want] = true
	}
	cannot := map[string]string{
		"old-git":             "there is no git of 2009 here",
		"locking":             "needs a file system without locks",
		"import-unrecognized": "for what later go commands may say",
		"own-package":         "each way there says more: GOPROXY=off, 404",
		"not-unpacked":        "needs Windows, or two file systems",
	}
	seen := make(map[string]bool)
	for _, e := range catalogue() {
		if seen[e.id] {
			t.Errorf("there are two entries %s", e.id)
		}
		seen[e.id] = true
		if !provoked[e.id] && cannot[e.id] == "" {
			t.Errorf("nothing provokes %s", e.id)
		}
		if provoked[e.id] && cannot[e.id] != "" {
			t.Errorf("%s can be provoked", e.id)
		}
	}
	for id := range provoked {
		if !seen[id] {
			t.Errorf("there is no entry %s", id)
		}
	}
}

// ported gives a recorded output a port again.
func ported(out string) string {
	return strings.NewReplacer(":PORT", ":4873", "port PORT", "port 4873").Replace(out)
}
