package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/godown-dev/godown/internal/toolbox/gauge"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// benchSet writes what is recommended to the file of "go env -w", and says what
// that has changed and how it is taken back.
func (m machine) benchSet(ctx context.Context, p *term.Printer, a gauge.Advice) error {
	if a.Best == nil || !a.Refuse.IsZero() {
		return fmt.Errorf("%s", lang.Text{En: "--set: nothing was changed: %s", Zh: "--set：没有改动：%s"}.With(a.Refuse).In(m.lang))
	}
	machine, err := m.goMachine()
	if err != nil {
		return err
	}
	settings, err := goenv.Read(ctx, machine)
	if goenv.NoGo(err) {
		return errors.New(m.say("--set: there is no go command in PATH, whose setting could be changed", "--set：PATH 中没有 go 命令，无法修改它的设置"))
	}
	if err != nil {
		return fmt.Errorf("--set: %s", maskURLs(err.Error()))
	}
	dir, err := m.userConfigDir()
	if err != nil {
		return fmt.Errorf("--set: a folder for the history of changes: %w", err)
	}
	editor, err := goenv.NewEditor(machine, settings, filepath.Join(dir, "godown", "use"))
	if err != nil {
		return fmt.Errorf("--set: %w", err)
	}
	changes := []goenv.Change{{Name: "GOPROXY", Value: a.Value}}
	if a.GOSUM != "" {
		changes = append(changes, goenv.Change{Name: "GOSUMDB", Value: a.GOSUM})
	}
	record, err := editor.Set(ctx, changes, "bench --set")
	if err != nil {
		return fmt.Errorf("--set: %s", maskURLs(err.Error()))
	}
	fmt.Fprintln(p.W)
	if record == nil {
		p.Say(lang.Text{En: "It is set to this already, in %s.", Zh: "%s 中已经是这个设置。"}, editor.File())
	} else {
		p.Say(lang.Text{En: "Set, in %s:", Zh: "已写入 %s："}, editor.File())
		record.Difference(p, false)
		p.Say(lang.Text{En: "As it was again:", Zh: "恢复原样："})
		p.Line(2, p.Paint(term.Command, "godown use --undo"))
	}
	(&goenv.Report{Notes: goenv.Obstacles(machine, changes, nil, nil, m.getenv("HOME"))}).Remarks(p)
	return nil
}
