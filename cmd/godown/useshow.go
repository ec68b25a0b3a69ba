package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// public returns what knows the mirrors that all the world can ask: those of
// presets, and what the go command has built in.
func (u *useCommand) public(s *goenv.Settings) goenv.Public {
	hosts := make(map[string]bool)
	add := func(text string) {
		if at, err := url.Parse(text); err == nil {
			hosts[hostName(at)] = true
		}
	}
	for _, g := range u.groups {
		for _, text := range g.URLs {
			add(text)
		}
	}
	lists := []string{builtInSettings(s.Text("GOROOT"))["GOPROXY"].text}
	for _, said := range s.Values["GOPROXY"].Said {
		if said.Place == goenv.Installation {
			lists = append(lists, said.Text)
		}
	}
	for _, text := range lists {
		list, _ := goenv.ParseList(text)
		for _, e := range list {
			if e.URL != nil {
				add(e.URL.String())
			}
		}
	}
	return func(at *url.URL) bool { return hosts[hostName(at)] }
}

// hostName returns a URL's host, in one spelling and without its port.
func hostName(at *url.URL) string { return strings.TrimSuffix(strings.ToLower(at.Hostname()), ".") }

// report returns what is known of this machine and this folder.
func (u *useCommand) report(s *goenv.Settings) *goenv.Report {
	r := &goenv.Report{Settings: s, Home: u.home, Shell: goenv.ShellSettings(u.at, u.home, "/"), Project: goenv.ProjectSettings(u.at.Dir, u.home)}
	for _, p := range u.profiles {
		if p.Fits(s) {
			r.Profile = p.Name
		}
	}
	return r
}

// show shows what is in force.
func (u *useCommand) show(s *goenv.Settings) error {
	r := u.report(s)
	if s.Trouble != "" {
		r.Notes = append(r.Notes, goenv.Note{ID: "trouble", Warn: true, Text: lang.Text{
			En: "The go command refuses to work with these settings: %[1]s", Zh: "go 命令无法在这些设置下工作：%[1]s"}.With(maskURLs(s.Trouble))})
	}
	if s.Unread != nil {
		r.Notes = append(r.Notes, goenv.Note{ID: "unread", Warn: true, Text: lang.Text{
			En: "The go command takes no notice of its file of settings, as it cannot be read: %[1]v", Zh: "go 命令的设置文件无法读取，因此被忽略：%[1]v"}.With(s.Unread)})
	}
	r.Notes = append(r.Notes, ragged(s)...)
	// What is in force is its own plan.
	var now []goenv.Change
	for name, text := range goenv.SetUp(s) {
		now = append(now, goenv.Change{Name: name, Value: text})
	}
	for _, n := range goenv.PlanOf(now, s, u.public(s)).Notes {
		if n.Warn {
			r.Notes = append(r.Notes, n)
		}
	}
	if u.json {
		return u.writeJSON(useJSON{Go: s.Version, File: s.File, Profile: r.Profile, Settings: settingsJSON(s), Notes: u.notesJSON(r.Notes), Files: linesJSON(slices.Concat(r.Shell, r.Project))})
	}
	r.InForce(u.machine.console(u.cmd).Out)
	return nil
}

// ragged returns notes about values in the file with blanks around them, such as
// the line ends of Windows: they do not show, and the go command takes them for a part of the value.
func ragged(s *goenv.Settings) []goenv.Note {
	var notes []goenv.Note
	for _, name := range goenv.ModuleSettings() {
		for _, said := range s.Values[name].Said {
			clean := strings.TrimSpace(said.Text)
			if said.Place != goenv.User || clean == said.Text {
				continue
			}
			n := goenv.Note{ID: "ragged", Warn: true, Text: lang.Text{
				En: "The value of %[1]s has a blank or a Windows line end at its edge, which the go command takes for a part of it. To set it anew:",
				Zh: "%[1]s 的值首尾有空格或 Windows 换行符，go 命令会把它当作值的一部分。重新设置："}.With(name)}
			if goenv.Shown(clean) == clean {
				n.Command = goEnvLine(name, clean)
			}
			notes = append(notes, n)
		}
	}
	return notes
}

// walk takes changes back, or makes them again.
func (u *useCommand) walk(ctx context.Context, s *goenv.Settings) error {
	editor, err := goenv.NewEditor(u.at, s, u.folder)
	if err != nil {
		return ended(exitFailed, err)
	}
	go1, steps, back := editor.Undo, u.undo, true
	if u.cmd.Flags().Changed("redo") {
		go1, steps, back = editor.Redo, u.redo, false
	}
	gone, err := go1(ctx, steps, u.force)
	if u.json {
		written := u.writeJSON(useJSON{File: editor.File(), Written: len(gone) > 0, Steps: recordsJSON(gone)})
		if err == nil {
			return written
		}
		return ended(exitFailed, maybeMasked(err))
	}
	console := u.machine.console(u.cmd)
	out := console.Out
	for _, rec := range gone {
		rec.Difference(out, back)
		if back {
			out.Say(lang.Text{En: "Taken back: %[1]s, of %[2]s.", Zh: "已撤销：%[1]s（%[2]s）。"}, rec.Why, clock(rec.When))
		} else {
			out.Say(lang.Text{En: "Made again: %[1]s, of %[2]s.", Zh: "已重做：%[1]s（%[2]s）。"}, rec.Why, clock(rec.When))
		}
	}
	if len(gone) > 0 && len(gone) < steps && err == nil {
		out.Say(lang.Text{En: "There is nothing older.", Zh: "没有更早的改动了。"})
	}
	if e, ok := errors.AsType[*goenv.Disturbed](err); ok {
		console.Err.Say(lang.Text{En: "What another has changed in %[1]s since (- before, + now):", Zh: "其他程序后来在 %[1]s 里的改动（- 原来，+ 现在）："}, goenv.ShortPath(e.File, u.home))
		for _, l := range e.Difference {
			console.Err.Line(2, term.Clean(l))
		}
	}
	if err != nil {
		return ended(exitFailed, maybeMasked(err))
	}
	return nil
}

// A masked is an error that shows no secrets of addresses.
type masked struct{ error }

func (e masked) Error() string { return maskURLs(e.error.Error()) }

func (e masked) Unwrap() error { return e.error }

func maybeMasked(err error) error {
	if err == nil {
		return nil
	}
	return masked{err}
}

// clock formats a time for people, where they are.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }

// print prints settings instead of writing them: what the arguments stand for, or what is in force.
func (u *useCommand) print(ctx context.Context, asked bool) error {
	var changes []goenv.Change
	var notes []goenv.Note
	if asked {
		s := &goenv.Settings{}
		if !goenv.StartsBlank(u.format) {
			s = goenv.FromEnvironment(u.at)
		}
		plan, err := u.plan(ctx, s)
		if err != nil {
			return err
		}
		whole := len(u.args) > 0 && u.args[0] == goenv.Default
		for _, c := range plan.All {
			if !c.Unset || whole || u.at.Getenv(c.Name) != "" {
				changes = append(changes, c)
			}
		}
		notes = plan.Notes
		if !goenv.StartsBlank(u.format) {
			var more []goenv.Note
			changes, more = u.overFile(ctx, changes)
			notes = append(notes, more...)
		}
	} else {
		s, err := u.settings(ctx)
		if err != nil {
			return ended(exitFailed, err)
		}
		said := goenv.SetUp(s)
		for _, name := range goenv.ModuleSettings() {
			if text, ok := said[name]; ok {
				changes = append(changes, goenv.Change{Name: name, Value: text})
			}
		}
	}
	text, err := goenv.Print(u.format, changes)
	if err != nil {
		return ended(exitFailed, err)
	}
	// What there is to say must not get into the file.
	(&goenv.Report{Notes: notes}).Remarks(u.machine.console(u.cmd).Err)
	_, err = fmt.Fprint(u.cmd.OutOrStdout(), text)
	return ended(exitOK, err)
}

// overFile looks at what a shell's environment leaves of the file of "go env -w",
// which counts where the environment says nothing. Where that would tell public mirrors the names of
// private modules it adds a change. Without a go command nothing is known of the file.
func (u *useCommand) overFile(ctx context.Context, changes []goenv.Change) ([]goenv.Change, []goenv.Note) {
	s, err := goenv.Read(ctx, u.at)
	if err != nil {
		return changes, nil
	}
	var notes []goenv.Note
	var all []goenv.Change // as it will be
	values := make(map[string]string)
	for _, name := range goenv.ModuleSettings() {
		i := slices.IndexFunc(changes, func(c goenv.Change) bool { return c.Name == name })
		value := ""
		switch {
		case i >= 0 && !changes[i].Unset:
			value = changes[i].Value
		case i < 0 && u.at.Getenv(name) != "":
			value = u.at.Getenv(name)
		default:
			for _, said := range s.Values[name].Said {
				if said.Place == goenv.User {
					value = said.Text
				}
			}
			if i >= 0 && value != "" {
				notes = append(notes, goenv.Note{ID: "file-stays", Warn: true, Command: "go env -u " + name, Text: lang.Text{
					En: "%[1]s=%[2]s is in the file of 'go env -w' and counts again without the variable. To take it out there:",
					Zh: "“go env -w” 的文件里有 %[1]s=%[2]s，清除环境变量后它会生效。要从文件里去掉："}.With(name, goenv.Shown(value))})
			}
		}
		values[name] = value
		all = append(all, goenv.Change{Name: name, Value: value, Unset: value == ""})
	}
	leaks := slices.ContainsFunc(goenv.PlanOf(all, s, u.public(s)).Notes, func(n goenv.Note) bool { return n.ID == "names-leak" })
	if leaks && values["GONOPROXY"] == "none" && !u.cmd.Flags().Changed("no-proxy") {
		changes = append(slices.DeleteFunc(changes, func(c goenv.Change) bool { return c.Name == "GONOPROXY" }), goenv.Change{Name: "GONOPROXY", Value: values["GOPRIVATE"]})
		notes = append(notes, goenv.Note{ID: "private-hidden", Text: lang.Text{
			En: "GONOPROXY is set over the 'none' that is in force: %[1]s is private, and public mirrors must not learn these names. These modules come straight from git.",
			Zh: "现在的 GONOPROXY=none 会被覆盖：%[1]s 是私有的，不能让公共镜像得知这些名字。这些模块直接从 git 获取。"}.With(values["GOPRIVATE"])})
	}
	return changes, notes
}

// saveProfile keeps what is in force.
func (u *useCommand) saveProfile(ctx context.Context) error {
	if err := goenv.CheckProfileName(u.save, append(u.presets(), "mirrors")); err != nil {
		return fmt.Errorf("--save: %w", err)
	}
	s, err := u.settings(ctx)
	if err != nil {
		return ended(exitFailed, err)
	}
	p, replaced, err := goenv.SaveProfile(ctx, u.folder, u.save, s)
	if err != nil {
		return ended(exitFailed, err)
	}
	if u.json {
		return u.writeJSON(useJSON{Profiles: []profileJSON{newProfileJSON(p)}})
	}
	out := u.machine.console(u.cmd).Out
	u.showValues(out, p.Values)
	if replaced {
		out.Say(lang.Text{En: "Saved as %[1]s, in place of what had that name. 'godown use %[1]s' sets it.", Zh: "已存为 %[1]s，覆盖了原来的同名方案。使用：godown use %[1]s"}, p.Name)
	} else {
		out.Say(lang.Text{En: "Saved as %[1]s. 'godown use %[1]s' sets it.", Zh: "已存为 %[1]s。使用：godown use %[1]s"}, p.Name)
	}
	return nil
}

// deleteProfile forgets one.
func (u *useCommand) deleteProfile(ctx context.Context) error {
	found, err := goenv.DeleteProfile(ctx, u.folder, u.remove)
	if err != nil {
		return ended(exitFailed, err)
	}
	if !found {
		var names []string
		for _, p := range u.profiles {
			names = append(names, p.Name)
		}
		return ended(exitFailed, fmt.Errorf(u.machine.say("there is no profile %q%s", "没有配置方案 %q%s"), u.remove, u.meant(u.remove, names)))
	}
	if u.json {
		return u.writeJSON(useJSON{Profiles: []profileJSON{}})
	}
	u.machine.console(u.cmd).Out.Say(lang.Text{En: "The profile %[1]s is forgotten; no setting was changed.", Zh: "已删除配置方案 %[1]s；没有改动任何设置。"}, u.remove)
	return nil
}

// showList lists presets and profiles.
func (u *useCommand) showList() error {
	if u.json {
		l := []profileJSON{}
		for _, p := range u.profiles {
			l = append(l, newProfileJSON(p))
		}
		presets := []presetJSON{{goenv.Default, []string{}}}
		for _, g := range u.groups {
			presets = append(presets, presetJSON{g.Name, g.URLs})
		}
		return u.writeJSON(useJSON{Presets: presets, Profiles: l})
	}
	out := u.machine.console(u.cmd).Out
	out.Say(lang.Text{En: "Presets:", Zh: "预设："})
	rows := [][]term.Cell{{{Text: "  " + goenv.Default, Style: term.Strong}, {Text: u.machine.say("what the go command has by itself", "go 命令内置的值")}}}
	for _, g := range u.groups {
		rows = append(rows, []term.Cell{{Text: "  " + g.Name, Style: term.Strong}, {Text: strings.Join(g.URLs, "|") + ",direct"}})
	}
	rows = append(rows,
		[]term.Cell{{Text: "  " + goenv.Direct, Style: term.Strong}, {Text: u.machine.say("git and other version control systems", "git 等版本控制系统")}},
		[]term.Cell{{Text: "  " + goenv.Off, Style: term.Strong}, {Text: u.machine.say("no downloads", "不下载任何东西")}})
	out.Rows(rows)
	if len(u.profiles) == 0 {
		out.Say(lang.Text{En: "Profiles: none; 'godown use --save NAME' keeps what is in force.", Zh: "配置方案：没有；godown use --save 名字 可保存当前设置。"})
		return nil
	}
	out.Say(lang.Text{En: "Profiles:", Zh: "配置方案："})
	for _, p := range u.profiles {
		out.Line(2, out.Paint(term.Strong, p.Name)+"  "+clock(p.Saved))
		u.showValues(out, p.Values)
	}
	return nil
}

// showValues shows a set-up.
func (u *useCommand) showValues(out *term.Printer, values map[string]string) {
	if len(values) == 0 {
		out.Para(4, u.machine.say("nothing is set: what the go command has by itself", "没有设置：使用 go 命令内置的值"))
	}
	for _, name := range goenv.ModuleSettings() {
		if text, ok := values[name]; ok {
			out.Line(4, name+"="+term.Clean(goenv.Shown(text)))
		}
	}
}

// showHistory lists the changes that can be taken back.
func (u *useCommand) showHistory(s *goenv.Settings) error {
	editor, err := goenv.NewEditor(u.at, s, u.folder)
	if err != nil {
		return ended(exitFailed, err)
	}
	all, err := editor.History()
	if err != nil {
		return ended(exitFailed, err)
	}
	slices.Reverse(all)
	if u.json {
		return u.writeJSON(useJSON{File: editor.File(), Steps: recordsJSON(all)})
	}
	out := u.machine.console(u.cmd).Out
	if len(all) == 0 {
		out.Say(lang.Text{En: "Nothing was changed yet.", Zh: "还没有任何改动。"})
		return nil
	}
	var rows [][]term.Cell
	for _, r := range all {
		state := ""
		if r.Undone {
			state = u.machine.say("taken back", "已撤销")
		}
		rows = append(rows, []term.Cell{{Text: clock(r.When)}, {Text: term.Clean(r.Why)}, {Text: strings.Join(r.Changed(), " "), Style: term.Dim}, {Text: state, Style: term.Dim}})
	}
	out.Rows(rows)
	return nil
}

// writeJSON writes one object.
func (u *useCommand) writeJSON(o useJSON) error {
	enc := json.NewEncoder(u.cmd.OutOrStdout())
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return ended(exitOK, enc.Encode(o))
}
