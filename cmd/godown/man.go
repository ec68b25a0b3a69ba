package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand returns the command man.
func newManCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "man DIR",
		Short: m.say("Write manual pages into a folder", "把手册页写入目录"),
		Long: m.say(`Man writes a manual page for each command into DIR: godown.1, godown-run.1 and so on.
The folder is made if it is missing; pages that are there are replaced.`, `man 为每个命令写一页手册到 DIR：godown.1、godown-run.1 等。目录不存在时会创建，已有的页会被替换。`),
		Example: `  godown man ~/.local/share/man/man1
  godown man --lang zh ~/.local/share/man/zh_CN/man1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New(m.say("name one folder for the pages, such as ~/.local/share/man/man1", "请指定存放手册页的目录，例如 ~/.local/share/man/man1"))
			}
			return nil
		},
	}
	m.speak(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		info, _ := debug.ReadBuildInfo()
		// Its own tree: the texts are changed.
		n, err := writeManPages(newRootCommand(m), args[0], "godown "+versionOf(info), sourceDate(m))
		if err == nil {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), m.say("%d pages are in %s\n", "%d 页手册已写入 %s\n"), n, args[0])
		}
		return ended(exitOK, err)
	}
	return cmd
}

// sourceDate returns the date that pages get: that of SOURCE_DATE_EPOCH, by which packages
// come out the same each time, else today's.
func sourceDate(m machine) time.Time {
	if d, err := time.ParseDuration(m.getenv("SOURCE_DATE_EPOCH") + "s"); err == nil {
		return time.Unix(int64(d.Seconds()), 0).UTC()
	}
	return time.Now()
}

// writeManPages writes a page for cmd and each command below it, and returns how many there are.
func writeManPages(cmd *cobra.Command, dir, source string, date time.Time) (n int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("the folder for the pages: %w", err)
	}
	for _, c := range cmd.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		more, err := writeManPages(c, dir, source, date)
		if n += more; err != nil {
			return n, err
		}
	}
	cmd.Long = manText(cmd.Long)
	cmd.DisableAutoGenTag = true
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	var page bytes.Buffer
	header := &doc.GenManHeader{Title: strings.ToUpper(name), Section: "1", Date: &date, Source: source, Manual: "godown"}
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return n, fmt.Errorf("the page %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".1"), page.Bytes(), 0o644); err != nil {
		return n, fmt.Errorf("the page %s: %w", name, err)
	}
	return n + 1, nil
}

// manText makes Markdown, which pages are made from, of a command's text: lines
// that are indented there, such as those of exit codes, are kept as they are.
func manText(text string) string {
	var out strings.Builder
	indented := false
	for line := range strings.Lines(text) {
		was := indented
		indented = strings.HasPrefix(line, "  ") || indented && strings.TrimSpace(line) == ""
		if indented != was {
			out.WriteByte('\n')
		}
		if indented {
			out.WriteString("  ")
		} else {
			line = strings.NewReplacer("*", `\*`, "_", `\_`, "<", `\<`).Replace(line)
		}
		out.WriteString(line)
	}
	return out.String()
}
