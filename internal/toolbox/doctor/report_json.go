package doctor

import (
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// JSON is what --json prints; docs/doctor.md says what each field means.
type JSON struct {
	OK        bool          `json:"ok"`
	ExitCode  int           `json:"exit_code"`
	GoVersion string        `json:"go_version"`
	Offline   bool          `json:"offline"`
	Faults    int           `json:"faults"`
	Warnings  int           `json:"warnings"`
	Hints     int           `json:"hints"`
	Findings  []JSONFinding `json:"findings"`
	Chain     *JSONChain    `json:"chain"`
}

// A JSONFinding is a finding in JSON.
type JSONFinding struct {
	ID          string    `json:"id"`
	Severity    string    `json:"severity"`
	Title       string    `json:"title"`
	Evidence    []string  `json:"evidence"`
	Consequence string    `json:"consequence"`
	Fixes       []JSONFix `json:"fixes"`
}

// A JSONFix is a fix in JSON.
type JSONFix struct {
	Command   string `json:"command"`
	Say       string `json:"say"`
	Automatic bool   `json:"automatic"`
}

// A JSONChain is the way of a module in JSON.
type JSONChain struct {
	Module  string     `json:"module"`
	Version string     `json:"version"`
	Private bool       `json:"private"`
	Works   bool       `json:"works"`
	SumDB   string     `json:"sumdb"`
	Links   []JSONLink `json:"links"`
	Also    *JSONChain `json:"also"`
}

// A JSONLink is one entry of GOPROXY on the way.
type JSONLink struct {
	Name   string     `json:"name"`
	Via    string     `json:"via"`
	Spare  bool       `json:"spare"`
	Steps  []JSONStep `json:"steps"`
	Ending string     `json:"ending"`
}

// A JSONStep is one step on the way.
type JSONStep struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	TookMS int64  `json:"took_ms"`
	Detail string `json:"detail"`
}

// AsJSON returns findings, and the way that was tried if chain is not nil, as --json prints them in a language.
func AsJSON(f *Facts, findings []Finding, chain *ChainReport, exitCode int, l lang.Language) JSON {
	tally := Count(findings)
	out := JSON{
		OK: exitCode == 0, ExitCode: exitCode, Offline: f.Offline,
		Faults: tally.Faults, Warnings: tally.Warnings, Hints: tally.Hints,
		Findings: []JSONFinding{}, Chain: chainJSON(chain, l),
	}
	if f.Settings != nil {
		out.GoVersion = f.Settings.Version
	}
	for _, finding := range findings {
		j := JSONFinding{
			ID: finding.ID, Severity: finding.Severity.String(), Title: finding.Title.In(l),
			Evidence: []string{}, Consequence: finding.Consequence.In(l), Fixes: []JSONFix{},
		}
		for _, e := range finding.Evidence {
			j.Evidence = append(j.Evidence, e.In(l))
		}
		for _, fix := range finding.Fixes {
			j.Fixes = append(j.Fixes, JSONFix{fix.Command, fix.Say.In(l), fix.Do != nil})
		}
		out.Findings = append(out.Findings, j)
	}
	return out
}

func chainJSON(r *ChainReport, l lang.Language) *JSONChain {
	if r == nil || r.Offline {
		return nil
	}
	out := &JSONChain{Module: r.Module, Version: r.Version, Private: r.Private, Works: r.Works, SumDB: r.SumDB, Links: []JSONLink{}, Also: chainJSON(r.Also, l)}
	for _, link := range r.Links {
		j := JSONLink{Name: link.Name, Via: link.Via, Spare: link.Spare, Steps: []JSONStep{}, Ending: link.Ending.In(l)}
		for _, s := range link.Steps {
			j.Steps = append(j.Steps, JSONStep{s.Name, string(s.State), s.Took.Milliseconds(), s.Detail.In(l)})
		}
		out.Links = append(out.Links, j)
	}
	return out
}
