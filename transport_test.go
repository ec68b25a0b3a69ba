package godown_test

import (
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
)

// Small files share a connection of HTTP/2; each zip has one of its own.
func TestUpstreamZipsHaveTheirConnections(t *testing.T) {
	mods := godowntest.NewModules(t, helloModules)
	var mu sync.Mutex
	protocols := make(map[string]int)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		protocols[path.Ext(r.URL.Path)] = r.ProtoMajor
		mu.Unlock()
		w.Write(mods.Data(strings.TrimPrefix(r.URL.Path, "/")))
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	up := upstreamAt(t, srv.URL)
	transport := godown.NewTransport(godown.Timeouts{}, nil)
	transport.TLSClientConfig = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.NextProtos = nil
	up.Transport = transport
	for _, kind := range []godown.Kind{godown.Mod, godown.Zip} {
		if _, err := fetchAll(t.Context(), up, hello(kind, "v1.0.0")); err != nil {
			t.Error(err)
		}
	}
	if protocols[".mod"] != 2 || protocols[".zip"] != 1 {
		t.Errorf("the major versions of HTTP were %v", protocols)
	}
}

// A header has no room for what would fill the memory.
func TestUpstreamHeaderIsBounded(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 512<<10))
		w.Write([]byte("{}"))
	}))
	defer srv.Close()
	if _, err := fetchAll(t.Context(), upstreamAt(t, srv.URL), hello(godown.Info, "v1.0.0")); err == nil || !strings.Contains(err.Error(), "has a header that is too long") {
		t.Errorf("got %v", err)
	}
}
