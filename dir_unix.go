//go:build unix

package godown

import "syscall"

// openAtOnce is the flag with which a named pipe is opened without waiting for
// who writes into it. To a regular file it makes no difference.
const openAtOnce = syscall.O_NONBLOCK
