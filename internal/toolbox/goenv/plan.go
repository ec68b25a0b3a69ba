package goenv

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// ModuleSettings are the names of the settings that say where modules come from
// and how they are checked, in the order in which people should read them.
func ModuleSettings() []string {
	return []string{"GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB"}
}

// A Group is public mirrors that have a name.
type Group struct {
	Name string
	URLs []string
}

// The words that stand for no mirror.
const (
	Default = "default" // what the go command has by itself
	Direct  = "direct"  // version control systems
	Off     = "off"     // nothing
)

// A Target is where modules are to come from.
type Target struct {
	BuiltIn bool   // what the go command has by itself: GOPROXY is unset
	List    string // else GOPROXY's value
	Preset  bool   // a name was given, not addresses
}

// An Unknown is the error of ParseTarget for what is neither a name nor an address.
type Unknown struct {
	Text    string // without secrets
	Address string // that may have been meant; "" if it looks like none
}

func (e *Unknown) Error() string { return e.In(lang.English) }

// In is Error in a language.
func (e *Unknown) In(l lang.Language) string {
	if e.Address != "" {
		return lang.Text{
			En: "%[1]q is no name that is known, and an address begins with https:// or http://; did you mean %[2]s?",
			Zh: "%[1]q 不是已知的名字；地址要以 https:// 或 http:// 开头，你要的是 %[2]s 吗？"}.With(e.Text, e.Address).In(l)
	}
	return lang.Text{
		En: "%[1]q is neither a name that is known nor an address, which begins with https:// or http://",
		Zh: "%[1]q 既不是已知的名字，也不是以 https:// 或 http:// 开头的地址"}.With(e.Text).In(l)
}

// ParseTarget makes one list of names of groups, addresses, whole lists in
// GOPROXY syntax, and direct or off at the end. The members of a group are joined by "|", as mirrors break
// down and any of them has the same; the go command goes on to the next
// argument after 404 and 410 only, with failover after any error. After a group at
// the end comes ",direct".
func ParseTarget(args []string, groups []Group, failover bool) (Target, error) {
	if len(args) == 1 && args[0] == Default {
		return Target{BuiltIn: true, Preset: true}, nil
	}
	sep := ","
	if failover {
		sep = "|"
	}
	var t Target
	for i, arg := range args {
		text := strings.TrimSpace(arg)
		last := i == len(args)-1
		before := sep
		switch {
		case text == Direct || text == Off:
			if !last {
				return t, endsList(text)
			}
			if t.Preset {
				before = "," // also after a group: not past what it denies
			}
		case group(groups, text) != nil:
			text = strings.Join(group(groups, text), "|")
			t.Preset = true
			if last {
				text += "," + Direct
			}
		default:
			var err error
			if text, err = parseAddress(text, groups); err != nil {
				return t, err
			}
			if list, _ := ParseList(text); !last && list[len(list)-1].Word != "" {
				return t, endsList(list[len(list)-1].Word)
			}
		}
		if i > 0 {
			t.List += before
		}
		t.List += text
	}
	return t, nil
}

func endsList(word string) error {
	return explain("%[1]s ends the list: what stands after it is never asked", "%[1]s 会结束列表，写在它后面的永远不会被用到", word)
}

// group returns the addresses of a group, or nil if there is none of the name.
func group(groups []Group, name string) []string {
	for _, g := range groups {
		if g.Name == name {
			return g.URLs
		}
	}
	return nil
}

// parseAddress checks an address or a list.
func parseAddress(text string, groups []Group) (string, error) {
	list, err := ParseList(text)
	for i, e := range list {
		if e.Word != "" || strings.Contains(e.Text, "://") {
			continue
		}
		if i > 0 && e.Is(Secret) && list[i-1].Sep != 0 && strings.Contains(list[i-1].Text, "://") {
			return "", explain("an address has %[1]q before its %[2]q, where it parts two addresses: in a user or a password write %[3]s for it",
				"地址里 %[2]q 之前有 %[1]q，它会被当作两个地址之间的分隔符：用户名或密码里的请写成 %[3]s", string(list[i-1].Sep), "@", url.PathEscape(string(list[i-1].Sep)))
		}
		if e.Text == "" {
			return "", explain("there is nothing between two separators in %[1]q", "%[1]q 里两个分隔符之间是空的", Shown(text))
		}
		unknown := &Unknown{Text: e.Text}
		if e.Is(Secret) || e.Is(Query) {
			unknown.Text = e.Shown()
		}
		if e.URL != nil && strings.ContainsAny(e.Text, ".:") {
			host := *e.URL
			host.User = nil
			unknown.Address = fullAddress(&host, groups)
		}
		return "", unknown
	}
	if err != nil {
		return "", explain("the go command refuses such a list: %[1]v", "go 命令不接受这样的列表：%[1]v", err)
	}
	for _, e := range list {
		switch {
		case e.Is(AfterEnd):
			return "", explain("direct and off end the list: what stands after them is never asked", "direct 和 off 会结束列表，写在它们后面的永远不会被用到")
		case e.Is(Inner) || e.Is(Quotes):
			return "", explain("%[1]q has a blank or a quotation mark in it", "%[1]q 里有空格或引号", e.Shown())
		case e.Is(NoHost):
			return "", explain("%[1]q names no host", "%[1]q 没有主机名", e.Shown())
		case e.Is(Query):
			return "", explain("%[1]q has a query, which a proxy's address cannot have", "%[1]q 带有查询参数，代理的地址不能有", e.Shown())
		}
	}
	return text, nil
}

// fullAddress returns the address that somebody may have meant by a host.
func fullAddress(u *url.URL, groups []Group) string {
	for _, g := range groups {
		for _, known := range g.URLs {
			if k, err := url.Parse(known); err == nil && strings.EqualFold(k.Host, u.Host) && strings.Trim(u.Path, "/") == "" {
				return known
			}
		}
	}
	if u.Port() != "" && u.Port() != "443" {
		return "http://" + u.Host + u.Path
	}
	return u.String()
}

// A Wish is what somebody wants of the go command's settings. Pointers are nil
// for what they have said nothing of; "" stands for "not set any more".
type Wish struct {
	Target  *Target
	SumDB   *string // GOSUMDB; "default", "keep"
	Private *string // GOPRIVATE
	NoProxy *string // GONOPROXY
	NoSum   *string // GONOSUMDB
}

// A Note is something to be said about a plan.
type Note struct {
	ID      string // stable, such as "sumdb-back"; docs/use.md has each
	Warn    bool   // it may not work as it is meant
	Text    lang.Text
	Command string // that would be better; "" if there is none
}

// A Plan is what is to be changed, and what there is to say about it.
type Plan struct {
	Changes []Change
	All     []Change // Changes, and what is as it should be already
	Notes   []Note
}

// Public reports whether a mirror is one that all the world can ask, and which
// therefore must not learn the names of private modules.
type Public func(*url.URL) bool

// PlanOf makes a plan of changes that are given, such as those of a profile.
func PlanOf(changes []Change, s *Settings, public Public) Plan {
	p := newPlanning(Wish{}, s, public)
	for _, c := range changes {
		p.now[c.Name] = c
		if c.Name == "GOPROXY" {
			p.wish.Target = &Target{BuiltIn: c.Unset, List: c.Value}
		}
	}
	if p.wish.Target != nil {
		p.proxy()
	}
	p.look()
	return p.plan()
}

// planning is a plan that is being made.
type planning struct {
	wish   Wish
	file   func(name string) string // what the file says now; "" for nothing
	force  func(name string) string // what is in force now
	now    map[string]Change
	list   []Element // of GOPROXY as it will be
	known  Public
	public bool // some mirror in it is public, or nobody knows which they are
	own    bool // there is a mirror in it, and none is public
	notes  []Note
}

// Plan makes a plan: the wish, and what follows from it so that the five settings fit together.
func (w Wish) Plan(s *Settings, public Public) (Plan, error) {
	p := newPlanning(w, s, public)
	if err := p.checkWish(); err != nil {
		return Plan{}, err
	}
	p.proxy()
	p.sumdb()
	p.private()
	p.look()
	return p.plan(), nil
}

func newPlanning(w Wish, s *Settings, public Public) *planning {
	return &planning{wish: w, known: public, now: make(map[string]Change),
		file:  func(name string) string { return s.said(name, User) },
		force: s.Text,
	}
}

// said returns what is said in a place; "" for nothing.
func (s *Settings) said(name string, place Place) string {
	for _, said := range s.Values[name].Said {
		if said.Place == place {
			return said.Text
		}
	}
	return ""
}

// plan returns what is no news in the file left out.
func (p *planning) plan() Plan {
	plan := Plan{Notes: p.notes}
	for _, name := range ModuleSettings() {
		c, ok := p.now[name]
		if !ok {
			continue
		}
		plan.All = append(plan.All, c)
		if c.Unset && p.file(name) != "" || !c.Unset && p.file(name) != c.Value {
			plan.Changes = append(plan.Changes, c)
		}
	}
	return plan
}

// set notes a change; an empty value is none.
func (p *planning) set(name, value string) {
	p.now[name] = Change{Name: name, Value: value, Unset: value == ""}
}

// will returns what the setting will be, as far as the file says it.
func (p *planning) will(name string) string {
	if c, ok := p.now[name]; ok {
		return c.Value
	}
	return p.force(name)
}

func (p *planning) note(warn bool, id, command string, text lang.Text) {
	p.notes = append(p.notes, Note{ID: id, Warn: warn, Text: text, Command: command})
}

// checkWish checks patterns and the database, and takes the blanks out of patterns: the go command does not.
func (p *planning) checkWish() error {
	for _, w := range []struct {
		flag string
		text **string
	}{{"--private", &p.wish.Private}, {"--no-proxy", &p.wish.NoProxy}, {"--no-sum", &p.wish.NoSum}} {
		if *w.text == nil {
			continue
		}
		clean, err := parsePatterns(**w.text)
		if err != nil {
			return fmt.Errorf("%s: %w", w.flag, err)
		}
		*w.text = &clean
	}
	if db := p.wish.SumDB; db != nil && *db != "" {
		fields := strings.Fields(*db)
		word := len(fields) == 1 && slices.Contains([]string{Default, "keep", Off}, fields[0])
		known := word || len(fields) > 0 && slices.Contains([]string{"sum.golang.org", "sum.golang.google.cn"}, fields[0])
		switch {
		case len(fields) == 0 || len(fields) > 2:
			return explain("--sumdb: %[1]q is neither a name, nor a name with its key, nor one of both with a URL", "--sumdb：%[1]q 应是名字或带公钥的名字，后面可以再加一个 URL", Shown(*db))
		case !known && strings.Count(fields[0], "+") < 2:
			return explain("--sumdb: %[1]q is a database that the go command does not know: it needs its key, NAME+HASH+KEY; 'godown sumdb key' prints that of a server of ours", "--sumdb：go 命令不认识数据库 %[1]q，需要带上公钥：NAME+HASH+KEY；godown 服务器的公钥可用 godown sumdb key 查看", Shown(fields[0]))
		case len(fields) == 2 && !strings.Contains(fields[1], "://"):
			return explain("--sumdb: %[1]q is no URL", "--sumdb：%[1]q 不是 URL", Shown(fields[1]))
		}
		joined := strings.Join(fields, " ")
		p.wish.SumDB = &joined
	}
	return nil
}

// parsePatterns checks a list in GOPRIVATE syntax.
func parsePatterns(list string) (string, error) {
	var clean []string
	for pattern := range strings.SplitSeq(list, ",") {
		pattern = strings.TrimSpace(pattern)
		if pattern == "" {
			continue
		}
		switch _, err := path.Match(pattern, ""); {
		case strings.Contains(pattern, "://"):
			return "", explain("%[1]q is an address; a pattern is for a module's path, such as %[2]q", "%[1]q 是地址；模式针对的是模块路径，例如 %[2]q", Shown(pattern), "git.corp.example/*")
		case strings.ContainsAny(pattern, " \t\r\n|;"):
			return "", explain("%[1]q: patterns are separated by commas", "%[1]q：模式之间用逗号分隔", Shown(pattern))
		case err != nil:
			return "", explain("%[1]q is no pattern: a bracket or a backslash in it has no end", "%[1]q 不是有效的模式：其中的方括号或反斜杠不完整", Shown(pattern))
		}
		clean = append(clean, pattern)
	}
	return strings.Join(clean, ","), nil
}

// proxy plans GOPROXY, and finds out what kind of mirrors are in it.
func (p *planning) proxy() {
	list := p.force("GOPROXY")
	if t := p.wish.Target; t != nil {
		list = t.List
		p.set("GOPROXY", list)
		p.public = t.BuiltIn
	}
	p.list, _ = ParseList(list)
	some := false
	for _, e := range p.list {
		if e.URL != nil {
			some = true
			p.public = p.public || p.known(e.URL)
		}
	}
	p.own = some && !p.public
}

// sumdb plans GOSUMDB.
func (p *planning) sumdb() {
	now := p.file("GOSUMDB")
	switch w := p.wish.SumDB; {
	case w != nil && *w == "keep":
	case w != nil && *w == Default:
		p.set("GOSUMDB", "")
	case w != nil:
		p.set("GOSUMDB", *w)
	case p.wish.Target == nil || !p.wish.Target.Preset:
	case p.wish.Target.BuiltIn:
		p.set("GOSUMDB", "")
	case now == "":
	case publicSums(now):
	default:
		p.set("GOSUMDB", "")
		if now == Off {
			p.note(false, "sumdb-on", "", lang.Text{
				En: "GOSUMDB=off is taken back: the mirrors pass the checksum database on, so that what they serve is checked again (--sumdb keep leaves it off).",
				Zh: "GOSUMDB=off 会被撤销：这些镜像能转发校验和数据库，下载的内容会重新得到校验（如要继续关闭，加 --sumdb keep）。"})
		} else {
			p.note(false, "sumdb-back", "", lang.Text{
				En: "GOSUMDB goes back to the public checksum database: public mirrors do not pass your own one on (--sumdb keep leaves it).",
				Zh: "GOSUMDB 会改回公共校验和数据库：公共镜像不会转发你们自己的数据库（如要保留，加 --sumdb keep）。"})
		}
	}
}

// publicSums reports whether a value of GOSUMDB is the public database, by whatever way.
func publicSums(value string) bool {
	name, _, _ := strings.Cut(value, " ")
	name, _, _ = strings.Cut(name, "+")
	return name == "sum.golang.org" || name == "sum.golang.google.cn"
}
