package probe

import "syscall"

// kindOfErrno returns what an error of the system means on the way; "" if it is
// none of these. The numbers are those of Winsock, which package syscall has few of.
func kindOfErrno(e syscall.Errno) Kind {
	switch e {
	case 10061: // WSAECONNREFUSED
		return Refused
	case 10051, 10065, 10049, 10013, 10050, 10047: // WSAENETUNREACH, WSAEHOSTUNREACH, WSAEADDRNOTAVAIL, WSAEACCES, WSAENETDOWN, WSAEAFNOSUPPORT
		return Unreachable
	case 10054, 10053: // WSAECONNRESET, WSAECONNABORTED
		return Reset
	case 10060: // WSAETIMEDOUT
		return Timeout
	}
	return ""
}
