package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"github.com/spf13/cobra"
	xterm "golang.org/x/term"
)

// langEnv is the environment variable of --lang.
const langEnv = envPrefix + "LANG"

// langFlag is the flag by which each command of the tool-box is told its language.
const langFlag = "lang"

// speaking returns the machine with the language that is to be spoken: that of
// --lang, which must be known before there are commands, as these hold texts; else
// that of GODOWN_LANG, else that of the locale. What follows "--" is another program's.
func (m machine) speaking(args []string) machine {
	m.lang = lang.Detect(m.getenv)
	if l, err := lang.Parse(m.getenv(langEnv)); err == nil {
		m.lang = l
	} else if m.getenv(langEnv) == "" {
		m.lang = m.systemLanguage(m.lang)
	}
	for i, arg := range args {
		if arg == "--" {
			break
		}
		value, ok := strings.CutPrefix(arg, "--"+langFlag+"=")
		if arg == "--"+langFlag && i+1 < len(args) {
			value, ok = args[i+1], true
		}
		if l, err := lang.Parse(value); ok && err == nil {
			m.lang = l // what is wrong with it the flag's own parser says
		}
	}
	return m
}

// languageFlag is the value of --lang. speaking has read it; here it is checked.
type languageFlag struct{ now lang.Language }

func (f *languageFlag) String() string { return f.now.String() }
func (f *languageFlag) Type() string   { return "string" }
func (f *languageFlag) Set(text string) (err error) {
	f.now, err = lang.Parse(text)
	return err
}

// speak gives a command of the tool-box the flag --lang.
func (m machine) speak(cmd *cobra.Command) {
	f := &languageFlag{m.lang}
	cmd.Flags().Var(f, langFlag, m.say("`LANGUAGE` to speak, en or zh (default $"+langEnv+", else that of the locale)", "`LANGUAGE` 为输出语言，en 或 zh（默认取 $"+langEnv+"，其次取系统区域设置）"))
	cmd.Flags().Lookup(langFlag).DefValue = "" // said in words
	_ = cmd.RegisterFlagCompletionFunc(langFlag, cobra.FixedCompletions([]string{"en", "zh"}, cobra.ShellCompDirectiveNoFileComp))
}

// say returns the text in the machine's language.
func (m machine) say(en, zh string) string { return lang.Text{En: en, Zh: zh}.In(m.lang) }

// console returns the ends of a command.
func (m machine) console(cmd *cobra.Command) *term.Console {
	c := &term.Console{Out: m.printer(cmd.OutOrStdout()), Err: m.printer(cmd.ErrOrStderr()), In: cmd.InOrStdin()}
	if f, ok := c.In.(*os.File); ok {
		c.Ask = xterm.IsTerminal(int(f.Fd()))
	}
	return c
}

// printer returns what writes to w: with colours if it is a terminal and nobody
// has said that there are to be none (https://no-color.org).
func (m machine) printer(w io.Writer) *term.Printer {
	p := &term.Printer{W: &watched{w, m.lost}, Lang: m.lang}
	f, ok := w.(*os.File)
	if !ok || !xterm.IsTerminal(int(f.Fd())) {
		return p
	}
	if width, _, err := xterm.GetSize(int(f.Fd())); err == nil && width > 0 {
		p.Width = width
	} else {
		p.Width = 80
	}
	p.Live = m.getenv("TERM") != "dumb" && understands(f)
	p.Colour = p.Live && m.getenv("NO_COLOR") == ""
	return p
}

// watched is where something is printed for people. Printing goes on after an error, and
// it is not looked at each time: run does that at the end.
type watched struct {
	w    io.Writer
	lost *lostOutput
}

// lostOutput is the first error of writing what people were to read.
type lostOutput struct {
	mu  sync.Mutex // guards err
	err error
}

func (o *watched) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.lost != nil {
		o.lost.mu.Lock()
		defer o.lost.mu.Unlock()
		if o.lost.err == nil {
			o.lost.err = err
		}
	}
	return n, err
}

// goMachine is where the go command runs: here.
func (m machine) goMachine() (goenv.Machine, error) {
	dir, err := os.Getwd()
	if err != nil {
		return goenv.Machine{}, fmt.Errorf("the working folder: %w", err)
	}
	return goenv.Machine{Environ: m.environ, Dir: dir, LookPath: m.lookPath}, nil
}
