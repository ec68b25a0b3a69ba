package doctor

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
	"golang.org/x/mod/sumdb/dirhash"
)

// Where nothing is wrong nothing is said.
func TestMachineHealthy(t *testing.T) {
	for name, set := range map[string]func(*seat){
		"default": func(s *seat) { s.set("GOPROXY", "https://goproxy.cn,direct") },
		"empty":   func(s *seat) { s.set("GOPROXY", "off") },
		"private": func(s *seat) {
			s.set("GOPRIVATE", "git.corp.test")
			s.set("GONOPROXY", "git.corp.test")
			s.write("home/.netrc", "machine git.corp.test login me password s3cret\n")
		},
		"outbound proxy": func(s *seat) {
			s.Machine.Environ = append(s.Machine.Environ, "HTTPS_PROXY=http://proxy.test:3128", "https_proxy=http://proxy.test:3128",
				"HTTP_PROXY=proxy.test:3128", "NO_PROXY=localhost,127.0.0.1,.corp.test,10.0.0.0/8,*.lan,host.test:8080")
		},
		"socks": func(s *seat) {
			s.Machine.Environ = append(s.Machine.Environ, "HTTPS_PROXY=socks5h://127.0.0.1:1080", "ALL_PROXY=socks5://127.0.0.1:1080")
		},
		"ssh": func(s *seat) {
			s.set("GONOPROXY", "git.corp.test")
			s.write("home/gitconfig", "[url \"git@git.corp.test:\"]\n\tinsteadOf = https://git.corp.test/\n")
			fakeSSH(s, "hostname git.corp.test\nport 22\nstricthostkeychecking ask\nuserknownhostsfile ~/.ssh/known_hosts\nidentityfile ~/.ssh/id_ed25519\n")
			s.write("home/.ssh/known_hosts", "git.corp.test ssh-ed25519 AAAA\n")
			s.write("home/.ssh/id_ed25519", "key")
		},
		"cache of a CI": func(s *seat) {
			s.set("GOMOD", s.write("home/project/go.mod", "module m\n"))
			s.set("GOMODCACHE", filepath.Join(s.home, "project", ".go", "pkg", "mod"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSeat(t)
			s.Resolver = names(t, nil)
			set(s)
			if found := Examine(t.Context(), s.Facts, MachineChecks()); len(found) > 0 {
				t.Error("found", describe(found))
			}
		})
	}
}

// fakeSSH puts an ssh into PATH that says what -G would.
func fakeSSH(s *seat, says string) {
	s.write("home/says", says)
	program := s.write("home/bin/ssh", "#!/bin/sh\ncat '"+filepath.Join(s.home, "says")+"'\n")
	if err := os.Chmod(program, 0o700); err != nil {
		s.t.Fatal(err)
	}
	before := s.Machine.LookPath
	s.Machine.LookPath = func(name string) (string, error) {
		if name == "ssh" {
			return program, nil
		}
		return before(name)
	}
}

func (s *seat) env(list ...string) { s.Machine.Environ = append(s.Machine.Environ, list...) }

// An illness is how a finding is provoked.
type illness struct {
	name     string
	set      func(*seat)
	id       string
	severity Severity
	fix      string // what the first fix's command has
}

// proxyIllnesses are those of outbound proxies.
func proxyIllnesses() []illness {
	return []illness{
		{"case", func(s *seat) { s.env("HTTPS_PROXY=http://a.test:1", "https_proxy=http://me:s3cret@b.test:1") }, "proxy-case", Warning, `export https_proxy="$HTTPS_PROXY"`},
		{"case of NO_PROXY", func(s *seat) { s.env("NO_PROXY=a.test", "no_proxy=b.test") }, "proxy-case", Warning, `no_proxy`},
		{"quotes", func(s *seat) { s.env(`HTTPS_PROXY="http://a.test:1"`) }, "proxy-invalid", Fault, "export HTTPS_PROXY=http://a.test:1"},
		{"socks4", func(s *seat) { s.env("HTTPS_PROXY=socks4://a.test:1080") }, "proxy-invalid", Fault, "socks5://a.test:1080"},
		{"not a URL", func(s *seat) { s.env("HTTPS_PROXY=http://") }, "proxy-invalid", Fault, ""},
		{"http only", func(s *seat) { s.env("HTTP_PROXY=http://a.test:1") }, "proxy-http-only", Warning, `export HTTPS_PROXY="$HTTP_PROXY"`},
		{"all only", func(s *seat) { s.env("all_proxy=socks5://a.test:1") }, "proxy-all-only", Warning, `export HTTPS_PROXY="$all_proxy"`},
		{"cgi", func(s *seat) {
			s.env("HTTP_PROXY=http://a.test:1", "HTTPS_PROXY=http://a.test:1", "REQUEST_METHOD=GET")
			s.set("GOPROXY", "http://mirror.test")
		}, "proxy-cgi", Fault, "unset REQUEST_METHOD"},
		{"wildcard address", func(s *seat) { s.env("HTTPS_PROXY=http://a.test:1", "NO_PROXY=192.168.*") }, "no-proxy-entry", Warning, ""},
		{"semicolon", func(s *seat) { s.env("HTTPS_PROXY=http://a.test:1", "NO_PROXY=a.test;b.test") }, "no-proxy-entry", Warning, ""},
		{"URL", func(s *seat) { s.env("HTTPS_PROXY=http://a.test:1", "NO_PROXY=https://b.test/") }, "no-proxy-entry", Warning, ""},
		{"inner star", func(s *seat) { s.env("HTTPS_PROXY=http://a.test:1", "NO_PROXY=git.*.test") }, "no-proxy-entry", Warning, ""},
		{"range and name", func(s *seat) {
			s.env("HTTPS_PROXY=http://a.test:1", "NO_PROXY=10.0.0.0/8")
			s.set("GOPROXY", "https://mirror.test")
			s.Resolver = names(s.t, map[string][]string{"mirror.test": {"10.1.2.3"}})
		}, "no-proxy-cidr", Warning, "export NO_PROXY=10.0.0.0/8,mirror.test"},
		{"internal", func(s *seat) {
			s.env("HTTPS_PROXY=http://a.test:1")
			s.set("GOPROXY", "https://goproxy.corp.test.internal")
		}, "proxy-internal", Hint, "export NO_PROXY=goproxy.corp.test.internal"},
		{"https.proxy", func(s *seat) { s.write("home/gitconfig", "[https]\n\tproxy = http://a.test:1\n") }, "git-https-proxy", Hint, "git config --global --unset https.proxy"},
		{"git's proxy", func(s *seat) { s.write("home/gitconfig", "[http]\n\tproxy = http://a.test:1\n") }, "git-proxy-only", Hint, "export HTTPS_PROXY=http://a.test:1"},
		{"git trusts all", func(s *seat) {
			s.write("home/gitconfig", "[http]\n\tsslVerify = false\n")
			s.set("GONOPROXY", "git.corp.test")
		}, "git-no-verify", Warning, "git config --global --unset-all http.sslverify"},
		{"git trusts all of a host", func(s *seat) {
			s.write("home/gitconfig", "[http \"https://me:s3cret@git.corp.test/\"]\n\tsslVerify = false\n")
			s.env("GIT_SSL_NO_VERIFY=1")
			s.set("GONOPROXY", "git.corp.test")
		}, "git-no-verify", Warning, "unset GIT_SSL_NO_VERIFY"},
		{"git's proxy is gone", func(s *seat) {
			s.write("home/gitconfig", "[http \"https://github.com\"]\n\tproxy = http://"+closedAddr(s.t)+"\n")
			s.set("GOPROXY", "https://goproxy.cn,direct")
		}, "git-proxy-dead", Warning, "git config --global --unset-all http.https://github.com.proxy"},
		{"private host by ssh", func(s *seat) {
			s.set("GOPROXY", "https://goproxy.cn,direct")
			s.write("home/gitconfig", "[url \"git@git.corp.example.test:\"]\n\tinsteadOf = https://git.corp.example.test/\n")
			s.without("ssh")
			s.env("GIT_SSH_COMMAND=other")
		}, "git-host-unnamed", Hint, "go env -w GOPRIVATE=git.corp.example.test"},
	}
}

// loginIllnesses are those of git, ssh and credentials.
func loginIllnesses() []illness {
	rule := "[url \"ssh://git@git.corp.test:2222/\"]\n\tinsteadOf = https://git.corp.test/\n"
	return []illness{
		{"no git", func(s *seat) { s.set("GONOPROXY", "git.corp.test"); s.without("git") }, "git-missing", Fault, ""},
		{"no git, alpine", func(s *seat) {
			s.write("root/etc/os-release", "NAME=\"Alpine Linux\"\nID=alpine\n")
			s.write("root/.dockerenv", "")
			s.set("GOPROXY", "direct")
			s.without("git")
		}, "git-missing", Fault, "apk add --no-cache git"},
		{"no git, perhaps", func(s *seat) { s.set("GOPROXY", "https://goproxy.cn,direct"); s.without("git") }, "git-missing", Hint, ""},
		{"old git", func(s *seat) {
			s.set("GOPROXY", "direct")
			program := s.write("home/bin/git", "#!/bin/sh\necho git version 1.8.3.1\n")
			if err := os.Chmod(program, 0o700); err != nil {
				s.t.Fatal(err)
			}
			s.Machine.LookPath = func(string) (string, error) { return program, nil }
		}, "git-old", Warning, ""},
		{"no ssh", func(s *seat) { s.set("GONOPROXY", "git.corp.test"); s.write("home/gitconfig", rule); s.without("ssh") }, "ssh-missing", Fault, ""},
		{"unknown host", func(s *seat) {
			s.set("GONOPROXY", "git.corp.test")
			s.env("SSH_AUTH_SOCK=/agent")
			s.write("home/gitconfig", rule)
			fakeSSH(s, "hostname git.corp.test\nport 2222\nstricthostkeychecking ask\nuserknownhostsfile ~/.ssh/known_hosts\n")
			s.write("home/.ssh/known_hosts", "git.corp.test ssh-ed25519 AAAA\n") // of another port
		}, "ssh-host-unknown", Warning, "mkdir -p -m 700 ~/.ssh && ssh-keyscan -p 2222 git.corp.test >> ~/.ssh/known_hosts"},
		{"no key", func(s *seat) {
			s.set("GONOPROXY", "git.corp.test")
			s.write("home/gitconfig", rule)
			fakeSSH(s, "hostname git.corp.test\nport 2222\nuserknownhostsfile ~/.ssh/known_hosts\nidentityfile ~/.ssh/id_ed25519\n")
			s.write("home/.ssh/known_hosts", "[git.corp.test]:2222 ssh-ed25519 AAAA\n")
		}, "ssh-no-key", Warning, "ssh-keygen -t ed25519"},
		{"netrc for others", func(s *seat) {
			file := s.write("home/.netrc", "machine a.test login me password s3cret\n")
			for name, mode := range map[string]fs.FileMode{file: 0o644, filepath.Dir(filepath.Dir(filepath.Dir(file))): 0o755, filepath.Dir(file): 0o755} {
				if err := os.Chmod(name, mode); err != nil {
					s.t.Fatal(err)
				}
			}
		}, "netrc-mode", Warning, "chmod 600 "},
		{"netrc without password", func(s *seat) { s.write("home/.netrc", "machine a.test login me\n") }, "netrc-incomplete", Warning, ""},
		{"netrc after default", func(s *seat) {
			s.write("home/.netrc", "machine a.test\nlogin me\npassword s3cret\nmachine b.test\nlogin me\n")
		}, "netrc-incomplete", Warning, ""},
		{"netrc default", func(s *seat) { s.write("home/.netrc", "default login me password s3cret\n") }, "netrc-default", Hint, ""},
		{"netrc port", func(s *seat) {
			s.write("home/.netrc", "machine mirror.test login me password s3cret\n")
			s.set("GOPROXY", "https://mirror.test:8443")
		}, "netrc-port", Warning, ""},
		{"netrc http", func(s *seat) {
			s.write("home/.netrc", "machine mirror.test login me password s3cret\n")
			s.set("GOPROXY", "http://mirror.test")
		}, "netrc-http", Warning, ""},
		{"NETRC", func(s *seat) { s.env("NETRC=" + filepath.Join(s.home, "nothing")) }, "netrc-absent", Warning, "unset NETRC"},
		{"netrc is a folder", func(s *seat) { s.write("home/.netrc/x", "") }, "netrc-unreadable", Warning, "chown"},
	}
}

// folderIllnesses are those of certificates, folders and name servers.
func folderIllnesses() []illness {
	return []illness{
		{"no authorities", func(s *seat) {
			s.write("root/etc/os-release", "ID=alpine\n")
			s.write("root/.dockerenv", "")
			s.write("root/etc/ssl/certs/ca-certificates.crt", "")
		}, "ca-missing", Fault, "apk add --no-cache ca-certificates"},
		{"SSL_CERT_FILE", func(s *seat) { s.env("SSL_CERT_FILE=" + filepath.Join(s.home, "nothing")) }, "ca-variable", Warning, "unset SSL_CERT_FILE"},
		{"SSL_CERT_DIR", func(s *seat) {
			s.env("SSL_CERT_FILE="+filepath.Join(s.home, "x"), "SSL_CERT_DIR="+filepath.Join(s.home, "none"))
			s.write("home/x", "-----BEGIN CERTIFICATE-----")
		}, "ca-variable", Warning, "unset SSL_CERT_DIR"},
		{"no home", func(s *seat) { s.set("GOCACHE", ""); s.set("GOMODCACHE", "") }, "home-missing", Fault, "export HOME="},
		{"cache is a file", func(s *seat) { s.write("home/go", "") }, "modcache-unwritable", Fault, "go env -u GOMODCACHE"},
		{"build cache is a file", func(s *seat) { s.write("home/cache", "") }, "gocache-unwritable", Fault, "go env -u GOCACHE"},
		{"cache in project", func(s *seat) {
			s.set("GOMOD", s.write("home/project/go.mod", "module m\n"))
			s.set("GOMODCACHE", filepath.Join(s.home, "project", "cache"))
		}, "modcache-in-project", Hint, "go env -u GOMODCACHE"},
		{"GOTMPDIR", func(s *seat) { s.set("GOTMPDIR", filepath.Join(s.home, "nothing")) }, "temp-missing", Fault, "mkdir -p "},
		{"TMPDIR", func(s *seat) { s.env("TMPDIR=" + filepath.Join(s.home, "nothing")) }, "temp-missing", Fault, "mkdir -p "},
		{"slow disk", func(s *seat) {
			s.write("home/go/pkg/mod/x", "")
			now := time.Now()
			s.Now = func() time.Time { now = now.Add(time.Second); return now }
		}, "disk-slow", Hint, ""},
		{"hijack", func(s *seat) { s.Resolver = names(s.t, map[string][]string{"*": {"203.0.113.7"}}) }, "dns-hijack", Warning, ""},
	}
}

// Each finding is provoked by what it is about.
func TestMachineFindings(t *testing.T) {
	for _, c := range slices.Concat(proxyIllnesses(), loginIllnesses(), folderIllnesses()) {
		t.Run(c.name, func(t *testing.T) {
			s := newSeat(t)
			s.Resolver = names(t, nil)
			c.set(s) // before others fork: a program that is open for writing cannot be run
			t.Parallel()
			f := only(t, Examine(t.Context(), s.Facts, MachineChecks()), c.id)
			if f.Severity != c.severity || !strings.Contains(f.Fixes[0].Command, c.fix) {
				t.Errorf("severity %s, first fix %q", f.Severity, f.Fixes[0].Command)
			}
		})
	}
}

// What only a machine that is ill can show is shown by one that says so.
func TestMachineIll(t *testing.T) {
	well := room{free: 100 << 30, files: 1e6}
	for _, c := range []struct {
		name string
		m    machine
		ids  []string
	}{
		{"well", machine{}, nil},
		{"full", machine{room: func(string) (room, bool) { return room{free: 1 << 20, files: 1e6}, true }}, []string{"disk-full", "disk-full"}},
		{"tight", machine{room: func(string) (room, bool) { return room{free: 500 << 20, files: 1e6}, true }}, []string{"disk-tight", "disk-tight"}},
		{"inodes", machine{room: func(string) (room, bool) { return room{free: 100 << 30, files: 3}, true }}, []string{"disk-inodes", "disk-inodes"}},
		{"btrfs", machine{room: func(string) (room, bool) { return room{free: 100 << 30, countless: true}, true }}, nil},
		{"nfs", machine{room: func(string) (room, bool) { return room{free: 100 << 30, files: 1e6, network: "nfs"}, true }}, []string{"cache-network", "cache-network"}},
		{"noexec", machine{room: func(string) (room, bool) { return room{free: 100 << 30, files: 1e6, noPrograms: true}, true }}, []string{"temp-noexec"}},
		{"root's", machine{uid: 1000, owner: func(fs.FileInfo) (int, bool) { return 0, true }}, []string{"modcache-owner"}},
		{"few files", machine{files: func() (uint64, bool) { return 64, true }}, []string{"files-limit"}},
	} {
		s := newSeat(t)
		s.write("home/go/pkg/mod/cache/download/x", "")
		if c.m.room == nil {
			c.m.room = func(string) (room, bool) { return well, true }
		}
		if c.m.owner == nil {
			c.m.owner = func(fs.FileInfo) (int, bool) { return c.m.uid, true }
		}
		if c.m.files == nil {
			c.m.files = func() (uint64, bool) { return 1024, true }
		}
		var found []Finding
		for _, check := range []func(context.Context, *Facts) []Finding{c.m.checkFolders, c.m.checkTemp, c.m.checkLimits} {
			found = append(found, check(t.Context(), s.Facts)...)
		}
		if got := ids(found); !slices.Equal(got, c.ids) {
			t.Errorf("%s: found %v, want %v", c.name, got, c.ids)
		}
		for _, f := range found {
			wholesome(t, f)
		}
	}
}

// What this system says of itself can be true.
func TestThisMachine(t *testing.T) {
	m := thisMachine()
	if r, ok := m.room(t.TempDir()); (runtime.GOOS == "linux" || runtime.GOOS == "darwin") && (!ok || r.free == 0) {
		t.Errorf("%+v %v", r, ok)
	}
	if info, err := os.Stat(t.TempDir()); err != nil {
		t.Error(err)
	} else if uid, ok := m.owner(info); ok && uid != m.uid {
		t.Errorf("a folder of ours belongs to %d, and we are %d", uid, m.uid)
	}
}

// Damaged files of the module cache are found, and whole ones are not; what
// the fix removes the go command fetches again.
func TestCacheFiles(t *testing.T) {
	zip := godowntest.Zip(godowntest.Entry{Name: "example.test/!a@v1.0.0/go.mod", Data: []byte("module example.test/A\n")})
	const at = "home/go/pkg/mod/cache/download/example.test/!a/@v/v1.0.0"
	for _, c := range []struct {
		name string
		hurt func(s *seat)
		id   string
	}{
		{"whole", func(*seat) {}, ""},
		{"locks and partial", func(s *seat) { s.write(at+".lock", ""); s.write(at+".partial", "") }, ""},
		{"empty", func(s *seat) { s.write(at+".zip", "") }, "modcache-damaged"},
		{"cut", func(s *seat) { s.write(at+".zip", string(zip[:40])) }, "modcache-damaged"},
		{"other hash", func(s *seat) { s.write(at+".ziphash", "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=") }, "modcache-damaged"},
		{"no hash", func(s *seat) { s.write(at+".ziphash", "\x00\x00\x00") }, "modcache-damaged"},
		{"go.sum", func(s *seat) {
			s.write("home/project/go.sum", "example.test/A v1.0.0 h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
		}, "modcache-damaged"},
		{"go.mod", func(s *seat) {
			s.write("home/project/go.sum", "example.test/A v1.0.0/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")
		}, "modcache-damaged"},
	} {
		s := newSeat(t)
		s.set("GOMOD", s.write("home/project/go.mod", "module m\n"))
		file := s.write(at+".zip", string(zip))
		sum, err := dirhash.HashZip(file, dirhash.Hash1)
		if err != nil {
			t.Fatal(err)
		}
		s.write(at+".ziphash", sum)
		s.write(at+".mod", "module example.test/A\n")
		c.hurt(s)
		found := checkCacheFiles(t.Context(), s.Facts)
		if c.id == "" {
			if len(found) > 0 {
				t.Errorf("%s: found %s", c.name, describe(found))
			}
			continue
		}
		f := only(t, found, c.id)
		if !strings.Contains(f.Evidence[0].En, "example.test/A v1.0.0") {
			t.Errorf("%s: %s", c.name, f.Evidence[0].En)
		}
		if err := f.Fixes[0].Do(t.Context()); err != nil {
			t.Error(err)
		}
		if again := checkCacheFiles(t.Context(), s.Facts); len(again) > 0 {
			t.Errorf("%s: it is found again once it was mended: %s", c.name, describe(again))
		}
	}
}
