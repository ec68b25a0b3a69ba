package goenv_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

var update = flag.Bool("update", false, "write testdata/*.golden")

// golden compares a text with testdata/NAME.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("%v: got\n%s\nwant\n%s", err, got, want)
	}
}

// Each text in both languages.
func TestReport(t *testing.T) {
	corp := settingsOf("GOPROXY=https://u:s3cr3t@proxy.corp.example,direct GOPRIVATE=git.corp.example/* GOSUMDB=off")
	env := settingsOf("GOPROXY=" + cn)
	v := env.Values["GOPROXY"]
	v.Text = "http://env.example:8080|off"
	v.Said = append([]goenv.Said{{Place: goenv.Environment, Text: v.Text}}, v.Said...)
	env.Values["GOPROXY"] = v
	broken := settingsOf("GOPROXY=goproxy,direct")
	shell := []goenv.FileLine{
		{File: "/home/me/.bashrc", Number: 12, For: "sh", Name: "GOPROXY", Value: v.Text},
		{File: "/home/me/.bashrc", Number: 13, For: "sh", Name: "GOFLAGS", Value: "-x"},
	}
	var project []goenv.FileLine
	for i, who := range []string{"direnv", "dotenv", "mise", "make", "docker", "compose", "vscode", "devcontainer", "github"} {
		project = append(project, goenv.FileLine{File: "/home/me/p/" + who, Number: i + 1, For: who, Name: "GOSUMDB", Value: "off", Writes: i == 3})
	}
	target := goenv.Target{List: cn, Preset: true}
	private := "p.example"
	for _, l := range []lang.Language{lang.English, lang.Chinese} {
		var out bytes.Buffer
		p := &term.Printer{W: &out, Lang: l}
		rule := func(title string) { out.WriteString("\n## " + title + "\n\n") }
		rule("corp")
		plan, err := goenv.Wish{Target: &target, Private: &private}.Plan(corp, public)
		if err != nil {
			t.Fatal(err)
		}
		r := &goenv.Report{Settings: corp, Home: "/home/me", Profile: "work", Changes: plan.Changes, Notes: plan.Notes}
		r.InForce(p)
		rule("a change of it")
		r.Difference(p)
		r.Remarks(p)
		rule("environment and files")
		(&goenv.Report{Settings: env, Home: "/home/me", Shell: shell, Project: project}).InForce(p)
		rule("broken")
		(&goenv.Report{Settings: broken}).InForce(p)
		rule("a record")
		rec := goenv.Record{Before: goenv.Content{Exists: true, Bytes: []byte("GOFLAGS=-x\nGOSUMDB=off\n")}, After: goenv.Content{Exists: true, Bytes: []byte("GOPROXY=https://u:s3cr3t@x.example\nGOFLAGS=-x\n")}}
		rec.Difference(p, false)
		rec.Difference(p, true)
		rule("obstacles")
		desk := newDesk(t, "GOSUMDB=x")
		changes := []goenv.Change{{Name: "GOSUMDB", Unset: true}, proxy("https://new.example")}
		(&goenv.Report{Notes: goenv.Obstacles(desk.Machine, changes, append(shell, goenv.FileLine{File: "/etc/profile", Number: 1, For: "sh", Name: "GOSUMDB", Value: "y", Writes: true}), project, "/home/me")}).Remarks(p)
		if strings.Contains(out.String(), "s3cr3t") {
			t.Error("a secret is shown")
		}
		golden(t, "report."+l.String(), out.String())
	}
}

// On a narrow terminal the tables still fit.
func TestReportNarrow(t *testing.T) {
	var out bytes.Buffer
	r := &goenv.Report{Settings: settingsOf("GOPROXY=" + cn), Home: "/home/me", Changes: []goenv.Change{proxy("https://new.example")}}
	p := &term.Printer{W: &out, Width: 60}
	r.Difference(p)
	if strings.Count(out.String(), "\n") != 4 {
		t.Errorf("there is\n%s", out.String())
	}
	for line := range strings.Lines(out.String()) {
		if term.Width(strings.TrimSuffix(line, "\n")) > 60 {
			t.Errorf("too wide: %q", line)
		}
	}
}
