package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// A sumDBWorld is a machine with a data folder, and all that was printed there.
type sumDBWorld struct {
	t    *testing.T
	m    machine
	data string
	said strings.Builder
}

func newSumDBWorld(t *testing.T, environ ...string) *sumDBWorld {
	t.Helper()
	w := &sumDBWorld{t: t, m: bareMachine(t, environ...), data: filepath.Join(t.TempDir(), "data")}
	t.Cleanup(w.checkSecrets)
	return w
}

// do runs godown sumdb on the data folder, and returns what it prints on stdout; its stderr must have want.
func (w *sumDBWorld) do(code int, want string, args ...string) string {
	w.t.Helper()
	got, stdout, stderr := call(w.t, w.m, append([]string{"sumdb", args[0], "--data", w.data}, args[1:]...)...)
	w.said.WriteString(stdout + stderr)
	if got != code || !strings.Contains(stderr, want) || want == "" && stderr != "" {
		w.t.Fatalf("%v: exit code %d, want %d\nstdout: %s\nstderr: %s", args, got, code, stdout, stderr)
	}
	return stdout
}

// checkSecrets wants no private key, nor a part of one, in what was printed or stored.
func (w *sumDBWorld) checkSecrets() {
	secrets := strings.Join(w.m.environ, "\n")
	config, _ := w.m.userConfigDir()
	w.walk(config, func(_, text string) { secrets += "\n" + text })
	parts := []string{"PRIVATE+KEY+sum", "PRIVATE+KEY+a."}
	for line := range strings.Lines(secrets) {
		if i := strings.Index(line, privateKeyMark); i >= 0 {
			line = strings.TrimSpace(line)
			parts = append(parts, line[len(line)-20:])
		}
	}
	look := func(where, text string) {
		for _, part := range parts {
			if strings.Contains(text, part) {
				w.t.Errorf("there is a private key in %s", where)
			}
		}
	}
	look("what was printed", w.said.String())
	w.walk(w.data, look)
}

// walk calls do with the files below a folder and their texts.
func (w *sumDBWorld) walk(folder string, do func(path, text string)) {
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			do(path, textOf(w.t, path))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Error(err)
	}
}

// keyFile returns the name of the file in which the key of a database is by default.
func (w *sumDBWorld) keyFile(name string) string {
	w.t.Helper()
	file, err := defaultKeyFile(w.m, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return file
}

// open loads the database as serve does.
func (w *sumDBWorld) open(pairs ...string) (*ownSumDB, error) {
	w.t.Helper()
	cfg, err := load(w.t.Context(), w.m, flagsOf(append([]string{"data", w.data}, pairs...)...))
	if err != nil {
		return nil, err
	}
	secrets := secretsFor(cfg, io.Discard)
	w.t.Cleanup(secrets.Close)
	o, err := loadOwnSumDB(w.t.Context(), cfg, secrets)
	if err != nil {
		w.said.WriteString(err.Error())
	}
	if o != nil {
		w.t.Cleanup(func() { o.Close() })
	}
	return o, err
}

// fails wants open to fail with an error that has all of want.
func (w *sumDBWorld) fails(pairs []string, want ...string) {
	w.t.Helper()
	o, err := w.open(pairs...)
	for _, text := range want {
		if o != nil || err == nil || !strings.Contains(err.Error(), text) {
			w.t.Errorf("got %v, want %s", err, text)
		}
	}
}

func (w *sumDBWorld) mustOpen(pairs ...string) *ownSumDB {
	w.t.Helper()
	o, err := w.open(pairs...)
	if err != nil || o == nil {
		w.t.Fatalf("got %v, %v", o, err)
	}
	return o
}

func textOf(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeText(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// checkMode wants a file to have a mode, where there are modes.
func checkMode(t *testing.T, name string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); runtime.GOOS != "windows" && got != want {
		t.Errorf("%s has mode %o, want %o", name, got, want)
	}
}

// newKey returns a new private key, and its public half.
func newKey(t *testing.T, name string) (private, public string) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// witnessKey returns the public key of a witness.
func witnessKey(name string) string {
	key := append([]byte{4}, make([]byte, 32)...)
	id := sha256.Sum256(append([]byte(name+"\n"), key...))
	return fmt.Sprintf("%s+%x+%s", name, id[:4], base64.StdEncoding.EncodeToString(key))
}

func TestSumDBInit(t *testing.T) {
	w := newSumDBWorld(t)
	out := w.do(0, "", "init", "sum.corp.example")
	o := w.mustOpen()
	if o.name != "sum.corp.example" || len(o.signers) != 1 || len(o.keys) != 1 || o.signers[0].Name() != o.name {
		t.Fatalf("got %+v", o)
	}
	for _, line := range []string{
		"\tGOPROXY=http://127.0.0.1:8080 GOSUMDB=\"" + o.keys[0] + "\"\n",
		"\tGOSUMDB=\"" + o.keys[0] + " https://sum.corp.example\"\n",
		"private key is in file:" + w.keyFile(o.name),
	} {
		if !strings.Contains(out, line) {
			t.Errorf("there is no %q in\n%s", line, out)
		}
	}
	file := w.keyFile(o.name)
	checkMode(t, file, 0o600)
	checkMode(t, filepath.Dir(file), 0o700)
	key, latest := textOf(t, file), textOf(t, filepath.Join(w.data, "sumdb", o.name, "latest"))

	// Again: the same, and nothing is touched.
	if out := w.do(0, "", "init", "--quiet", "sum.corp.example"); out != o.keys[0]+"\n" {
		t.Errorf("got %q, want the key", out)
	}
	if out := w.do(0, "", "init", "-q", "--url", "https://sum.example/x/", "sum.corp.example"); out != o.keys[0]+" https://sum.example/x\n" {
		t.Errorf("got %q, want key and URL", out)
	}
	out = w.do(0, "", "init", "--key", "file:"+file, "sum.corp.example")
	if !strings.Contains(out, "nothing was changed") || !strings.Contains(out, o.keys[0]) {
		t.Error(out)
	}
	if textOf(t, file) != key || textOf(t, filepath.Join(w.data, "sumdb", o.name, "latest")) != latest {
		t.Error("the key or the head were changed")
	}
	other := filepath.Join(t.TempDir(), "other.key")
	private, public := newKey(t, o.name)
	writeText(t, other, private)
	w.do(1, "with another key: its public key is "+o.keys[0]+", and not "+public, "init", "--key", "file:"+other, "sum.corp.example")

	// The key that is there by default may be that of a database elsewhere.
	first := w.data
	w.data = filepath.Join(t.TempDir(), "data")
	w.do(1, "say that it is to be used, with --key file:"+file, "init", "sum.corp.example")
	if textOf(t, file) != key {
		t.Error("the key was changed")
	}
	w.do(0, "", "init", "--key", "file:"+file, "--url", "http://[::1]:9/x", "sum.corp.example")
	if out := w.do(0, "", "key"); !strings.Contains(out, o.keys[0]+" http://[::1]:9/x\"") {
		t.Errorf("the URL was forgotten:\n%s", out)
	}
	w.data = first
	w.checkSecrets()
}

func TestSumDBInitRefuses(t *testing.T) {
	right, _ := newKey(t, "sum.corp.example")
	wrong, public := newKey(t, "other.example")
	second, _ := newKey(t, "sum.corp.example")
	w := newSumDBWorld(t, "RIGHT="+right, "WRONG="+wrong, "PUBLIC="+public, "DAMAGED="+right[:len(right)-6]+"AAAAA=", "TWICE="+right+"\n"+right, "BOTH=# one\n"+right+"\n\n# two\n"+second, "REMARK=# nothing", "TEXT="+right+" and more")
	notFolder := filepath.Join(t.TempDir(), "file")
	writeText(t, notFolder, "")
	tests := []struct {
		code int
		want string
		args []string
	}{
		{2, "init takes one NAME", nil},
		{2, "init takes one NAME", []string{"a.example", "b.example"}},
		{2, `"sum corp.example": the name of a checksum database is a host`, []string{"sum corp.example"}},
		{2, `is a host`, []string{"off"}},
		{2, `is a host`, []string{"a+b"}},
		{2, `is a host`, []string{"../a"}},
		{2, `is a host`, []string{"a/.b"}},
		{2, `is a host`, []string{""}},
		{2, `"xxxxx": the name`, []string{right}},
		{2, "whose key the go command has built in", []string{"sum.golang.org"}},
		{2, "flag --key: a secret on the command line", []string{"--key", right, "sum.corp.example"}},
		{2, "flag --url: \"https://xxxxx@a.example\"", []string{"--url", "https://u@a.example", "sum.corp.example"}},
		{1, "variable is not set", []string{"--key", "env:NONE", "sum.corp.example"}},
		{1, `env:WRONG: line 1 is a key of the database "other.example", and not of "sum.corp.example"`, []string{"--key", "env:WRONG", "sum.corp.example"}},
		{1, "line 1 is a public key", []string{"--key", "env:PUBLIC", "sum.corp.example"}},
		{1, "line 1 is no private key of the form", []string{"--key", "env:DAMAGED", "sum.corp.example"}},
		{1, "line 1 is no private key of the form", []string{"--key", "env:TEXT", "sum.corp.example"}},
		{1, "line 2 is a key that stands there already", []string{"--key", "env:TWICE", "sum.corp.example"}},
		{1, "there is no key in it", []string{"--key", "env:REMARK", "sum.corp.example"}},
		{1, "the private key would be in the data folder", []string{"--key", "file:" + filepath.Join(w.data, "x.key"), "sum.corp.example"}},
		{1, "the folder for the database cannot be used", []string{"--data", notFolder, "sum.corp.example"}},
	}
	for _, tt := range tests {
		w.do(tt.code, tt.want, append([]string{"init"}, tt.args...)...)
	}
	if names, err := listSumDBs(filepath.Join(w.data, "sumdb")); err != nil || len(names) != 0 {
		t.Errorf("there are %v, %v", names, err)
	}
	if _, err := os.Stat(w.keyFile("sum.corp.example")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key was made (%v)", err)
	}

	w.do(0, "", "init", "--key", "env:BOTH", "sum.corp.example")
	if o := w.mustOpen(); len(o.signers) != 2 {
		t.Errorf("%d signers, want 2", len(o.signers))
	}
	w.do(1, "choose another name", "init", "sum.corp.example/team")
	w.do(1, "choose another name", "init", "sum.corp.example/team/a")
	w.do(0, "", "init", "--beside", "team.example/a")
	w.do(1, "choose another name", "init", "team.example")
	w.do(0, "", "init", "--beside", "team.example/ab")
	for _, name := range []string{"team.example/a", "team.example/ab"} {
		checkMode(t, w.keyFile(name), 0o600)
	}
}

// Where the key stands is written down if that is no program: whoever could write the data could have the server run it.
func TestSumDBKeyPlaces(t *testing.T) {
	private, public := newKey(t, "sum.corp.example")
	file := filepath.Join(t.TempDir(), "my.key")
	writeText(t, file, private+"\n")
	for _, tt := range []struct{ key, record string }{
		{"env:SUMDB_PRIVATE", "env:SUMDB_PRIVATE"}, {"file:" + file, "file:" + file}, {"command:go-cat '" + file + "'", ""},
	} {
		t.Run(tt.key, func(t *testing.T) {
			dir := t.TempDir()
			program := filepath.Join(dir, "go-cat")
			if err := os.WriteFile(program, []byte("#!/bin/sh\ncat \"$1\"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			w := newSumDBWorld(t, "SUMDB_PRIVATE="+private, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
			if runtime.GOOS == "windows" && tt.record == "" {
				return
			}
			key := strings.Replace(tt.key, "go-cat", program, 1)
			out := w.do(0, "", "init", "--key", key, "sum.corp.example")
			if !strings.Contains(out, public) || strings.Contains(out, "needs --sumdb-key") != (tt.record == "") {
				t.Error(out)
			}
			about := textOf(t, filepath.Join(w.data, "sumdb", "sum.corp.example", aboutFile))
			if strings.Contains(about, `"private": "`+filepath.ToSlash(tt.record)+`"`) != (tt.record != "") || strings.Contains(about, "cat") {
				t.Error(about)
			}
			if tt.record == "" {
				w.fails(nil, "nothing says where the private key", "--sumdb-own off")
				w.do(1, "nothing says where", "key")
			} else {
				w.mustOpen()
				w.do(0, "", "key")
			}
			if o := w.mustOpen("sumdb-key", key); o.keys[0] != public {
				t.Errorf("got %v", o.keys)
			}
			if out := w.do(0, "", "key", "--quiet", "--sumdb-key", key); out != public+"\n" {
				t.Errorf("got %q", out)
			}
			if !strings.HasPrefix(tt.key, "file:") {
				w.do(1, "does not stand in a file", "key", "--add", "--sumdb-key", key)
			}
		})
	}
	// A folder whose contents somebody else has changed makes nobody run anything.
	w := newSumDBWorld(t, "SUMDB_PRIVATE="+private)
	w.do(0, "", "init", "--key", "env:SUMDB_PRIVATE", "sum.corp.example")
	about := filepath.Join(w.data, "sumdb", "sum.corp.example", aboutFile)
	writeText(t, about, strings.Replace(textOf(t, about), "env:SUMDB_PRIVATE", "command:touch x", 1))
	w.fails(nil, "about is damaged", "neither file:PATH nor env:NAME")
}

// What was cut off, or comes from elsewhere, is taken over with its own key only.
func TestSumDBInitAdopts(t *testing.T) {
	w := newSumDBWorld(t)
	w.do(0, "", "init", "sum.corp.example")
	public := w.mustOpen().keys[0]
	log := filepath.Join(w.data, "sumdb", "sum.corp.example")
	remove := func(name string) {
		t.Helper()
		if err := os.Remove(filepath.Join(log, name)); err != nil {
			t.Fatal(err)
		}
	}
	remove(aboutFile)
	w.fails(nil, "nothing says which keys are its own")
	other := filepath.Join(t.TempDir(), "other.key")
	private, _ := newKey(t, "sum.corp.example")
	writeText(t, other, private)
	w.do(1, "signed with another key", "init", "--key", "file:"+other, "sum.corp.example")
	w.do(1, "no such file", "init", "--key", "file:"+other+"x", "sum.corp.example")
	w.do(0, "", "init", "sum.corp.example")
	if got := w.mustOpen().keys[0]; got != public {
		t.Errorf("got %s, want %s", got, public)
	}

	remove(aboutFile)
	remove("latest") // it was cut off before it signed anything
	w.do(0, "", "init", "sum.corp.example")
	w.mustOpen()

	remove(commitFile)
	w.fails(nil, "the log is gone")
}

func TestLoadOwnSumDB(t *testing.T) {
	w := newSumDBWorld(t)
	if o, err := w.open(); o != nil || err != nil {
		t.Errorf("got %v, %v where there is none", o, err)
	}
	if _, err := os.Stat(filepath.Join(w.data, "sumdb")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder was made (%v)", err)
	}
	w.fails([]string{"sumdb-own", "a.example"}, `there is no checksum database "a.example" in `)
	w.do(1, "there is no checksum database", "key")
	w.do(0, "", "init", "a.example")
	wit := witnessKey("w.example") + " https://w.example/x"
	if o := w.mustOpen("sumdb-witness", " ,"+wit+" , "+witnessKey("v.example")+"  http://[::1]:9,"); len(o.witnesses) != 2 || o.witnesses[0] != wit || o.witnesses[1] != witnessKey("v.example")+" http://[::1]:9" {
		t.Errorf("got %q", o.witnesses)
	}
	w.fails([]string{"sumdb-witness", wit + "," + wit}, "the witness w.example stands there twice")
	file := w.keyFile("a.example")
	w.do(0, "", "init", "--beside", "b.example/team")
	w.fails(nil, "several checksum databases", "a.example, b.example/team", "--sumdb-own")
	w.fails([]string{"sumdb-own", "b.example"}, `there is no checksum database "b.example"`)
	if o := w.mustOpen("sumdb-own", "b.example/team"); o.name != "b.example/team" {
		t.Errorf("got %s", o.name)
	}
	if o, err := w.open("sumdb-own", "off"); o != nil || err != nil {
		t.Errorf("got %v, %v for off", o, err)
	}
	a := w.mustOpen("sumdb-own", "a.example")
	if out := w.do(0, "", "key", "-q", "a.example"); out != a.keys[0]+"\n" {
		t.Errorf("got %q", out)
	}

	// The database that proves public modules has another name, however ours was found.
	w.fails([]string{"sumdb-own", "a.example", "sumdb", a.keys[0]}, "flag --sumdb-own", "different names")
	if err := os.RemoveAll(filepath.Join(w.data, "sumdb", "b.example")); err != nil {
		t.Fatal(err)
	}
	w.fails([]string{"sumdb", a.keys[0]}, "different names")

	// Without its key nothing is served.
	key := textOf(t, file)
	if err := os.Rename(file, file+".moved"); err != nil {
		t.Fatal(err)
	}
	w.fails(nil, "the private key of the checksum database a.example", file, "no such file", "--sumdb-key", "--sumdb-own off")
	w.do(1, "put it back from your copy", "key")
	w.mustOpen("sumdb-key", "file:"+file+".moved")
	writeText(t, file, "nonsense")
	w.fails(nil, file, "line 1 is no private key")
	private, public := newKey(t, "a.example")
	writeText(t, file, private)
	w.fails(nil, "is another than its own, which has the public key "+a.keys[0], "--sumdb-own off")
	about := filepath.Join(w.data, "sumdb", "a.example", aboutFile)
	if strings.Contains(textOf(t, about), public) {
		t.Error("a strange key was recorded")
	}

	// A key that comes to it is recorded, and then may stand alone.
	writeText(t, file, key+private)
	if o := w.mustOpen(); !slices.Equal(o.keys, []string{a.keys[0], public}) || len(o.signers) != 2 {
		t.Errorf("got %v", o.keys)
	}
	writeText(t, file, private)
	o := w.mustOpen()
	if !slices.Equal(o.keys, []string{public}) || len(o.signers) != 1 || len(o.verifiers) != 2 {
		t.Errorf("got %v, and %d verifiers", o.keys, len(o.verifiers))
	}
	if out := w.do(0, "", "key"); !strings.Contains(out, "Key "+keyHash(a.keys[0])+" signed once") || !strings.Contains(out, "Key "+keyHash(public)+" signs.") {
		t.Error(out)
	}
	writeText(t, about, "{")
	w.fails(nil, about, "is damaged")
}

// A listener on every interface leaves no room for another on the same port.
func TestSumDBListenEverywhere(t *testing.T) {
	for _, listen := range []string{":8081", "0.0.0.0:8081", "[::]:8081"} {
		_, err := load(t.Context(), bareMachine(t), flagsOf("listen", listen, "sumdb-listen", "127.0.0.1:8081"))
		if err == nil || !strings.Contains(err.Error(), "it is where listen ("+listen+") is") {
			t.Errorf("%s: got %v", listen, err)
		}
	}
}

// What is said of the database in a mapping counts, from where it stands.
func TestSumDBMapping(t *testing.T) {
	file := writeFile(t, "sumdb:\n  database: off\n  own: sum.corp.example\n  key: PRIVATE+KEY+x\n  listen: ':8081'\n  watch: 5m\n")
	c, err := load(t.Context(), bareMachine(t, "GODOWN_SUMDB_WATCH=7m"), flagsOf("config", file))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string][2]string{
		"sumdb": {"off", file + ":2"}, "sumdb-own": {"sum.corp.example", file + ":3"}, "sumdb-key": {"PRIVATE+KEY+x", file + ":4"},
		"sumdb-listen": {":8081", file + ":5"}, "sumdb-watch": {"7m", "environment GODOWN_SUMDB_WATCH"}, "sumdb-witness": {"", "default"},
	} {
		o, _ := optionByKey(key)
		if got := [2]string{o.Text(c), c.Origin(key)}; got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	_, out, _ := call(t, bareMachine(t), "config", "--config", file)
	if !strings.Contains(out, "sumdb-own: sum.corp.example # "+file+":3\n") || !strings.Contains(out, "sumdb-key: xxxxx # "+file+":4; secrets masked") || strings.Contains(out, privateKeyMark) {
		t.Error(out)
	}
}
