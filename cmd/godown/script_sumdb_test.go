//go:build unix

package main

import (
	"net/http/httptest"
	"regexp"
	"strings"

	"github.com/godown-dev/godown/internal/sumlog/witness/witnesstest"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/note"
)

// capture NAME REGEXP sets $NAME to what the first group of REGEXP matches in
// the stdout of the command before.
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "capture NAME REGEXP")
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	m := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("nothing matches %q", args[1])
	}
	setenv(ts, args[0], m[1])
}

// witness NAME KEY starts a witness that cosigns the log with that public key,
// and sets $WITNESS to its own key and URL.
func cmdWitness(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "witness NAME KEY")
	key, err := note.NewVerifier(args[1])
	ts.Check(err)
	w := witnesstest.New(args[0])
	w.Trust(key.Name(), key)
	server := httptest.NewServer(w)
	ts.Defer(server.Close)
	setenv(ts, "WITNESS", strings.TrimSpace(w.VerifierKey())+" "+server.URL)
}
