package token

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A ring is a keyring for tests.
type ring struct {
	mu      sync.Mutex // guards secrets
	secrets map[string]string
	err     error // of all calls
	deaf    bool  // does not answer
	forgets bool  // gives back something else
}

func newRing() *ring { return &ring{secrets: make(map[string]string)} }

func (r *ring) call(ctx context.Context) (unlock func(), err error) {
	if r.deaf {
		<-ctx.Done()
		return nil, ErrSlow
	}
	r.mu.Lock()
	return r.mu.Unlock, r.err
}

func (r *ring) Get(ctx context.Context, server string) (string, error) {
	unlock, err := r.call(ctx)
	if unlock != nil {
		defer unlock()
	}
	if err != nil {
		return "", err
	}
	s, ok := r.secrets[server]
	if !ok {
		return "", ErrNoSecret
	}
	if r.forgets {
		return "other", nil
	}
	return s, nil
}

func (r *ring) Set(ctx context.Context, server, secret string) error {
	unlock, err := r.call(ctx)
	if unlock != nil {
		defer unlock()
	}
	if err == nil {
		r.secrets[server] = secret
	}
	return err
}

func (r *ring) Delete(ctx context.Context, server string) error {
	unlock, err := r.call(ctx)
	if unlock != nil {
		defer unlock()
	}
	if err != nil {
		return err
	}
	if _, ok := r.secrets[server]; !ok {
		return ErrNoSecret
	}
	delete(r.secrets, server)
	return nil
}

func anyServer(Server) bool { return true }

// tokens returns what a store has, as "SERVER USER TOKEN PLACE" lines.
func tokens(t *testing.T, s *Store) string {
	t.Helper()
	list, err := s.Logins(t.Context(), anyServer)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, l := range list {
		fmt.Fprintf(&b, "%v %s %s %s\n", l.Server, l.User, string(l.Token), l.Place)
	}
	return b.String()
}

func add(t *testing.T, s *Store, server, user, token string, p Place) {
	t.Helper()
	if err := s.Add(t.Context(), Login{Server: mustServer(t, server), User: user, Token: Secret(token), Place: p, Since: time.Unix(1700000000, 5)}); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	r := newRing()
	s := &Store{File: filepath.Join(t.TempDir(), "new", "folder", "credentials.json"), Keyring: r}
	if got := tokens(t, s); got != "" {
		t.Fatalf("an empty store has %s", got)
	}
	if gone, err := s.Remove(t.Context(), anyServer); err != nil || gone != nil {
		t.Fatalf("%v, %v", gone, err)
	}
	if _, err := os.Stat(filepath.Dir(s.File)); err == nil {
		t.Error("removing nothing made a folder")
	}
	add(t, s, "https://b.corp/go", "me", "two", File)
	add(t, s, "https://a.corp", "", "one", Keyring)
	want := "https://a.corp  one keyring\nhttps://b.corp/go me two file\n"
	if got := tokens(t, s); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	data, err := os.ReadFile(s.File)
	if err != nil || strings.Contains(string(data), "one") {
		t.Errorf("%v: what is in the keyring is in the file: %s", err, data)
	}
	for _, name := range []string{s.File, filepath.Dir(s.File)} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", name, info.Mode())
		}
	}
	list, err := s.List()
	if err != nil || len(list) != 2 || list[0].Token != "" || list[1].Token != "" || !list[0].Since.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("listed %+v, %v", list, err)
	}

	// A login takes the place of an earlier one, wherever that was.
	add(t, s, "https://a.corp/", "", "three", File)
	if len(r.secrets) != 0 {
		t.Errorf("the keyring still has %d", len(r.secrets))
	}
	add(t, s, "https://b.corp:443/go", "", "four", Keyring)
	if got, want := tokens(t, s), "https://a.corp  three file\nhttps://b.corp/go  four keyring\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	gone, err := s.Remove(t.Context(), func(s Server) bool { return s.host == "b.corp" })
	if err != nil || len(gone) != 1 || gone[0].Token != "" || len(r.secrets) != 0 {
		t.Errorf("removed %v, %v; the keyring has %d", gone, err, len(r.secrets))
	}
	if got, want := tokens(t, s), "https://a.corp  three file\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	left, err := filepath.Glob(s.File + "-*")
	if err != nil || left != nil {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestStoreBadKeyring(t *testing.T) {
	broken := errors.New("broken")
	for name, r := range map[string]*ring{"broken": {err: broken}, "forgets": {secrets: map[string]string{}, forgets: true}, "none": nil} {
		s := &Store{File: filepath.Join(t.TempDir(), "c.json")}
		if r != nil {
			s.Keyring = r
		}
		add(t, s, "https://b.corp", "", "kept", File)
		err := s.Add(t.Context(), Login{Server: mustServer(t, "https://b.corp"), Token: "new", Place: Keyring})
		if e, ok := errors.AsType[*KeyringError](err); !ok || e.Server.String() != "https://b.corp" || strings.Contains(err.Error(), "new") {
			t.Errorf("%s: %v", name, err)
		}
		if got := tokens(t, s); got != "https://b.corp  kept file\n" {
			t.Errorf("%s: then it has %s", name, got)
		}
	}
	r := newRing()
	s := &Store{File: filepath.Join(t.TempDir(), "c.json"), Keyring: r}
	add(t, s, "https://a.corp", "", "one", Keyring)
	add(t, s, "https://b.corp", "", "two", File)
	r.err = broken
	list, err := s.Logins(t.Context(), anyServer)
	if _, ok := errors.AsType[*KeyringError](err); !ok || len(list) != 1 || list[0].Token != "two" {
		t.Errorf("beside a broken keyring there are %d: %v", len(list), err)
	}
	// Who is not wanted is not asked for.
	if list, err := s.Logins(t.Context(), func(s Server) bool { return s.host == "b.corp" }); err != nil || len(list) != 1 {
		t.Errorf("%d, %v", len(list), err)
	}
	gone, err := s.Remove(t.Context(), anyServer)
	if _, ok := errors.AsType[*KeyringError](err); !ok || len(gone) != 1 || gone[0].Server.String() != "https://b.corp" {
		t.Errorf("removed %v: %v", gone, err)
	}
	if list, _ := s.List(); len(list) != 1 {
		t.Error("what the keyring does not give up is not listed any more")
	}
	r.err = nil
	delete(r.secrets, "https://a.corp") // by the keyring's own program, say
	if _, err := s.Logins(t.Context(), anyServer); !errors.Is(err, ErrNoSecret) {
		t.Errorf("a token that is gone: %v", err)
	}
	if gone, err := s.Remove(t.Context(), anyServer); err != nil || len(gone) != 1 {
		t.Errorf("removed %v: %v", gone, err)
	}
}

func TestStoreDeafKeyring(t *testing.T) {
	s := &Store{File: filepath.Join(t.TempDir(), "c.json"), Keyring: newRing()}
	add(t, s, "https://a.corp", "", "one", Keyring)
	add(t, s, "https://b.corp", "", "two", Keyring)
	add(t, s, "https://c.corp", "", "three", File)
	synctest.Test(t, func(t *testing.T) {
		s.Keyring = &ring{deaf: true}
		start := time.Now()
		list, err := s.Logins(t.Context(), anyServer)
		if !errors.Is(err, ErrSlow) || len(list) != 1 || list[0].Token != "three" {
			t.Errorf("%d logins, %v", len(list), err)
		}
		if waited := time.Since(start); waited != 3*time.Second { // for both together
			t.Errorf("it waited for %v", waited)
		}
	})
}

func TestInTime(t *testing.T) {
	never := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan struct{})
	if _, err := inTime(ctx, func() (int, error) { defer close(ended); <-never; return 1, nil }); err != ErrSlow {
		t.Errorf("a call that hangs: %v", err)
	}
	close(never)
	<-ended
	if _, err := inTime(t.Context(), func() (int, error) { panic("the bus is gone") }); err == nil || !strings.Contains(err.Error(), "bus is gone") {
		t.Errorf("a call that panics: %v", err)
	}
	if n, err := inTime(t.Context(), func() (int, error) { return 7, nil }); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestStoreExposed(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // there, a profile is its owner's only, and a mode says nothing
	}
	s := &Store{File: filepath.Join(t.TempDir(), "c.json")}
	add(t, s, "https://a.corp", "", "s3cr3t", File)
	for _, mode := range []os.FileMode{0o604, 0o640, 0o620, 0o666} {
		if err := os.Chmod(s.File, mode); err != nil {
			t.Fatal(err)
		}
		_, errRead := s.Logins(t.Context(), anyServer)
		errAdd := s.Add(t.Context(), Login{Server: mustServer(t, "https://b.corp"), Token: "x", Place: File})
		_, errRemove := s.Remove(t.Context(), anyServer)
		for _, err := range []error{errRead, errAdd, errRemove} {
			if e, ok := errors.AsType[*Exposed](err); !ok || e.Mode.Perm() != mode || !strings.Contains(err.Error(), "chmod 600") {
				t.Errorf("mode %v: %v", mode, err)
			}
		}
	}
	if err := os.Chmod(s.File, 0o400); err != nil {
		t.Fatal(err)
	}
	if got := tokens(t, s); got != "https://a.corp  s3cr3t file\n" {
		t.Errorf("mode 0400: %s", got)
	}
}

func TestStoreDamaged(t *testing.T) {
	dir := t.TempDir()
	s := &Store{File: filepath.Join(dir, "c.json")}
	for _, text := range []string{
		"", "s3cr3t", `{"version": 1, "logins": [{"token": "s3cr3t`, `{"version": 2}`, `[]`, `{"version": 1, "logins": "s3cr3t"}`,
		`{"version": 1, "logins": [{"server": "https://s3cr3t@a.corp", "store": "file", "token": "s3cr3t"}]}`,
		`{"version": 1, "logins": [{"server": "http://a.corp", "store": "file", "token": "s3cr3t"}]}`,
		`{"version": 1, "logins": [{"store": "file", "token": "s3cr3t"}]}`,
		`{"version": 1, "logins": [{"server": "https://a.corp", "store": "s3cr3t", "token": "s3cr3t"}]}`,
		`{"version": 1, "logins": [{"server": "https://a.corp", "store": "keyring", "token": "s3cr3t"}]}`,
		`{"version": 1, "logins": [{"server": "https://a.corp", "store": "file", "token": "s3cr3t\n"}]}`,
		`{"version": 1, "logins": [{"server": "https://a.corp", "store": "keyring"}, {"server": "https://A.corp:443/", "store": "keyring"}]}`,
		strings.Repeat(" ", maxFile+1),
	} {
		if err := os.WriteFile(s.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.List()
		if _, ok := errors.AsType[*Damaged](err); !ok || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%.100q: %v", text, err)
		}
		if err := s.Add(t.Context(), Login{Server: mustServer(t, "https://b.corp"), Token: "x", Place: File}); err == nil {
			t.Errorf("%.100q was written over", text)
		}
	}
	if err := os.Remove(s.File); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.File, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.List(); err == nil {
		t.Error("a folder was read")
	}
}

func FuzzBook(f *testing.F) {
	f.Add([]byte(`{"version":1,"logins":[{"server":"https://a.corp","user":"me","store":"file","token":"x","since":"2026-01-02T03:04:05Z"}]}`))
	f.Add([]byte(`{"version":1,"logins":[{"server":"https://a.corp/x","store":"keyring"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseBook(data)
		if err != nil {
			return
		}
		for _, e := range b.Logins {
			if l := e.login(); e.Store == File && l.Check() != nil || l.Server == (Server{}) {
				t.Fatalf("%q gives a login that cannot be sent", data)
			}
		}
	})
}

// TestStoreAtOnce has many log in at the same time: none is lost, and who reads sees whole files only.
func TestStoreAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.json")
	r := newRing()
	var all sync.WaitGroup
	const n = 20
	for i := range n {
		all.Go(func() {
			s := &Store{File: file, Keyring: r}
			place := File
			if i%2 == 0 {
				place = Keyring
			}
			if err := s.Add(t.Context(), Login{Server: mustServer(t, fmt.Sprintf("https://host%d.corp", i)), Token: Secret(fmt.Sprint("token", i)), Place: place}); err != nil {
				t.Error(err)
			}
			if _, err := s.Logins(t.Context(), anyServer); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list, err := (&Store{File: file, Keyring: r}).Logins(t.Context(), anyServer)
	if err != nil || len(list) != n {
		t.Errorf("%d logins of %d are there: %v", len(list), n, err)
	}
	for _, l := range list {
		if want := "token" + strings.TrimSuffix(strings.TrimPrefix(l.Server.host, "host"), ".corp"); string(l.Token) != want {
			t.Errorf("%v has the token of another", l.Server)
		}
	}
}

// Where the file cannot be written, the login that was in the keyring still holds.
func TestStoreKeepsEarlier(t *testing.T) {
	r := newRing()
	s := &Store{File: filepath.Join(t.TempDir(), strings.Repeat("x", 250)), Keyring: r} // too long a name for a temporary file beside it
	r.secrets["https://a.corp"] = "one"
	book := `{"version": 1, "logins": [{"server": "https://a.corp", "store": "keyring", "since": "2026-01-01T00:00:00Z"}]}`
	if err := os.WriteFile(s.File, []byte(book), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := ParseServer("https://a.corp")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(t.Context(), Login{Server: server, Token: "two", Place: File}); err == nil {
		t.Fatal("it was stored")
	}
	if got, want := tokens(t, s), "https://a.corp  one keyring\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
