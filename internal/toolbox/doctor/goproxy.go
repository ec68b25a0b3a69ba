package doctor

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A listed is an entry of a GOPROXY list, as it was written and as the go command takes it.
type listed struct {
	text string   // without the blanks around it
	any  bool     // "|" follows
	word bool     // direct or off
	url  *url.URL // nil if it is none that the go command takes
	late bool     // behind direct or off: never asked
}

// proxyEntries cuts a list as the go command does, but stops at nothing.
func proxyEntries(list string) []listed {
	elements, _ := goenv.ParseList(list)
	var all []listed
	for _, e := range elements {
		if e.Is(goenv.Empty) {
			continue
		}
		entry := listed{text: e.Text, any: e.Sep == '|', word: e.Word != "", url: e.URL, late: e.Is(goenv.AfterEnd)}
		if e.Err != nil || e.Is(goenv.NoHost) {
			entry.url = nil // the go command refuses it, or fails with "no Host in request URL"
		}
		all = append(all, entry)
	}
	return all
}

// proxyURL returns the URL that the go command makes of an entry; nil if it takes it for an error.
func proxyURL(entry string) *url.URL {
	if all := proxyEntries(entry); len(all) == 1 {
		return all[0].url
	}
	return nil
}

// writeList writes entries as a list.
func writeList(entries []listed) string {
	var b strings.Builder
	for i, e := range entries {
		b.WriteString(e.text)
		if i == len(entries)-1 {
			break
		}
		if e.any {
			b.WriteByte('|')
		} else {
			b.WriteByte(',')
		}
	}
	return b.String()
}

// ownMarks are what is taken for separators and quotation marks.
const (
	wrongCommas = "，、；;"
	wrongPipes  = "｜¦"
	quoteMarks  = "\"'`“”‘’"
)

// mendProxies returns the list as it was probably meant, which the go command reads in that
// way: "" if nothing is left, and then the setting had better be taken away.
func (f *Facts) mendProxies(list string) string {
	for _, r := range wrongCommas {
		list = strings.ReplaceAll(list, string(r), ",")
	}
	for _, r := range wrongPipes {
		list = strings.ReplaceAll(list, string(r), "|")
	}
	list = strings.Map(func(r rune) rune {
		if strings.ContainsRune(quoteMarks, r) {
			return -1
		}
		return r
	}, list)
	// A blank between two entries separates them; one beside a separator is nothing.
	list = strings.ReplaceAll(strings.Join(strings.Fields(list), " "), " ,", ",")
	for _, s := range []string{", ", "| ", " |"} {
		list = strings.ReplaceAll(list, s, strings.TrimSpace(s))
	}
	list = strings.ReplaceAll(list, " ", ",")
	var kept, ends []listed
	for _, e := range proxyEntries(list) {
		if e.text = f.mendEntry(e.text); e.text == "" || slices.ContainsFunc(kept, func(k listed) bool { return k.text == e.text }) {
			continue
		}
		if e.text == "direct" || e.text == "off" {
			ends = append(ends, e)
			continue
		}
		kept = append(kept, e)
	}
	if len(ends) > 0 {
		kept = append(kept, ends[0])
	}
	return writeList(kept)
}

// mendEntry mends one entry; "" if it is better left out.
func (f *Facts) mendEntry(entry string) string {
	lower := strings.ToLower(entry)
	if near := nearest(lower, []string{"direct", "off"}, 1); near != "" {
		return near
	}
	if near := nearest(lower, []string{"direct"}, 2); near != "" {
		return near
	}
	scheme, rest, found := strings.Cut(entry, ":/")
	if !found {
		scheme, rest, found = strings.Cut(entry, "//") // https//host
	}
	if rest = strings.TrimLeft(rest, "/"); found && lower[:min(4, len(lower))] != "file" {
		if near := nearest(strings.ToLower(scheme), []string{"https", "http"}, 2); near != "" {
			entry = near + "://" + rest
		}
	}
	u := proxyURL(entry)
	if u == nil {
		if f.loneHost(entry) {
			return "http://" + entry
		}
		return ""
	}
	if u.Scheme == "file" {
		return entry
	}
	host := strings.ToLower(u.Host)
	_, dead := deadMirror(host)
	if dead || isSumDB(host) || f.httpProxyLike(u) != "" {
		return ""
	}
	if known := f.misspelt(host); known != nil {
		return known.String()
	}
	if u.Scheme == "http" && f.publicHost(u.Hostname()) {
		u.Scheme = "https" // of others nobody knows here whether they speak it
	}
	return u.String()
}

// loneHost reports whether an entry is the name of a host without anything, which
// the go command takes for a word that it does not know.
func (f *Facts) loneHost(entry string) bool {
	return entry != "" && strings.IndexFunc(entry, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) < 0 && entry != "none" && entry != "on" && entry != "auto"
}

// fixProxies returns the fix that sets the list as it was probably meant.
func (f *Facts) fixProxies(say lang.Text) []Fix {
	return []Fix{f.fixSet("GOPROXY", f.mendProxies(f.Settings.Text("GOPROXY")), say)}
}

// checkProxyList finds what the go command cannot read in GOPROXY, or reads in another way than it was meant.
func checkProxyList(_ context.Context, f *Facts) []Finding {
	list := f.Settings.Text("GOPROXY")
	if list == "" {
		return nil
	}
	var found []Finding
	entries := proxyEntries(list)
	if len(entries) == 0 {
		return []Finding{{
			ID: "goproxy-empty", Severity: Fault,
			Title:       text("GOPROXY is set, but there is nothing in it", "GOPROXY 设置了，但里面什么也没有"),
			Evidence:    one(f.said("GOPROXY")),
			Consequence: text("Whatever would have to be downloaded fails: the go command says that the list contains no entries.", "凡是需要下载的都会失败：go 命令会报错，说列表中没有条目。"),
			Fixes:       []Fix{f.fixSet("GOPROXY", "", text("takes it away, so that Go's default counts", "删除它，恢复 Go 的默认值"))},
		}}
	}
	if strings.ContainsAny(list, quoteMarks) {
		found = append(found, Finding{
			ID: "goproxy-quotes", Severity: Fault,
			Title:       text("There are quotation marks within GOPROXY", "GOPROXY 的值里带有引号"),
			Evidence:    one(f.said("GOPROXY")),
			Consequence: text("The go command takes them for a part of the URL, and refuses the list. They come from cmd.exe, from an .env file or from Docker's --env-file, which keep quotation marks as they are.", "go 命令会把引号当作 URL 的一部分，因而拒绝整个列表。它们通常来自 cmd.exe、.env 文件或 Docker 的 --env-file：这些地方会原样保留引号。"),
			Fixes:       f.fixProxies(lang.Text{}),
		})
	}
	if mark := wrongMark(list, entries); mark != "" {
		found = append(found, Finding{
			ID: "goproxy-separator", Severity: Fault,
			Title:       text("GOPROXY's entries are separated by %s", "GOPROXY 的条目之间用了%s分隔", markName(mark)),
			Evidence:    one(f.said("GOPROXY")),
			Consequence: text(`Only "," and "|" separate entries. The go command takes what stands around it for one URL, which is no URL or names a host that does not exist.`, "只有英文的 , 和 | 能分隔条目。go 命令会把两边当成一个 URL，于是它不合法，或者指向一台不存在的主机。"),
			Fixes:       f.fixProxies(lang.Text{}),
		})
	}
	if len(found) > 0 {
		return found // the rest follows from that
	}
	for _, e := range entries {
		if finding, ok := f.unreadable(e); ok {
			found = append(found, finding)
		}
	}
	return found
}

// wrongMark returns what stands between two entries and is no separator; "" if nothing does.
func wrongMark(list string, entries []listed) string {
	if i := strings.IndexAny(list, wrongCommas+wrongPipes); i >= 0 {
		return string([]rune(list[i:])[0])
	}
	for _, e := range entries {
		if strings.ContainsAny(e.text, " \t") {
			return " "
		}
	}
	return ""
}

func markName(mark string) lang.Text {
	if mark == " " {
		return text("a blank", "空格")
	}
	return lang.Text{En: `"` + mark + `"`, Zh: "“" + mark + "”"}
}

// unreadable finds what is wrong with an entry that the go command refuses.
func (f *Facts) unreadable(e listed) (Finding, bool) {
	if e.word || e.late {
		return Finding{}, false
	}
	if e.url != nil {
		return f.guessed(e)
	}
	finding := Finding{
		ID: "goproxy-scheme", Severity: Fault,
		Evidence:    one(f.said("GOPROXY")),
		Consequence: text("The go command refuses the whole list: nothing is downloaded, whatever else is in it.", "go 命令会拒绝整个列表：不管其他条目如何，什么都下载不了。"),
		Fixes:       f.fixProxies(lang.Text{}),
	}
	scheme, _, found := strings.Cut(e.text, ":/")
	switch lower := strings.ToLower(e.text); {
	case nearest(lower, []string{"direct", "off"}, 1) != "", nearest(lower, []string{"direct"}, 2) != "":
		finding.Title = text("GOPROXY has %s, which is not quite the word %s", "GOPROXY 里写了 %s，应为 %s", quoted(e.text), f.mendEntry(e.text))
	case strings.HasPrefix(strings.ToLower(scheme), "socks") && found:
		return f.notAModuleProxy(e, text("a SOCKS proxy", " SOCKS 代理")), true
	case strings.HasPrefix(lower, "file:"):
		finding.Title = text("GOPROXY's %s is not the URL of a folder", "GOPROXY 中的 %s 不是目录的 URL", quoted(e.text))
		finding.Evidence = append(finding.Evidence, text("a folder's URL has three slashes: file:///srv/goproxy", "目录的 URL 有三个斜杠：file:///srv/goproxy"))
		finding.Fixes = []Fix{{Say: text("write the folder's full path: file:///…", "写出目录的完整路径：file:///…")}}
	case found:
		finding.Title = text("GOPROXY's %s does not begin with https://, http:// or file://, or names no host", "GOPROXY 中的 %s 不是以 https://、http:// 或 file:// 开头，或者没有主机名", quoted(e.text))
	default:
		finding.Title = text("GOPROXY's %s is neither a URL nor one of the words direct and off", "GOPROXY 中的 %s 既不是 URL，也不是 direct 或 off", quoted(e.text))
	}
	return finding, true
}

// guessed finds an entry without a scheme for which https is probably the wrong guess, and the misspelt https//.
func (f *Facts) guessed(e listed) (Finding, bool) {
	if strings.Contains(e.text, ":/") {
		return Finding{}, false
	}
	if strings.EqualFold(e.url.Host, "http") || strings.EqualFold(e.url.Host, "https") {
		return Finding{
			ID: "goproxy-scheme", Severity: Fault,
			Title:       text("GOPROXY's %s lacks a colon", "GOPROXY 中的 %s 缺了冒号", quoted(e.text)),
			Evidence:    one(f.said("GOPROXY")),
			Consequence: text("The go command asks a host by the name of %s, which does not exist.", "go 命令会去访问名为 %s 的主机，而它并不存在。", e.url.Host),
			Fixes:       f.fixProxies(lang.Text{}),
		}, true
	}
	if !hostLooksPrivate(e.url.Host) || e.url.Port() == "443" {
		return Finding{}, false
	}
	list := strings.ReplaceAll(f.Settings.Text("GOPROXY"), e.text, "http://"+e.text)
	return Finding{
		ID: "goproxy-no-scheme", Severity: Warning,
		Title:       text("GOPROXY's %s is asked over https, as it has no scheme", "GOPROXY 中的 %s 没有写协议，会以 https 访问", quoted(e.text)),
		Evidence:    one(f.said("GOPROXY")),
		Consequence: text(`If it speaks plain http, as proxies within a network often do, downloads fail with "server gave HTTP response to HTTPS client".`, "内网代理往往只提供 http；那样下载会失败，报 server gave HTTP response to HTTPS client。"),
		Fixes:       []Fix{f.fixSet("GOPROXY", list, text("if it speaks http", "如果它用的是 http"))},
	}, true
}

// checkInstallation finds what a distribution has made of Go's defaults.
func checkInstallation(_ context.Context, f *Facts) []Finding {
	v := f.Settings.Values["GOPROXY"]
	if v.Place() != goenv.Installation {
		return nil
	}
	entries := proxyEntries(v.Text)
	if len(entries) == 0 || !entries[0].word {
		return nil
	}
	return []Finding{{
		ID: "goenv-changed", Severity: Hint,
		Title:       text("Who packaged Go has switched the module proxy off", "打包 Go 的人关掉了模块代理"),
		Evidence:    one(f.said("GOPROXY")),
		Consequence: text("Modules come straight from their hosts: slower, with git, and what its owner deletes is gone.", "模块直接从各自的主机获取：更慢，需要 git，而且作者删了就没有了。"),
		Fixes:       []Fix{{Command: "godown use cn", Say: text("in China", "在中国")}, {Command: "godown bench", Say: text("elsewhere see which mirrors answer, and take one with godown use", "在其他地方，看看哪些镜像可用，再用 godown use 选用")}},
	}}
}
