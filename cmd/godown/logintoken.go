package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/godown-dev/godown/internal/auth/token"
	"github.com/spf13/cobra"
	xterm "golang.org/x/term"
)

// maxTokenInput is how much of a file or of standard input is read for a token, in bytes.
const maxTokenInput = 32 << 10

// readTokenRef returns the token that --token says the place of. No message
// repeats more of ref than the name of a file, as it may be the token itself.
func (m machine) readTokenRef(ref string) (token.Secret, error) {
	kind, where, _ := strings.Cut(ref, ":")
	switch {
	case kind == "env" && where != "":
		t := strings.TrimSpace(m.getenv(where))
		if t == "" {
			return "", errors.New(m.say("flag --token: the environment variable that it names is empty, or not set", "选项 --token：它指定的环境变量为空或没有设置"))
		}
		return token.Secret(t), nil
	case kind == "file" && where != "":
		f, err := os.Open(where)
		if err != nil {
			return "", fmt.Errorf(m.say("flag --token: %w", "选项 --token：%w"), err)
		}
		defer f.Close()
		t, err := readToken(f)
		if err != nil {
			return "", fmt.Errorf(m.say("flag --token: %w", "选项 --token：%w"), m.tokenError(err))
		}
		return t, nil
	}
	return "", errors.New(m.say("flag --token takes where the token stands, as env:NAME or file:PATH, and not the token itself: all that run programs on a machine can read the arguments of all programs, and shells keep them in a history",
		"选项 --token 要的是令牌的位置（env:NAME 或 file:PATH），不是令牌本身：同一台机器上的人都能看到所有程序的参数，shell 还会把它们记入历史"))
}

// readToken reads a token to the end of r.
func readToken(r io.Reader) (token.Secret, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTokenInput))
	if err != nil {
		return "", err
	}
	t := strings.TrimRight(string(data), "\r\n")
	if t == "" {
		return "", token.ErrEmpty
	}
	return token.Secret(t), nil
}

// askToken asks for a token on the terminal, which does not show it.
func (m machine) askToken(cmd *cobra.Command, l token.Login) (token.Secret, error) {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !xterm.IsTerminal(int(in.Fd())) {
		return "", errors.New(m.say("there is no terminal to ask for the token on: give it with --token-stdin, or name it with --token env:NAME or --token file:PATH",
			"没有终端可以询问令牌：请用 --token-stdin 从标准输入给出，或用 --token env:NAME、--token file:PATH 指明位置"))
	}
	prompt := m.say("Token for %v (it is not shown): ", "%v 的令牌（输入时不显示）：")
	args := []any{l.Server}
	if l.User != "" {
		prompt = m.say("Password or token of %s for %v (it is not shown): ", "%[2]v 上 %[1]s 的密码或令牌（输入时不显示）：")
		args = []any{l.User, l.Server}
	}
	text, err := readHidden(in, cmd.ErrOrStderr(), fmt.Sprintf(prompt, args...))
	if err == io.EOF { // ctrl-C, or ctrl-D
		return "", ended(exitFailed, errors.New(m.say("no token was given; nothing was stored", "没有输入令牌，什么也没有保存")))
	}
	if err != nil {
		return "", m.tokenError(err)
	}
	return token.Secret(strings.TrimSpace(text)), nil
}

// readHidden asks for a line that the terminal does not show. It stops showing
// before it asks, as some paste at once. A signal that ends the process first has it show again.
func readHidden(in *os.File, out io.Writer, prompt string) (string, error) {
	fd := int(in.Fd())
	before, err := xterm.MakeRaw(fd)
	if err != nil {
		return "", err
	}
	signals := make(chan os.Signal, 1)
	done := make(chan struct{})
	var watch sync.WaitGroup
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	watch.Go(func() {
		select {
		case <-signals:
			_ = xterm.Restore(fd, before)
			os.Exit(exitFailed)
		case <-done:
		}
	})
	text, err := xterm.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "").ReadPassword(prompt)
	signal.Stop(signals)
	close(done)
	watch.Wait()
	if errAfter := xterm.Restore(fd, before); err == nil {
		err = errAfter
	}
	if err != nil {
		fmt.Fprintln(out) // the question has a line of its own
	}
	return text, err
}
