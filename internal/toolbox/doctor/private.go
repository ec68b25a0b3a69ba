package doctor

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"golang.org/x/mod/module"
)

// patternSettings are the settings that are lists of patterns of module paths.
func patternSettings() []string { return []string{"GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE"} }

// saidPatterns returns a setting of patterns if it was said anywhere: GONOPROXY and
// GONOSUMDB are what GOPRIVATE is unless they are.
func (f *Facts) saidPatterns(name string) (list string, said bool) {
	v, ok := f.Settings.Values[name]
	if !ok || v.Place() == goenv.BuiltIn {
		return "", false
	}
	return v.Text, v.Text != ""
}

// checkPatterns finds patterns that match nothing, and lists that are no lists.
func checkPatterns(_ context.Context, f *Facts) []Finding {
	var found []Finding
	for _, name := range patternSettings() {
		list, said := f.saidPatterns(name)
		if !said {
			continue
		}
		var evidence []lang.Text
		for p := range strings.SplitSeq(list, ",") {
			if why := patternTrouble(p); !why.IsZero() {
				evidence = append(evidence, text("%s: %s", "%s：%s", quoted(p), why))
			}
		}
		if len(evidence) == 0 {
			continue
		}
		finding := Finding{
			ID: "private-pattern", Severity: Warning,
			Title:       text("%s has patterns that do not match what they should", "%s 中有匹配不到目标的模式", name),
			Evidence:    append(one(f.said(name)), evidence...),
			Consequence: text("Modules that should be private are treated as public: mirrors and the checksum database are asked for them, and hear their names.", "本应私有的模块会被当成公开模块：go 命令会向镜像和校验和数据库查询，它们的名字就泄露了。"),
			Fixes:       []Fix{f.fixSet(name, mendPatterns(list), lang.Text{})},
		}
		if name == "GOINSECURE" {
			finding.Consequence = text("The modules are not fetched in the way that was meant.", "这些模块不会按预期的方式获取。")
		}
		found = append(found, finding)
	}
	return found
}

// patternTrouble says why a pattern does not match what its author meant; nothing if it may.
func patternTrouble(p string) lang.Text {
	trimmed := strings.TrimSpace(p)
	switch {
	case trimmed == "" || trimmed == "none" || trimmed == "off":
		return lang.Text{}
	case strings.ContainsAny(p, quoteMarks):
		return text("quotation marks are taken as they are", "引号会被原样当作模式的一部分")
	case strings.ContainsAny(p, wrongCommas+wrongPipes+"|"):
		return text(`only "," separates patterns`, "只有英文的 , 能分隔模式")
	case strings.ContainsAny(trimmed, " \t"):
		return text(`a blank separates nothing; "," does`, "空格不能分隔模式，要用英文的 ,")
	case strings.Contains(p, "://"):
		return text("a module path has no scheme", "模块路径不带协议")
	case strings.Contains(p, "@"):
		return text("a module path has no user", "模块路径不带用户名")
	case p != trimmed:
		return text("the blank is taken for a part of it", "空格会被当作模式的一部分")
	case strings.HasSuffix(p, "/..."):
		return text("... is no wildcard here, and a prefix matches all that is below it", "这里 ... 不是通配符；写前缀就能匹配其下的一切")
	case strings.Contains(p, "**"):
		return text("** is as *, which stays within one element of the path", "** 与 * 相同，只匹配路径中的一段")
	case strings.HasPrefix(p, "."):
		return text("a domain's hosts are *%s", "某个域下的主机应写作 *%s", p)
	}
	if _, err := path.Match(p, "x"); err != nil {
		return text("it is no valid pattern", "不是合法的模式")
	}
	return lang.Text{}
}

// mendPatterns returns a list of patterns as it was probably meant.
func mendPatterns(list string) string {
	for _, r := range wrongCommas + wrongPipes + "| \t" {
		list = strings.ReplaceAll(list, string(r), ",")
	}
	var kept []string
	for p := range strings.SplitSeq(list, ",") {
		p = strings.Trim(strings.TrimSpace(p), quoteMarks)
		if _, rest, found := strings.Cut(p, "://"); found {
			p = rest
		}
		if at := strings.LastIndexByte(p, '@'); at >= 0 {
			p = strings.ReplaceAll(p[at+1:], ":", "/") // git@host:owner
		}
		p = strings.TrimSuffix(strings.TrimSuffix(p, "..."), "/")
		p = strings.TrimSuffix(strings.ReplaceAll(p, "**", "*"), "/")
		if strings.HasPrefix(p, ".") {
			p = "*" + p
		}
		if _, err := path.Match(p, "x"); p != "" && err == nil && !slices.Contains(kept, p) {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ",")
}

// patternsOf returns the patterns of a list.
func patternsOf(list string) []string {
	var all []string
	for p := range strings.SplitSeq(list, ",") {
		if p = strings.TrimSuffix(strings.TrimSpace(p), "/"); p != "" && p != "none" && p != "off" {
			all = append(all, p)
		}
	}
	return all
}

// widePatterns returns those of a list that take in every module, and those that take in a whole public host.
func widePatterns(list string) (all, hosts []string) {
	for _, p := range patternsOf(list) {
		first, rest, _ := strings.Cut(p, "/")
		if strings.Trim(p, "*/") == "" {
			all = append(all, p)
			continue
		}
		// Only what says nothing of an owner: github.com/acme is somebody's own.
		if strings.Trim(rest, "*/") != "" {
			continue
		}
		for _, host := range []string{"github.com", "golang.org", "google.golang.org", "gopkg.in", "gitlab.com", "gitee.com", "bitbucket.org", "k8s.io", "go.uber.org"} {
			if ok, _ := path.Match(first, host); ok {
				hosts = append(hosts, p)
				break
			}
		}
	}
	return all, hosts
}

// checkPrivate finds settings of private modules that contradict one another, or take in too much.
func checkPrivate(_ context.Context, f *Facts) []Finding {
	var found []Finding
	found = append(found, f.tooWide()...)
	private, said := f.saidPatterns("GOPRIVATE")
	if !said {
		return found
	}
	if list, said := f.saidPatterns("GONOPROXY"); said {
		if open := uncovered(private, list); len(open) > 0 {
			if public := f.publicProxies(); len(public) > 0 {
				found = append(found, Finding{
					ID: "gonoproxy-leak", Severity: Warning,
					Title:       text("Public mirrors are asked for private modules: GONOPROXY takes precedence over GOPRIVATE", "会向公共镜像查询私有模块：GONOPROXY 优先于 GOPRIVATE"),
					Evidence:    []lang.Text{f.said("GOPRIVATE"), f.said("GONOPROXY"), text("not covered: %s", "未覆盖：%s", strings.Join(open, ", ")), text("asked: %s", "会查询：%s", strings.Join(public, ", "))},
					Consequence: text("They hear the names of these modules, and answer 404.", "它们会知道这些模块的名字，并回答 404。"),
					Fixes:       []Fix{f.fixSet("GONOPROXY", "", text("then GOPRIVATE counts", "这样就由 GOPRIVATE 决定"))},
				})
			}
		}
	}
	name, _, known := sumDBOf(f.Settings.Text("GOSUMDB"))
	if list, said := f.saidPatterns("GONOSUMDB"); said && known && name == publicSumDB {
		if open := uncovered(private, list); len(open) > 0 {
			found = append(found, Finding{
				ID: "gonosumdb-leak", Severity: Warning,
				Title:       text("The public checksum database is asked for private modules: GONOSUMDB takes precedence over GOPRIVATE", "会向公共校验和数据库查询私有模块：GONOSUMDB 优先于 GOPRIVATE"),
				Evidence:    []lang.Text{f.said("GOPRIVATE"), f.said("GONOSUMDB"), text("not covered: %s", "未覆盖：%s", strings.Join(open, ", "))},
				Consequence: text("It hears the names of these modules, cannot find them, and so the download fails.", "它会知道这些模块的名字，却找不到它们，于是下载失败。"),
				Fixes:       []Fix{f.fixSet("GONOSUMDB", "", text("then GOPRIVATE counts", "这样就由 GOPRIVATE 决定"))},
			})
		}
	}
	return found
}

// uncovered returns the patterns of one list that another does not cover.
func uncovered(list, by string) []string {
	var open []string
	for _, p := range patternsOf(list) {
		if !slices.Contains(patternsOf(by), p) && !module.MatchPrefixPatterns(by, strings.NewReplacer("*", "x", "?", "x").Replace(p)) {
			open = append(open, p)
		}
	}
	return open
}

// publicProxies returns the hosts in GOPROXY that anybody may ask.
func (f *Facts) publicProxies() []string {
	var hosts []string
	for _, e := range proxyEntries(f.Settings.Text("GOPROXY")) {
		if e.url != nil && !e.late && e.url.Scheme != "file" && !hostLooksPrivate(e.url.Host) && (f.isPreset(e.url.Host) || len(hosts) > 0 || f.isDefault(e)) {
			hosts = append(hosts, e.url.Host)
		}
	}
	return hosts
}

// isDefault reports whether an entry is the mirror that came with Go.
func (f *Facts) isDefault(e listed) bool {
	return strings.HasSuffix(e.url.Host, ".golang.org")
}

// tooWide finds patterns that switch checks off, or mirrors, for what is public.
func (f *Facts) tooWide() []Finding {
	var found []Finding
	for _, name := range []string{"GOPRIVATE", "GONOSUMDB", "GONOPROXY"} {
		list, said := f.saidPatterns(name)
		if !said {
			continue
		}
		all, hosts := widePatterns(list)
		switch {
		case len(all) > 0 && name != "GONOPROXY":
			found = append(found, Finding{
				ID: "checks-off", Severity: Warning,
				Title:       text("%s takes in every module: nothing is checked when it is downloaded first", "%s 覆盖了所有模块：首次下载时没有任何校验", name),
				Evidence:    []lang.Text{f.said(name), text("matches everything: %s", "匹配一切：%s", strings.Join(all, ", "))},
				Consequence: text("It is as if GOSUMDB were off: whatever is sent is believed and written into go.sum.", "这等于关闭 GOSUMDB：对方发来什么都会被相信，并写进 go.sum。"),
				Fixes:       []Fix{f.withoutPatterns(name, list, all)},
			})
		case len(hosts) > 0 && name != "GONOPROXY":
			found = append(found, Finding{
				ID: "private-wide", Severity: Warning,
				Title:       text("%s takes in all modules of a public host", "%s 覆盖了公共主机上的所有模块", name),
				Evidence:    []lang.Text{f.said(name), text("matches public modules: %s", "会匹配公开模块：%s", strings.Join(hosts, ", "))},
				Consequence: text("Public modules there are not checked when they are downloaded first, and with GOPRIVATE no mirror is asked for them.", "那里的公开模块首次下载时不会校验；若是 GOPRIVATE，还会绕过镜像。"),
				Fixes:       []Fix{f.narrower(name, list, hosts)},
			})
		case len(all)+len(hosts) > 0:
			found = append(found, Finding{
				ID: "gonoproxy-public", Severity: Hint,
				Title:       text("GONOPROXY keeps public modules away from the module proxy", "GONOPROXY 让公开模块绕过了模块代理"),
				Evidence:    []lang.Text{f.said(name), text("matches public modules: %s", "会匹配公开模块：%s", strings.Join(append(all, hosts...), ", "))},
				Consequence: text("They come straight from their hosts, with git: slower, and what its owner deletes is gone.", "它们会用 git 直接从各自的主机获取：更慢，而且作者删了就没有了。"),
				Fixes:       []Fix{f.withoutPatterns(name, list, append(all, hosts...))},
			})
		}
	}
	return found
}

// withoutPatterns returns the fix that takes patterns out of a list.
func (f *Facts) withoutPatterns(name, list string, out []string) Fix {
	kept := slices.DeleteFunc(patternsOf(list), func(p string) bool { return slices.Contains(out, p) })
	return f.fixSet(name, strings.Join(kept, ","), text("leaves only what is private", "只留下私有的部分"))
}

// narrower returns a fix that only a person can make: which owners are private nobody else knows.
func (f *Facts) narrower(name, list string, hosts []string) Fix {
	said := patternsOf(list)
	for i, p := range said {
		if slices.Contains(hosts, p) {
			said[i] = strings.TrimRight(strings.TrimSuffix(p, "*"), "/") + "/OWNER"
		}
	}
	return Fix{Say: text("name the owners that are private: go env -w %s", "写明哪些所有者是私有的：go env -w %s", f.quote(name+"="+strings.Join(said, ",")))}
}

// checkInsecure finds GOINSECURE where it opens too much.
func checkInsecure(_ context.Context, f *Facts) []Finding {
	list, said := f.saidPatterns("GOINSECURE")
	if !said {
		return nil
	}
	all, hosts := widePatterns(list)
	wide := append(all, hosts...)
	if len(wide) == 0 {
		return nil
	}
	return []Finding{{
		ID: "goinsecure-wide", Severity: Warning,
		Title:       text("GOINSECURE allows public modules to come over http, and with false certificates", "GOINSECURE 允许公开模块通过 http 或用假证书获取"),
		Evidence:    []lang.Text{f.said("GOINSECURE"), text("matches public modules: %s", "会匹配公开模块：%s", strings.Join(wide, ", "))},
		Consequence: text("Where they are fetched straight from their hosts, anyone on the way can put in what they like.", "直接从主机获取时，路上的任何人都能替换内容。"),
		Fixes:       []Fix{f.withoutPatterns("GOINSECURE", list, wide)},
	}}
}
