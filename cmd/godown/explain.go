package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/explain"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"github.com/spf13/cobra"
)

// exitUnknown is how explain ends when nothing was recognised.
const exitUnknown = 3

// maxExplained is how many bytes of an output are read; of a longer one the
// last are taken, as that is where a build says why it failed.
const maxExplained = 32 << 20

// newExplainCommand returns the command explain.
func newExplainCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain [flags] [FILE | - | -- COMMAND [ARGS...]]",
		Short: m.say("Say what a failing go command's output means, and what to do", "解释 go 命令的失败输出，并说明怎么办"),
		Long: m.say(`Explain reads what a failing go command has printed, and says what happened, why,
and what to do, most likely first. It reads stdin, a FILE such as the log of a CI job
(timestamps, colours and prefixes of GitHub, GitLab, Jenkins and docker are no matter), or
runs COMMAND, passes its output on as it comes, and explains it if it fails.

It looks at this machine where that tells more: go env, and, for a few seconds at most,
whether names resolve, hosts answer, and what the checksum database says. Module names go
only to where the go command would send them. --offline asks the network nothing.

Exit codes:
  0  explained; with COMMAND: it succeeded
  3  nothing was recognised
  1  FILE could not be read
  2  wrong flags, or nothing to read
  with COMMAND: COMMAND's own`,
			`explain 读取 go 命令失败时的输出，说明发生了什么、为什么、该怎么办，最可能的排在最前。
可以读标准输入，也可以读 FILE（例如 CI 任务日志，会自动去掉 GitHub、GitLab、Jenkins、docker
的时间戳、颜色和前缀），或者运行 COMMAND：原样输出，失败时再解释。

必要时它会查看本机：go env，以及用几秒钟检查域名能否解析、主机是否应答、校验和数据库的记录。
模块名只会发往 go 命令本来就会发往的地方。--offline 完全不访问网络。

退出码：
  0  已解释；带 COMMAND 时：命令成功
  3  没有识别出任何内容
  1  FILE 无法读取
  2  参数错误，或没有可读的内容
  带 COMMAND 时：COMMAND 自己的退出码`),
		Example: m.say(`  go build ./... 2>&1 | godown explain
  godown explain -- go mod tidy
  godown explain build.log
  gh run view --log-failed | godown explain --lang zh`, `  go build ./... 2>&1 | godown explain
  godown explain -- go mod tidy
  godown explain build.log
  gh run view --log-failed | godown explain --lang zh`),
	}
	var offline, asJSON bool
	cmd.Flags().BoolVar(&offline, "offline", false, m.say("ask the network nothing", "不访问网络"))
	cmd.Flags().BoolVar(&asJSON, "json", false, m.say("print one JSON object instead (see docs/explain.md)", "改为输出一个 JSON 对象（见 docs/explain.md）"))
	m.speak(cmd)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if dash := cmd.ArgsLenAtDash(); dash == 0 && len(args) > 0 {
			return nil
		} else if dash > 0 || len(args) > 1 {
			return errors.New(m.say("explain takes one FILE, or a command after --, as in 'godown explain -- go mod tidy'", "explain 只接受一个 FILE，或 -- 之后的命令，例如 'godown explain -- go mod tidy'"))
		} else if dash == 0 {
			return errors.New(m.say("there is no command after --", "-- 之后没有命令"))
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e := explaining{machine: m, cmd: cmd, offline: offline, json: asJSON}
		if cmd.ArgsLenAtDash() == 0 {
			return e.command(args)
		}
		return e.output(args)
	}
	return cmd
}

// explaining is one run of the command explain.
type explaining struct {
	machine machine
	cmd     *cobra.Command
	offline bool
	json    bool
}

// output explains stdin or a file.
func (e *explaining) output(args []string) error {
	in, file := e.cmd.InOrStdin(), false
	if len(args) == 1 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return ended(exitFailed, err)
		}
		defer f.Close()
		in, file = f, true
	} else if len(args) == 0 && e.machine.console(e.cmd).Ask {
		return errors.New(e.machine.say("there is nothing to read: pipe an output in (go build ./... 2>&1 | godown explain), name a FILE, or let it run the command (godown explain -- go build ./...)",
			"没有可读的内容：用管道传入输出（go build ./... 2>&1 | godown explain），指定 FILE，或让它来运行命令（godown explain -- go build ./...）"))
	}
	text := &tail{most: maxExplained}
	if _, err := io.Copy(text, in); err != nil {
		return ended(exitFailed, fmt.Errorf("%s: %w", e.machine.say("reading the output", "读取输出"), err))
	}
	known, err := e.explain(text.Bytes(), file, e.cmd.OutOrStdout())
	if err != nil {
		return ended(exitFailed, err)
	}
	if !known {
		return ended(exitUnknown, nil)
	}
	return nil
}

// command runs a command and explains how it failed, if it did. Its output goes
// where it would go; the explanation goes to stderr, but with --json to stdout.
func (e *explaining) command(args []string) error {
	text := &tail{most: maxExplained}
	stdout, stderr := e.cmd.OutOrStdout(), e.cmd.ErrOrStderr()
	to := stdout
	if e.json {
		to = stderr // stdout is the explanation's
	}
	out1, out2 := &whole{to: text}, &whole{to: text}
	code, err := runChild(e.cmd.Context(), e.machine.environ, args, e.cmd.InOrStdin(), io.MultiWriter(to, out1), io.MultiWriter(stderr, out2))
	out1.end()
	out2.end()
	if err != nil || code == exitOK {
		return ended(code, err)
	}
	out := stderr
	if e.json {
		out = stdout
	} else {
		fmt.Fprintln(stderr)
	}
	if _, err := e.explain(text.Bytes(), false, out); err != nil {
		return ended(code, err)
	}
	return ended(code, nil)
}

// explain explains a text, and reports whether anything was recognised.
func (e *explaining) explain(text []byte, elsewhere bool, w io.Writer) (known bool, err error) {
	ctx := e.cmd.Context()
	r := explain.Explain(ctx, text, e.around(ctx, elsewhere))
	if e.json {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return len(r.Failures) > 0, enc.Encode(r.Document(e.machine.lang))
	}
	r.Print(e.machine.printer(w))
	return len(r.Failures) > 0, nil
}

// around is what explanations may look at. Without a go command they do without.
func (e *explaining) around(ctx context.Context, elsewhere bool) explain.Around {
	around := explain.Around{Getenv: e.machine.getenv, Now: time.Now, Elsewhere: elsewhere}
	if at, err := e.machine.goMachine(); err == nil {
		if s, err := goenv.Read(ctx, at); err == nil {
			around.Settings = s
		}
	}
	if !e.offline {
		around.Prober = &probe.Prober{Proxy: http.ProxyFromEnvironment, Timeouts: probe.Timeouts{
			DNS: 3 * time.Second, Connect: 3 * time.Second, TLS: 3 * time.Second, FirstByte: 3 * time.Second, Total: 6 * time.Second,
		}}
	}
	return around
}

// A whole passes whole lines on, so that those of stdout and stderr are not mixed
// up within. Its user calls it from one goroutine at a time.
type whole struct {
	to   io.Writer
	part []byte // of a line
}

// maxPart is how many bytes of a line are kept back.
const maxPart = 64 << 10

// Write keeps what comes after the last newline.
func (w *whole) Write(p []byte) (int, error) {
	w.part = append(w.part, p...)
	i := bytes.LastIndexByte(w.part, '\n') + 1
	if i == 0 && len(w.part) > maxPart {
		i = len(w.part)
	}
	w.to.Write(w.part[:i])
	w.part = append(w.part[:0], w.part[i:]...)
	return len(p), nil
}

// end passes on what was kept, as a line.
func (w *whole) end() {
	if len(w.part) > 0 {
		w.to.Write(append(w.part, '\n'))
	}
}

// A tail keeps the last bytes that were written to it. All methods are safe for concurrent use.
type tail struct {
	most int // bytes

	mu   sync.Mutex // guards data
	data []byte
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if len(t.data) > 2*t.most { // not each time, as that would be a copy for each write
		t.data = append(t.data[:0], t.data[len(t.data)-t.most:]...)
	}
	return len(p), nil
}

// Bytes returns what was kept.
func (t *tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.data[max(0, len(t.data)-t.most):]
}
