//go:build unix

package auth

import (
	"os/exec"
	"syscall"
)

// ownGroup makes cmd the leader of a process group, so that what it has started
// ends with it when it takes too long.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
