package auth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNetrcForms(t *testing.T) {
	for name, tt := range map[string]struct{ in, want string }{
		"a line":            {"machine a.example login l password p\n", "[{a.example l p}]"},
		"lines":             {"machine\na.example\r\n\tlogin l\r\n\tpassword p\r\nmachine b.example password q login m", "[{a.example l p} {b.example m q}]"},
		"the first counts":  {"machine a login l password p login m password q", "[{a l p}]"},
		"default":           {"default login anonymous password me@x machine a login l password p", "[{a l p}]"},
		"default at end":    {"machine a login l password p\ndefault\nlogin x password y", "[{a l p}]"},
		"default in one":    {"machine a login l default password p", "[]"},
		"account":           {"machine a login l account password password p", "[{a l p}]"},
		"macro":             {"machine a login l password p\nmacdef init\nmachine evil login x password y\n\nmachine b login m password q", "[{a l p} {b m q}]"},
		"macro within":      {"machine a login l\nmacdef init\r\npassword x\r\n\r\npassword p", "[{a l p}]"},
		"macro at end":      {"macdef x", "[]"},
		"quotes":            {`machine a login "l o" password "p\"\\q\tr"`, "[{a l o p\"\\q\tr}]"},
		"quotes in a word":  {`machine a login l"x password p"y"`, `[{a l"x p"y"}]`},
		"comment":           {"# machine x login y password z\nmachine a # b\nlogin l # machine\npassword p", "[{a l p}]"},
		"not a comment":     {"machine a login #l password p#q", "[{a #l p#q}]"},
		"without password":  {"machine a login l machine b password p", "[]"},
		"empty":             {`machine a login "" password p`, "[]"},
		"unknown":           {"machine a port 22 login l password p", "[{a l p}]"},
		"nothing":           {"", "[]"},
		"ends early":        {"machine a login", "[]"},
		"byte order":        {"\ufeffmachine a login l password p", "[{a l p}]"},
		"without a machine": {"login l password p", "[]"},
	} {
		if list, err := parseNetrc(tt.in); err != nil || fmt.Sprint(list) != tt.want {
			t.Errorf("%s: %v, error %v", name, list, err)
		}
	}
	for _, in := range []string{"machine a\nlogin \"l\npassword p", `machine a login "l\`, "\n\"" + secretText} {
		if list, err := parseNetrc(in); err == nil || !strings.Contains(err.Error(), "line ") || strings.Contains(err.Error(), secretText) {
			t.Errorf("%q: %v, error %v", in, list, err)
		}
	}
	if _, err := parseNetrc("machine a\nlogin b\nmacdef x\ny\n\npassword \"z"); err == nil || !strings.HasPrefix(err.Error(), "line 6:") {
		t.Errorf("error is %v", err)
	}
}

// TestNetrcFile reads it for the host, again when it changes, and says when it cannot.
func TestNetrcFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "netrc")
	synctest.Test(t, func(t *testing.T) {
		o := &Outwards{Netrc: path}
		defer o.Close()
		is := func(u, want string) {
			t.Helper()
			if got := login(t, o, u); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s, want %s", u, got, want)
			}
		}
		is("https://git.example/x", "none")
		write(t, path, "machine git.example login l password p\nmachine git.example login late password late\nmachine git.example:8443 login o password q\ndefault login any password all")
		later := func() {
			timer := time.NewTimer(statEvery)
			<-timer.C
		}
		is("https://git.example/x", "none") // for up to a second
		later()
		is("https://git.example/x", "netrc: l:p")
		is("https://GIT.example:444/", "netrc: l:p")
		is("https://git.example:8443/", "netrc: o:q")
		is("https://other.example/x", "none")
		is("https://a.git.example/x", "none")
		is("http://git.example/x", "none")
		is("ssh://git.example/x", "none")
		is("https://x@git.example/x", "none")
		write(t, path, "machine git.example login l password "+secretText+"2")
		later()
		is("https://git.example/x", "netrc: l:"+secretText+"2")
		write(t, path, `machine git.example login l password "`+secretText)
		o.Refused(t.Context(), address(t, "https://git.example/x"), mustLogin(t, o, "https://git.example/x"))
		is("https://git.example/x", "error: the netrc file")
		if got := login(t, o, "https://git.example/x"); strings.Contains(got, secretText) {
			t.Error(got)
		}
		write(t, path, `machine git.example login l password "a\nb"`)
		later()
		is("https://git.example/x", "error: netrc: the credential holds a line break")
		os.Remove(path)
		os.Mkdir(path, 0o700)
		later()
		is("https://git.example/x", "error: the netrc file")
		is("http://git.example/x", "none") // nobody asked
	})
}

func FuzzNetrc(f *testing.F) {
	for _, seed := range []string{
		"machine a.example login l password p\n", "default login x password y\nmachine a", "machine a login l\nmacdef init\nx\n\npassword p", `machine a login "l o" password "p\"\\\n"`, "# x\nmachine a # b", "account \"", "\ufeff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		list, err := parseNetrc(in)
		if err != nil {
			if len(err.Error()) > 100 || list != nil {
				t.Errorf("error is %v", err)
			}
			return
		}
		// What was read and is written again is read as the same.
		quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`)
		var b strings.Builder
		for _, m := range list {
			if m.name == "" || m.login == "" || m.password == "" {
				t.Errorf("%q has %q", in, m)
			}
			fmt.Fprintf(&b, "machine \"%s\" login \"%s\"\npassword \"%s\" ", quote.Replace(m.name), quote.Replace(m.login), quote.Replace(m.password))
		}
		again, err := parseNetrc(b.String() + "\ndefault login x password y")
		if err != nil || fmt.Sprintf("%q", again) != fmt.Sprintf("%q", list) {
			t.Errorf("%q is %q, and again %q, error %v", in, list, again, err)
		}
	})
}
