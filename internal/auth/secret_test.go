package auth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSecretForm(t *testing.T) {
	for text, want := range map[string]string{
		"env:TOKEN": "env:TOKEN", "file:/run/secrets/token": "file:/run/secrets/token", "file:with blank": "file:with blank",
		"command:vault read -field=token x": "command:vault …", "command:pass": "command:pass", `command:"/a b/c" d`: "command:/a b/c …",
		"text:" + secretText: "xxxxx", secretText: "xxxxx", "text:env:X": "xxxxx", "vault:" + secretText: "xxxxx",
	} {
		s, err := ParseSecret(text)
		if err != nil || s.String() != want {
			t.Errorf("%s: %v, error %v", text, s, err)
		}
	}
	for text, want := range map[string]string{
		"": "is empty", "text:": "is empty", "env:": "no name", "env:" + secretText: "no name", "env:1": "no name", "file:": "no path", "file: \n": "no path",
		"command:": "no program", "command: ": "no program", `command:"` + secretText: "no closing", `command:""`: "no program",
	} {
		s, err := ParseSecret(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secretText) {
			t.Errorf("%q: error %v", text, err)
		}
		if strings.Contains(prints(s), secretText) {
			t.Errorf("%q is shown", text)
		}
	}
}

func TestWords(t *testing.T) {
	for in, want := range map[string][]string{
		"": nil, " a  b\tc\n": {"a", "b", "c"}, `'a b' "c 'd"`: {"a b", "c 'd"}, `it's`: {"it's"}, `""`: {""}, `"a"b`: {"a", "b"}, `-x="a b"`: {`-x="a`, `b"`},
	} {
		if got, err := words(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("words(%q) = %q, %v", in, got, err)
		}
	}
}

// TestNothingIsShown prints all that holds a secret in all ways.
func TestNothingIsShown(t *testing.T) {
	p := newPlayer(t, "file")
	write(t, p.file, "https://git.example\n\nAuthorization: Bearer "+secretText+"\n\n")
	netrc := filepath.Join(t.TempDir(), "netrc")
	write(t, netrc, "machine rc.example login me password "+secretText)
	secrets := &Secrets{Env: append(p.env, "TOKEN="+secretText)}
	defer secrets.Close()
	o := &Outwards{Netrc: netrc, GOAUTH: "netrc; " + p.self, Secrets: secrets, Env: secrets.Env, Rules: []Rule{
		{Match: "a.example", Token: secretText},
		{Match: "b.example", User: "u", Password: "text:" + secretText},
		{Match: "c.example", Token: "env:TOKEN", Kind: "bearer"},
		{Match: "d.example", Token: Secret("command:" + p.self + " " + secretText)},
		{Match: "e.example", GOAUTH: p.self + " " + secretText},
		{Match: "github.com", App: &App{ID: "1", Key: secretText}},
	}}
	defer o.Close()
	var all strings.Builder
	for _, host := range []string{"a", "b", "c", "d", "e", "rc", "git"} {
		u := address(t, "https://"+host+".example/x")
		l, err := o.Login(t.Context(), u)
		if l.IsZero() && host != "e" && host != "d" {
			t.Errorf("%s has no login: %v", host, err)
		}
		fmt.Fprintf(&all, "%v %+v %#v %s %v", l, l, l, l.LogValue(), err)
		for _, status := range []int{401, 403, 404} {
			all.WriteString(o.Advice(u, l, status))
		}
	}
	_, err := o.Login(t.Context(), address(t, "https://github.com/x/y"))
	fmt.Fprintln(&all, err)
	all.WriteString(prints(o) + prints(secrets) + prints(o.Rules) + prints(o.Rules[0]) + prints(o.Rules[5].App) + prints(*o.Rules[5].App) + prints(o.Env))
	for _, r := range o.Rules {
		all.WriteString(prints(r) + prints(r.Token) + prints(r.Password) + prints(&r))
	}
	if text := all.String(); strings.Contains(text, secretText) || strings.Contains(text, fmt.Sprintf("%x", secretText)) {
		at := strings.Index(text, secretText)
		t.Errorf("the secret is shown: %s", text[max(0, at-300):max(0, min(at+50, len(text)))])
	}
	if !strings.Contains(all.String(), "auth.out of a.example") {
		t.Error("the rule is not named")
	}
}

func TestSecretsOfEnvironmentAndText(t *testing.T) {
	s := &Secrets{Env: Environ{"A=old", "A=" + secretText, "EMPTY=", "BREAK=\n"}}
	defer s.Close()
	for secret, want := range map[Secret]string{"env:A": secretText, "text:" + secretText + "\r\n": secretText, "env:x": "x"} {
		got, err := s.Get(t.Context(), secret)
		if secret == "env:x" {
			if err == nil || !strings.Contains(err.Error(), "env:x") {
				t.Errorf("error is %v", err)
			}
		} else if got != want || err != nil {
			t.Errorf("%v: %q, error %v", secret, got, err)
		}
	}
	for _, secret := range []Secret{"env:EMPTY", "env:BREAK", "", "text:\n", "file:/nowhere/at/all", "command:/nowhere/at/all " + secretText, "command:nowhere-at-all"} {
		got, err := s.Get(t.Context(), secret)
		if err == nil || got != "" || strings.Contains(err.Error(), secretText) {
			t.Errorf("%v: %q, error %v", secret, got, err)
		}
	}
}

// TestSecretFile replaces a file, and looks when that shows.
func TestSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	long := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC) // before the clock of synctest
	put := func(text string, mode os.FileMode, age time.Duration) {
		t.Helper()
		write(t, path, text)
		if err := errors.Join(os.Chmod(path, mode), os.Chtimes(path, long.Add(age), long.Add(age))); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var warnings []string
		s := &Secrets{Warn: func(text string) { warnings = append(warnings, text) }}
		defer s.Close()
		is := func(want string) {
			t.Helper()
			if got, err := s.Get(t.Context(), Secret("file:"+path)); err != nil || got != want {
				t.Errorf("%q, error %v; want %q", got, err, want)
			}
		}
		wait := func(d time.Duration) {
			timer := time.NewTimer(d)
			<-timer.C
		}
		put("one\r\n", 0o644, 0)
		is("one")
		put("two\n\n", 0o644, time.Hour)
		is("one") // looked at less than a second ago
		wait(statEvery)
		is("two")
		put("TWO\n\n", 0o644, time.Hour) // nothing tells
		wait(statEvery)
		is("two")
		s.Forget(Secret("file:" + path))
		is("TWO")
		if len(warnings) != 1 || !strings.Contains(warnings[0], path) || strings.Contains(warnings[0], "TWO") {
			t.Errorf("warnings: %q", warnings)
		}
		os.Remove(path)
		wait(statEvery)
		if _, err := s.Get(t.Context(), Secret("file:"+path)); !absent(err) {
			t.Errorf("error is %v", err)
		}
		put("", 0o600, 2*time.Hour)
		wait(statEvery)
		if _, err := s.Get(t.Context(), Secret("file:"+path)); !errors.Is(err, errEmpty) || !strings.Contains(err.Error(), path) {
			t.Errorf("error is %v", err)
		}
		put(strings.Repeat(secretText, maxSecret), 0o600, 3*time.Hour)
		wait(statEvery)
		if _, err := s.Get(t.Context(), Secret("file:"+path)); err == nil || strings.Contains(err.Error(), secretText) {
			t.Errorf("error is %v", err)
		}
		if _, err := s.Get(t.Context(), Secret("file:"+filepath.Dir(path))); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("error is %v", err)
		}
	})
}

// TestSecretCommand looks when a command is run, and what happens while it fails.
func TestSecretCommand(t *testing.T) {
	p := newPlayer(t, "file")
	write(t, p.file, "one\n")
	secret := Secret(fmt.Sprintf("command:%q first 'second third'", p.self))
	synctest.Test(t, func(t *testing.T) {
		s := &Secrets{Env: p.env}
		defer s.Close()
		is := func(want string, runs int) {
			t.Helper()
			if got, err := s.Get(t.Context(), secret); err != nil || got != want {
				t.Errorf("%q, error %v; want %q", got, err, want)
			}
			if n := len(p.runs()); n != runs {
				t.Errorf("it ran %d times, want %d", n, runs)
			}
		}
		wait := func(d time.Duration) {
			timer := time.NewTimer(d)
			<-timer.C
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got, err := s.Get(t.Context(), secret); got != "one" || err != nil {
					t.Errorf("%q, error %v", got, err)
				}
			})
		}
		all.Wait()
		is("one", 1)
		if got, want := p.runs()[0], []string{"first", "second third", ""}; !slices.Equal(got, want) {
			t.Errorf("arguments are %q", got)
		}
		write(t, p.file, "two")
		wait(outputAge - time.Second)
		is("one", 1)
		wait(time.Second)
		is("two", 2)
		os.Remove(p.file)
		wait(outputAge)
		is("two", 3) // it failed
		is("two", 3) // and is not tried at once
		wait(rest)
		is("two", 4)
		wait(outputMore)
		if got, err := s.Get(t.Context(), secret); err == nil || strings.Contains(err.Error(), secretText) || strings.Contains(err.Error(), "first") || !strings.Contains(err.Error(), "exit status 3") {
			t.Errorf("%q, error %v", got, err)
		}
		write(t, p.file, "three")
		wait(rest)
		is("three", 6)
		write(t, p.file, "four")
		s.refused(secret, "two") // that is gone already
		is("three", 6)
		s.refused(secret, "three")
		is("four", 7)
		s.refused(secret, "four") // read anew because of a refusal just now
		is("four", 7)
		wait(refusals)
		s.refused(secret, "four")
		is("four", 8)
		s.Forget(secret)
		is("four", 9)
	})
}

// TestCommandsThatMisbehave are bounded in what they print and how long they take.
func TestCommandsThatMisbehave(t *testing.T) {
	for role, want := range map[string]string{"much": "more than 65536 bytes", "fail": "exit status 1", "nothing": "it is empty"} {
		p := newPlayer(t, role)
		s := &Secrets{Env: p.env}
		_, err := s.Get(t.Context(), Secret("command:"+p.self+" "+secretText))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secretText) {
			t.Errorf("%s: error %v", role, err)
		}
		s.Close()
	}
	p := newPlayer(t, "hang")
	s := &Secrets{Env: p.env}
	done := make(chan error)
	go func() {
		_, err := s.Get(t.Context(), Secret("command:"+p.self))
		done <- err
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(p.runs()) == 0 { // until it runs
		<-tick.C
	}
	s.Close()
	if err := <-done; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "was stopped") {
		t.Errorf("error is %v", err)
	}
	if _, err := s.Get(t.Context(), "command:other"); !errors.Is(err, errClosed) {
		t.Errorf("error after Close is %v", err)
	}
}

// TestFirstCallerLeaves and the command goes on for the others.
func TestFirstCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k kept[string, int]
		defer k.close()
		release := make(chan bool)
		slow := func(ctx context.Context, _ int, _ bool) made[int] {
			select {
			case <-release:
				return made[int]{value: 7, keep: time.Minute}
			case <-ctx.Done():
				return made[int]{err: context.Cause(ctx)}
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := k.get(ctx, "x", slow); !errors.Is(err, context.Canceled) {
				t.Errorf("the first has error %v", err)
			}
		})
		synctest.Wait()
		for range 3 {
			all.Go(func() {
				if n, err := k.get(t.Context(), "x", slow); n != 7 || err != nil {
					t.Errorf("another has %d, error %v", n, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		release <- true
		all.Wait()
		// One that never ends is ended.
		if _, err := k.get(t.Context(), "y", slow); !errors.Is(err, errSlow) {
			t.Errorf("error is %v", err)
		}
		for i := range 2 * maxKept { // there is a bound to what is kept
			_, _ = k.get(t.Context(), fmt.Sprint(i), func(context.Context, int, bool) made[int] { return made[int]{keep: forever} })
		}
		if len(k.entries) > maxKept {
			t.Errorf("%d are kept", len(k.entries))
		}
	})
}
