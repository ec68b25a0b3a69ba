package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A terminal is a pseudo-terminal and the program on it.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd
	seen   bytes.Buffer
}

// onTerminal starts godown on a terminal of its own.
func onTerminal(t *testing.T, ctx context.Context, env []string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd := exec.CommandContext(ctx, "godown", args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &terminal{t: t, master: master, cmd: cmd}
}

// until reads what the program prints, to a text in it.
func (x *terminal) until(text string) {
	x.t.Helper()
	b := make([]byte, 1024)
	for !strings.Contains(x.seen.String(), text) {
		n, err := x.master.Read(b)
		x.seen.Write(b[:n])
		if err != nil {
			x.t.Fatalf("%v before %q; there was\n%s", err, text, x.seen.String())
		}
	}
}

func (x *terminal) write(text string) {
	x.t.Helper()
	if _, err := x.master.WriteString(text); err != nil {
		x.t.Fatal(err)
	}
}

// echoes reports whether the terminal shows what is typed.
func (x *terminal) echoes() bool {
	x.t.Helper()
	state, err := unix.IoctlGetTermios(int(x.master.Fd()), unix.TCGETS)
	if err != nil {
		x.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// end reads the rest, and waits for the program.
func (x *terminal) end() error {
	b := make([]byte, 1024)
	for {
		n, err := x.master.Read(b)
		x.seen.Write(b[:n])
		if err != nil { // EIO: nobody has it open any more
			return x.cmd.Wait()
		}
	}
}

func TestLoginOnTerminal(t *testing.T) {
	home := t.TempDir()
	env := []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "PATH=" + os.Getenv("PATH"), "GOENV=" + filepath.Join(home, "goenv"), "GOPROXY=https://a.example/go",
		"GOTOOLCHAIN=local", "TERM=xterm", "NO_COLOR=1", "GOCOVERDIR=" + home,
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	x := onTerminal(t, ctx, env, "login", "--no-check", "--store", "file", "https://a.example/go")
	x.until("(it is not shown): ")
	x.write("s3cr3t-t0ken\n")
	x.until("Do that now? [y/N] ")
	x.write("y\n")
	if err := x.end(); err != nil {
		t.Errorf("%v\n%s", err, x.seen.String())
	}
	if said := x.seen.String(); strings.Contains(said, "s3cr3t") || !strings.Contains(said, "Set GOAUTH to") {
		t.Errorf("on the terminal there was\n%s", said)
	}
	set, err := os.ReadFile(filepath.Join(home, "goenv"))
	if err != nil || string(set) != "GOAUTH=godown auth;netrc\n" {
		t.Errorf("go env -w has %q, %v", set, err)
	}
	auth := exec.CommandContext(ctx, "godown", "auth", "https://a.example/go/m")
	auth.Env = env
	out, err := auth.Output()
	if err != nil || string(out) != "https://a.example/go\n\nAuthorization: Bearer s3cr3t-t0ken\n\n" {
		t.Errorf("%q, %v", out, err)
	}

	// Who thinks better of it has a terminal that shows again what is typed.
	x = onTerminal(t, ctx, env, "login", "--no-check", "--store", "file", "--lang", "zh", "https://b.example")
	x.until("（输入时不显示）：")
	if x.echoes() {
		t.Error("the terminal shows what is typed")
	}
	x.write("s3cr")
	x.write("\x03")
	if err := x.end(); err == nil || strings.Contains(x.seen.String(), "s3cr") {
		t.Errorf("after ctrl-C: %v\n%s", err, x.seen.String())
	}
	if !x.echoes() {
		t.Error("after ctrl-C the terminal does not show what is typed")
	}
}
