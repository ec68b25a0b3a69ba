//go:build unix

package probe

import "syscall"

// kindOfErrno returns what an error of the system means on the way; "" if it is none of these.
func kindOfErrno(e syscall.Errno) Kind {
	switch e {
	case syscall.ECONNREFUSED:
		return Refused
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EADDRNOTAVAIL, syscall.EACCES, syscall.EPERM, syscall.ENETDOWN, syscall.EAFNOSUPPORT:
		return Unreachable
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return Reset
	case syscall.ETIMEDOUT:
		return Timeout
	}
	return ""
}
