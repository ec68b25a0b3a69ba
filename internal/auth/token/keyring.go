package token

import (
	"context"
	"errors"
	"fmt"

	"github.com/zalando/go-keyring"
)

// System is the keyring of the operating system: the Secret Service on Linux
// and the BSDs, the login keychain on macOS, the credential manager on Windows.
// Whether there is one shows when it is used.
type System struct{}

// keyringService is what the keyring knows our secrets by, beside the server.
const keyringService = "godown"

// ErrSlow is the cause of an error of a keyring that has not answered in time.
var ErrSlow = errors.New("it has not answered in time; it may be locked, and wait for somebody to unlock it")

// Get returns a secret.
func (System) Get(ctx context.Context, server string) (string, error) {
	return inTime(ctx, func() (string, error) { return keyring.Get(keyringService, server) })
}

// Set stores a secret.
func (System) Set(ctx context.Context, server, secret string) error {
	_, err := inTime(ctx, func() (struct{}, error) { return struct{}{}, keyring.Set(keyringService, server, secret) })
	return err
}

// Delete forgets a secret.
func (System) Delete(ctx context.Context, server string) error {
	_, err := inTime(ctx, func() (struct{}, error) { return struct{}{}, keyring.Delete(keyringService, server) })
	return err
}

// inTime waits for f until ctx ends. A keyring cannot be told to stop: a call
// that hangs is given up, and ends with the process, which a command's soon does.
func inTime[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if r := recover(); r != nil { // the library's, when the bus goes away while it waits
				a.err = fmt.Errorf("it broke off: %v", r)
			}
			done <- a
		}()
		a.value, a.err = f()
	}()
	select {
	case a := <-done:
		if errors.Is(a.err, keyring.ErrNotFound) {
			a.err = ErrNoSecret
		}
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ErrSlow
	}
}
