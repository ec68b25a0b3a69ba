package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"
)

const (
	outputAge  = 5 * time.Minute // the output of a command is kept so long,
	outputMore = 5 * time.Minute // and so much longer while the command fails
)

// Secrets reads secrets. A file is read again when it has changed, which is
// looked for once a second at most. What a command printed is kept for 5 minutes,
// and for up to 5 more if it then fails. Its methods may be called concurrently.
type Secrets struct {
	Env  Environ      // where env: is looked up, and what commands get
	Warn func(string) // is told, once for each, of files that every user of the machine can read; from any goroutine; may be nil

	once sync.Once
	kept *secretsKept // behind a pointer, which is all that is printed of it
}

type secretsKept struct {
	values kept[Secret, secretValue]
	mu     sync.Mutex // guards warned
	warned map[string]bool
}

// A secretValue is what a file or a command gave.
type secretValue struct {
	text string
	file content
	made time.Time // when the command printed it
}

func (s *Secrets) state() *secretsKept {
	s.once.Do(func() { s.kept = &secretsKept{warned: make(map[string]bool)} })
	return s.kept
}

// Get returns the secret, without the line breaks at its end. None is empty. No
// error holds any of it, but each says where it stands.
func (s *Secrets) Get(ctx context.Context, secret Secret) (string, error) {
	if err := secret.Check(); err != nil {
		return "", err
	}
	where, what := secret.split()
	var text string
	switch where {
	case inText:
		text = what
	case inEnv:
		value, ok := s.Env.get(what)
		if !ok {
			return "", fmt.Errorf("secret %v: the variable is not set", secret)
		}
		text = value
	default:
		made := s.fromFile(what)
		if where == inCommand {
			made = s.fromCommand(what)
		}
		value, err := s.state().values.get(ctx, secret, made)
		if err != nil {
			return "", fmt.Errorf("secret %v: %w", secret, err)
		}
		return value.text, nil
	}
	if text = strings.TrimRight(text, "\r\n"); text == "" {
		return "", fmt.Errorf("secret %v: %w", secret, errEmpty)
	}
	return text, nil
}

var errEmpty = errors.New("it is empty")

// fromFile reads a file.
func (s *Secrets) fromFile(path string) maker[secretValue] {
	return func(_ context.Context, old secretValue, _ bool) made[secretValue] {
		file, err := readFile(path, maxSecret, old.file)
		if err != nil {
			return made[secretValue]{keep: statEvery, err: err}
		}
		if runtime.GOOS != "windows" && file.info.Mode()&0o004 != 0 {
			s.warn(path)
		}
		text := strings.TrimRight(file.data, "\r\n")
		if text == "" {
			return made[secretValue]{keep: statEvery, err: errEmpty}
		}
		return made[secretValue]{value: secretValue{text: text, file: file}, keep: statEvery}
	}
}

func (s *Secrets) warn(path string) {
	k := s.state()
	k.mu.Lock()
	known := k.warned[path]
	k.warned[path] = true
	k.mu.Unlock()
	if !known && s.Warn != nil {
		s.Warn(fmt.Sprintf("the secret in %s can be read by every user of this machine: chmod o-r takes that right away", path))
	}
}

// fromCommand runs a command.
func (s *Secrets) fromCommand(line string) maker[secretValue] {
	return func(ctx context.Context, old secretValue, had bool) made[secretValue] {
		list, err := words(line)
		var text string
		if err == nil {
			text, err = command{words: list}.run(ctx, s.Env, "")
		}
		if text = strings.TrimRight(text, "\r\n"); err == nil && text == "" {
			err = errEmpty
		}
		switch {
		case err == nil:
			return made[secretValue]{value: secretValue{text: text, made: time.Now()}, keep: outputAge}
		case had && time.Since(old.made) < outputAge+outputMore:
			return made[secretValue]{value: old, keep: rest}
		}
		return made[secretValue]{keep: rest, err: err}
	}
}

// Forget has a secret read anew when it is asked for next.
func (s *Secrets) Forget(secret Secret) { s.state().values.forget(secret) }

// refused is Forget for a secret that was shown and refused, and may have been
// read anew since. Of a zero text nobody knows which it was.
func (s *Secrets) refused(secret Secret, text string) {
	s.state().values.refused(secret, func(v secretValue) bool { return text == "" || v.text == text })
}

// Close stops the commands that run, and waits for them. No other is started.
func (s *Secrets) Close() { s.state().values.close() }

// String says what it is; there may be secrets in it.
func (s *Secrets) String() string { return "secrets" }

// GoString is String.
func (s *Secrets) GoString() string { return s.String() }

// Format is String for all other verbs.
func (s *Secrets) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue is String.
func (s *Secrets) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String.
func (s *Secrets) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
