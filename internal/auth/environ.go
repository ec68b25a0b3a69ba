package auth

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
)

// Environ is an environment, as of [os.Environ]. Since there may be secrets in
// it, it shows no more than its length.
type Environ []string

// String returns how many variables there are.
func (e Environ) String() string { return fmt.Sprintf("%d variables", len(e)) }

// GoString is String.
func (e Environ) GoString() string { return e.String() }

// Format is String for every verb.
func (e Environ) Format(f fmt.State, _ rune) { fmt.Fprint(f, e.String()) }

// LogValue is String.
func (e Environ) LogValue() slog.Value { return slog.StringValue(e.String()) }

// MarshalText is String.
func (e Environ) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// get returns the value of a variable; the last one counts.
func (e Environ) get(name string) (value string, ok bool) {
	for _, entry := range e {
		n, v, _ := strings.Cut(entry, "=")
		if n == name || runtime.GOOS == "windows" && strings.EqualFold(n, name) {
			value, ok = v, true
		}
	}
	return value, ok
}
