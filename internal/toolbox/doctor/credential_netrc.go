package doctor

import (
	"context"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// A netrcEntry is what a netrc file says of one machine.
type netrcEntry struct {
	machine         string
	login, password string
	line            int
	lost            bool // after a line with "default" alone, where the go command stops reading
}

// whole reports whether the go command uses the entry.
func (e netrcEntry) whole() bool {
	return e.machine != "" && e.login != "" && e.password != "" && !e.lost
}

// A netrc is such a file, as the go command reads it.
type netrc struct {
	file     string
	entries  []netrcEntry
	fallback int // the line of a default entry; 0: there is none
}

// parseNetrc reads like the go command: pairs of words within a line, an entry
// done as soon as it is whole.
func parseNetrc(data string) netrc {
	var n netrc
	now := netrcEntry{}
	keep := func() {
		if now.machine != "" {
			n.entries = append(n.entries, now)
		}
		now = netrcEntry{}
	}
	macro, lost, number := false, false, 0
	for line := range strings.SplitSeq(data, "\n") {
		number++
		if macro {
			macro = line != ""
			continue
		}
		f := strings.Fields(line)
		i := 0
		for ; i < len(f)-1; i += 2 {
			switch f[i] {
			case "machine":
				keep()
				now = netrcEntry{machine: f[i+1], line: number, lost: lost}
			case "default":
				keep()
				n.fallback = number
			case "login":
				now.login = f[i+1]
			case "password":
				now.password = f[i+1]
			case "macdef":
				macro = true
			}
			if now.whole() {
				keep()
			}
		}
		if i < len(f) && f[i] == "default" {
			keep()
			n.fallback, lost = number, true
		}
	}
	keep()
	return n
}

// netrcPath returns the file that the go command reads, there or not; "" if there is no home.
func (f *Facts) netrcPath() string {
	if file := f.Machine.Getenv("NETRC"); file != "" {
		return file
	}
	if f.Home == "" {
		return ""
	}
	if f.OS == "windows" {
		old := filepath.Join(f.Home, "_netrc")
		if _, err := os.Stat(old); err == nil {
			return old
		}
	}
	return filepath.Join(f.Home, ".netrc")
}

// readNetrc returns what the netrc file says; nil if there is none that can be read.
func (f *Facts) readNetrc() (*netrc, error) {
	file := f.netrcPath()
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		if os.IsNotExist(err) {
			err = nil
		}
		return nil, err
	}
	n := parseNetrc(string(data))
	n.file = file
	return &n, nil
}

// takesNetrc reports whether the go command reads netrc at all.
func (f *Facts) takesNetrc() bool {
	for c := range strings.SplitSeq(f.setting("GOAUTH"), ";") {
		if c = strings.TrimSpace(c); c == "netrc" || c == "" {
			return true
		}
	}
	return false
}

// login gives a visit the credentials that the go command would send, those of
// netrc. What a command of GOAUTH gives is not asked for here.
func (w *walk) login(v *visit) {
	if v.base == nil || v.base.Scheme != "https" || v.base.User != nil || !w.facts.takesNetrc() {
		return
	}
	n, err := w.facts.readNetrc()
	if n == nil || err != nil {
		return
	}
	for _, e := range n.entries {
		if e.whole() && strings.EqualFold(e.machine, v.base.Host) {
			with := *v.base
			with.User = url.UserPassword(e.login, e.password)
			v.base = &with
			return
		}
	}
}

// checkNetrc looks at the file of credentials.
func checkNetrc(_ context.Context, f *Facts) []Finding {
	n, err := f.readNetrc()
	if err != nil {
		return []Finding{{
			ID: "netrc-unreadable", Severity: Warning,
			Title:       text("The file of credentials cannot be read", "凭据文件无法读取"),
			Evidence:    []lang.Text{lang.Same(err.Error())},
			Consequence: text("The go command sends no login, and git and curl neither: servers answer 401 or 404.", "go 命令不会发送登录信息，git 与 curl 也不会：服务器会返回 401 或 404。"),
			Fixes:       []Fix{{Command: "sudo chown \"$(id -un)\" " + quote(f.netrcPath()), Say: text("make it yours", "把它改为归你所有")}},
		}}
	}
	if n == nil {
		if set := f.Machine.Getenv("NETRC"); set != "" {
			return []Finding{{
				ID: "netrc-absent", Severity: Warning,
				Title:       text("NETRC names a file that is not there", "NETRC 指向的文件不存在"),
				Evidence:    []lang.Text{text("NETRC=%s", "NETRC=%s", set)},
				Consequence: text("The go command sends no login; it does not look at ~/.netrc then.", "go 命令不会发送登录信息；此时它也不会读取 ~/.netrc。"),
				Fixes:       []Fix{{Command: f.unset("NETRC"), Say: text("so that ~/.netrc counts", "使 ~/.netrc 生效")}},
			}}
		}
		return nil
	}
	var found []Finding
	found = append(found, f.netrcMode(n)...)
	found = append(found, f.netrcHalves(n)...)
	found = append(found, f.netrcPorts(n)...)
	found = append(found, f.netrcPlain(n)...)
	if n.fallback > 0 {
		found = append(found, f.netrcDefault(n))
	}
	return found
}

// netrcMode finds a file of passwords that others can read.
func (f *Facts) netrcMode(n *netrc) []Finding {
	info, err := os.Stat(n.file)
	if err != nil || f.OS == "windows" || !openToOthers(n.file, info.Mode()) || !hasPassword(n) {
		return nil
	}
	return []Finding{{
		ID: "netrc-mode", Severity: Warning,
		Title:       text("Others on this machine can read your passwords", "本机的其他用户可以读取你的密码"),
		Evidence:    []lang.Text{text("%s has the permissions %s", "%s 的权限是 %s", f.tilde(n.file), info.Mode().Perm())},
		Consequence: text("Whoever has an account here, or a copy of the folder, has your access.", "本机的任何账号，或拿到该目录副本的人，都有了你的访问权。"),
		Fixes: []Fix{{Command: "chmod 600 " + quote(n.file), Say: text("let only you read it", "只允许自己读取"),
			Do: func(context.Context) error { return os.Chmod(n.file, 0o600) }}},
	}}
}

// openToOthers reports whether others can read a file of that mode: for that they
// must come through each folder above it as well.
func openToOthers(file string, mode fs.FileMode) bool {
	group, all := mode&0o040 != 0, mode&0o004 != 0
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil {
			group, all = group && info.Mode()&0o010 != 0, all && info.Mode()&0o001 != 0
		}
		if dir == filepath.Dir(dir) {
			return group || all
		}
	}
}

func hasPassword(n *netrc) bool {
	for _, e := range n.entries {
		if e.password != "" {
			return true
		}
	}
	return n.fallback > 0
}

// netrcHalves finds entries that the go command skips without a word.
func (f *Facts) netrcHalves(n *netrc) []Finding {
	var found []Finding
	for _, e := range n.entries {
		var why lang.Text
		switch {
		case e.lost:
			why = text("it stands after a line with default alone, where the go command stops reading", "它位于单独一行的 default 之后，go 命令读到那里就停止了")
		case e.password == "":
			why = text("it has no password", "没有 password")
		case e.login == "":
			why = text("it has no login", "没有 login")
		default:
			continue
		}
		found = append(found, Finding{
			ID: "netrc-incomplete", Severity: Warning,
			Title:       text("The entry for %s in netrc is not used", "netrc 中 %s 的条目不会被使用", e.machine),
			Evidence:    []lang.Text{text("%s, line %d: %s", "%s 第 %d 行：%s", f.tilde(n.file), e.line, why)},
			Consequence: text("The go command sends nothing to %s, and says nothing of it: the server answers 401 or 404.", "go 命令不会向 %s 发送登录信息，也不会提示：服务器会返回 401 或 404。", e.machine),
			Fixes:       []Fix{{Say: text("write it whole, before any default: machine %s login NAME password SECRET", "写完整，并放在 default 之前：machine %s login NAME password SECRET", e.machine)}},
		})
	}
	return found
}

// netrcPorts finds entries that differ from a server of the settings in the port
// alone: the go command compares host and port as the URL has them, git and curl the host alone.
func (f *Facts) netrcPorts(n *netrc) []Finding {
	var found []Finding
	for _, e := range f.goproxy() {
		if e.URL == nil || e.URL.Scheme != "https" || e.URL.User != nil {
			continue
		}
		var near *netrcEntry
		exact := false
		for i := range n.entries {
			m := n.entries[i].machine
			if host, _, err := net.SplitHostPort(m); err == nil {
				m = host
			}
			if strings.EqualFold(n.entries[i].machine, e.URL.Host) {
				exact = true
			} else if strings.EqualFold(m, e.URL.Hostname()) {
				near = &n.entries[i]
			}
		}
		if exact || near == nil {
			continue
		}
		found = append(found, Finding{
			ID: "netrc-port", Severity: Warning,
			Title:       text("The login for %s is not sent to %s", "%s 的登录信息不会发给 %s", near.machine, e.URL.Host),
			Evidence:    []lang.Text{text("%s, line %d: machine %s; GOPROXY has %s", "%s 第 %d 行：machine %s；GOPROXY 中是 %s", f.tilde(n.file), near.line, near.machine, showURL(e.URL))},
			Consequence: text("The go command wants host and port in netrc as the URL has them (git and curl want the host alone): the server answers 401.", "go 命令要求 netrc 中的主机与端口和 URL 完全一致（git 与 curl 则只要主机名）：服务器会返回 401。"),
			Fixes:       []Fix{{Say: text("add a line: machine %s login NAME password SECRET", "加一行：machine %s login NAME password SECRET", e.URL.Host)}},
		})
	}
	return found
}

// netrcPlain finds logins for a server that is asked over http.
func (f *Facts) netrcPlain(n *netrc) []Finding {
	var found []Finding
	for _, e := range f.goproxy() {
		if e.URL == nil || e.URL.Scheme != "http" {
			continue
		}
		for _, m := range n.entries {
			if m.whole() && (strings.EqualFold(m.machine, e.URL.Host) || strings.EqualFold(m.machine, e.URL.Hostname())) {
				found = append(found, Finding{
					ID: "netrc-http", Severity: Warning,
					Title:       text("The login for %s is not sent, as it is asked over http", "%s 通过 http 访问，登录信息不会发送", m.machine),
					Evidence:    []lang.Text{text("%s, line %d: machine %s; GOPROXY has %s", "%s 第 %d 行：machine %s；GOPROXY 中是 %s", f.tilde(n.file), m.line, m.machine, showURL(e.URL))},
					Consequence: text("The go command sends credentials over https only: if the server wants them, it answers 401.", "go 命令只通过 https 发送凭据：若服务器需要登录，会返回 401。"),
					Fixes:       []Fix{{Say: text("write https:// in GOPROXY, if the server speaks it", "如果服务器支持 https，就在 GOPROXY 中写 https://")}},
				})
				break
			}
		}
	}
	return found
}

// netrcDefault tells that a default entry is none for the go command. curl takes it.
func (f *Facts) netrcDefault(n *netrc) Finding {
	return Finding{
		ID: "netrc-default", Severity: Hint,
		Title:       text("The go command knows no default in netrc", "go 命令不认 netrc 中的 default"),
		Evidence:    []lang.Text{text("%s, line %d", "%s 第 %d 行", f.tilde(n.file), n.fallback)},
		Consequence: text("Hosts without a line of their own get no login from it; git and curl do send it, to every host that asks.", "没有单独条目的主机得不到登录信息；而 git 与 curl 会把它发给任何要求登录的主机。"),
		Fixes:       []Fix{{Say: text("write a line for each host: machine HOST login NAME password SECRET", "为每个主机写一行：machine HOST login NAME password SECRET")}},
	}
}
