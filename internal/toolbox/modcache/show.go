package modcache

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
)

// A Share is how much somebody's modules take.
type Share struct {
	Owner    string
	Versions int
	Bytes    int64
}

// Shares returns how much each owner's modules take, the biggest first.
func (s *Stock) Shares() []Share {
	of := make(map[string]*Share)
	for _, v := range s.Versions {
		owner := Owner(v.Path)
		if of[owner] == nil {
			of[owner] = &Share{Owner: owner}
		}
		of[owner].Versions++
		of[owner].Bytes += v.Bytes()
	}
	var list []Share
	for _, one := range of {
		list = append(list, *one)
	}
	slices.SortFunc(list, func(a, b Share) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Owner, b.Owner)) })
	return list
}

// A Sum is a line of what a place holds.
type Sum struct {
	ID    string // as --json has it
	Say   lang.Text
	Bytes int64
	Count lang.Text // of what, in words
	N     int

	Beside bool // it is beside the place, and not in its sum
}

// Sums returns what a place holds, by kind.
func (s *Stock) Sums() []Sum {
	var unpacked, zips, small, tools Sum
	var versions, zipped, unpackedN, toolsN int
	for _, v := range s.Versions {
		if v.Path == toolchains {
			tools.Bytes += v.Bytes()
			toolsN++
			continue
		}
		versions++
		if v.folder {
			unpackedN++
		}
		if v.zip {
			zipped++
		}
		unpacked.Bytes += v.Extracted
		zips.Bytes += v.Zip
		small.Bytes += v.Small
	}
	list := []Sum{
		{ID: "extracted", Say: lang.Text{En: "unpacked modules", Zh: "解压后的模块"}, Bytes: unpacked.Bytes, Count: ofVersions(unpackedN), N: unpackedN},
		{ID: "zips", Say: lang.Text{En: "zips", Zh: "zip 文件"}, Bytes: zips.Bytes, Count: ofVersions(zipped), N: zipped},
		{ID: "mods", Say: lang.Text{En: ".mod, .info, hashes", Zh: ".mod、.info 与哈希"}, Bytes: small.Bytes, Count: ofVersions(versions), N: versions},
		{ID: "toolchains", Say: lang.Text{En: "toolchains of Go", Zh: "Go 工具链"}, Bytes: tools.Bytes, Count: ofVersions(toolsN), N: toolsN},
	}
	clones := Sum{ID: "clones", Say: lang.Text{En: "clones (cache/vcs)", Zh: "代码仓库（cache/vcs）"}, N: len(s.Clones), Count: count(len(s.Clones), "clone", "clones", "个仓库")}
	for _, c := range s.Clones {
		clones.Bytes += c.Bytes
	}
	left := Sum{ID: "leftovers", Say: lang.Text{En: "leftovers", Zh: "残留"}, N: len(s.Leftovers), Count: count(len(s.Leftovers), "item", "items", "项")}
	for _, l := range s.Leftovers {
		left.Bytes += l.Bytes
	}
	list = append(list, clones)
	for _, f := range s.Folders {
		list = append(list, Sum{ID: string(f.Kind), Say: f.Kind.Say(), Bytes: f.Bytes, Count: count(f.Files, "file", "files", "个文件"), N: f.Files, Beside: f.Beside})
	}
	list = append(list, left)
	slices.SortStableFunc(list, func(a, b Sum) int { return strings.Compare(fmt.Sprint(a.Beside), fmt.Sprint(b.Beside)) })
	return slices.DeleteFunc(list, func(one Sum) bool { return one.N == 0 })
}

// barWidth is the width of the longest bar, in columns.
const barWidth = 24

// ShowSums prints what a place holds, and who has most of it.
func (s *Stock) ShowSums(p *term.Printer, top int) {
	p.Line(0, p.Paint(term.Strong, term.Clean(s.Dir)))
	if s.nothing(p) {
		s.ShowOdd(p)
		return
	}
	p.Line(0, "")
	var rows [][]term.Cell
	all := []term.Cell{{Text: p.Sprint(lang.Text{En: "all", Zh: "合计"}), Style: term.Strong}, {Text: Size(s.Bytes()), Style: term.Strong}, {}}
	for _, one := range s.Sums() {
		row := term.Cells(one.Say.In(p.Lang), Size(one.Bytes), one.Count.In(p.Lang))
		if one.Beside {
			if all != nil {
				rows = append(rows, all)
				all = nil
			}
			row[0].Text = p.Sprint(lang.Text{En: "beside it: %s", Zh: "另外：%s"}, one.Say)
		}
		rows = append(rows, row)
	}
	if all != nil {
		rows = append(rows, all)
	}
	p.Line(0, strings.TrimSuffix(p.Table([]term.Column{
		{Title: lang.Text{En: "WHAT", Zh: "内容"}, Shrink: true}, {Title: lang.Text{En: "SIZE", Zh: "大小"}, Right: true}, {Title: lang.Text{En: "HOW MANY", Zh: "数量"}, Right: true},
	}, rows), "\n"))
	shares := s.Shares()
	if len(shares) > 0 && top > 0 {
		p.Line(0, "")
		rows = nil
		for _, one := range shares[:min(top, len(shares))] {
			rows = append(rows, []term.Cell{
				{Text: term.Clip(one.Owner, 40)}, {Text: Size(one.Bytes)}, {Text: thousands(one.Versions)},
				{Text: term.Bar(float64(one.Bytes)/float64(max(shares[0].Bytes, 1)), bars(p)), Style: term.Command},
			})
		}
		p.Line(0, strings.TrimSuffix(p.Table([]term.Column{
			{Title: lang.Text{En: "WHOSE", Zh: "归属"}, Shrink: true}, {Title: lang.Text{En: "SIZE", Zh: "大小"}, Right: true}, {Title: lang.Text{En: "VERSIONS", Zh: "版本数"}, Right: true}, {},
		}, rows), "\n"))
		if n := len(shares) - top; n > 0 {
			p.Line(0, p.Paint(term.Dim, p.Sprint(lang.Text{En: "… and %d more (--top %d)", Zh: "……另有 %d 项（--top %d）"}, n, len(shares))))
		}
	}
	s.ShowOdd(p)
}

// bars returns how wide bars may be.
func bars(p *term.Printer) int {
	if p.Width == 0 {
		return barWidth
	}
	return max(min(barWidth, p.Width-60), 4)
}

// nothing says so if there is nothing, and reports whether it is so.
func (s *Stock) nothing(p *term.Printer) bool {
	if len(s.Versions)+len(s.Clones)+len(s.Leftovers)+len(s.Folders) > 0 {
		return false
	}
	p.Say(lang.Text{En: "It is empty: nothing was fetched into it.", Zh: "这里是空的：还没有下载过任何东西。"})
	return true
}

// shownOdd is how many unknown files are named.
const shownOdd = 5

// ShowOdd says what is there that does not belong there, and what could not be looked at.
func (s *Stock) ShowOdd(p *term.Printer) {
	if n := len(s.Unknown); n > 0 {
		p.Line(0, "")
		p.Say(lang.Text{En: "Unknown here, not counted and never touched: %s", Zh: "以下 %s不属于模块缓存，不计入大小，也绝不会动："}.With(count(n, "file or folder", "files and folders", "个文件或目录")))
		for _, name := range s.Unknown[:min(n, shownOdd)] {
			p.Line(2, term.Clean(name))
		}
		if n > shownOdd {
			p.Line(2, p.Sprint(lang.Text{En: "… and %d more (--json names them)", Zh: "……另有 %d 个（--json 会全部列出）"}, n-shownOdd))
		}
	}
	if n := len(s.Unread); n > 0 {
		p.Line(0, "")
		p.Say(lang.Text{En: "Not counted, as it could not be read:", Zh: "以下内容无法读取，未计入："})
		for _, err := range s.Unread[:min(n, shownOdd)] {
			p.Para(2, p.Paint(term.Warn, term.Clean(err.Error())))
		}
		if n > shownOdd {
			p.Line(2, p.Sprint(lang.Text{En: "… and %d more", Zh: "……另有 %d 处"}, n-shownOdd))
		}
	}
}

// An Order is how versions are sorted.
type Order string

// The orders.
const (
	BySize Order = "size" // the biggest first
	ByAge  Order = "age"  // the oldest first
	ByName Order = "name"
)

// Sort sorts versions.
func Sort(list []Version, by Order) {
	slices.SortStableFunc(list, func(a, b Version) int {
		switch by {
		case BySize:
			return cmp.Compare(b.Bytes(), a.Bytes())
		case ByAge:
			return a.Fetched.Compare(b.Fetched)
		}
		return 0 // as they are
	})
}

// ShowVersions prints a table of versions. needs is nil if nobody has said what is needed.
func ShowVersions(p *term.Printer, list []Version, needs *Needs, now time.Time) {
	columns := []term.Column{
		{Title: lang.Text{En: "MODULE", Zh: "模块"}, Shrink: true},
		{Title: lang.Text{En: "SIZE", Zh: "大小"}, Right: true},
		{Title: lang.Text{En: "UNPACKED", Zh: "解压后"}, Right: true},
		{Title: lang.Text{En: "ZIP", Zh: "zip"}, Right: true},
		{Title: lang.Text{En: "FETCHED", Zh: "下载于"}, Right: true},
	}
	if needs != nil {
		columns = append(columns, term.Column{Title: lang.Text{En: "NEEDED", Zh: "是否需要"}})
	}
	var rows [][]term.Cell
	var sum int64
	for _, v := range list {
		sum += v.Bytes()
		row := term.Cells(fold(p, v.String()), Size(v.Bytes()), orNone(v.folder, v.Extracted), orNone(v.zip, v.Zip), ago(v.Fetched, now).In(p.Lang))
		if needs != nil {
			need := needs.Of(v)
			style := term.Plain
			if need == Nothing {
				style = term.Dim
			}
			row = append(row, term.Cell{Text: need.Say().In(p.Lang), Style: style})
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		p.Line(0, strings.TrimSuffix(p.Table(columns, rows), "\n"))
	}
	p.Say(lang.Text{En: "%s, %s", Zh: "%s，共 %s"}, count(len(list), "version", "versions", "个版本"), Size(sum))
}

func orNone(there bool, n int64) string {
	if !there {
		return "-"
	}
	return Size(n)
}

// ago writes how long ago something was; a time that lies ahead is "now".
func ago(t, now time.Time) lang.Text {
	return lang.Text{En: "%s ago", Zh: "%s前"}.With(Age(now.Sub(t)))
}

// besides is how many columns of a table are not the name, about.
const besides = 46

// fold writes a name for a cell: on a terminal on several lines if it must be, broken
// where a person would break it, and never cut, as it is to be typed again.
func fold(p *term.Printer, name string) string {
	name = term.Clean(name)
	room := max(p.Width-besides, 24)
	if p.Width == 0 || term.Width(name) <= room {
		return name
	}
	var lines []string
	now := ""
	for _, piece := range strings.SplitAfter(strings.ReplaceAll(name, "@", "/\x00@"), "/") {
		piece = strings.TrimPrefix(piece, "\x00")
		at := strings.HasPrefix(piece, "@")
		if at {
			now = strings.TrimSuffix(now, "/")
		}
		if now != "" && term.Width(now+piece) > room {
			lines = append(lines, now)
			now = ""
		}
		now += piece
	}
	return strings.Join(append(lines, now), "\n")
}
