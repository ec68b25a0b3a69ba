package token

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// TestDeafBus has a session bus that takes connections and says nothing: the
// real library hangs, and is given up.
func TestDeafBus(t *testing.T) {
	name := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+name)
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := (System{}).Get(ctx, "https://a.corp"); err != ErrSlow {
		t.Errorf("a bus that hangs: %v", err)
	}
	(<-accepted).Close() // which ends the call that was given up
	l.Close()
	// Now nobody is there at all.
	if err := (System{}).Set(t.Context(), "https://a.corp", "s3cr3t"); err == nil || err == ErrSlow {
		t.Errorf("without a bus: %v", err)
	}
}
