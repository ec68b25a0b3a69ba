//go:build unix

package explain

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// A provocation makes the real go command fail in one way.
type provocation struct {
	name     string
	want     string // the entry of the catalogue that must come first
	files    string // a txtar archive: the project
	env      []string
	run      string // commands, one a line, whose last is what is recorded; "- " may fail, "cd DIR " runs there
	do       func(w *world)
	record   bool   // takes too long, or needs too much of the machine, for each run of the tests
	succeeds bool   // it only warns
	several  bool   // the output tells of more than one failure
	since    string // the first go version that says so; "": all
	until    string // the first that no longer does
}

const (
	project = "-- go.mod --\nmodule example.com/project\n\ngo 1.20\n"
	wantLib = project + "\nrequire example.com/lib v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/lib\"\n"
	get     = "go mod download example.com/lib@v1.0.0"
)

// provocations returns all of them.
func provocations() []provocation {
	var all []provocation
	for _, some := range [][]provocation{networkProvocations(), proxyProvocations(), originProvocations(), sumProvocations(), versionProvocations(), projectProvocations(), settingProvocations(), machineProvocations()} {
		all = append(all, some...)
	}
	return all
}

func networkProvocations() []provocation {
	silent := func(net.Conn) {}
	say := func(text string) func(net.Conn) {
		return func(c net.Conn) { c.Write([]byte(text)); c.(*net.TCPConn).CloseWrite() }
	}
	serve := func(w *world, template x509.Certificate, trusted bool) {
		url, authority := w.tls(template)
		if trusted {
			w.set("SSL_CERT_FILE=" + w.write("ca.pem", authority, 0o666))
		}
		w.set("GOPROXY=" + url)
	}
	local := []net.IP{net.IPv4(127, 0, 0, 1)}
	breaks := func(match string, f godowntest.Fault) func(w *world) {
		return func(w *world) { w.up.Break(match, f) }
	}
	return []provocation{
		{name: "timeout-dial", want: "timeout", run: get, record: true, do: func(w *world) { w.set("GOPROXY=http://" + w.full()) }},
		{name: "timeout-tls", want: "timeout-tls", run: get, record: true, do: func(w *world) { w.set("GOPROXY=https://" + w.listen(silent)) }},
		{name: "refused", want: "refused", run: get, env: []string{"GOPROXY=$CLOSED"}},
		{name: "refused-later", want: "refused", files: wantLib, run: "go mod tidy", env: []string{"GOPROXY=$UP,$CLOSED"}, do: breaks("lib", godowntest.Status(404, "not here"))},
		{name: "reset", want: "reset", run: get, do: breaks("", godowntest.Reset(-1))},
		{name: "reset-zip", want: "broke-off", record: true, run: get, do: breaks("zip$", godowntest.Reset(100))},
		{name: "eof", want: "reset", run: get, do: breaks("", godowntest.Cut(-1))},
		{name: "eof-zip", want: "broke-off", run: get, do: breaks("zip$", godowntest.Cut(100))},
		{name: "no-such-host", want: "no-such-host", run: get, env: []string{"GOPROXY=https://goproxy..example"}},
		{name: "no-such-host-tidy", want: "no-such-host", files: wantLib, run: "go mod tidy", env: []string{"GOPROXY=https://goproxy..example,direct"}},
		{name: "no-such-host-dns", want: "no-such-host", run: get, record: true, env: []string{"GOPROXY=https://goproxy.example"}, do: func(w *world) { w.isolate("3", "127.0.0.1") }},
		{name: "dns-misbehaving", want: "dns-failing", run: get, record: true, env: []string{"GOPROXY=https://goproxy.example"}, do: func(w *world) { w.isolate("2", "127.0.0.1") }},
		{name: "dns-refused", want: "dns-failing", run: get, record: true, env: []string{"GOPROXY=https://goproxy.example"}, do: func(w *world) { w.isolate("", "127.0.0.1") }},
		{name: "dns-unreachable", want: "dns-failing", run: get, record: true, env: []string{"GOPROXY=https://goproxy.example"}, do: func(w *world) { w.isolate("", "192.0.2.53") }},
		{name: "unreachable", want: "unreachable", run: get, record: true, env: []string{"GOPROXY=http://192.0.2.1:8080"}, do: func(w *world) { w.isolate("", "127.0.0.1") }},
		{name: "unreachable-ipv6", want: "unreachable", run: get, record: true, env: []string{"GOPROXY=http://[2001:db8::1]:8080"}, do: func(w *world) { w.isolate("", "127.0.0.1") }},
		{name: "proxyconnect-refused", want: "outbound-proxy", run: get, env: []string{"GOPROXY=https://goproxy.example", "HTTPS_PROXY=$CLOSED"}},
		{name: "proxyconnect-502", want: "outbound-proxy", run: get, do: func(w *world) { w.set("HTTPS_PROXY=" + w.host().URL) }, env: []string{"GOPROXY=https://goproxy.example"}},
		{name: "proxyconnect-407", want: "outbound-proxy-login", run: get, do: func(w *world) {
			s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(407) }))
			w.t.Cleanup(s.Close)
			w.set("HTTPS_PROXY=" + s.URL)
		}, env: []string{"GOPROXY=https://goproxy.example"}},
		{name: "https-on-http", want: "https-on-http", run: get, do: func(w *world) { w.set("GOPROXY=" + strings.Replace(w.up.URL, "http:", "https:", 1)) }},
		{name: "http-on-https", want: "proxy-refuses", run: get, do: func(w *world) {
			url, _ := w.tls(x509.Certificate{IPAddresses: local})
			w.set("GOPROXY=" + strings.Replace(url, "https:", "http:", 1))
		}},
		{name: "malformed-http", want: "malformed-http", run: get, do: func(w *world) { w.set("GOPROXY=http://" + w.listen(say("SSH-2.0-OpenSSH_9.2\r\n"))) }},
		{name: "not-tls", want: "malformed-http", run: get, do: func(w *world) { w.set("GOPROXY=https://" + w.listen(say("SSH-2.0-OpenSSH_9.2\r\n"))) }},
		{name: "unknown-authority", want: "unknown-authority", run: get, do: func(w *world) { serve(w, x509.Certificate{IPAddresses: local}, false) }},
		{name: "no-authority-at-all", want: "unknown-authority", run: get, env: []string{"SSL_CERT_FILE=/nonexistent", "SSL_CERT_DIR=/nonexistent"}, do: func(w *world) { serve(w, x509.Certificate{IPAddresses: local}, false) }},
		{name: "certificate-expired", want: "certificate-time", run: get, do: func(w *world) {
			serve(w, x509.Certificate{IPAddresses: local, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)}, true)
		}},
		{name: "certificate-not-yet", want: "certificate-time", run: get, do: func(w *world) {
			serve(w, x509.Certificate{IPAddresses: local, NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour)}, true)
		}},
		{name: "certificate-name", want: "certificate-name", run: get, do: func(w *world) { serve(w, x509.Certificate{DNSNames: []string{"other.example"}}, true) }},
		{name: "certificate-ip", want: "certificate-name", run: get, do: func(w *world) {
			serve(w, x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}, true)
		}},
	}
}

// full returns the address of a listener that lets nobody in any more.
func (w *world) full() string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		w.t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		w.t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		w.t.Fatal(err)
	}
	l := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}
	for {
		c, err := net.DialTimeout("tcp", l.String(), time.Second)
		if err != nil {
			return l.String()
		}
		w.t.Cleanup(func() { c.Close() })
	}
}

// isolate makes the go command run with a network of its own, which has only
// loopback, and with that name server.
func (w *world) isolate(how, nameserver string) {
	resolv := w.write("resolv.conf", []byte("nameserver "+nameserver+"\noptions timeout:1 attempts:1\n"), 0o666)
	self, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	begin := ""
	if how != "" {
		begin = "EXPLAIN_DNS=" + how + " " + self + " >/dev/null 2>&1 & dns=$!; sleep 1; "
	}
	w.set("HTTP_PROXY=", "HTTPS_PROXY=")
	script := "#!/bin/sh\nunshare -Urnm sh -c 'ip link set lo up; mount --bind " + resolv + " /etc/resolv.conf; " + begin + `"$@"; code=$?; kill $dns 2>/dev/null; exit $code' sh ` + w.goes + " \"$@\"\n"
	w.goes = w.write("isolated/go", []byte(script), 0o777)
}

func proxyProvocations() []provocation {
	status := func(code int, text string) func(w *world) {
		return func(w *world) { w.up.Break("", godowntest.Status(code, text)) }
	}
	other := []string{"GOPROXY=$UP,$CLOSED"}
	req := godown.Request{Kind: godown.Zip, Path: "example.com/lib", Version: "v1.0.0"}
	ours := func(err error) func(w *world) { return func(w *world) { w.ours(err) } }
	return []provocation{
		{name: "proxy-400", want: "proxy-refuses", run: get, do: status(400, "bad request: invalid module path")},
		{name: "proxy-401", want: "proxy-login", run: get, do: status(401, "who are you?")},
		{name: "proxy-403", want: "proxy-403", run: get, do: status(403, "forbidden by policy"), env: other},
		{name: "proxy-403-tidy", want: "proxy-403", files: wantLib, run: "go mod tidy", do: status(403, "forbidden by policy"), env: other},
		{name: "proxy-404", want: "not-found", run: get, do: status(404, "not found: example.com/lib")},
		{name: "proxy-404-list", want: "not-found", run: "go list -m -versions example.com/lib@latest", do: status(404, "not found: example.com/lib")},
		{name: "proxy-410", want: "not-found", run: get, do: status(410, "gone")},
		{name: "proxy-429", want: "proxy-429", run: get, do: status(429, "slow down"), env: other},
		{name: "proxy-500", want: "proxy-5xx", run: get, do: status(500, "")},
		{name: "proxy-502", want: "proxy-5xx", run: get, do: status(502, "<html><body>502 Bad Gateway nginx</body></html>"), env: other},
		{name: "proxy-503", want: "proxy-5xx", run: get, do: status(503, "maintenance")},
		{name: "proxy-504", want: "proxy-5xx", files: wantLib, run: "go mod tidy", do: status(504, "timed out waiting for origin")},
		{name: "proxy-login-page", want: "not-a-module", run: get, do: func(w *world) { w.up.Break("", godowntest.LoginPage()) }},
		{name: "proxy-login-page-zip", want: "bad-zip", run: get, do: func(w *world) { w.up.Break("zip$", godowntest.LoginPage()) }},
		{name: "proxy-cut-zip", want: "bad-zip", run: get, do: func(w *world) { w.up.Break("zip$", godowntest.Shorten(100)) }},
		{name: "proxy-evil-zip", want: "bad-zip", run: get, do: func(w *world) {
			w.up.Break("zip$", godowntest.Replace("application/zip", godowntest.EvilZips("example.com/lib", "v1.0.0")["outside"]))
		}},
		{name: "proxy-old-404", want: "not-found", run: "go mod download example.com/lib@v1.0.7"},
		{name: "query-unknown", want: "unknown-revision", run: "go mod download example.com/lib@nosuchbranch", do: func(w *world) {
			w.up.Break("nosuchbranch", godowntest.Status(404, "not found: example.com/lib@nosuchbranch: invalid version: unknown revision nosuchbranch"))
		}},
		{name: "requires-gone", want: "not-found", files: project + "\nrequire example.com/left v1.0.0\n-- p.go --\npackage p\n\nimport _ \"example.com/left\"\n", run: "go mod tidy"},

		{name: "godown-denied", want: "godown-denied", run: get, do: ours(&godown.Denied{Rule: "cooldown", Reason: "example.com/lib v1.0.0 is 2 days old; versions are served from the 7th day on"})},
		{name: "godown-denied-tidy", want: "godown-denied", files: wantLib, run: "go mod tidy", do: ours(&godown.Denied{Rule: "deny", Reason: "example.com/lib is not to be used here"})},
		{name: "godown-unverified", want: "godown-unverified", run: get, do: ours(&godown.Unverified{Request: req, By: "checksum database sum.golang.org", Err: errors.New("dial tcp 192.0.2.1:443: i/o timeout")})},
		{name: "godown-unrecorded", want: "godown-unrecorded", run: get, do: ours(&godown.Unverified{Request: req, By: "checksum database sum.golang.org", Absent: true, Err: errors.New("404 Not Found")})},
		{name: "godown-mismatch", want: "godown-mismatch", run: get, do: ours(&godown.Mismatch{Request: req, Reason: "the checksum database has another hash"})},
		{name: "godown-busy", want: "godown-busy", run: get, do: ours(&godown.Busy{Text: "64 are allowed", After: time.Second})},
		{name: "godown-limited", want: "godown-upstream", run: get, do: ours(&godown.Busy{Who: "goproxy.cn", Text: "429 Too Many Requests"})},
		{name: "godown-upstream", want: "godown-upstream", run: get, do: ours(&godown.BadStatus{Who: "goproxy.cn", Code: 502, Text: "upstream goproxy.cn answered 502 Bad Gateway for example.com/lib/@v/v1.0.0.info"})},
		{name: "godown-security", want: "godown-security", run: get, do: ours(&godown.SecurityError{Database: "sum.golang.org", Detail: "it has signed two histories"})},
	}
}

// simple is a repository with two tags.
const simple = `put go.mod "module github.com/acme/simple\n"
put simple.go "package simple\n"
commit One
tag v1.0.0
put simple.go "package simple // more\n"
commit Two
tag v1.1.0
`

func originProvocations() []provocation {
	const ask = "go list -m github.com/acme/simple@v1.0.0"
	hosted := func(script string, more ...func(w *world, h *godowntest.GitHost)) func(w *world) {
		return func(w *world) {
			h := w.host()
			w.repo = h.RepoText(w.t, "github.com/acme/simple", script)
			for _, f := range more {
				f(w, h)
			}
		}
	}
	type both = func(w *world, h *godowntest.GitHost)
	page := func(name string, code int, text string) both {
		return func(w *world, h *godowntest.GitHost) {
			h.Handle(name, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(code); rw.Write([]byte(text)) }))
		}
	}
	// ssh stands in for the ssh command: what it says is what OpenSSH 9.2 says, where there is no server to say it.
	ssh := func(text string) both {
		return func(w *world, h *godowntest.GitHost) {
			h.Import("vanity.example/mod", "git", "ssh://git@git.example/mod.git", "")
			w.set("GIT_SSH_COMMAND=" + w.write("ssh", []byte("#!/bin/sh\nprintf '"+text+"' >&2\nexit 255\n"), 0o777))
			w.set("GOVCS=*:all")
		}
	}
	login := func(w *world, h *godowntest.GitHost) {
		h.Login("github.com/acme/simple", godowntest.BasicLogin("u", "p"))
	}
	const vanity = "go list -m vanity.example/mod@v1.0.0"
	return []provocation{
		{name: "import-404", want: "import-404", run: vanity, do: hosted(simple, page("vanity.example/mod", 404, "no"))},
		{name: "import-403", want: "import-403", run: vanity, do: hosted(simple, page("vanity.example/mod", 403, "no"))},
		{name: "import-500", want: "import-5xx", run: vanity, do: hosted(simple, page("vanity.example/mod", 500, "no"))},
		{name: "import-no-meta", want: "import-no-meta", run: vanity, do: hosted(simple, page("vanity.example/mod", 200, "<html><head></head></html>"))},
		{name: "import-parse", want: "import-parse", run: vanity, do: hosted(simple, page("vanity.example/mod", 200, "<html><head><meta name='go-import' content='x'></ <</head></html>"))},
		{name: "import-unreachable", want: "outbound-proxy", run: "go list -m nosuch.example/mod@v1.0.0", do: hosted(simple)},
		{name: "import-refused", want: "refused", run: "go list -m 127.0.0.78/mod@v1.0.0", do: func(w *world) { w.set("GOPROXY=direct", "GONOSUMDB=*") }},
		{name: "import-no-dot", want: "import-no-dot", run: "go get corp/mod@v1.0.0", files: project, env: []string{"GOPROXY=direct"}},
		{name: "terminal-prompts", want: "git-login", run: ask, do: hosted(simple, login)},
		{name: "no-username", want: "git-login", run: ask, env: []string{"GIT_TERMINAL_PROMPT=1"}, do: func(w *world) { hosted(simple, login)(w); w.detach() }},
		{name: "wrong-password", want: "git-login", run: ask, do: hosted(simple, login, func(w *world, h *godowntest.GitHost) {
			os.WriteFile(filepath.Join(h.Home, ".netrc"), []byte("machine github.com login u password wrong\n"), 0o600)
		})},
		{name: "repository-not-found", want: "git-not-found", run: "go list -m github.com/acme/nosuch@v1.0.0", do: hosted(simple)},
		{name: "publickey", want: "ssh-key", run: vanity, do: hosted(simple, ssh(`git@git.example: Permission denied (publickey).\n`))},
		{name: "host-key", want: "ssh-host-key", run: vanity, do: hosted(simple, ssh(`No ED25519 host key is known for git.example and you have requested strict checking.\nHost key verification failed.\n`))},
		{name: "host-key-changed", want: "ssh-host-key-changed", run: vanity, do: hosted(simple, ssh(`@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\nIT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\nHost key verification failed.\n`))},
		{name: "no-ssh", want: "no-ssh", run: vanity, do: hosted(simple, ssh(``), func(w *world, h *godowntest.GitHost) { w.set("GIT_SSH_COMMAND=/nonexistent/ssh") })},
		{name: "no-git", want: "no-vcs", run: ask, env: []string{"PATH=/nonexistent"}, do: hosted(simple)},
		{name: "git-unreachable", want: "outbound-proxy", run: vanity, do: hosted(simple, func(w *world, h *godowntest.GitHost) {
			h.Import("vanity.example/mod", "git", "https://away.example/mod.git", "")
		})},
		{name: "git-refused", want: "git-access", run: vanity, do: hosted(simple, func(w *world, h *godowntest.GitHost) {
			h.Import("vanity.example/mod", "git", "https://"+w.closed()+"/mod.git", "")
			w.set("NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
		})},
		{name: "git-no-host", want: "git-access", run: vanity, do: hosted(simple, func(w *world, h *godowntest.GitHost) {
			h.Import("vanity.example/mod", "git", "https://git.corp.onion/mod.git", "")
			w.set("NO_PROXY=git.corp.onion", "no_proxy=git.corp.onion")
		})},
		{name: "git-certificate", want: "git-certificate", run: ask, do: hosted(simple, func(w *world, h *godowntest.GitHost) {
			w.set("GIT_SSL_CAINFO=" + w.write("none.pem", nil, 0o666))
		})},
		{name: "git-500", want: "git-access", run: ask, do: hosted(simple, func(w *world, h *godowntest.GitHost) {
			h.Break("info/refs", godowntest.Status(500, "no"))
		})},
		{name: "git-cut", want: "git-broke-off", run: ask, do: hosted(simple, func(w *world, h *godowntest.GitHost) {
			h.Break("fetch$", godowntest.Cut(50))
		})},
		{name: "dubious-ownership", want: "vcs-status", files: project + "-- main.go --\npackage main\n\nfunc main() {}\n", run: "git init -q\ngo list -buildvcs=true -f {{.Stale}} .", env: []string{"GIT_TEST_ASSUME_DIFFERENT_OWNER=1"}},
		{name: "vcs-status", want: "vcs-status", files: project + "-- main.go --\npackage main\n\nfunc main() {}\n-- .git/HEAD --\nnonsense\n", run: "go list -buildvcs=true -f {{.Stale}} ."},
		{name: "govcs", want: "govcs", run: ask, env: []string{"GOVCS=*:off"}, do: hosted(simple)},
		{name: "govcs-public", want: "govcs", run: vanity, do: hosted(simple, func(w *world, h *godowntest.GitHost) {
			h.Import("vanity.example/mod", "bzr", "https://bzr.example/mod", "")
		})},
		{name: "govcs-hg", want: "no-vcs", run: vanity, do: hosted(simple, func(w *world, h *godowntest.GitHost) {
			h.Import("vanity.example/mod", "hg", "https://hg.example/mod", "")
		})},
		{name: "insecure-http", want: "git-access", run: vanity, do: hosted(simple, func(w *world, h *godowntest.GitHost) {
			h.Import("vanity.example/mod", "git", "http://git.example/mod", "")
		})},

		{name: "unknown-revision", want: "unknown-revision", run: "go list -m github.com/acme/simple@v1.0.7", do: hosted(simple)},
		{name: "unknown-branch", want: "unknown-revision", run: "go list -m github.com/acme/simple@nosuch", do: hosted(simple)},
		{name: "unknown-commit", want: "unknown-revision", files: project, run: "go get github.com/acme/simple@0123456789ab", do: hosted(simple)},
		{name: "pseudo-no-commit", want: "unknown-revision", run: "go list -m github.com/acme/simple@v0.0.0-20200101000000-0123456789ab", do: hosted(simple)},
		{name: "pseudo-date", want: "pseudo-version", run: "go list -m github.com/acme/simple@v1.0.1-0.20010101000000-${HASH}", do: hosted(simple)},
		{name: "pseudo-base", want: "pseudo-version", run: "go list -m github.com/acme/simple@v1.9.1-0.${TIME}-${HASH}", do: hosted(simple)},
		{name: "pseudo-short", want: "unknown-revision", run: "go list -m github.com/acme/simple@v1.0.1-0.${TIME}-abc${HASH}", do: hosted(simple)},
		{name: "major-suffix", want: "major-suffix", run: "go list -m github.com/acme/simple@v2.0.0", do: hosted(simple + "tag v2.0.0\n")},
		{name: "major-in-go-mod", want: "major-suffix", run: "go list -m github.com/acme/simple@v2.0.0", do: hosted(simple + "put go.mod \"module github.com/acme/simple/v2\\n\"\ncommit Three\ntag v2.0.0\n")},
		{name: "major-missing-go-mod", want: "major-suffix", run: "go list -m github.com/acme/simple/v2@v2.0.0", do: hosted(simple + "tag v2.0.0\n")},
		{name: "major-wrong-suffix", want: "major-suffix", run: "go list -m github.com/acme/simple/v2@v1.0.0", do: hosted(simple)},
		{name: "subdirectory-tag", want: "unknown-revision", run: "go list -m github.com/acme/simple/sub@v1.0.0", do: hosted(simple + "put sub/go.mod \"module github.com/acme/simple/sub\\n\"\ncommit Sub\n")},
		{name: "subdirectory-none", want: "no-such-package", files: project, run: "go get github.com/acme/simple/nosuch@v1.0.0", do: hosted(simple)},
	}
}

// detach makes the go command run without a terminal that anything could ask on.
func (w *world) detach() {
	w.goes = w.write("detached/go", []byte("#!/bin/sh\nexec setsid -w "+w.goes+" \"$@\" </dev/null\n"), 0o777)
}

// asNobody makes the go command run as a user to whom nothing belongs.
func (w *world) asNobody() {
	if os.Geteuid() == 0 {
		w.goes = w.write("nobody/go", []byte("#!/bin/sh\nexec setpriv --reuid 65534 --regid 65534 --clear-groups "+w.goes+" \"$@\"\n"), 0o777)
	}
	out, err := exec.Command("chmod", "-R", "a+rX", filepath.Dir(w.dir)).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s", out)
	}
}
