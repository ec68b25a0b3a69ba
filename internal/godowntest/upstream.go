package godowntest

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

// An Upstream is a fake mirror: it serves modules by the module proxy protocol,
// and the files of checksum databases that are attached below /sumdb/.
type Upstream struct {
	Server
	modules *Modules

	mu        sync.Mutex // guards databases
	databases []*SumDB
}

// NewUpstream starts a mirror of mods that ends with the test.
func NewUpstream(tb testing.TB, mods *Modules) *Upstream {
	tb.Helper()
	u, err := StartUpstream(mods)
	owned(tb, &u.Server, err)
	return u
}

// StartUpstream starts a mirror of mods. The caller closes it.
func StartUpstream(mods *Modules) (*Upstream, error) {
	u := &Upstream{modules: mods}
	return u, u.start(http.HandlerFunc(u.serve))
}

// Attach makes u pass /sumdb/NAME/ through to db, and say that it supports
// this. Faults of both apply, and both count the requests; that db has vanished
// from its own URL makes no difference.
func (u *Upstream) Attach(db *SumDB) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.databases = append(u.databases, db)
}

// Detach makes u answer 404 below /sumdb/, as a mirror without checksum
// databases does and as it does before the first Attach.
func (u *Upstream) Detach() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.databases = nil
}

func (u *Upstream) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if rest, ok := strings.CutPrefix(name, "sumdb/"); ok {
		u.serveSumDB(w, r, rest)
		return
	}
	f, err := u.modules.file(name)
	if err != nil {
		http.Error(w, "not found: "+name, http.StatusNotFound)
		return
	}
	serve(w, r, contentType(name), f.etag, f.data)
}

// serveSumDB answers a request for rest, which is NAME/FILE.
func (u *Upstream) serveSumDB(w http.ResponseWriter, r *http.Request, rest string) {
	u.mu.Lock()
	databases := u.databases
	u.mu.Unlock()
	for _, db := range databases {
		if file, ok := strings.CutPrefix(rest, db.Name+"/"); ok {
			if file == "supported" {
				return // 200
			}
			http.StripPrefix("/sumdb/"+db.Name, db).ServeHTTP(w, r)
			return
		}
	}
	http.Error(w, "not found: no such checksum database", http.StatusNotFound)
}

func contentType(name string) string {
	switch {
	case strings.HasSuffix(name, ".zip"):
		return "application/zip"
	case strings.HasSuffix(name, ".info"), strings.HasSuffix(name, "/@latest"):
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}
