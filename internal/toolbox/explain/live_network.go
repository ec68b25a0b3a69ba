package explain

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// questionTime is how long the network may be asked about one failure.
const questionTime = 8 * time.Second

// liveServer tells about a server that could not be spoken to, and tries it again.
func liveServer(c context.Context, s *scene) {
	mirror := s.position()
	local := localhost(s.fields["host"])
	if mirror || strings.Contains(s.fields["url"], "/@v/") || strings.Contains(s.fields["url"], "/@latest") {
		s.ruleOut("direct")
	} else {
		s.ruleOut("mirror")
		if s.fields["module"] != "" && !local {
			s.likely("direct")
		}
	}
	if local {
		s.ruleOut("mirror", "outbound", "internal", "ipv6")
	} else {
		s.ruleOut("local")
	}
	if s.public(s.fields["host"]) {
		s.ruleOut("internal")
	}
	if s.failure.ID == "unreachable" && !strings.Contains(s.message, "dial tcp [") {
		s.ruleOut("ipv6")
	}
	if !mirror {
		s.private()
	}
	if s.around.Prober != nil {
		s.way(c)
	}
}

// public reports whether a host is known to everybody, so that it is internal to nobody's network.
func (s *scene) public(host string) bool {
	switch strings.ToLower(host) {
	case "":
		return false
	case "sum.golang.org", "sum.golang.google.cn", "goproxy.cn", "goproxy.io", "mirrors.aliyun.com", "repo.huaweicloud.com",
		"github.com", "gitlab.com", "gitee.com", "bitbucket.org", "golang.org", "gopkg.in", "go.googlesource.com":
		return true
	}
	if s.around.Settings == nil {
		return false
	}
	// The go command's own default is what its installation says.
	for _, said := range s.around.Settings.Values["GOPROXY"].Said {
		if said.Place != goenv.Installation {
			continue
		}
		list, _ := goenv.ParseList(said.Text)
		for _, e := range list {
			if e.URL != nil && strings.EqualFold(e.URL.Hostname(), host) {
				return true
			}
		}
	}
	return false
}

func localhost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// address returns the URL that failed, or one of its server: without path and query.
func (s *scene) address() *url.URL {
	u, err := url.Parse(s.fields["url"])
	if err != nil || u.Host == "" || strings.Contains(u.Host, "PORT") {
		if s.fields["server"] == "" {
			return nil
		}
		u = &url.URL{Scheme: "https", Host: s.fields["server"]}
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}
}

// way goes towards the server: name, connection. It says what it meets.
func (s *scene) way(c context.Context) {
	u := s.address()
	if u == nil {
		return
	}
	c, cancel := context.WithTimeout(c, questionTime)
	defer cancel()
	p := s.around.Prober
	if via, err := p.Via(u); err == nil && via != nil {
		s.found("Requests to %s go by the outbound proxy %s://%s.", "到 %s 的请求经过网络代理 %s://%s。", u.Host, via.Scheme, via.Host)
		u = &url.URL{Scheme: via.Scheme, Host: via.Host}
		if u.Port() == "" && via.Scheme == "socks5" {
			u.Host = net.JoinHostPort(via.Hostname(), "1080")
		}
	}
	found := p.DNS(c, u.Hostname())
	if found.Failure != nil {
		s.found("Asked just now: %s: %s.", "刚刚查询：%s：%s。", u.Hostname(), found.Failure.Text())
		return
	}
	reached, failed := 0, 0
	var six, four *probe.Failure
	for _, addrs := range [][]netip.Addr{found.IPv4, found.IPv6} {
		if len(addrs) == 0 {
			continue
		}
		made := p.Connect(c, netip.AddrPortFrom(addrs[0], probe.Port(u)))
		if made.Failure == nil {
			reached++
			s.found("Tried just now: %s accepts a connection (%d ms).", "刚刚尝试：%s 接受连接（%d 毫秒）。", made.Addr.String(), made.Took.Milliseconds())
			continue
		}
		failed++
		s.found("Tried just now: %s: %s.", "刚刚尝试：%s：%s。", made.Addr.String(), made.Failure.Text())
		if addrs[0].Is4() {
			four = made.Failure
		} else {
			six = made.Failure
		}
	}
	switch {
	case six != nil && four == nil && reached > 0:
		s.fields["ipv6"] = "dead"
		s.found("IPv4 works and IPv6 does not: that alone can be the cause.", "IPv4 通而 IPv6 不通：仅此就足以造成问题。")
		s.likelyHere("ipv6")
	case reached > 0 && failed == 0:
		s.found("It answers now: the trouble may be over. Run the command again.", "现在能连上：问题可能已经过去。请重新执行。")
		s.likelyHere("momentary")
	}
}

// liveCertificate looks at the certificate that is shown now.
func liveCertificate(c context.Context, s *scene) {
	s.position()
	switch s.fields["side"] {
	case "before":
		s.likely("clock") // servers seldom show certificates that begin tomorrow
	case "after":
		s.likely("server")
	}
	if s.failure.ID == "certificate-time" && s.around.Now != nil {
		s.found("This machine's clock says %s.", "本机时钟显示 %s。", s.around.Now().UTC().Format("2006-01-02 15:04 UTC"))
	}
	if s.failure.ID == "unknown-authority" && s.around.Getenv != nil {
		if pool, err := x509.SystemCertPool(); err == nil && runtime.GOOS == "linux" && pool.Equal(x509.NewCertPool()) {
			s.found("This machine has no trusted certificates at all.", "本机没有任何受信任的根证书。")
			s.likelyHere("none")
		} else {
			s.likelyHere("middlebox")
		}
		if localhost(s.fields["host"]) {
			s.likelyHere("self")
		}
	}
	u := s.address()
	if s.around.Prober == nil || u == nil || u.Scheme != "https" {
		return
	}
	p := s.around.Prober
	if via, err := p.Via(u); err != nil || via != nil {
		return // the chain would be seen through the outbound proxy only
	}
	c, cancel := context.WithTimeout(c, questionTime)
	defer cancel()
	found := p.DNS(c, u.Hostname())
	addrs := found.Addrs(probe.Port(u))
	if len(found.IPv4) > 0 {
		addrs = []netip.AddrPort{netip.AddrPortFrom(found.IPv4[0], probe.Port(u))}
	}
	if len(addrs) == 0 {
		return
	}
	shake := p.Handshake(c, addrs[0], u.Hostname())
	if len(shake.Chain) > 0 {
		leaf := shake.Chain[0]
		s.here = append(s.here, certificateText(leaf.Subject, leaf.Issuer, leaf.NotBefore.UTC().Format("2006-01-02"), leaf.NotAfter.UTC().Format("2006-01-02")))
		if len(leaf.Names) > 0 {
			s.found("It is made out to: %s.", "证书写明的名字：%s。", strings.Join(leaf.Names[:min(len(leaf.Names), 6)], ", "))
		}
		if leaf.Subject == leaf.Issuer {
			s.likelyHere("self")
		}
	}
	if shake.Verified {
		s.found("It is trusted here now, for this name: the failing command saw something else (another trust store, or another time).", "现在在本机上它是受信任的：出错的命令看到的是另一种情况（不同的证书库，或时间不同）。")
	}
}

// liveNotFound asks the proxies which versions there are.
func liveNotFound(c context.Context, s *scene) {
	s.position()
	if s.fields["version"] == "" && s.failure.ID == "not-found" {
		s.what = say("{module} was not found: so says {server}.", "没有找到 {module}：{server} 这样回答。")
	}
	open := s.private()
	path := s.fields["module"]
	if strings.Count(path, "/") == 0 || open && publicHost(path) {
		s.ruleOutHere("path")
	}
	if s.around.Prober == nil || !open {
		return
	}
	escaped, err := module.EscapePath(path)
	if err != nil {
		return
	}
	c, cancel := context.WithTimeout(c, questionTime)
	defer cancel()
	for _, e := range s.proxies() {
		if e.URL.Scheme == "file" {
			return // what comes after it may be asked only after it was
		}
		got := s.around.Prober.Get(c, probe.Ask{URL: e.URL.JoinPath(escaped, "@v", "list"), Keep: true, Limit: 1 << 20})
		versions := strings.Fields(string(got.Body))
		switch {
		case got.OK() && len(versions) > 0:
			semver.Sort(versions)
			last := versions[max(0, len(versions)-5):]
			s.found("Versions of %s at %s: %d in all, up to %s.", "%s 在 %s 上共有 %d 个版本，最新的是 %s。", path, e.Shown(), len(versions), strings.Join(last, " "))
			s.likelyHere("typo")
			s.ruleOutHere("path", "private")
		case got.OK():
			s.found("%s knows %s, and lists no version.", "%s 有 %s，但没有列出版本。", e.Shown(), path)
		case got.Status == 404 || got.Status == 410:
			s.found("%s does not know %s at all.", "%s 完全没有 %s。", e.Shown(), path)
		}
		if !goesOn(e, got) {
			return
		}
	}
}

// proxies returns the entries of GOPROXY that the go command would ask, in
// their order: those before direct or off, three at most. If the output may be
// another machine's, those alone whose host its message names: no other has
// heard the module's name, and what is private there need not be named here.
func (s *scene) proxies() []goenv.Element {
	var some []goenv.Element
	list, _ := goenv.ParseList(s.setting("GOPROXY"))
	for _, e := range list {
		if e.URL == nil || len(some) == 3 {
			break
		}
		if s.around.Elsewhere && e.URL.Host != s.fields["server"] {
			continue
		}
		some = append(some, e)
	}
	return some
}

// goesOn reports whether the go command asks the next entry after this answer:
// a proxy that refuses has the last word, and no name goes past it.
func goesOn(e goenv.Element, got probe.Exchange) bool {
	return !got.OK() && (e.Sep == '|' || got.Status == 404 || got.Status == 410)
}

// publicHost reports whether a module is at a host for everybody.
func publicHost(path string) bool {
	host, _, _ := strings.Cut(path, "/")
	return host == "github.com" || host == "golang.org" || host == "gopkg.in" || host == "google.golang.org"
}
