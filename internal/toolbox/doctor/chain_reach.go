package doctor

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
)

// perFamily is how many addresses of each family are tried.
const perFamily = 2

// reach resolves, connects and makes the handshake, and reports whether there
// is something to ask. What fails is noted.
func (w *walk) reach(ctx context.Context, v *visit) bool {
	v.link.Name = showURL(v.base)
	v.client = w.prober.Client(false)
	via, _ := w.prober.Via(v.base)
	if via != nil {
		v.link.Via = via.Scheme + "://" + via.Host
		return w.reachProxy(ctx, v, via)
	}
	addrs, ok := w.resolve(ctx, v, v.base)
	if !ok {
		return false
	}
	addr, ok := w.connectAny(ctx, v, v.base, addrs)
	if !ok || v.base.Scheme == "https" && !w.handshake(ctx, v, addr) {
		w.doubt(v.base.Hostname())
		return false
	}
	w.clock(ctx, v)
	return true
}

// believe drops what was suspected of a host's address: who answers there has proven that it is the host.
func (w *walk) believe(host string) {
	w.report.findings = slices.DeleteFunc(w.report.findings, func(x Finding) bool { return x.ID == "dns-poisoned" && x.host == host })
}

// doubt makes a fault of what was suspected of a host's address, as nobody answers there who can prove to be the host.
func (w *walk) doubt(host string) {
	for i, x := range w.report.findings {
		if x.ID == "dns-poisoned" && x.host == host {
			w.report.findings[i].Severity = Fault
		}
	}
}

// reachProxy does the same where an outbound proxy stands before the mirror:
// the proxy resolves the mirror's name.
func (w *walk) reachProxy(ctx context.Context, v *visit, via *url.URL) bool {
	addrs, ok := w.resolve(ctx, v, via)
	if !ok {
		return false
	}
	_, ok = w.connectAny(ctx, v, via, addrs)
	return ok // the handshake comes with the first request
}

// resolve resolves the host of u, which is the link's or its outbound proxy's.
func (w *walk) resolve(ctx context.Context, v *visit, u *url.URL) (probe.Lookup, bool) {
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		found := probe.Lookup{Host: host, IPv4: []netip.Addr{addr}}
		if addr.Is6() && !addr.Is4In6() {
			found.IPv4, found.IPv6 = nil, found.IPv4
		}
		return found, true
	}
	w.tell(text("resolving %s", "解析 %s", host))
	found := w.prober.DNS(ctx, host)
	if found.Failure != nil {
		v.fail(Step{Name: "resolve", Took: found.Took, Detail: found.Failure.Text()})
		if u == v.base {
			w.found(v, w.facts.unresolved(v, found))
		} else {
			w.found(v, w.facts.proxyUnreachable(v, u, found.Failure))
		}
		return found, false
	}
	v.step(Step{Name: "resolve", State: StepOK, Took: found.Took, Detail: addressText(found)})
	if u == v.base {
		w.found(v, w.facts.lies(found)...)
	}
	return found, true
}

// connectAny connects to addresses of both families at once, and returns the
// first that answers: of IPv6 if one does, as the go command prefers it.
func (w *walk) connectAny(ctx context.Context, v *visit, u *url.URL, found probe.Lookup) (netip.AddrPort, bool) {
	w.tell(text("connecting to %s", "连接 %s", u.Host))
	var four, six []probe.Connection
	var both sync.WaitGroup
	both.Go(func() { four = w.connectFamily(ctx, found.IPv4, proxyPort(u)) })
	both.Go(func() { six = w.connectFamily(ctx, found.IPv6, proxyPort(u)) })
	both.Wait()
	good4, ok4 := lastGood(four)
	good6, ok6 := lastGood(six)
	if ok4 && len(six) > 0 && !ok6 {
		w.found(v, w.facts.deadIPv6(found.Host, six)...)
	}
	switch {
	case ok6:
		v.step(Step{Name: "connect", State: StepOK, Took: good6.Took})
		return good6.Addr, true
	case ok4:
		v.step(Step{Name: "connect", State: StepOK, Took: good4.Took})
		return good4.Addr, true
	}
	all := append(four, six...)
	if len(all) == 0 || all[0].Failure == nil {
		return netip.AddrPort{}, false
	}
	var took time.Duration
	for _, c := range all {
		took = max(took, c.Took)
	}
	v.fail(Step{Name: "connect", Took: took, Detail: all[0].Failure.Text()})
	if u == v.base {
		w.found(v, w.facts.unconnected(v, all))
	} else {
		w.found(v, w.facts.proxyUnreachable(v, u, all[0].Failure))
	}
	return netip.AddrPort{}, false
}

// connectFamily connects to addresses of one family, until one answers.
func (w *walk) connectFamily(ctx context.Context, addrs []netip.Addr, port uint16) []probe.Connection {
	connect := w.prober.Connect
	if w.facts.connect != nil {
		connect = w.facts.connect
	}
	var made []probe.Connection
	for _, a := range addrs[:min(len(addrs), perFamily)] {
		c := connect(ctx, netip.AddrPortFrom(a, port))
		made = append(made, c)
		if c.Failure == nil {
			break
		}
	}
	return made
}

func lastGood(made []probe.Connection) (probe.Connection, bool) {
	if len(made) == 0 || made[len(made)-1].Failure != nil {
		return probe.Connection{}, false
	}
	return made[len(made)-1], true
}

// proxyPort is like probe.Port, and knows what SOCKS has where nothing is said.
func proxyPort(u *url.URL) uint16 {
	if u.Port() == "" && (u.Scheme == "socks5" || u.Scheme == "socks5h") {
		return 1080
	}
	return probe.Port(u)
}

// handshake makes the TLS handshake with an address that answers.
func (w *walk) handshake(ctx context.Context, v *visit, addr netip.AddrPort) bool {
	host := v.base.Hostname()
	w.tell(text("TLS handshake with %s", "与 %s 进行 TLS 握手", v.base.Host))
	h := w.prober.Handshake(ctx, addr, host)
	if h.Failure == nil {
		w.believe(host)
		v.step(Step{Name: "tls", State: StepOK, Took: h.Took, Detail: text(h.Version, h.Version)})
		w.found(v, w.facts.inspected(host, h.Chain)...)
		return true
	}
	v.fail(Step{Name: "tls", Took: h.Took, Detail: tlsDetail(h)})
	w.found(v, w.tlsTrouble(ctx, v, h)...)
	return false
}

// addressText shows the first address of a host, and how many more there are.
func addressText(found probe.Lookup) lang.Text {
	all := append(found.IPv4[:len(found.IPv4):len(found.IPv4)], found.IPv6...)
	if len(all) == 1 {
		return lang.Same(all[0].String())
	}
	return text("%s, and %d more", "%s，另有 %d 个", all[0], len(all)-1)
}
