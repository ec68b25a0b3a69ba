//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A process is a child that runs beside the script. Its output is in ID.out
// and ID.err in the script's folder.
type process struct {
	cmd    *exec.Cmd
	out    string // paths of the files
	errs   string
	first  chan string   // gives the first line of its stdout
	exited chan struct{} // closed when it has ended
}

// start starts a program in the script's current folder with the script's environment.
func (w *world) start(ts *testscript.TestScript, id string, environ, args []string) *process {
	if p, ok := w.processes[id]; ok {
		select {
		case <-p.exited:
		default:
			ts.Fatalf("%s still runs", id)
		}
	}
	p := &process{
		out: filepath.Join(w.dir, id+".out"), errs: filepath.Join(w.dir, id+".err"),
		first: make(chan string, 1), exited: make(chan struct{}),
	}
	out, err := os.Create(p.out)
	ts.Check(err)
	errs, err := os.Create(p.errs)
	ts.Check(err)
	program := args[0]
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if path, err := exec.LookPath(filepath.Join(dir, args[0])); err == nil {
			program = path
			break
		}
	}
	p.cmd = exec.Command(program, args[1:]...)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stderr = w.environ(ts, environ), ts.MkAbs("."), errs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // for kill
	pipe, err := p.cmd.StdoutPipe()
	ts.Check(err)
	if err := p.cmd.Start(); err != nil {
		ts.Fatalf("%v", err)
	}
	go func() {
		r := bufio.NewReader(pipe)
		line, _ := r.ReadString('\n')
		io.WriteString(out, line)
		p.first <- strings.TrimSuffix(line, "\n")
		io.Copy(out, r)
		_ = p.cmd.Wait() // its outcome is in ProcessState
		out.Close()
		errs.Close()
		close(p.exited)
	}()
	w.processes[id] = p
	return p
}

// kill ends the process, and what it has started, if they run, and waits for it.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // fails if all have ended
	<-p.exited
}

// wait waits for the end and returns the exit code as a shell has it.
func (p *process) wait(ts *testscript.TestScript) int {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case <-p.exited:
	case <-ctx.Done():
		_ = p.cmd.Process.Signal(syscall.SIGQUIT)
		ts.Fatalf("it has not ended after %v; its stderr:\n%s", patience, read(p.errs))
	}
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

func read(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// finished waits for a process, checks its exit code, and shows what it wrote.
func (p *process) finished(ts *testscript.TestScript, code int) {
	got := p.wait(ts)
	io.WriteString(ts.Stdout(), read(p.out))
	io.WriteString(ts.Stderr(), read(p.errs))
	if got != code {
		ts.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", got, code, read(p.out), read(p.errs))
	}
}

func (w *world) process(ts *testscript.TestScript, id string) *process {
	p, ok := w.processes[id]
	if !ok {
		ts.Fatalf("there is no process %q", id)
	}
	return p
}

// splitEnviron splits leading NAME=value from args.
func splitEnviron(args []string) (environ, rest []string) {
	name := regexp.MustCompile(`^[A-Za-z_]+=`)
	for i, a := range args {
		if !name.MatchString(a) {
			return args[:i], args[i:]
		}
	}
	return args, nil
}

// serve [-as ID] [-disk SIZE|-readonly] [NAME=value…] FLAGS… starts godown serve
// on a free port with --data $DATA, waits for its first line and sets $PROXY
// (with -as $ID_PROXY). Its log is in $WORK/serve.err (ID.err). With -disk,
// $DATA/modules is a file system of that size which only it sees; with -readonly
// all of $DATA is read-only to it. "! serve" wants it not to start.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	id, variable, mount := "serve", "PROXY", ""
	for len(args) > 0 && slices.Contains([]string{"-as", "-disk", "-readonly"}, args[0]) {
		switch {
		case args[0] == "-readonly":
			mount, args = `mount --bind "$DATA" "$DATA" && mount -o remount,bind,ro "$DATA"`, args[1:]
		case args[0] == "-as":
			id, variable, args = args[1], args[1]+"_PROXY", args[2:]
		default:
			mount, args = `mkdir -p "$DATA/modules" && mount -t tmpfs -o size=`+args[1]+` none "$DATA/modules"`, args[2:]
		}
	}
	environ, flags := splitEnviron(args)
	command := append([]string{"godown", "serve", "--listen", "127.0.0.1:0", "--data", ts.Getenv("DATA")}, flags...)
	if mount != "" {
		// A mount namespace of its own: the mount ends with the process.
		command = append([]string{"unshare", "-Urm", "sh", "-e", "-c", mount + ` && exec "$@"`, "sh"}, command...)
	}
	p := w.start(ts, id, environ, command)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	select {
	case line := <-p.first:
		if neg {
			if line != "" {
				ts.Fatalf("it has started: %s", line)
			}
			code := p.wait(ts)
			fmt.Fprintf(ts.Stdout(), "exit code %d\n", code)
			io.WriteString(ts.Stderr(), read(p.errs))
			return
		}
		if !strings.HasPrefix(line, "http://127.0.0.1:") {
			<-p.exited
			ts.Fatalf("its first line is %q; its stderr:\n%s", line, read(p.errs))
		}
		setenv(ts, variable, line)
	case <-ctx.Done():
		ts.Fatalf("no line on stdout after %v", patience)
	}
}

var signals = map[string]os.Signal{
	"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
}

// stopserve [-as ID] [SIGNAL [CODE]] ends godown serve (TERM) and checks its
// exit code: 0, or 137 for KILL.
func cmdStopServe(ts *testscript.TestScript, neg bool, args []string) {
	id := "serve"
	if len(args) > 1 && args[0] == "-as" {
		id, args = args[1], args[2:]
	}
	usage(ts, !neg && len(args) <= 2, "stopserve [-as ID] [SIGNAL [CODE]]")
	sig, code := "TERM", 0
	if len(args) > 0 {
		sig = args[0]
	}
	if sig == "KILL" {
		code = 137
	}
	if len(args) > 1 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		code = n
	}
	p := worldOf(ts).process(ts, id)
	sendSignal(ts, p, sig)
	p.finished(ts, code)
}

func sendSignal(ts *testscript.TestScript, p *process, name string) {
	sig, ok := signals[name]
	if !ok {
		ts.Fatalf("there is no signal %q here", name)
	}
	ts.Check(p.cmd.Process.Signal(sig))
}

// begin ID [NAME=value…] PROGRAM ARGS… starts a program, begin ID get ARGS… a request, beside the script.
func cmdBegin(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) >= 2, "begin ID [NAME=value...] PROGRAM ARGS...")
	w := worldOf(ts)
	if args[1] == "get" {
		g := parseGet(ts, args[2:])
		c := make(chan answer, 1)
		w.gets[args[0]] = c
		go func() { c <- g.do() }()
		return
	}
	environ, command := splitEnviron(args[1:])
	w.start(ts, args[0], environ, command)
}

// signal ID SIGNAL sends a signal.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "signal ID SIGNAL")
	sendSignal(ts, worldOf(ts).process(ts, args[0]), args[1])
}

// finish ID [CODE] waits for what begin or serve began, and checks its exit
// code. A request is finished when it is answered whole; with "! finish" it must not be.
func cmdFinish(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) == 1 || len(args) == 2, "finish ID [CODE]")
	w := worldOf(ts)
	if c, ok := w.gets[args[0]]; ok {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		select {
		case a := <-c:
			a.show(ts, neg)
		case <-ctx.Done():
			ts.Fatalf("no answer after %v", patience)
		}
		return
	}
	code := 0
	if len(args) == 2 {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		code = n
	}
	w.process(ts, args[0]).finished(ts, code)
}

// exits CODE [NAME=value…] PROGRAM ARGS… runs a program and wants that exit code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) >= 2, "exits CODE [NAME=value...] PROGRAM ARGS...")
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	environ, command := splitEnviron(args[1:])
	worldOf(ts).start(ts, "exits", environ, command).finished(ts, code)
}

// await FILE|URL REGEXP waits until the content matches.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "await FILE|URL REGEXP")
	match := regexp.MustCompile("(?m)" + args[1])
	var content string
	until(ts, func() bool {
		if strings.HasPrefix(args[0], "http://") {
			content = parseGet(ts, args[:1]).do().text()
		} else {
			content = read(ts.MkAbs(args[0]))
		}
		return match.MatchString(content)
	}, func() { ts.Logf("%s", content) })
}

// until waits for a condition, looking every few milliseconds.
func until(ts *testscript.TestScript, done func() bool, explain func()) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			explain()
			ts.Fatalf("not after %v", patience)
		}
	}
}

// awaitrequest NAME REGEXP waits until a server got such a request.
func cmdAwaitRequest(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "awaitrequest NAME REGEXP")
	s, match := worldOf(ts).server(ts, args[0]), regexp.MustCompile(args[1])
	until(ts, func() bool { return slices.ContainsFunc(s.Requests(), match.MatchString) }, func() { ts.Logf("%q", s.Requests()) })
}
