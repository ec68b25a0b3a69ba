package vcs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
)

// listen accepts connections and hands them on until the test ends.
func listen(t *testing.T) (addr string, conns <-chan net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c := make(chan net.Conn, 100)
	go func() {
		defer close(c)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c <- conn
		}
	}()
	return l.Addr().String(), c
}

// stuck makes stuck.example.test/ a host that accepts and never answers.
func (w *world) stuck() <-chan net.Conn {
	addr, conns := listen(w.T)
	w.instead("stuck.example.test/", "http://"+addr+"/")
	return conns
}

// TestJobs lets each go command count those that run with it.
func TestJobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.standard()
	w.g.Jobs = 2
	addr, conns := listen(t)
	w.fake(fake{Addr: addr, Count: true})
	go func() {
		first, second := <-conns, <-conns // the first waits for the second
		for _, c := range []net.Conn{first, second} {
			c.Write([]byte{1})
		}
		for c := range conns {
			c.Write([]byte{1})
		}
	}()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.fetch(godown.Info, repo, "v1.0.0"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for n := 2; n <= 8; n++ {
		_, err := os.Stat(filepath.Join(w.home, fmt.Sprintf("count-%d", n)))
		if got := err == nil; got != (n == 2) {
			t.Errorf("%d go commands at once: %v", n, got)
		}
	}
}

// TestWaiting checks that one who waits for a slot can leave.
func TestWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.g.Jobs = 1
	conns := w.stuck()
	ctx, cancel := context.WithCancel(context.Background())
	req := godown.Request{Kind: godown.List, Path: "stuck.example.test/x.git"}
	first := make(chan error)
	go func() { _, err := w.g.Fetch(ctx, req); first <- err }()
	<-conns
	gone, leave := context.WithCancel(context.Background())
	leave()
	if _, err := w.g.Fetch(gone, req); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "waiting") {
		t.Errorf("waiting ended with %v", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first ended with %v", err)
	}
}

// TestCancel checks that git, a grandchild, ends with the call: its connection is closed.
func TestCancel(t *testing.T) {
	t.Parallel()
	if !canLock {
		t.Skip("process groups are not ended here")
	}
	w := newWorld(t)
	conns := w.stuck()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, err := w.g.Fetch(ctx, godown.Request{Kind: godown.List, Path: "stuck.example.test/x.git"})
		result <- err
	}()
	c := <-conns
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "git-upload-pack") {
		t.Fatalf("git sends %q: %v", line, err)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	io.Copy(io.Discard, r) // ends when git does
	w.clean()
}

// TestKill is TestCancel with processes that do not end when asked to.
func TestKill(t *testing.T) {
	t.Parallel()
	if !canLock {
		t.Skip("process groups are not ended here")
	}
	w := newWorld(t)
	addr, conns := listen(t)
	w.fake(fake{Addr: addr, Stubborn: true})
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() {
		_, err := w.g.Fetch(ctx, godown.Request{Kind: godown.List, Path: repo})
		result <- err
	}()
	parent, child := <-conns, <-conns
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	io.Copy(io.Discard, parent)
	io.Copy(io.Discard, child)
	w.clean()
}

// TestSweep checks that the scratch of a crashed process goes, and that of a living one stays.
func TestSweep(t *testing.T) {
	t.Parallel()
	if !canLock {
		t.Skip("only age counts here")
	}
	w := newWorld(t)
	w.standard()
	f, err := w.g.Fetch(context.Background(), godown.Request{Kind: godown.Zip, Path: repo, Version: "v1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(w.g.Dir, callPrefix+"1")
	if err := os.MkdirAll(filepath.Join(dead, "mod", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(dead, "mod", "x", "y"), nil, 0o400)
	os.Chmod(filepath.Join(dead, "mod", "x"), 0o500)
	os.WriteFile(dead+lockSuffix, nil, 0o600)

	next := &GoCommand{Dir: w.g.Dir, Env: w.g.Env}
	if _, err := godown.ReadAll(context.Background(), next, godown.Request{Kind: godown.List, Path: repo}, 1<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); err == nil {
		t.Error("the leftover is still there")
	}
	if n, err := io.Copy(io.Discard, f.Body); err != nil || n != f.Size {
		t.Errorf("the zip that is being read has %d bytes (%v), want %d", n, err, f.Size)
	}
	name := f.Body.(*zipBody).Name()
	if _, err := os.Stat(name); err != nil {
		t.Error("the scratch of a living call is gone")
	}
	f.Close()
	f.Close()
	w.clean()
}

// TestBroken checks that a clone with the lock of a killed git is made anew.
func TestBroken(t *testing.T) {
	t.Parallel()
	if !canLock {
		t.Skip("clones are not discarded here")
	}
	w := newWorld(t)
	w.standard()
	w.want(godown.Info, repo, "v1.0.0")
	clones, _ := filepath.Glob(filepath.Join(w.g.Dir, "vcs", "*", "HEAD"))
	if len(clones) != 1 {
		t.Fatalf("clones: %q", clones)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(clones[0]), "shallow.lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(godown.Info, repo, "v1.1.0")
	w.want(godown.Zip, repo, "v1.2.0")
}
