//go:build unix

package explain

import (
	"net"
	"os"
	"strconv"
)

// serveDNS is a name server at 127.0.0.1:53 that answers all questions with the
// code in EXPLAIN_DNS: 2 is SERVFAIL, 3 NXDOMAIN.
func serveDNS() {
	c, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		panic(err)
	}
	code, _ := strconv.Atoi(os.Getenv("EXPLAIN_DNS"))
	buf := make([]byte, 4096)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if n >= 12 {
			buf[2] |= 0x80 // a response
			buf[3] = 0x80 | byte(code)
			c.WriteTo(buf[:n], from)
		}
	}
}
