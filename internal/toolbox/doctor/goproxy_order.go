package doctor

import (
	"context"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// checkProxyOrder finds lists that the go command reads well, but goes through in another way than was meant.
func checkProxyOrder(_ context.Context, f *Facts) []Finding {
	list := f.Settings.Text("GOPROXY")
	entries := proxyEntries(list)
	if len(entries) == 0 || strings.ContainsAny(list, quoteMarks+wrongCommas+wrongPipes) {
		return nil
	}
	var found []Finding
	if late := lateEntries(entries); len(late) > 0 {
		found = append(found, f.neverAsked(entries, late))
	}
	if entries[0].text == "off" {
		found = append(found, f.switchedOff())
	}
	if entries[0].text == "direct" && len(entries) == 1 && f.placeOf("GOPROXY") != goenv.Installation {
		found = append(found, Finding{
			ID: "goproxy-direct", Severity: Hint,
			Title:       text("No module proxy is used", "没有使用模块代理"),
			Evidence:    one(f.said("GOPROXY")),
			Consequence: text("Every module comes from its own host, with git: slower, more hosts must be reachable, and what its owner deletes is gone.", "每个模块都用 git 从各自的主机获取：更慢，要能连上的主机更多，而且作者删了就没有了。"),
			Fixes:       []Fix{f.fixSet("GOPROXY", "", text("goes back to Go's default; in China: godown use cn", "恢复 Go 的默认值；在中国可用 godown use cn"))},
		})
	}
	return append(found, f.failover(entries)...)
}

func lateEntries(entries []listed) []string {
	var late []string
	for _, e := range entries {
		if e.late {
			late = append(late, shown(e.text))
		}
	}
	return late
}

// neverAsked says that entries stand behind direct or off.
func (f *Facts) neverAsked(entries []listed, late []string) Finding {
	word := ""
	for _, e := range entries {
		if e.word {
			word = e.text
			break
		}
	}
	finding := Finding{
		ID: "goproxy-after-end", Severity: Warning,
		Title:       text("What stands behind %s in GOPROXY is never asked", "GOPROXY 中 %s 后面的条目永远不会用到", word),
		Evidence:    []lang.Text{f.said("GOPROXY"), text("never asked: %s", "不会用到：%s", strings.Join(late, ", "))},
		Consequence: text("The words direct and off end the list.", "direct 和 off 会结束列表。"),
		Fixes:       f.fixProxies(text("puts %s last", "把 %s 放到最后", word)),
	}
	if entries[0].text == "direct" {
		finding.ID = "goproxy-direct-first"
		finding.Title = text("GOPROXY begins with direct: its proxies are never asked", "GOPROXY 以 direct 开头：后面的代理永远不会用到")
		finding.Consequence = text("The word direct ends the list. Every module comes from its own host, as if there were no proxy.", "direct 会结束列表。每个模块都直接从各自的主机获取，等于没有设置代理。")
	}
	return finding
}

// switchedOff says that nothing is downloaded.
func (f *Facts) switchedOff() Finding {
	return Finding{
		ID: "goproxy-off", Severity: Warning,
		Title:       text("GOPROXY=off: nothing is downloaded", "GOPROXY=off：什么都不会下载"),
		Evidence:    one(f.said("GOPROXY")),
		Consequence: text(`What is not in the module cache fails with "module lookup disabled by GOPROXY=off". That is right only where builds must not use the network.`, "模块缓存里没有的都会失败，报 module lookup disabled by GOPROXY=off。只有在构建不得访问网络时才该这样设置。"),
		Fixes:       []Fix{f.fixSet("GOPROXY", "", text("goes back to Go's default; in China: godown use cn", "恢复 Go 的默认值；在中国可用 godown use cn"))},
	}
}

// failover finds commas that do not do what people think they do, and pipes that undo a refusal.
func (f *Facts) failover(entries []listed) []Finding {
	var found []Finding
	hinted := false
	for i, e := range entries[:len(entries)-1] {
		next := entries[i+1]
		if e.url == nil || e.late || next.text == "off" || f.mendEntry(e.text) == "" || f.mendEntry(next.text) == "" {
			continue
		}
		public := !hostLooksPrivate(e.url.Host)
		switch {
		case e.any && !public && e.url.Scheme != "file" && (next.text == "direct" || next.url != nil && !hostLooksPrivate(next.url.Host)):
			mended := append([]listed(nil), entries...)
			mended[i].any = false
			found = append(found, Finding{
				ID: "goproxy-refusal-passed", Severity: Warning,
				Title:       text(`"|" after %s goes past what it refuses`, "%s 后面的“|”会绕过它的拒绝", e.url.Host),
				Evidence:    []lang.Text{f.said("GOPROXY"), text("after it comes %s", "它后面是 %s", shown(next.text))},
				Consequence: text(`A proxy of one's own refuses with status 403. "," stops there; "|" goes on after any error, so that a module that is denied is fetched all the same, and names of private modules go out whenever the proxy fails.`, "自建代理用状态码 403 表示拒绝。用“,”会停下；用“|”则任何错误都会继续，于是被拒绝的模块照样会下载，而且代理一出错，私有模块的名字就会泄露到外面。"),
				Fixes:       []Fix{f.fixSet("GOPROXY", writeList(mended), text("if it is there to decide what may be used", "如果由它决定什么可以使用"))},
			})
		case !e.any && public && next.url != nil && !hostLooksPrivate(next.url.Host) && !hinted:
			hinted = true
			mended := append([]listed(nil), entries...)
			for j := range mended[:len(mended)-1] {
				mended[j].any = mended[j].any || mended[j].url != nil && mended[j+1].url != nil
			}
			found = append(found, Finding{
				ID: "goproxy-failover", Severity: Hint,
				Title:       text("The second mirror is not asked when the first is down", "第一个镜像宕机时，不会改用第二个"),
				Evidence:    one(f.said("GOPROXY")),
				Consequence: text(`Behind ",", the go command goes on only after 404 and 410. After a time-out or a 5xx it stops; behind "|" it goes on after any error.`, "用“,”分隔时，go 命令只在 404 和 410 之后才继续；超时或 5xx 就停下。用“|”则任何错误之后都会继续。"),
				Fixes:       []Fix{f.fixSet("GOPROXY", writeList(mended), lang.Text{})},
			})
		}
	}
	return found
}
