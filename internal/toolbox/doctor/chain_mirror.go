package doctor

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

const (
	smallAnswer = 1 << 20 // bytes that a list, an .info or a .mod may have here
	smallZip    = 4 << 20 // bytes after which a zip is large enough for a test
)

// mirror asks a mirror for all that the go command would.
func (w *walk) mirror(ctx context.Context, v *visit) {
	if v.base.Scheme == "http" && v.base.User != nil {
		v.link.Name = showURL(v.base)
		v.fail(Step{Name: "resolve", State: StepFailed, Detail: text("the go command sends no password over http", "go 命令不会通过 http 发送密码")})
		w.found(v, httpPassword(v.link.Name))
		return
	}
	if !w.reach(ctx, v) {
		return
	}
	defer v.client.Close()
	w.login(v)
	if w.sums != nil && !w.sums.known {
		if e := w.ask(ctx, v, "supported", "sumdb/"+w.sums.spec.Name+"/supported", false); !w.supported(v, e) {
			return
		}
	}
	files, ok := w.files(ctx, v)
	if !ok {
		return
	}
	v.outcome = StepOK
	w.verify(ctx, v, files)
}

// files asks for list, info, mod and zip.
func (w *walk) files(ctx context.Context, v *visit) (*moduleFiles, bool) {
	escaped, err := module.EscapePath(w.report.Module)
	if err != nil {
		v.fail(Step{Name: "list", Detail: text("%q is no module path", "%q 不是模块路径", w.report.Module)})
		return nil, false
	}
	list := w.ask(ctx, v, "list", escaped+"/@v/list", true)
	if semver.IsValid(w.report.Version) && list.Failure != nil && list.Status != 0 && !absent(list) {
		// For a version that is named the go command asks for no list, so it does not stop it.
		v.step(Step{Name: "list", State: StepAbsent, Took: list.Total, Detail: text("%d, which matters only where no version is named", "%d，只影响未写明版本的请求", list.Status)})
	} else if w.refused(v, "list", list) {
		return nil, false
	}
	version := w.report.Version
	query := "@v/" + escapeVersion(version) + ".info"
	if version == "" {
		if version = bestVersion(string(list.Body)); list.Failure != nil || version == "" {
			version, query = "", "@latest"
		} else {
			query = "@v/" + escapeVersion(version) + ".info"
		}
	}
	info := w.ask(ctx, v, "info", escaped+"/"+query, true)
	if w.refused(v, "info", info) {
		return nil, false
	}
	if info.Failure != nil {
		v.outcome = StepAbsent
		return nil, false
	}
	var said struct{ Version string }
	if json.Unmarshal(info.Body, &said) != nil || !semver.IsValid(said.Version) || version != "" && semver.IsValid(version) && said.Version != version {
		w.nonsense(v, "info", info)
		return nil, false
	}
	version = said.Version
	w.report.Version = version
	files := &moduleFiles{}
	for _, kind := range []string{"mod", "zip"} {
		e := w.ask(ctx, v, kind, escaped+"/@v/"+escapeVersion(version)+"."+kind, true)
		if w.refused(v, kind, e) {
			return nil, false
		}
		if e.Failure != nil {
			v.outcome = StepAbsent
			return nil, false
		}
		switch {
		case kind == "mod":
			files.mod = e.Body
		case !e.Cut:
			files.zip = e.Body
		}
	}
	return files, true
}

// ask makes a request, and notes it as a step if it was answered well or by 404 or 410.
func (w *walk) ask(ctx context.Context, v *visit, step, name string, keep bool) probe.Exchange {
	limit := int64(smallAnswer)
	if step == "zip" {
		limit = smallZip
	}
	u := joinURL(v.base, name)
	w.tell(text("%s is asked for %s", "向 %s 请求 %s", v.base.Host, name))
	e := v.client.Get(ctx, probe.Ask{URL: u, Limit: limit, Keep: keep})
	if step == "zip" && stalled(e) {
		if again := w.patient().Get(ctx, probe.Ask{URL: u, Limit: limit, Keep: keep}); again.Failure == nil || again.Bytes > e.Bytes {
			e.Failure.Kind = slowLine // it moves, but not in time
		}
	}
	if v.link.Via != "" && e.TLS > 0 && e.Failure == nil {
		v.step(Step{Name: "tls", State: StepOK, Took: e.TLS})
		w.found(v, w.facts.inspected(v.base.Hostname(), e.Chain)...)
	}
	switch {
	case e.Failure == nil && !pageInstead(step, e):
		v.step(Step{Name: step, State: StepOK, Took: e.Total, Detail: askDetail(step, e)})
	case absent(e):
		v.step(Step{Name: step, State: StepAbsent, Took: e.Total, Detail: text("%d", "%d", e.Status)})
	}
	return e
}

// patient returns what waits twice as long: that shows whether anything moves.
func (w *walk) patient() *probe.Prober {
	p := *w.prober
	p.Timeouts.Total *= 2
	return &p
}

// slowLine is a failure that is none of package probe's: it would have come, but not within the timeout.
const slowLine probe.Kind = "slow"

// stalled reports whether an answer began, and did not end in time.
func stalled(e probe.Exchange) bool {
	return e.Failure != nil && e.Failure.Kind == probe.Timeout && e.Failure.Phase == probe.PhaseBody
}

// absent reports whether the answer is the honest one that there is nothing.
func absent(e probe.Exchange) bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusGone
}

// pageInstead reports whether a page for people came where a file was asked for.
func pageInstead(step string, e probe.Exchange) bool {
	return e.HTML && step != "supported" && step != "zip"
}

// refused notes what went wrong with a request, and reports whether something did.
func (w *walk) refused(v *visit, step string, e probe.Exchange) bool {
	switch {
	case e.Failure == nil && !pageInstead(step, e), absent(e):
		return false
	case e.Failure == nil:
		w.nonsense(v, step, e)
	default:
		at := step
		if e.Failure.Phase == probe.PhaseTLS {
			at = "tls"
		}
		v.fail(Step{Name: at, Took: e.Total, Detail: e.Failure.Text()})
		w.found(v, w.requestTrouble(v, step, e)...)
	}
	return true
}

// nonsense notes an answer that is not what was asked for.
func (w *walk) nonsense(v *visit, step string, e probe.Exchange) {
	v.fail(Step{Name: step, Took: e.Total, Detail: text("the answer is not what was asked for", "响应不是所请求的内容")})
	w.found(v, mirrorNonsense(v, step, e))
}

// supported notes what a mirror says to whether it passes the checksum database
// on, and reports whether more can be asked of it.
func (w *walk) supported(v *visit, e probe.Exchange) bool {
	switch {
	case e.Failure == nil:
		w.sums.known, w.sums.base, w.sums.login = true, joinURL(v.base, "sumdb/"+w.sums.spec.Name), v.base.User
	case absent(e):
	case v.any:
		v.step(Step{Name: "supported", State: StepAbsent, Took: e.Total, Detail: e.Failure.Text()})
	case e.Failure.Kind == probe.HTTPStatus:
		// The go command asks no other way after this, but gets the files.
		v.fail(Step{Name: "supported", Took: e.Total, Detail: e.Failure.Text()})
		w.found(v, w.sumdbRefused(v, e))
		return false
	default:
		return !w.refused(v, "supported", e)
	}
	return true
}

// joinURL returns the URL of a file below base; name is escaped already.
func joinURL(base *url.URL, name string) *url.URL {
	u := *base
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + name
	u.RawPath = ""
	return &u
}

func escapeVersion(version string) string {
	escaped, err := module.EscapeVersion(version)
	if err != nil {
		return version
	}
	return escaped
}

// bestVersion returns the highest release of a list, else the highest pre-release, or "".
func bestVersion(list string) string {
	best := ""
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !semver.IsValid(fields[0]) || module.IsPseudoVersion(fields[0]) {
			continue
		}
		v := fields[0]
		release, had := semver.Prerelease(v) == "", best != "" && semver.Prerelease(best) == ""
		if best == "" || release && !had || release == had && semver.Compare(v, best) > 0 {
			best = v
		}
	}
	return best
}

// askDetail says how much came.
func askDetail(step string, e probe.Exchange) lang.Text {
	switch step {
	case "list":
		return text("%d lines", "%d 行", strings.Count(string(e.Body), "\n"))
	case "zip":
		if e.Cut {
			return text("the first %d KB", "前 %d KB", e.Bytes/1000)
		}
		return text("%d KB", "%d KB", (e.Bytes+999)/1000)
	}
	return lang.Text{}
}

// clock compares the server's clock with ours, once.
func (w *walk) clock(ctx context.Context, v *visit) {
	if w.dated {
		return
	}
	if date, ok := w.facts.serverDate(ctx, v.base, false); ok {
		w.dated = true
		w.found(v, w.facts.clockWrong(v.base.Host, date)...)
	}
}

// a moduleFiles is what an entry gave of a version.
type moduleFiles struct {
	mod, zip []byte // zip is nil if it is too large for a test
}

// round makes a duration that can be read.
func round(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}
