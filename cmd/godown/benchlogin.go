package main

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"

	"github.com/godown-dev/godown/internal/auth"
	"github.com/godown-dev/godown/internal/toolbox/gauge"
)

// benchLogins gives targets the credentials that the go command would show them: by
// GOAUTH, which is the netrc file unless it says otherwise. Presets are shown nothing.
func (m machine) benchLogins(ctx context.Context, goauth string, targets []gauge.Target) {
	file := m.getenv("NETRC")
	for _, home := range []string{m.getenv("HOME"), m.getenv("USERPROFILE")} {
		if file == "" && home != "" {
			file = filepath.Join(home, netrcName)
		}
	}
	logins := &auth.Outwards{Netrc: file, GOAUTH: goauth, Env: m.environ}
	defer logins.Close()
	for i := range targets {
		t := &targets[i]
		if t.URL.Scheme != "https" || t.URL.User != nil || slices.ContainsFunc(t.Groups, func(g string) bool { return g != gauge.FromEnvironment && g != gauge.FromArgument }) {
			continue
		}
		l, err := logins.Login(ctx, t.URL)
		if err != nil || l.IsZero() {
			continue // without it the mirror refuses, which is what is told then
		}
		if t.Header = l.Header.Clone(); t.Header == nil {
			r := http.Request{Header: make(http.Header)}
			r.SetBasicAuth(l.User, l.Password)
			t.Header = r.Header
		}
	}
}
