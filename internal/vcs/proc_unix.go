//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vcs

import (
	"os"
	"os/exec"
	"syscall"
	"time"
)

// canLock says that tryLock tells whether another process lives.
const canLock = true

// tryLock locks f, unless it is locked through another open file. The lock
// ends with the file or the process, and is not inherited.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// share locks f together with others that share it; it waits while one has it alone.
func share(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_SH) }

// ownGroup makes cmd the leader of a process group, so that what it starts
// (git, ssh) ends with it. First all are asked to end: git then
// removes its lock files, which would otherwise block the clone for good.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}

// endGroup waits until all processes of cmd's group have ended, and kills
// those that have not after the given time. It is called when cmd itself has ended.
func endGroup(cmd *exec.Cmd, after time.Duration) {
	if cmd.Process == nil {
		return
	}
	group := -cmd.Process.Pid
	deadline := time.NewTimer(after)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(group, 0) == nil {
		select {
		case <-tick.C:
		case <-deadline.C:
			_ = syscall.Kill(group, syscall.SIGKILL)
			return
		}
	}
}
