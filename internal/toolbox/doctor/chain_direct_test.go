package doctor

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godown-dev/godown/internal/godowntest"
)

// repository makes one with a commit, and returns its folder.
func (s *seat) repository(name string) string {
	s.t.Helper()
	dir := filepath.Join(s.home, name)
	for _, args := range [][]string{
		{"init", "-q", dir},
		{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@b.test", "commit", "-q", "--allow-empty", "-m", "first"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Env = s.Machine.Environ
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("git %v: %v %s", args, err, out)
		}
	}
	return dir
}

// A private module is looked for at its host, by the page that it has there and by git.
func TestChainDirect(t *testing.T) {
	ca := newAuthority(t, "Corp CA")
	page := func(meta string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "go-get=1" {
				http.NotFound(w, r)
				return
			}
			fmt.Fprint(w, "<html><head>"+meta+"</head><body>sign in</body></html>")
		})
	}
	at := func(h http.Handler) string {
		u := serveTLS(t, h, &tls.Config{Certificates: []tls.Certificate{ca.sign(-1, 1, "git.corp.test")}})
		return strings.TrimPrefix(u, "https://127.0.0.1:")
	}
	needsLogin := serveHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	for _, c := range []struct {
		name, page string
		rule       string // where git goes for https://git.corp.test/; "" is a repository that is there
		path       string
		id         string
	}{
		{name: "works", page: `<meta name="go-import" content="git.corp.test/a git https://git.corp.test/a.git">`},
		{name: "by its path alone", path: "git.corp.test/a.git/sub"},
		{name: "no tag", page: `<meta name="go-import" content="git.corp.test/b git https://git.corp.test/b.git">`, id: "go-import-absent"},
		{name: "strange repository", page: `<meta name="go-import" content="git.corp.test/a git ext::sh">`, id: "go-import-absent"},
		{name: "login", path: "git.corp.test/a.git", rule: needsLogin + "/", id: "git-login"},
		{name: "no repository", path: "git.corp.test/a.git", rule: "file:///nowhere/", id: "git-failed"},
		{name: "unknown host", path: "git.corp.test/a.git", rule: "ssh://git@git.corp.test/", id: "ssh-host-unknown"},
		{name: "key refused", path: "git.corp.test/a.git", rule: "git@git.corp.test:", id: "ssh-key-refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSeat(t)
			s.Roots = ca.pool
			s.Resolver = names(t, map[string][]string{"git.corp.test": {"127.0.0.1"}})
			s.set("GONOPROXY", "git.corp.test")
			rule := c.rule
			if rule == "" {
				s.repository("repos/a.git")
				rule = "file://" + s.home + "/repos/"
			}
			s.write("home/gitconfig", "[url \""+rule+"\"]\n\tinsteadOf = https://git.corp.test/\n[core]\n\tsshCommand = "+s.refusingSSH(c.id)+"\n")
			path := c.path
			if path == "" {
				path = "git.corp.test/a"
				port := at(page(c.page))
				s.connectTo(port)
			}
			t.Parallel() // not before: a program that is open for writing cannot be run
			r := Chain(t.Context(), s.Facts, path)
			if c.id == "" {
				if !r.Works || len(r.Findings()) > 0 {
					t.Errorf("works %v (%s), found %s", r.Works, steps(r.Links[0]), describe(r.Findings()))
				}
				return
			}
			only(t, r.Findings(), c.id)
			if r.Works {
				t.Error("it works")
			}
		})
	}
}

// refusingSSH returns an ssh that says what the real one says in the case of a finding.
func (s *seat) refusingSSH(id string) string {
	says := map[string]string{"ssh-host-unknown": "Host key verification failed.", "ssh-key-refused": "git@git.corp.test: Permission denied (publickey)."}[id]
	file := s.write("home/bin/ssh-"+id, "#!/bin/sh\necho '"+says+"' >&2\nexit 255\n")
	if err := os.Chmod(file, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// connectTo sends all that asks for port 443 through a proxy that goes to a port of loopback.
func (s *seat) connectTo(port string) {
	s.t.Helper()
	s.env("HTTPS_PROXY=" + serveHTTP(s.t, tunnel(port)))
}

// The go command's own understanding of netrc: host and port as in the URL.
func TestNetrcOfGo(t *testing.T) {
	ca := newAuthority(t, "Corp CA")
	up := newMirror(t)
	asked := make(chan bool, 64)
	at := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _, ok := r.BasicAuth()
		asked <- ok
		up.ServeHTTP(w, r)
	}), &tls.Config{Certificates: []tls.Certificate{ca.sign(-1, 1)}})
	host := strings.TrimPrefix(at, "https://")
	for machine, want := range map[string]bool{host: true, "127.0.0.1": false} {
		s := newSeat(t)
		netrc := s.write("home/netrc", "machine "+machine+" login me password s3cret\n")
		cmd := exec.CommandContext(t.Context(), "go", "list", "-m", "-versions", hello)
		cmd.Dir = s.home
		cmd.Env = append(append(os.Environ(), godowntest.GoEnv(s.home, at, "off")...), "GOAUTH=netrc", "NETRC="+netrc, "SSL_CERT_FILE="+s.authorityFile(ca), "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		if got := <-asked; got != want {
			t.Errorf("machine %s: credentials sent: %v", machine, got)
		}
		for len(asked) > 0 {
			<-asked
		}
		s.set("GOPROXY", at)
		s.env("NETRC=" + netrc)
		if found := checkNetrc(t.Context(), s.Facts); (len(found) == 0) != want {
			t.Errorf("machine %s: found %s", machine, describe(found))
		}
	}
}

// Outbound proxies are chosen as net/http chooses them.
func TestProxyRules(t *testing.T) {
	for _, c := range []struct{ env, u, want string }{
		{"HTTPS_PROXY=http://a.test:1", "https://x.test/", "http://a.test:1"},
		{"HTTPS_PROXY=a.test:1", "https://x.test/", "http://a.test:1"},
		{"HTTPS_PROXY=http://a.test:1", "http://x.test/", ""},
		{"HTTPS_PROXY=http://a.test:1", "https://localhost/", ""},
		{"HTTPS_PROXY=http://a.test:1", "https://127.1.2.3/", ""},
		{"HTTPS_PROXY=http://a.test:1 NO_PROXY=x.test", "https://x.test/", ""},
		{"HTTPS_PROXY=http://a.test:1 NO_PROXY=x.test", "https://sub.x.test/", ""},
		{"HTTPS_PROXY=http://a.test:1 NO_PROXY=.x.test", "https://x.test/", "http://a.test:1"},
		{"HTTPS_PROXY=http://a.test:1 NO_PROXY=*.x.test", "https://y.x.test/", ""},
		{"HTTPS_PROXY=http://a.test:1 NO_PROXY=x.test:8443", "https://x.test/", "http://a.test:1"},
		{"HTTPS_PROXY=http://a.test:1 NO_PROXY=x.test:443", "https://x.test/", ""},
		{"HTTPS_PROXY=http://a.test:1 NO_PROXY=10.0.0.0/8", "https://10.9.9.9/", ""},
		{"HTTPS_PROXY=http://a.test:1 NO_PROXY=10.1.1.1", "https://10.1.1.1:9/", ""},
		{"HTTPS_PROXY=http://a.test:1 NO_PROXY=*", "https://x.test/", ""},
		{"HTTPS_PROXY=http://a.test:1 https_proxy=http://b.test:1", "https://x.test/", "http://a.test:1"},
		{"https_proxy=http://b.test:1", "https://x.test/", "http://b.test:1"},
	} {
		s := newSeat(t, strings.Fields(c.env)...)
		u := s.mustParse(c.u)
		got := ""
		if via := proxiesOf(s.Machine).forURL(u); via != nil {
			got = via.String()
		}
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.env, c.u, got, c.want)
		}
	}
}

// Lines of known_hosts match as ssh-keygen -F has it.
func TestHostListed(t *testing.T) {
	for _, c := range []struct {
		field, name string
		want        bool
	}{
		{"h.test", "h.test", true},
		{"a.test,H.test", "h.test", true},
		{"h.test", "[h.test]:2222", false},
		{"[h.test]:2222", "[h.test]:2222", true},
		{"*.test", "h.test", true},
		{"*.test,!h.test", "h.test", false},
		{hashedHost("h.test"), "h.test", true},
		{hashedHost("h.test"), "i.test", false},
	} {
		if got := hostListed(c.field, c.name); got != c.want {
			t.Errorf("hostListed(%q, %q) = %v", c.field, c.name, got)
		}
	}
}

// A chain has an end, however many mirrors are silent.
func TestChainEnds(t *testing.T) {
	s := newSeat(t)
	s.Timeout = 50 * time.Millisecond
	silent := mute(t)
	s.set("GOPROXY", strings.Repeat("https://"+silent+"|", 40)+"https://"+silent)
	r := Chain(t.Context(), s.Facts, hello)
	if r.Works || len(r.Links) > 30 {
		t.Errorf("works %v, %d links were tried", r.Works, len(r.Links))
	}
}
