package doctor

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// SettingsChecks returns the checks of the go command's settings. None of them asks the network.
func SettingsChecks() []Check {
	return []Check{
		checkReadable,
		settingsCheck(checkProxyList), settingsCheck(checkProxyOrder), settingsCheck(checkProxyHosts),
		settingsCheck(checkSumDB),
		settingsCheck(checkPatterns), settingsCheck(checkPrivate), settingsCheck(checkLeaks), settingsCheck(checkInsecure),
		settingsCheck(checkFlags), settingsCheck(checkAuth), settingsCheck(checkVCS), settingsCheck(checkModuleMode), settingsCheck(checkFolders),
		settingsCheck(checkToolchain),
		settingsCheck(checkNames), settingsCheck(checkFile), settingsCheck(checkShadows), settingsCheck(checkInstallation),
		settingsCheck(checkVersion),
	}
}

// settingsCheck makes a check of one that needs settings.
func settingsCheck(check func(context.Context, *Facts) []Finding) Check {
	return func(ctx context.Context, f *Facts) []Finding {
		if f.Settings == nil {
			return nil
		}
		return check(ctx, f)
	}
}

// said returns what a setting is and where that was said, for evidence.
func (f *Facts) said(name string) lang.Text {
	v, known := f.Settings.Values[name]
	if !known {
		return f.origin(goenv.Said{Place: goenv.Environment, Text: f.Machine.Getenv(name)}, name)
	}
	first := v.Said[0]
	first.Text = v.Text
	return f.origin(first, name)
}

// origin returns where a value was said, with the value.
func (f *Facts) origin(s goenv.Said, name string) lang.Text {
	value := name + "=" + shown(s.Text)
	if name == "GOAUTH" {
		value = name + "=" + shownAuth(s.Text)
	}
	switch s.Place {
	case goenv.Environment:
		if at := f.shellPlaces(name); len(at) > 0 {
			return text("%s, in the environment; it is set in %s", "%s，来自环境变量；设置它的地方：%s", value, strings.Join(at, ", "))
		}
		return text("%s, in the environment", "%s，来自环境变量", value)
	case goenv.User:
		return text(`%s, in %s, the file of "go env -w"`, "%s，来自 go env -w 的文件 %s", value, f.tilde(s.File))
	case goenv.Installation:
		return text("%s, in %s, which came with Go", "%s，来自随 Go 安装的 %s", value, f.tilde(s.File))
	default:
		return text("%s, which is Go's default", "%s，这是 Go 的默认值", value)
	}
}

// tilde shortens a path in the user's home.
func (f *Facts) tilde(path string) string {
	if rest, ok := strings.CutPrefix(path, f.Home+string(filepath.Separator)); ok && f.Home != "" {
		return "~" + string(filepath.Separator) + rest
	}
	return path
}

// fixSet returns the fix that sets a setting; "" takes it away. What it is said in decides how:
// a variable of the environment wins over "go env -w", and only its owner can change it.
func (f *Facts) fixSet(name, value string, say lang.Text) Fix {
	if f.Settings != nil && f.placeOf(name) == goenv.Environment {
		fix := Fix{Command: f.exportCommand(name, value), Say: say}
		where := text("%s is a variable of the environment: mend it where it is set too", "%s 是环境变量，设置它的地方也要改", name)
		if at := f.shellPlaces(name); len(at) > 0 {
			where = text("%s is a variable of the environment, set in %s: mend it there too", "%s 是环境变量，在 %s 中设置：那里也要改", name, strings.Join(at, ", "))
		}
		if shown(value) != value {
			fix.Command = ""
		}
		fix.Say = joined(say, where)
		return fix
	}
	if value == "" && f.Settings != nil && f.placeOf(name) == goenv.Installation {
		value = ownDefault(name) // there is nothing of the user's to take away
	}
	fix := Fix{Command: "go env -w " + f.quote(name+"="+value), Say: say}
	if value == "" {
		fix.Command = "go env -u " + name
	}
	if shown(value) != value {
		fix.Command = "godown doctor --fix" // the value holds a secret, which is not printed
	}
	if f.Change != nil {
		fix.Do = func(ctx context.Context) error { return f.Change(ctx, name, value) }
	}
	return fix
}

// ownDefault returns Go's own default of a setting that a distribution has changed; "" if it can
// only be had by installing another Go.
func ownDefault(name string) string {
	return map[string]string{"GOSUMDB": publicSumDB, "GOTOOLCHAIN": "auto", "GO111MODULE": "on", "GOAUTH": "netrc"}[name]
}

// placeOf returns where the value that counts was said.
func (f *Facts) placeOf(name string) goenv.Place {
	if v, ok := f.Settings.Values[name]; ok {
		return v.Place()
	}
	if f.Machine.Getenv(name) != "" {
		return goenv.Environment
	}
	return goenv.BuiltIn
}

// exportCommand returns what sets a variable of the environment in the shell that is usual on the system.
func (f *Facts) exportCommand(name, value string) string {
	switch {
	case f.OS == "windows" && value == "":
		return "Remove-Item Env:" + name
	case f.OS == "windows":
		return "$env:" + name + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
	case value == "":
		return "unset " + name
	}
	return "export " + f.quote(name+"="+value)
}

// with returns a command with a variable set for it alone, in the shell that is usual on the system.
func (f *Facts) with(name, value, command string) string {
	if f.OS == "windows" {
		return "$env:" + name + " = '" + value + "'; " + command + "; Remove-Item Env:" + name
	}
	return name + "=" + value + " " + command
}

// quote quotes an argument for the shell that is usual on the system, if it has to be.
func (f *Facts) quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:=@%+", r) || r == ',' && f.OS != "windows"
	}
	if strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	if f.OS == "windows" {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// joined puts sentences one after the other.
func joined(a, b lang.Text) lang.Text {
	if a.IsZero() {
		return b
	}
	if b.IsZero() {
		return a
	}
	return lang.Text{En: a.En + "; " + b.En, Zh: a.Zh + "；" + b.Zh}
}

const hidden = "xxxxx"

// shown returns a value without the secrets that may be in it: what stands before an "@", and queries.
// It works on what is no valid URL as well, and rather masks too much there.
func shown(value string) string {
	if i := strings.Index(value, "PRIVATE+KEY+"); i >= 0 {
		return value[:i] + "PRIVATE+KEY+" + hidden
	}
	pieces := strings.Split(value, "://")
	for i, piece := range pieces {
		if at := strings.LastIndexByte(piece, '@'); at >= 0 {
			piece = hidden + piece[at:]
		}
		before, query, found := strings.Cut(piece, "?")
		if end := strings.IndexAny(query, ",|; "); end >= 0 {
			piece = before + "?" + hidden + query[end:]
		} else if found && query != "" {
			piece = before + "?" + hidden
		}
		pieces[i] = piece
	}
	return strings.Join(pieces, "://")
}

// shownAuth returns a GOAUTH without the arguments of its commands, which may be tokens.
func shownAuth(value string) string {
	commands := strings.Split(value, ";")
	for i, c := range commands {
		if words := strings.Fields(c); len(words) > 1 && words[0] != "git" {
			commands[i] = words[0] + " …"
		}
	}
	return strings.Join(commands, ";")
}

// hostLooksPrivate reports whether a host, with or without a port, is one that the internet does not know.
func hostLooksPrivate(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(strings.TrimSuffix(host, "."), "[]"))
	if ip, err := netip.ParseAddr(host); err == nil {
		shared := netip.MustParsePrefix("100.64.0.0/10")
		return ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || shared.Contains(ip)
	}
	labels := strings.Split(host, ".")
	if len(labels) == 1 {
		return true
	}
	own := []string{"internal", "corp", "local", "lan", "home", "intranet", "intra", "private", "localdomain", "localhost"}
	if slices.Contains(own, labels[len(labels)-1]) || strings.HasSuffix(host, ".home.arpa") {
		return true
	}
	// Such as git.corp.example.com; but the last two name who owns it.
	return slices.ContainsFunc(labels[:len(labels)-2], func(l string) bool {
		return slices.Contains([]string{"corp", "internal", "intranet", "intra"}, l)
	})
}

// distance returns how many letters must be changed, put in, left out or swapped with the next to make b of a.
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now := rows[(i+2)%3], rows[i%3], rows[(i+1)%3]
		now[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}

// nearest returns the one of names that s was probably meant to be: at most so many letters away; "" if none.
func nearest(s string, names []string, most int) string {
	best := ""
	for _, n := range names {
		if d := distance(s, n); d <= most {
			best, most = n, d-1
		}
	}
	return best
}

// one returns a list of one evidence.
func one(t lang.Text) []lang.Text { return []lang.Text{t} }

// quoted returns a text in quotation marks, without secrets.
func quoted(s string) string { return fmt.Sprintf("%q", shown(s)) }
