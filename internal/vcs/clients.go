package vcs

import (
	"crypto/tls"
	"net/http"
	"sync"
	"time"

	"github.com/godown-dev/godown"
)

// clients are the HTTP connections to hosts of modules, for pages and for module
// proxies that these name.
type clients struct {
	make  func(free bool) *http.Transport
	pages shared[string, *foundRoot] // by module path

	mu         sync.Mutex                       // guards transports
	transports map[transportKey]*http.Transport // made when first needed
}

// A transportKey says what is allowed on a connection.
type transportKey struct{ free, insecure bool }

func newClients(o *Origin) *clients {
	c := &clients{make: o.Transport, transports: make(map[transportKey]*http.Transport)}
	switch {
	case c.make != nil:
	case o.Guard != nil:
		c.make = o.Guard.Transport
	default:
		c.make = func(bool) *http.Transport {
			return godown.NewTransport(godown.Timeouts{}, http.ProxyFromEnvironment)
		}
	}
	return c
}

// of returns the transport: free for any address, insecure for any certificate.
func (c *clients) of(free, insecure bool) *http.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := transportKey{free, insecure}
	t, ok := c.transports[key]
	if !ok {
		t = c.make(free)
		t.ResponseHeaderTimeout = pageTimeout
		t.IdleConnTimeout = time.Minute
		t.MaxIdleConnsPerHost = 4
		if insecure {
			if t.TLSClientConfig == nil {
				t.TLSClientConfig = new(tls.Config)
			}
			t.TLSClientConfig.InsecureSkipVerify = true // what --insecure is for
		}
		c.transports[key] = t
	}
	return t
}

func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
}
