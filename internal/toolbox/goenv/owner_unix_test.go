//go:build unix

package goenv_test

import (
	"os"
	"syscall"
	"testing"
)

// Under sudo the file stays its user's. Who is not root cannot tell the difference, and tests the rest.
func TestOwnerIsKept(t *testing.T) {
	d := newDesk(t)
	d.write(d.file(), "GOSUMDB=off\n")
	want := os.Geteuid()
	if want == 0 {
		want = 12345
		if err := os.Chown(d.file(), want, want); err != nil {
			t.Fatal(err)
		}
	}
	d.set(proxy("https://one.example"))
	info, err := os.Stat(d.file())
	if err != nil {
		t.Fatal(err)
	}
	if got := int(info.Sys().(*syscall.Stat_t).Uid); got != want {
		t.Errorf("it is %d's, was %d's", got, want)
	}
}
