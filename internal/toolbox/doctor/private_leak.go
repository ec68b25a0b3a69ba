package doctor

import (
	"context"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// maxGoMod is what a go.mod may have, in bytes; beyond it none is read.
const maxGoMod = 16 << 20

// goMod returns the go.mod file of the working folder; nil if there is none, or none that can be read.
func (f *Facts) goMod() *modfile.File {
	name := f.Settings.Text("GOMOD")
	if name == "" || name == os.DevNull {
		return nil
	}
	if info, err := os.Stat(name); err != nil || info.Size() > maxGoMod {
		return nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	mod, err := modfile.ParseLax(name, data, nil)
	if err != nil {
		return nil
	}
	// ParseLax leaves out what says nothing to users of a module, such as replace.
	if strict, err := modfile.Parse(name, data, nil); err == nil {
		mod = strict
	}
	return mod
}

// fetched returns the paths of the modules that a go.mod asks for and that are not taken from a folder.
func fetched(mod *modfile.File) []string {
	var paths []string
	for _, r := range mod.Require {
		name := r.Mod.Path
		for _, p := range mod.Replace {
			if p.Old.Path == name && (p.Old.Version == "" || p.Old.Version == r.Mod.Version) {
				name = p.New.Path
			}
		}
		if !modfile.IsDirectoryPath(name) && !slices.Contains(paths, name) {
			paths = append(paths, name)
		}
	}
	return paths
}

// checkLeaks finds modules of the project whose host is a private one, and for which the public is asked.
func checkLeaks(_ context.Context, f *Facts) []Finding {
	mod := f.goMod()
	if mod == nil {
		return nil
	}
	mirrors := f.publicProxies()
	name, _, known := sumDBOf(f.Settings.Text("GOSUMDB"))
	database := known && name == publicSumDB && !f.ownProxyFirst()
	var toMirrors, toDatabase, hosts []string
	for _, p := range fetched(mod) {
		host, _, _ := strings.Cut(p, "/")
		if !strings.Contains(host, ".") || !hostLooksPrivate(host) {
			continue
		}
		leaks := false
		if len(mirrors) > 0 && !module.MatchPrefixPatterns(f.Settings.Text("GONOPROXY"), p) {
			toMirrors, leaks = append(toMirrors, p), true
		}
		if database && !module.MatchPrefixPatterns(f.Settings.Text("GONOSUMDB"), p) {
			toDatabase, leaks = append(toDatabase, p), true
		}
		if leaks && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		return nil
	}
	finding := Finding{
		ID: "private-leak", Severity: Warning,
		Title:       text("This project's private modules are asked for in public", "会向公共服务查询本项目的私有模块"),
		Consequence: text("Their names leave the company, and the download fails or is slow: nobody out there has them.", "模块名会泄露到公司之外，而且下载会失败或很慢：外面没有这些模块。"),
	}
	if len(toMirrors) > 0 {
		finding.Evidence = append(finding.Evidence, text("%s: asked of %s", "%s：会查询 %s", few(toMirrors), strings.Join(mirrors, ", ")))
	}
	if len(toDatabase) > 0 {
		finding.Evidence = append(finding.Evidence, text("%s: asked of the checksum database %s", "%s：会查询校验和数据库 %s", few(toDatabase), name))
	}
	finding.Evidence = append(finding.Evidence, f.said("GOPRIVATE"))
	list := strings.Join(append(patternsOf(f.Settings.Text("GOPRIVATE")), hosts...), ",")
	finding.Fixes = []Fix{f.fixSet("GOPRIVATE", list, lang.Text{})}
	for _, other := range []string{"GONOPROXY", "GONOSUMDB"} {
		if own, said := f.saidPatterns(other); said {
			finding.Fixes = append(finding.Fixes, f.fixSet(other, strings.Join(append(patternsOf(own), hosts...), ","), text("as %s does not follow GOPRIVATE", "因为 %s 没有沿用 GOPRIVATE", other)))
		}
	}
	return []Finding{finding}
}

// ownProxyFirst reports whether the first that is asked is a module proxy of one's own: it may
// pass the checksum database on, and so the database is not asked by the go command itself.
func (f *Facts) ownProxyFirst() bool {
	for _, e := range proxyEntries(f.Settings.Text("GOPROXY")) {
		return e.url != nil && len(f.publicProxies()) == 0
	}
	return false
}

// few returns the first of many names.
func few(names []string) string {
	if len(names) > 3 {
		return strings.Join(names[:3], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
