//go:build unix

package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/rogpeppe/go-internal/testscript"
)

// shut NAME AUTHORIZATION [FOLDER] starts an https mirror of the modules in FOLDER (mods), which
// are for those only who show this value of the header field Authorization,
// below the path /go. It sets $NAME_URL, and SSL_CERT_FILE so that its certificate is known.
// $WORK/NAME.log has a line for each request: its path, and what was shown:
// right, none, or the wrong value itself.
func cmdShut(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && (len(args) == 2 || len(args) == 3), "shut NAME AUTHORIZATION [FOLDER]")
	name, folder := args[0], "mods"
	if len(args) == 3 {
		folder = args[2]
	}
	w := worldOf(ts)
	up, err := godowntest.StartUpstream(w.modules(ts, folder))
	ts.Check(err)
	w.servers[name] = &up.Server
	to, err := url.Parse(up.URL)
	ts.Check(err)
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	mirror := http.StripPrefix("/go", httputil.NewSingleHostReverseProxy(to))
	var mu sync.Mutex // guards log
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		shown := r.Header.Get("Authorization")
		right := shown == args[1]
		what := map[bool]string{true: "right", false: shown}[right]
		if shown == "" {
			what = "none"
		}
		mu.Lock()
		fmt.Fprintln(log, r.URL.Path, what)
		mu.Unlock()
		switch {
		case !strings.HasPrefix(r.URL.Path, "/go/"):
			http.NotFound(rw, r)
		case !right:
			scheme, _, _ := strings.Cut(args[1], " ")
			rw.Header().Set("WWW-Authenticate", scheme+` realm="modules"`)
			http.Error(rw, "log in first", http.StatusUnauthorized)
		default:
			r.Header.Del("Authorization")
			mirror.ServeHTTP(rw, r)
		}
	}))
	ts.Defer(func() {
		s.Close()
		log.Close()
	})
	setenv(ts, name+"_URL", s.URL)
	setenv(ts, name+"_HOST", strings.TrimPrefix(s.URL, "https://"))
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), cert, 0o666))
	setenv(ts, "SSL_CERT_FILE", ts.MkAbs("ca.pem"))
}
