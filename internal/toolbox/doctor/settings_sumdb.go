package doctor

import (
	"context"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"golang.org/x/mod/sumdb/note"
)

// publicSumDB is the name of the database of all public modules.
const publicSumDB = "sum.golang.org"

// sumDBOf returns the name of the database that GOSUMDB stands for, with its
// own URL if it has one; known is false if the go command does not understand it.
func sumDBOf(setting string) (name, at string, known bool) {
	if setting == "sum.golang.google.cn" {
		return publicSumDB, "https://sum.golang.google.cn", true
	}
	words := strings.Fields(setting)
	if len(words) == 0 || len(words) > 2 {
		return "", "", false
	}
	if len(words) == 2 {
		at = words[1]
	}
	if words[0] == publicSumDB {
		return publicSumDB, at, true
	}
	key, err := note.NewVerifier(words[0])
	if err != nil {
		return "", "", false
	}
	return key.Name(), at, true
}

// checkSumDB finds a checksum database that is switched off, misspelt or out of reach.
func checkSumDB(_ context.Context, f *Facts) []Finding {
	setting := f.Settings.Text("GOSUMDB")
	if setting == "" {
		return nil
	}
	if setting == "off" {
		return []Finding{{
			ID: "gosumdb-off", Severity: Warning,
			Title:       text("GOSUMDB=off: nobody checks what is downloaded for the first time", "GOSUMDB=off：首次下载的内容没有任何校验"),
			Evidence:    one(f.said("GOSUMDB")),
			Consequence: text("Whatever a mirror sends is believed and written into go.sum. Only what go.sum has already is checked.", "镜像发来什么都会被相信，并写进 go.sum；只有 go.sum 里已有的才会校验。"),
			Fixes: []Fix{
				f.fixSet("GOSUMDB", "", text("goes back to Go's default", "恢复 Go 的默认值")),
				f.fixSet("GOSUMDB", "sum.golang.google.cn", text("the same database, where sum.golang.org cannot be reached", "同一个数据库，用于连不上 sum.golang.org 的地方")),
			},
		}}
	}
	name, at, known := sumDBOf(setting)
	if !known {
		return []Finding{f.badSumDB(setting)}
	}
	if name == publicSumDB || at != "" {
		return nil
	}
	entries := proxyEntries(f.Settings.Text("GOPROXY"))
	if strings.Contains(strings.SplitN(name, "/", 2)[0], ".") || len(entries) > 0 && !entries[0].word {
		return nil // it may well be a host, or a module proxy may pass it on
	}
	return []Finding{{
		ID: "gosumdb-no-url", Severity: Warning,
		Title:       text("The checksum database %s has no URL", "校验和数据库 %s 没有写 URL", name),
		Evidence:    one(f.said("GOSUMDB")),
		Consequence: text("Where no module proxy passes it on, the go command asks https://%s, which is hardly a host.", "没有模块代理转发时，go 命令会访问 https://%s，而这不像是一台主机。", name),
		Fixes:       []Fix{{Say: text("write the database's URL behind its key, with a blank between: GOSUMDB='KEY https://…'", "在密钥后面空一格，写上数据库的 URL：GOSUMDB='密钥 https://…'")}},
	}}
}

// isPreset reports whether a host is that of a mirror that is known.
func (f *Facts) isPreset(host string) bool {
	for _, p := range f.Presets {
		if strings.Contains(p.URL, "://"+host) {
			return true
		}
	}
	return false
}

// badSumDB says what is wrong with a GOSUMDB that the go command does not understand.
func (f *Facts) badSumDB(setting string) Finding {
	finding := Finding{
		ID: "gosumdb-invalid", Severity: Fault,
		Title:       text("The go command does not understand GOSUMDB", "go 命令看不懂 GOSUMDB"),
		Evidence:    one(f.said("GOSUMDB")),
		Consequence: text(`Whatever is not in go.sum yet fails with "invalid GOSUMDB" or "missing GOSUMDB".`, "凡是 go.sum 里还没有的都会失败，报 invalid GOSUMDB 或 missing GOSUMDB。"),
	}
	words := strings.Fields(setting)
	first := ""
	if len(words) > 0 {
		first = strings.Trim(words[0], quoteMarks)
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(first), "https://"), "http://"), "/")
	say := lang.Text{}
	switch {
	case strings.Contains(setting, "PRIVATE+KEY+"):
		finding.Evidence = append(finding.Evidence, text("it holds the private key, with which the database signs; clients need the public one", "里面是数据库用来签名的私钥；客户端需要的是公钥"))
		finding.Consequence = text("The go command refuses it, and who has the private key can sign anything: take it away from here.", "go 命令会拒绝它，而且谁拿到私钥就能签任何东西：请把它从这里删掉。")
		finding.Fixes = []Fix{f.fixSet("GOSUMDB", "", text("then set the public key", "然后设置公钥"))}
		return finding
	case len(words) == 2 && words[0] == "sum.golang.google.cn":
		finding.Fixes = []Fix{f.fixSet("GOSUMDB", "sum.golang.google.cn", text("that name is known only on its own", "这个名字只能单独使用"))}
		return finding
	case len(words) > 2:
		finding.Evidence = append(finding.Evidence, text("it may be a name or a key, and then a URL: no more than two words", "它可以是名字或密钥，后面跟一个 URL：最多两个词"))
	case bare == publicSumDB || nearest(bare, []string{publicSumDB}, 3) != "":
		finding.Fixes = []Fix{f.fixSet("GOSUMDB", publicSumDB, say)}
		return finding
	case strings.HasPrefix(bare, "sum.golang.google"), nearest(bare, []string{"sum.golang.google.cn"}, 3) != "":
		finding.Fixes = []Fix{f.fixSet("GOSUMDB", "sum.golang.google.cn", say)}
		return finding
	case bare != "" && nearest(bare, []string{"off"}, 1) != "":
		finding.Evidence = append(finding.Evidence, text("the word that switches it off is off, in small letters", "关闭它的词是小写的 off"))
	default:
		finding.Evidence = append(finding.Evidence, text("it is neither %s nor a key of the form name+hash+key", "它既不是 %s，也不是 name+hash+key 形式的密钥", publicSumDB))
	}
	finding.Fixes = []Fix{f.fixSet("GOSUMDB", "", text("goes back to Go's default", "恢复 Go 的默认值"))}
	return finding
}
