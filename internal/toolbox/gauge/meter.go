package gauge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// A meter measures one target. Its methods are called one after another, but for ask and say.
type meter struct {
	plan   *Plan
	index  int
	target Target
	client *probe.Client // shares a connection, as the go command does
	apart  *probe.Client // a connection for each request
	result *Result

	alive  bool            // worth another request
	lists  map[string]list // by module
	zips   map[Module]zipped
	lookup time.Duration     // that its record of the checksum database took
	heads  map[string]string // known lines of go.sum that its own /sumdb gave

	mu    sync.Mutex // guards what follows
	spent time.Duration
	asked int
	bytes int64
}

// A list is what a mirror has listed of a module.
type list struct {
	versions []string
}

// A zipped is a zip that arrived whole.
type zipped struct {
	bytes []byte
	file  int // index in the result's files
}

func newMeter(p *Plan, index int, t Target) *meter {
	prober := probe.Prober{Proxy: p.Proxy, Header: t.Header}
	if p.TLS != nil {
		prober.TLS, prober.Resolver, prober.Timeouts = p.TLS.TLS, p.TLS.Resolver, p.TLS.Timeouts
	}
	return &meter{
		plan: p, index: index, target: t, client: prober.Client(false), apart: prober.Client(true),
		lists: make(map[string]list), zips: make(map[Module]zipped), heads: make(map[string]string),
		result: &Result{
			target: t, Mirror: Shown(t.URL), Groups: t.Groups, Note: t.Note, Verdict: Unmeasured,
			SumDB: Unknown, Range: Unknown, Latest: Unknown, Absent: Unknown, Fresh: Freshness{Has: Unknown},
		},
	}
}

// Shown returns a URL as it may be shown: without credentials and query.
func Shown(u *url.URL) string {
	clean := *u
	clean.User, clean.RawQuery, clean.Fragment = nil, "", ""
	return strings.TrimSuffix(clean.String(), "/")
}

func (m *meter) close() {
	m.client.Close()
	m.apart.Close()
}

// say tells how far it is.
func (m *meter) say(step lang.Text, over bool) {
	if m.plan.Observe == nil {
		return
	}
	m.mu.Lock()
	p := Progress{Target: m.index, Step: step, Done: m.asked, Bytes: m.bytes, Over: over}
	m.mu.Unlock()
	m.plan.Observe(p)
}

// at returns the URL of a file of the mirror.
func (m *meter) at(name string) *url.URL {
	u := *m.target.URL
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + name
	if u.RawPath != "" {
		u.RawPath = strings.TrimSuffix(m.target.URL.RawPath, "/") + "/" + (&url.URL{Path: name}).EscapedPath()
	}
	return &u
}

// mayAsk reports whether the mirror's share allows another request.
func (m *meter) mayAsk(ctx context.Context) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	if m.asked >= MaxRequests || m.bytes >= MaxBytes || m.spent >= MaxTime {
		m.result.Capped = true
		return false
	}
	m.asked++
	return true
}

// took books what a request has cost.
func (m *meter) took(e *probe.Exchange) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += e.Bytes
	m.spent += e.Total
	for _, host := range e.Redirects {
		if host == m.target.URL.Host {
			m.asked++
		}
	}
}

// share limits a request to what is left of the mirror's share of bytes and time.
func (m *meter) share(ctx context.Context, ask *probe.Ask) (context.Context, context.CancelFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ask.Limit == 0 {
		ask.Limit = smallLimit
	}
	ask.Limit = max(min(ask.Limit, MaxBytes-m.bytes), 1)
	return context.WithTimeout(ctx, MaxTime-m.spent)
}

// looksRight reports whether a file is of the form that its name promises, whatever
// its Content-Type says: there are static servers that call everything a page.
func looksRight(name string, data []byte) bool {
	if bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n\ufeff"), []byte("<")) {
		return false
	}
	switch name {
	case "info", "latest", "newest", "absent":
		return json.Valid(data)
	case "mod":
		return modfile.ModulePath(data) != ""
	case "zip":
		return bytes.HasPrefix(data, []byte("PK"))
	}
	return true
}

// ask makes one request, whose failure is counted unless it may be refused. It
// returns nil if the mirror has had its share, or nobody waits any more.
func (m *meter) ask(ctx context.Context, client *probe.Client, f File, ask probe.Ask, mayFail bool) *probe.Exchange {
	if !m.mayAsk(ctx) {
		return nil
	}
	step, cancel := m.share(ctx, &ask)
	defer cancel()
	e := client.Get(step, ask)
	m.took(&e)
	if !e.OK() && e.Failure.Kind == probe.Canceled {
		return nil
	}
	if !e.OK() && step.Err() != nil && ctx.Err() == nil { // it had its time, of which this request was given the rest
		m.result.Capped = true
		if f.Name != "zip" || e.Bytes == 0 {
			return nil
		}
	}
	e.HTML = e.HTML && !looksRight(f.Name, e.Body)
	f.Status, f.FirstByte, f.Total, f.Bytes, f.Failure = e.Status, e.Header, e.Total, e.Bytes, e.Failure
	f.Cold = !e.Reused
	refused := e.Status >= 400 && e.Status < 500 && e.Status != http.StatusTooManyRequests
	slow := f.Name == "zip" && !e.OK() && e.Failure.Kind == probe.Timeout && e.Failure.Phase == probe.PhaseBody && e.Bytes > 0
	f.Partial = slow || e.Cut
	f.Failed = !e.OK() && !slow && (!mayFail || !refused)
	r := m.result
	r.Requests++
	if f.Failed {
		r.Failures++
	}
	for _, host := range e.Redirects {
		if host != m.target.URL.Host && !slices.Contains(r.Redirects, host) {
			r.Redirects = append(r.Redirects, host)
		}
	}
	r.Files = append(r.Files, f)
	return &e
}

// last is the file that was asked for last.
func (m *meter) last() *File { return &m.result.Files[len(m.result.Files)-1] }

// spoil notes that what arrived last is not what it should be.
func (m *meter) spoil(detail string) {
	f := m.last()
	if !f.Failed {
		m.result.Failures++
	}
	f.Failed, f.Detail = true, detail
}

// small measures what is small: the connection, latencies, and what the mirror knows of the protocol.
func (m *meter) small(ctx context.Context) {
	if m.target.URL.Scheme != "http" && m.target.URL.Scheme != "https" {
		return
	}
	m.say(lang.Text{En: "connecting", Zh: "建立连接"}, false)
	first := m.plan.Modules[0]
	e := m.info(ctx, first)
	if e == nil {
		return
	}
	m.connection(e)
	if e.Status == 0 && again(e.Failure) {
		if e = m.info(ctx, first); e == nil { // once more: a go command would not, but a verdict should not hang on one packet
			return
		}
		m.connection(e)
	}
	if m.alive = e.Status != 0; !m.alive {
		return
	}
	m.say(lang.Text{En: "small files", Zh: "小文件"}, false)
	for i, mod := range m.plan.Modules {
		if i > 0 {
			m.info(ctx, mod)
		}
		m.mod(ctx, mod)
	}
	m.zip(ctx, first, 0)
	m.absent(ctx, first)
	if e := m.ask(ctx, m.client, File{Name: "latest", Module: first.Path}, probe.Ask{URL: m.at(name(godown.Latest, Module{Path: first.Path})), Keep: true}, true); e != nil {
		m.result.Latest = m.answer(e, func() bool { return infoVersion(e.Body) != "" })
	}
	m.say(lang.Text{En: "checksum database", Zh: "校验和数据库"}, false)
	m.sumdb(ctx, first)
	if m.plan.Light {
		return
	}
	m.say(lang.Text{En: "version lists", Zh: "版本列表"}, false)
	for _, path := range m.plan.Lists {
		m.list(ctx, path)
	}
}

// again reports whether a failure may have passed already.
func again(f *probe.Failure) bool {
	return f != nil && (f.Kind == probe.Reset || f.Kind == probe.Closed || f.Kind == probe.DNSFailed || f.Kind == probe.Timeout && f.Phase != probe.PhaseConnect)
}

// connection notes how the mirror was reached.
func (m *meter) connection(e *probe.Exchange) {
	r := m.result
	r.Via, r.Remote, r.Proto, r.DNS, r.Connect, r.TLS = e.Via, e.Remote, e.Proto, e.DNS, e.Connect, e.TLS
	if len(e.Chain) > 0 {
		r.Issuer = e.Chain[0].Issuer
	}
}

// name returns the name of a module's file below a proxy's root.
func name(kind godown.Kind, mod Module) string {
	return godown.Request{Kind: kind, Path: mod.Path, Version: mod.Version}.Name()
}

func (m *meter) info(ctx context.Context, mod Module) *probe.Exchange {
	e := m.ask(ctx, m.client, File{Name: "info", Module: mod.String()}, probe.Ask{URL: m.at(name(godown.Info, mod)), Keep: true, Limit: smallLimit}, false)
	if e != nil && e.OK() && !e.HTML && infoVersion(e.Body) != mod.Version {
		m.spoil("it is no .info of this version")
	}
	m.page(e)
	return e
}

// page notes that what should have been a module's file is a page for people.
func (m *meter) page(e *probe.Exchange) {
	if e != nil && e.OK() && e.HTML {
		m.spoil(pageDetail)
	}
}

const pageDetail = "it is an HTML page"

// infoVersion returns the version that a .info names, or "".
func infoVersion(data []byte) string {
	var info struct{ Version string }
	if json.Unmarshal(data, &info) != nil || !semver.IsValid(info.Version) {
		return ""
	}
	return info.Version
}

func (m *meter) mod(ctx context.Context, mod Module) {
	e := m.ask(ctx, m.client, File{Name: "mod", Module: mod.String(), Proof: Unread}, probe.Ask{URL: m.at(name(godown.Mod, mod)), Keep: true, Limit: smallLimit}, false)
	if e != nil && e.OK() && !e.HTML {
		m.last().Hash, m.last().Proof = godown.HashMod(e.Body), Unproven
	}
	m.page(e)
}

// zip asks for the zip of a module, the i-th of the plan.
func (m *meter) zip(ctx context.Context, mod Module, i int) {
	if !m.alive {
		return
	}
	step, cancel := context.WithTimeout(ctx, zipTime)
	defer cancel()
	f := File{Name: "zip", Module: mod.String(), Size: size(i), Proof: Unread}
	e := m.ask(step, m.client, f, probe.Ask{URL: m.at(name(godown.Zip, mod)), Keep: true, Limit: MaxBytes}, false)
	if e == nil {
		return
	}
	if e.OK() && !e.HTML && !e.Cut {
		m.zips[mod] = zipped{e.Body, len(m.result.Files) - 1}
	}
	m.page(e)
}

// size names the i-th zip of a plan.
func size(i int) string { return []string{"small", "middling", "large"}[min(i, 2)] }

// absent asks for a version that nobody has.
func (m *meter) absent(ctx context.Context, mod Module) {
	nobody := module.Version{Path: mod.Path, Version: "v0.0.0-19700101000000-000000000000"}
	e := m.ask(ctx, m.client, File{Name: "absent", Module: nobody.String()}, probe.Ask{URL: m.at(name(godown.Info, Module{Path: nobody.Path, Version: nobody.Version})), Keep: true}, true)
	switch {
	case e == nil:
	case e.Status == http.StatusNotFound || e.Status == http.StatusGone:
		m.result.Absent = Yes
	case e.OK():
		m.result.Absent = Bad
		m.spoil("it has an answer for what does not exist")
	default:
		m.result.Absent = No
	}
}

// answer says what an exchange tells of something that a mirror need not know.
func (m *meter) answer(e *probe.Exchange, right func() bool) Answer {
	switch {
	case e.OK() && !e.HTML && right():
		return Yes
	case e.OK():
		m.spoil("it is not what it should be")
		return Bad
	case e.Status >= 400 && e.Status < 500:
		return No
	}
	return Unknown
}

// sumdb asks whether the mirror passes the checksum database on, and for one record.
func (m *meter) sumdb(ctx context.Context, mod Module) {
	if m.plan.SumDB == nil {
		return
	}
	prefix := "sumdb/" + m.plan.SumDB.Name + "/"
	e := m.ask(ctx, m.client, File{Name: "sumdb", Module: m.plan.SumDB.Name}, probe.Ask{URL: m.at(prefix + "supported")}, true)
	if e == nil {
		return
	}
	if m.result.SumDB = m.answer(e, func() bool { return true }); m.result.SumDB != Yes || private(m.plan, mod) {
		return
	}
	lookup := "lookup/" + strings.TrimSuffix(strings.Replace(name(godown.Mod, mod), "/@v/", "@", 1), ".mod")
	e = m.ask(ctx, m.client, File{Name: "lookup", Module: mod.String()}, probe.Ask{URL: m.at(prefix + lookup), Keep: true}, false)
	if e == nil {
		return
	}
	m.lookup = e.Total
	m.result.SumDB = m.answer(e, func() bool { return godown.CheckSumFile(lookup, e.Body) == nil })
	if m.result.SumDB == Yes {
		for line := range strings.Lines(string(e.Body)) {
			if f := strings.Fields(line); len(f) == 3 && f[0] == mod.Path {
				m.heads[f[1]] = f[2]
			}
		}
	}
}

// private reports whether the checksum database must not be asked about a module.
func private(p *Plan, mod Module) bool { return module.MatchPrefixPatterns(p.NoSumDB, mod.Path) }

// list asks for the versions of a module.
func (m *meter) list(ctx context.Context, path string) {
	e := m.ask(ctx, m.client, File{Name: "list", Module: path}, probe.Ask{URL: m.at(name(godown.List, Module{Path: path})), Keep: true, Limit: smallLimit}, true)
	if e == nil || !e.OK() || e.Cut { // what is missing of a list that was cut says nothing
		return
	}
	var found list
	for line := range strings.Lines(string(e.Body)) {
		if f := strings.Fields(line); len(f) > 0 && len(f[0]) <= longestVersion && module.Check(path, f[0]) == nil && module.CanonicalVersion(f[0]) == f[0] {
			found.versions = append(found.versions, f[0])
		}
	}
	if len(found.versions) == 0 && len(strings.TrimSpace(string(e.Body))) > 0 {
		m.spoil("it lists no version")
		return
	}
	m.lists[path] = found
}

// longestVersion is how many bytes a version has at most that others are asked for.
const longestVersion = 128

// large measures the throughput.
func (m *meter) large(ctx context.Context) {
	if !m.alive || m.hopeless() {
		return
	}
	m.say(lang.Text{En: "zips", Zh: "zip 文件"}, false)
	mods := m.plan.Modules
	if m.plan.Light {
		mods = mods[:min(2, len(mods))]
	}
	for i, mod := range mods {
		if i > 0 {
			m.zip(ctx, mod, i)
			m.say(lang.Text{En: "zips", Zh: "zip 文件"}, false)
		}
	}
	m.throughput()
	m.ranges(ctx)
	if !m.plan.Light {
		m.say(lang.Text{En: "several connections", Zh: "多个连接"}, false)
		m.several(ctx)
	}
}

// hopeless reports whether nothing that was asked for has come: the rest would not either.
func (m *meter) hopeless() bool {
	return !slices.ContainsFunc(m.result.Files, func(f File) bool { return f.needed() && !f.Failed })
}

// needed reports whether a build would have needed the file.
func (f *File) needed() bool { return f.Name == "info" || f.Name == "mod" || f.Name == "zip" }

// throughput takes the rate of one connection from the zip that was given up as
// too slow, if there is one, else from the zip with the most bytes.
func (m *meter) throughput() {
	var best *File
	for i := range m.result.Files {
		f := &m.result.Files[i]
		if f.Name != "zip" || f.Failed || !f.Partial && f.Bytes < leastBulk {
			continue
		}
		if best == nil || f.Partial && !best.Partial || f.Partial == best.Partial && f.Bytes > best.Bytes {
			best = f
		}
	}
	if best != nil {
		m.result.One = rate(best.Bytes, best.Total-best.FirstByte)
	}
}

// rate returns bytes a second.
func rate(n int64, d time.Duration) float64 {
	return float64(n) / max(d, time.Millisecond).Seconds()
}

// contentRange returns what a Content-Range should say.
func contentRange(from, n, all int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", from, from+n-1, all)
}
