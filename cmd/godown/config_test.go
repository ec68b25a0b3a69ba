package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/config.md")

// bareMachine is a machine with the environment given, without a go command
// and without any file of settings.
func bareMachine(t *testing.T, environ ...string) machine {
	dir := t.TempDir()
	return machine{
		environ:       append([]string{"GOROOT=" + dir, "GOPROXY=https://go.example"}, environ...),
		userCacheDir:  func() (string, error) { return filepath.Join(dir, "cache"), nil },
		userConfigDir: func() (string, error) { return filepath.Join(dir, "config"), nil },
		lookPath:      func(string) (string, error) { return "", errors.New("not here") },
	}
}

// writeFile writes a file named godown.yaml and returns its path.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "godown.yaml")
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func flagsOf(pairs ...string) settings {
	s := make(settings)
	for i := 0; i < len(pairs); i += 2 {
		s[pairs[i]] = setting{pairs[i+1], "flag --" + pairs[i]}
	}
	return s
}

func TestDefaults(t *testing.T) {
	m := bareMachine(t)
	c, err := load(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	cache, _ := m.userCacheDir()
	want := Config{
		Listen: "127.0.0.1:8080", Data: filepath.Join(cache, "godown"),
		Upstream: "https://go.example", SumDB: "sum.golang.org", Verify: "require",
		TTL: time.Minute, NotFoundTTL: 30 * time.Second,
		Memory: 64 << 20, Fetches: 256, FetchWait: 30 * time.Second, Drain: 30 * time.Second,
		FetchTimeout: 15 * time.Minute, ConnectTimeout: 10 * time.Second, TLSTimeout: 10 * time.Second,
		FirstByteTimeout: 30 * time.Second, StallTimeout: 5 * time.Second, Retries: 2,
		Choose: "fastest", Hedge: 10, Split: 1 << 20, Streams: 16, Connections: 64,
		Probe: 30 * time.Second, ProbeTimeout: time.Second, Rise: 2, Fall: 3, StreamAfter: time.Second,
		SumDBWatch: 10 * time.Minute, Scrub: 30 * day,
		DirectJobs: 8, DirectTimeout: 10 * time.Minute, PrivateUpstream: "direct", VCSSize: 10 << 30, GitFetch: 2 << 30, Prefetch: "all", LogFormat: "text", LogLevel: "info",
	}
	for _, o := range configOptions() {
		if got, want := o.Text(c), o.Text(&want); got != want {
			t.Errorf("%s = %q, want %q", o.Key, got, want)
		}
	}
	if got := c.Origin("ttl"); got != "default" {
		t.Errorf("origin of ttl = %q", got)
	}
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, "# settings\nttl: 2m\n\nretries: 5\nprivate:\n  - a.example\n  - b.example/*\nupstream: off\n")
	tests := []struct {
		name, key    string
		environ      []string
		flags        settings
		text, origin string
	}{
		{"flag first", "ttl", []string{"GODOWN_TTL=3m"}, flagsOf("config", file, "ttl", "4m"), "4m", "flag --ttl"},
		{"then environment", "ttl", []string{"GODOWN_TTL=3m"}, flagsOf("config", file), "3m", "environment GODOWN_TTL"},
		{"then file", "ttl", nil, flagsOf("config", file), "2m", file + ":2"},
		{"then default", "ttl", nil, nil, "1m", "default"},
		{"empty variable", "ttl", []string{"GODOWN_TTL="}, flagsOf("config", file), "2m", file + ":2"},
		{"last variable", "ttl", []string{"GODOWN_TTL=3m", "GODOWN_TTL=5m"}, nil, "5m", "environment GODOWN_TTL"},
		{"file by variable", "retries", []string{"GODOWN_CONFIG=" + file}, nil, "5", file + ":4"},
		{"file by flag", "retries", []string{"GODOWN_CONFIG=no.yaml"}, flagsOf("config", file), "5", file + ":4"},
		{"list", "private", nil, flagsOf("config", file), "a.example,b.example/*", file + ":5"},
		{"noproxy follows", "noproxy", []string{"GONOPROXY=c.example"}, flagsOf("config", file), "a.example,b.example/*", "as private, " + file + ":5"},
		{"nosumdb follows", "nosumdb", nil, flagsOf("private", ""), "", "as private, flag --private"},
		{"nosumdb given", "nosumdb", nil, flagsOf("private", "a.example", "nosumdb", " b.example, ,c.example"), "b.example,c.example", "flag --nosumdb"},
		{"noproxy of go", "noproxy", []string{"GOPRIVATE=p.example"}, nil, "p.example", "environment GOPRIVATE"},
		{"off is no boolean", "upstream", nil, flagsOf("config", file), "off", file + ":8"},
		{"upstream of go", "upstream", nil, nil, "https://go.example", "environment GOPROXY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t.Context(), bareMachine(t, tt.environ...), tt.flags)
			if err != nil {
				t.Fatal(err)
			}
			o, _ := optionByKey(tt.key)
			if got := o.Text(c); got != tt.text {
				t.Errorf("%s = %q, want %q", tt.key, got, tt.text)
			}
			if got := c.Origin(tt.key); got != tt.origin {
				t.Errorf("origin of %s = %q, want %q", tt.key, got, tt.origin)
			}
		})
	}
}

func TestInvalid(t *testing.T) {
	tests := []struct{ key, text, want string }{
		{"ttl", "-1s", `flag --ttl: ttl "-1s": it must be at least 0s`},
		{"ttl", "5", `flag --ttl: ttl "5": it must be a duration such as`},
		{"stall-timeout", "0", `it must be at least 1ms`},
		{"fetches", "0", `it must be at least 1`},
		{"retries", "21", `it must be at most 20`},
		{"retries", "two", `it must be a whole number`},
		{"memory", "64M", `it must be a size such as`},
		{"access-log", "yes", `it must be true or false`},
		{"verify", "requrie", `verify "requrie": it must be one of require, prefer; did you mean "require"?`},
		{"log-level", "loud", `it must be one of debug, info, warn, error`},
		{"listen", "8080", `it must be HOST:PORT`},
		{"listen", "localhost:http", `the port is a number`},
		{"upstream", "", `the list has no entries`},
		{"upstream", "ftp://mirror.example", `scheme "ftp"`},
		{"upstream", "direct,off,|", ``},
		{"upstream", "https://a.example,https://user:pa/ss@b.example", `entry 2 of the list is not the URL`},
		{"sumdb", " ", `it is empty`},
		{"data", "", `it is empty`},
		{"data", "~/godown", `write the path in full`},
		{"private", "https://git.example/x", `begins with the host's name: "git.example/x"`},
		{"private", "git.example/[ab", `malformed`},
		{"private", "a.example b.example", `separated by commas`},
		{"private-upstream", "", `the list has no entries`},
		{"private-upstream", "https://a.example,cn,direct", `flag --private-upstream: private-upstream "https://a.example,cn,direct": entry 2 of the list: "cn" stands for public mirrors, and private modules must never be named to a public mirror`},
		{"private-upstream", "default", `"default" stands for public mirrors`},
		{"private-upstream", "mirrors", `"mirrors" stands for all entries of mirrors:`},
		{"private-upstream", "https://GOPROXY.cn/x|direct", `entry 1 of the list is the public mirror goproxy.cn, and private modules`},
		{"private-upstream", "office", `"office" is neither a URL nor a name`},
		{"private-upstream", "direct,cn", ``},
		{"private-upstream", " https://a.example , off", ``},
		{"netrc", "missing", `flag --netrc: netrc "missing": there is no such file`},
		{"netrc", "~/.netrc", `write the path in full`},
		{"git-config", ".", `git-config ".": it is a folder`},
		{"govcs", "a.example", `flag --govcs: govcs "a.example": GOVCS has "a.example", which is not PATTERN:SYSTEM`},
		{"insecure", "http://git.example", `begins with the host's name`},
		{"allow-host", "https://u:pa/ss@git.example", `allow-host "https://xxxxx"`},
		{"allow-host", "git.example,10.0.0.0/8", ``},
		{"publish-token", "pa/ss", `flag --publish-token: publish-token "xxxxx": a secret on the command line can be read by every user`},
		{"publish-token", "text:pa/ss", `a secret on the command line`},
		{"hook-secret", "env:pa/ss", `hook-secret "xxxxx": a secret begins with "env:"`},
		{"hook-secret", "command:say 'pa/ss", `hook-secret "xxxxx": a secret begins with "command:", but a word`},
		{"hook-secret", "file:secret.txt", ``},
		{"sumdb", "PRIVATE+KEY+pa/ss", `flag --sumdb: sumdb "xxxxx": it is a private key`},
		{"sumdb-own", "off", ``},
		{"sumdb-own", "sum.corp.example/team", ``},
		{"sumdb-own", "sum corp", `flag --sumdb-own: sumdb-own "sum corp": the name of a checksum database is a host`},
		{"sumdb-own", "https://sum.corp.example", `is a host`},
		{"sumdb-own", "sum.corp.example/", `is a host`},
		{"sumdb-own", "sum.corp.example/../x", `is a host`},
		{"sumdb-own", "sum.corp.example+0a1b2c3d+AAAA", `is a host`},
		{"sumdb-own", "sum.golang.org", `is the public checksum database`},
		{"sumdb-own", "PRIVATE+KEY+pa/ss", `sumdb-own "xxxxx": the name`},
		{"sumdb-key", "PRIVATE+KEY+pa/ss", `sumdb-key "xxxxx": a secret on the command line`},
		{"sumdb-key", "env:SUMDB_KEY", ``},
		{"sumdb-listen", "8081", `flag --sumdb-listen: sumdb-listen "8081": it must be HOST:PORT`},
		{"sumdb-listen", "127.0.0.1:8080", `it is where listen (127.0.0.1:8080) is`},
		{"sumdb-listen", ":8080", `it is where listen (127.0.0.1:8080) is`},
		{"sumdb-listen", "127.0.0.2:8080", ``},
		{"sumdb-listen", "[::]:8080", `it is where listen`},
		{"sumdb-listen", "127.0.0.1:8081", ``},
		{"sumdb-listen", ":0", ``},
		{"sumdb-witness", "https://w.example", `entry 1 of the list is not of the form KEY URL`},
		{"sumdb-witness", ", w.example+0a1b2c3d+AAAA https://u:pa/ss@w.example", `entry 1 of the list: witness key "w.example+0a1b2c3d"`},
		{"sumdb-witness", "PRIVATE+KEY+pa/ss https://w.example", `sumdb-witness "xxxxx": entry 1 of the list has a private key`},
		{"sumdb-witness", "", ``},
		{"sumdb-watch", "-1s", `it must be at least 0s`},
		{"scrub", "0s", ``},
		{"scrub", "-1d", `it must be at least 0s`},
		{"hook-secret", "", ``},
		{"config", "missing.yaml", `flag --config: the configuration file "missing.yaml" does not exist`},
	}
	for _, tt := range tests {
		t.Run(tt.key+"="+tt.text, func(t *testing.T) {
			_, err := load(t.Context(), bareMachine(t), flagsOf(tt.key, tt.text))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			case err != nil && strings.Contains(err.Error(), "pa/ss"):
				t.Errorf("%v tells a password", err)
			}
		})
	}
}

func TestUnknownEnvironment(t *testing.T) {
	c, err := load(t.Context(), bareMachine(t, "GODOWN_TTL=1m", "GODOWN_CONFIG=", "GODOWN_SERVER=x", "GODOWN_TOKEN=x", "GODOWN_UPSTREM=x", "GODOWN_XYZZY_PLUGH=1", "OTHER=2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := c.UnknownEnvironment()
	if len(got) != 2 || got[0] != (Misspelt{"GODOWN_UPSTREM", "GODOWN_UPSTREAM"}) || got[1] != (Misspelt{"GODOWN_XYZZY_PLUGH", ""}) {
		t.Errorf("got %v", got)
	}
}

// Every field is described in full, with a default that load would take.
func TestOptions(t *testing.T) {
	seen := make(map[string]bool)
	for _, o := range configOptions() {
		if !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(o.Key) || o.Help == "" || seen[o.Key] {
			t.Errorf("the key %q is malformed, there twice, or without help", o.Key)
		}
		seen[o.Key] = true
		_, empty := reflect.TypeFor[Config]().Field(o.index).Tag.Lookup("default")
		if !empty && o.GoEnv == "" && o.Compute == "" {
			t.Errorf("%s has no default", o.Key)
		}
		if o.Follows != "" && !seen[o.Follows] {
			t.Errorf("%s stands before %q, which it follows", o.Key, o.Follows)
		}
		if o.Default != "" {
			var c Config
			if err := o.Set(&c, o.Default); err != nil {
				t.Errorf("default of %s: %v", o.Key, err)
			} else if got := o.Text(&c); got != o.Default {
				t.Errorf("default of %s reads %q, should be written %q", o.Key, o.Default, got)
			}
		}
	}
}

func TestConfigDoc(t *testing.T) {
	name := filepath.Join("..", "..", "docs", "config.md")
	want := configDoc()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ReplaceAll(string(got), "\r\n", "\n") != want {
		t.Errorf("%s is not what the tags of Config say; run: go test ./cmd/godown -run TestConfigDoc -update", name)
	}
}
