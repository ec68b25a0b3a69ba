package doctor

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"golang.org/x/mod/module"
)

// prober returns what makes the steps as the go command's own client would.
func (f *Facts) prober() *probe.Prober {
	proxies := proxiesOf(f.Machine)
	t := f.timeout()
	p := &probe.Prober{
		Proxy:    func(r *http.Request) (*url.URL, error) { return proxies.forURL(r.URL), nil },
		Resolver: f.Resolver,
		Timeouts: probe.Timeouts{DNS: t, Connect: t, TLS: t, FirstByte: t, Total: t},
	}
	p.TLS = f.tlsConfig()
	return p
}

// candidates returns a public and a private module that the project needs; with
// empty paths where it needs none.
func (f *Facts) candidates() (public, private module.Version) {
	known := false
	for _, v := range f.requirements() {
		switch {
		case f.leaks(v.Path): // another check tells; its name is not to go out from here
		case f.private(v.Path):
			if private.Path == "" {
				private = v
			}
		case public.Path == "", !known && knownHost(v.Path):
			public, known = v, knownHost(v.Path)
		}
	}
	return public, private
}

// knownHost reports whether everybody may know that the project needs a module.
func knownHost(path string) bool {
	host, _, _ := strings.Cut(path, "/")
	switch host {
	case "github.com", "golang.org", "google.golang.org", "gopkg.in", "rsc.io", "go.uber.org", "k8s.io":
		return true
	}
	return false
}

// leaks reports whether a module's host is a private one, and the go command would ask the public for it.
func (f *Facts) leaks(path string) bool {
	host, _, _ := strings.Cut(path, "/")
	return f.Settings != nil && strings.Contains(host, ".") && hostLooksPrivate(host) && !f.private(path) && len(f.publicProxies()) > 0
}

// wouldLeak says that a module is not asked for here in the way that the go command would.
func (f *Facts) wouldLeak(path string) Finding {
	fix := f.fixSet("GOPRIVATE", privatePattern(f.setting("GOPRIVATE"), path), lang.Text{})
	fix.Do = nil // the check of the project's modules does it for all of them
	return Finding{
		ID: "private-leak", Severity: Warning,
		Title:       text("%s is asked for in public", "会向公共服务查询 %s", path),
		Evidence:    []lang.Text{text("its host is a private one; asked: %s", "它的主机是内网的；会查询：%s", strings.Join(f.publicProxies(), ", ")), text("doctor asks its own host alone", "doctor 只询问它自己的主机")},
		Consequence: text("Its name leaves the company, and the download fails or is slow: nobody out there has it.", "它的名字会泄露到公司之外，而且下载会失败或很慢：外面没有这个模块。"),
		Fixes:       []Fix{fix},
	}
}

// required returns the version of a module that the project needs, or "".
func (f *Facts) required(path string) string {
	for _, v := range f.requirements() {
		if v.Path == path {
			return v.Version
		}
	}
	return ""
}

// requirements returns what the project's go.mod requires and does not replace,
// those that it needs itself first.
func (f *Facts) requirements() []module.Version {
	if f.Settings == nil {
		return nil
	}
	mod := f.goMod()
	if mod == nil {
		return nil
	}
	replaced := make(map[string]bool)
	for _, r := range mod.Replace {
		replaced[r.Old.Path] = true
	}
	var own, others []module.Version
	for _, r := range mod.Require {
		switch {
		case replaced[r.Mod.Path]:
		case r.Indirect:
			others = append(others, r.Mod)
		default:
			own = append(own, r.Mod)
		}
	}
	return append(own, others...)
}

// splitVersion splits path@version.
func splitVersion(text string) (path, version string) {
	path, version, _ = strings.Cut(text, "@")
	if version == "latest" {
		version = ""
	}
	return path, version
}

// entry tries an entry of GOPROXY, and reports whether the go command goes on
// to the next.
func (w *walk) entry(ctx context.Context, e godown.ProxyEntry, more bool) (goesOn bool) {
	v := &visit{base: e.URL, any: e.Any}
	w.report.Links = append(w.report.Links, Link{})
	v.link = &w.report.Links[len(w.report.Links)-1]
	before := len(w.report.findings)
	switch {
	case e.Word == "off":
		v.link.Name = "off"
		v.link.Ending = text("off: the go command asks nobody else", "off：go 命令不再询问任何人")
		w.stopped = true
		return false
	case e.URL == nil:
		w.direct(ctx, v, e.Word)
	case e.URL.Scheme == "file":
		w.folder(v)
	default:
		w.mirror(ctx, v)
	}
	if ctx.Err() != nil && v.outcome == StepFailed {
		w.report.findings = w.report.findings[:min(before, len(w.report.findings))] // it was we who gave up
	}
	w.last = v.outcome
	w.report.passed = w.report.passed || e.URL != nil && v.outcome == StepAbsent
	goesOn = v.outcome == StepAbsent && more || v.outcome == StepFailed && v.any && !v.fatal && more
	v.link.Ending = w.ending(v, more)
	if v.outcome == StepOK {
		w.report.Works = true
	}
	return goesOn
}

// ending says what the go command does after a link.
func (w *walk) ending(v *visit, more bool) lang.Text {
	switch {
	case v.outcome == StepOK && v.base == nil:
		return text("the go command fetches it from here", "go 命令从这里获取")
	case v.outcome == StepOK:
		return text("the go command gets it here", "go 命令在这里拿到模块")
	case v.fatal:
		return text("the go command stops here, whatever the separator is", "go 命令到此为止，与分隔符无关")
	case v.outcome == StepAbsent && more:
		return text("it has not got the module: the go command goes on to the next", "它没有这个模块：go 命令继续询问下一个")
	case v.outcome == StepAbsent:
		return text("it has not got the module, and there is nothing after it", "它没有这个模块，后面也没有别的了")
	case !more:
		return text("the go command stops here: there is nothing after it", "go 命令到此为止：后面没有别的了")
	case v.any:
		return text("the go command goes on to the next, as the separator is |", "分隔符是 |，go 命令继续询问下一个")
	}
	return text("the go command stops here: a comma goes on after 404 and 410 only", "go 命令到此为止：逗号只在 404 和 410 时才会继续")
}

// spares tries whether those that the go command did not come to answer at all.
func (w *walk) spares(ctx context.Context) {
	if w.stopped {
		return
	}
	for _, e := range w.rest {
		if ctx.Err() != nil {
			return
		}
		if e.URL == nil || e.URL.Scheme == "file" {
			continue // direct is tried when it is needed
		}
		v := &visit{base: e.URL, any: e.Any}
		w.report.Links = append(w.report.Links, Link{Spare: true})
		v.link = &w.report.Links[len(w.report.Links)-1]
		w.reach(ctx, v)
		v.link.Ending = text("not needed now: only whether it answers was tried", "目前用不到：只试了它是否有响应")
	}
}

// folder looks at a mirror that is a folder.
func (w *walk) folder(v *visit) {
	v.link.Name = showURL(v.base)
	escaped, err := module.EscapePath(w.report.Module)
	dir := folderOf(v.base, w.facts.OS)
	_, here := os.Stat(dir)
	switch {
	case here != nil || err != nil:
		v.fail(Step{Name: "list", Detail: text("there is no such folder", "没有这个目录")})
		v.outcome = StepAbsent // as for the go command, to which what is not there is 404
		w.found(v, mirrorFolder(v.link.Name, dir))
	default:
		if _, err := os.Stat(dir + "/" + escaped + "/@v"); err != nil {
			v.step(Step{Name: "list", State: StepAbsent})
			v.outcome = StepAbsent
			return
		}
		v.step(Step{Name: "list", State: StepOK, Detail: text("a folder; its content is not verified here", "目录；这里不校验其内容")})
		v.outcome = StepOK
	}
}

// folderOf returns the path of a file URL.
func folderOf(u *url.URL, system string) string {
	if system == "windows" {
		return strings.TrimPrefix(u.Path, "/")
	}
	return u.Path
}

// conclude makes of what was met what is told: what did not keep the module
// from coming is a warning.
func (w *walk) conclude(ctx context.Context) {
	r := w.report
	said := slices.ContainsFunc(r.findings, func(x Finding) bool { return x.Severity == Fault })
	switch {
	case r.Works:
	case ctx.Err() != nil:
		w.found(nil, chainGaveUp())
	case !said && w.last == StepAbsent:
		w.found(nil, nobodyHas(r))
	}
	for i := range w.report.findings {
		if w.report.Works && w.report.findings[i].Severity == Fault {
			w.report.findings[i].Severity = Warning
		}
	}
}

// found notes a finding.
func (w *walk) found(_ *visit, list ...Finding) {
	w.report.findings = append(w.report.findings, list...)
}
