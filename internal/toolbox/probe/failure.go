package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A Kind is what went wrong, for programs to look at.
type Kind string

// The kinds of failures.
const (
	DNSNotFound  Kind = "dns-not-found"         // nobody has this name
	DNSFailed    Kind = "dns-failed"            // the name server does not answer, or answers badly
	Refused      Kind = "refused"               // nobody listens at the address
	Unreachable  Kind = "unreachable"           // there is no way to the address
	Timeout      Kind = "timeout"               // Phase says in what
	TLSAuthority Kind = "tls-unknown-authority" // the certificate is of an authority that is not trusted here
	TLSExpired   Kind = "tls-expired"           // the certificate is not valid now; or the clock is wrong
	TLSName      Kind = "tls-name"              // the certificate is another host's
	TLSFailed    Kind = "tls-failed"            // any other failure of the handshake
	NotTLS       Kind = "not-tls"               // what answers does not speak TLS
	Reset        Kind = "reset"                 // the connection was reset
	Closed       Kind = "closed"                // the connection was closed before the answer was whole
	ProxyRefused Kind = "proxy-refused"         // the outbound proxy let nobody through; Status is its answer
	ProxyFailed  Kind = "proxy-failed"          // the outbound proxy is not known, or could not be reached; Cause says why
	Redirect     Kind = "redirect"              // redirected too often, or to where nobody should go
	HTTPStatus   Kind = "http-status"           // an answer with another status than 200 and 206
	NotHTTP      Kind = "not-http"              // an answer that is not understood
	Canceled     Kind = "canceled"              // the caller did not wait
)

// A Phase is a stretch of the way.
type Phase string

// The phases in their order.
const (
	PhaseDNS       Phase = "dns"
	PhaseConnect   Phase = "connect"
	PhaseTLS       Phase = "tls"
	PhaseFirstByte Phase = "first-byte"
	PhaseBody      Phase = "body"
)

// A Failure is why a step did not succeed. It holds no URL, and nothing of it is secret.
type Failure struct {
	Kind   Kind
	Phase  Phase
	Status int    // of HTTPStatus and ProxyRefused
	Addr   string // the address that was tried, if one was
	Cause  Kind   // of ProxyFailed: what failed on the way to the proxy; may be ""
	Detail string // what more is known, in English: the system's or the library's words
}

// Error says what failed, in English.
func (f *Failure) Error() string {
	s := f.Text().En
	if f.Detail != "" && f.Kind != HTTPStatus {
		s += " (" + f.Detail + ")"
	}
	return s
}

// Text says what failed in a few words, without the detail.
func (f *Failure) Text() lang.Text {
	phase := map[Phase]lang.Text{
		PhaseDNS:       {En: "resolving its name", Zh: "解析域名"},
		PhaseConnect:   {En: "connecting", Zh: "建立连接"},
		PhaseTLS:       {En: "the TLS handshake", Zh: "TLS 握手"},
		PhaseFirstByte: {En: "waiting for the answer", Zh: "等待响应"},
		PhaseBody:      {En: "reading the answer", Zh: "读取响应内容"},
	}[f.Phase]
	t, ok := map[Kind]lang.Text{
		DNSNotFound:  {En: "its name cannot be resolved: there is no such host", Zh: "域名无法解析：没有这个主机"},
		DNSFailed:    {En: "its name cannot be resolved: the name server fails", Zh: "域名无法解析：DNS 服务器出错"},
		Refused:      {En: "the connection is refused", Zh: "连接被拒绝"},
		Unreachable:  {En: "there is no route to it", Zh: "网络不可达"},
		Timeout:      {En: "timeout while %s", Zh: "%s超时"},
		TLSAuthority: {En: "its certificate is of an authority that is not trusted here", Zh: "证书由本机不信任的机构签发"},
		TLSExpired:   {En: "its certificate has expired, or is not valid yet", Zh: "证书已过期或尚未生效"},
		TLSName:      {En: "its certificate is another host's", Zh: "证书与主机名不符"},
		TLSFailed:    {En: "the TLS handshake fails", Zh: "TLS 握手失败"},
		NotTLS:       {En: "it does not speak TLS", Zh: "对方不使用 TLS"},
		Reset:        {En: "the connection was reset while %s", Zh: "%s时连接被重置"},
		Closed:       {En: "the connection was closed while %s", Zh: "%s时连接被关闭"},
		ProxyRefused: {En: "the outbound proxy lets nobody through", Zh: "网络代理拒绝转发"},
		ProxyFailed:  {En: "the outbound proxy cannot be reached", Zh: "无法连接网络代理"},
		Redirect:     {En: "it redirects too often, or to where nobody should go", Zh: "重定向过多，或重定向到不该去的地方"},
		HTTPStatus:   {En: "it answers %d", Zh: "响应状态码 %d"},
		NotHTTP:      {En: "its answer is not understood", Zh: "响应无法识别"},
		Canceled:     {En: "nobody waited for it", Zh: "已取消"},
	}[f.Kind]
	if !ok {
		return lang.Same(string(f.Kind))
	}
	switch {
	case f.Kind == Timeout, f.Kind == Reset, f.Kind == Closed:
		return t.With(phase)
	case f.Kind == HTTPStatus:
		return t.With(f.Status)
	case f.Kind == ProxyRefused && f.Status != 0:
		return lang.Text{En: fmt.Sprintf("%s (it answers %d)", t.En, f.Status), Zh: fmt.Sprintf("%s（响应状态码 %d）", t.Zh, f.Status)}
	}
	return t
}

// classify says what kind of failure err is, which a step met in a phase. ctx
// is the caller's, not the step's.
func classify(ctx context.Context, phase Phase, err error) *Failure {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // without the URL, which may hold a password
	}
	f := &Failure{Phase: phase}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		f.Addr = op.Addr.String()
	}
	f.Kind, f.Detail = kindOf(err)
	f.Detail = clean(f.Detail)
	if f.Kind == DNSNotFound || f.Kind == DNSFailed {
		f.Phase = PhaseDNS
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsTimeout {
		f.Phase = PhaseDNS
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		f.Kind, f.Detail = Canceled, ""
	} else if ctx.Err() != nil {
		f.Kind, f.Detail = Timeout, ""
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" && f.Kind != Canceled {
		f.Cause, f.Kind = f.Kind, ProxyFailed
	}
	return f
}

// kindOf looks at what an error is, never at its text. The detail is the text where that is
// known to hold nothing that the other side has sent but a certificate's names.
func kindOf(err error) (Kind, string) {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		switch {
		case dns.IsNotFound:
			return DNSNotFound, ""
		case dns.IsTimeout:
			return Timeout, ""
		}
		return DNSFailed, dns.Err
	}
	if kind, detail := kindOfTLS(err); kind != "" {
		return kind, detail
	}
	if refusal, ok := errors.AsType[*refusedByProxy](err); ok {
		return ProxyRefused, refusal.Error()
	}
	if redirect, ok := errors.AsType[badRedirect](err); ok {
		return Redirect, string(redirect)
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		if kind := kindOfErrno(errno); kind != "" {
			return kind, errno.Error()
		}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return Timeout, ""
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout, ""
	case errors.Is(err, context.Canceled):
		return Canceled, ""
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return Closed, ""
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		if op.Op == "dial" || op.Op == "proxyconnect" {
			return Unreachable, op.Err.Error()
		}
		return Closed, op.Err.Error()
	}
	return NotHTTP, ""
}

func kindOfTLS(err error) (Kind, string) {
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return TLSAuthority, e.Error()
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return TLSName, e.Error()
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if e.Reason == x509.Expired {
			return TLSExpired, e.Error()
		}
		return TLSFailed, e.Error()
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return TLSAuthority, e.Error() // by the system's own verifier, which gives no reason that is typed
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return NotTLS, ""
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return NotTLS, ""
	}
	if e, ok := errors.AsType[tls.AlertError](err); ok {
		return TLSFailed, e.Error()
	}
	return "", ""
}
