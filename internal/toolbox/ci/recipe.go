package ci

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// image is the image of Go that jobs run in.
func (l *plan) image() string {
	if l.o.Variant == "alpine" {
		return "golang:" + l.lang + "-alpine"
	}
	return "golang:" + l.lang + "-" + debian(l.lang)
}

// debian is the newest release that there are images of that Go for.
func debian(lang string) string {
	if older(lang, "1.25") {
		return "bookworm"
	}
	return "trixie"
}

// packages are what an image of alpine lacks for the build.
func (l *plan) packages(tests bool) string {
	if l.o.Variant != "alpine" {
		return ""
	}
	var all []string
	if l.running() && !l.p.Vendor {
		all = append(all, "git")
		if l.o.Auth == "ssh" {
			all = append(all, "openssh-client")
		}
	}
	if l.p.CGO || tests && l.p.TestCGO {
		all = append(all, "build-base")
	}
	if len(all) == 0 {
		return ""
	}
	return "apk add --no-cache " + strings.Join(all, " ")
}

// A vault is how secrets reach a script.
type vault struct {
	files bool   // as files whose names the variables hold; else the variables hold the text
	token string // how godown's configuration names a git token
	user  string // of a token that only a GitLab takes, its own; another host is shown GIT_TOKEN
}

// fetch is the script that downloads all modules. It writes what must be a file
// to a folder that goes when it ends.
func (l *plan) fetch(v vault) []string {
	if l.p.Vendor {
		return nil
	}
	temporary := []string{"umask 077", `dir=$(mktemp -d)`, `trap 'rm -rf "$dir"' EXIT`}
	keep := func(name, file string) []string {
		if v.files {
			// With a line feed at the end, without which ssh takes no key: a variable of GitLab's may have lost it.
			return []string{fmt.Sprintf(`{ cat "$%s"; echo; } > "$dir/%s"`, name, file)}
		}
		return []string{fmt.Sprintf(`printf '%%s\n' "$%s" > "$dir/%s"`, name, file)}
	}
	switch {
	case l.commands():
		return []string{"GOAUTH='godown auth' go mod download"}
	case l.o.Auth == "netrc" && v.files && l.running():
		return []string{`godown run --netrc "$NETRC" -- go mod download`}
	case l.o.Auth == "netrc" && v.files:
		return []string{"go mod download"} // it reads the file that NETRC names
	case l.o.Auth == "netrc" && l.running():
		return append(append(temporary, keep("NETRC_TEXT", "netrc")...), `godown run --netrc "$dir/netrc" -- go mod download`)
	case l.o.Auth == "netrc":
		return append(append(temporary, keep("NETRC_TEXT", "netrc")...), `NETRC="$dir/netrc" go mod download`)
	case l.o.Auth == "token":
		lines := append(temporary, `cat > "$dir/godown.yaml" <<'EOF'`)
		lines = append(lines, l.config(v, "")...)
		return append(lines, "EOF", l.download(`--config "$dir/godown.yaml"`))
	case l.o.Auth == "ssh":
		lines := append(append(temporary, keep("GIT_SSH_KEY", "key")...), keep("GIT_KNOWN_HOSTS", "known_hosts")...)
		lines = append(lines, `cat > "$dir/godown.yaml" <<EOF`)
		lines = append(lines, l.config(v, "$dir/")...)
		return append(lines, "EOF", "unset GIT_SSH_KEY", l.download(`--config "$dir/godown.yaml"`))
	}
	return []string{l.download("")}
}

// config is godown's own configuration, the part that cannot be a flag: which
// credential is for which host. It names where secrets stand. keys is where the
// files key and known_hosts are; without a key ssh takes that of the agent.
func (l *plan) config(v vault, keys string) []string {
	var auth, vcs []string
	for _, pattern := range l.private {
		fixed := fixedPart(pattern)
		host, _, _ := strings.Cut(fixed, "/")
		if l.o.Auth == "token" {
			switch token := "      token: " + v.token; {
			case v.user == "":
				auth = append(auth, "    - match: "+scalar(fixed), token)
				if kind(host) == "" {
					auth = append(auth, "      kind: "+l.kind(host))
				}
			case foreign(pattern):
				auth = append(auth, "    - match: "+scalar(fixed), "      token: env:GIT_TOKEN")
			default:
				auth = append(auth, "    - match: "+scalar(fixed), token, "      user: "+v.user)
			}
			continue
		}
		if entry := "    - match: " + scalar("ssh://git@"+host); !slices.Contains(auth, entry) {
			auth = append(auth, entry)
			if keys != "" {
				auth = append(auth, "      ssh-key: "+keys+"key", "      known-hosts: "+keys+"known_hosts")
			} else {
				auth = append(auth, "      known-hosts: /run/secrets/known_hosts")
			}
		}
		match, repo := repository(fixed)
		vcs = append(vcs, "  - match: "+scalar(match), "    repo: "+scalar(repo))
	}
	lines := append([]string{"auth:", "  out:"}, auth...)
	if vcs != nil {
		lines = append(append(lines, "vcs:"), vcs...)
	}
	return lines
}

// fixedPart returns what stands before the wildcards of a pattern's path; a host with one stays.
func fixedPart(pattern string) string {
	parts := strings.Split(strings.TrimRight(pattern, "/"), "/")
	for i, part := range parts {
		if i > 0 && strings.ContainsAny(part, "*?[") {
			return strings.Join(parts[:i], "/")
		}
	}
	return strings.Join(parts, "/")
}

// repository returns where modules below a path are, as owner/name on most
// hosts, in the words of godown's configuration.
func repository(fixed string) (match, repo string) {
	parts := strings.Split(fixed, "/")
	for len(parts) < 3 {
		parts = append(parts, "*")
	}
	stars := 0
	for _, part := range parts {
		for strings.Contains(part, "*") {
			stars++
			part = strings.Replace(part, "*", fmt.Sprintf("{%d}", stars), 1)
		}
		repo += "/" + part
	}
	return strings.Join(parts, "/"), "ssh://git@" + repo[1:] + ".git"
}

// kind is what godown knows of a host by its name; "" if that does not tell.
func kind(host string) string {
	switch {
	case host == "github.com":
		return "github"
	case host == "bitbucket.org":
		return "bitbucket"
	case host == "gitee.com":
		return "gitee"
	case slices.Contains(strings.Split(host, "."), "gitlab"):
		return "gitlab"
	}
	return ""
}

// kind guesses how a host wants a token that does not tell by its name.
func (l *plan) kind(host string) string {
	for _, name := range []string{"github", "gitlab", "gitea", "gitee", "bitbucket"} {
		if strings.Contains(host, name) {
			return name
		}
	}
	if strings.Contains(host, "forgejo") || l.target == "gitea" {
		return "gitea"
	}
	l.notes = append(l.notes, lang.Text{En: "How %s wants a token is not known: kind is basic; if it is a GitHub, GitLab, Gitea or Bitbucket, say so there.", Zh: "不知道 %s 需要哪种形式的令牌，先写成 kind: basic；如果它是 GitHub、GitLab、Gitea 或 Bitbucket，请改成对应的 kind。"}.With(host))
	return "basic"
}

// scalar writes a value of YAML.
func scalar(s string) string {
	if regexp.MustCompile(`^[A-Za-z/.$][A-Za-z0-9/.,:@+=_${}()*'" -]*$`).MatchString(s) && !strings.Contains(s, ": ") && !strings.HasSuffix(s, ":") && !strings.HasSuffix(s, " ") &&
		!slices.Contains([]string{"on", "off", "yes", "no", "true", "false", "null", "y", "n"}, strings.ToLower(s)) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// env writes settings as a mapping of YAML, each below what it is for.
func (p *page) env(indent string, all []setting) {
	for _, s := range all {
		p.say(indent, s.why)
		p.put("%s%s: %s", indent, s.name, scalar(s.value))
	}
}

// script writes lines as a scalar of YAML that begins after "run: " or "- ".
func script(indent string, lines []string) string {
	if len(lines) == 1 {
		return scalar(lines[0])
	}
	return "|\n" + strings.TrimSuffix(shift(joined(lines), indent), "\n")
}

// need notes that something is to be stored where secrets are kept.
func (l *plan) need(place lang.Text, name string, what lang.Text) {
	l.notes = append(l.notes, lang.Text{En: "%[2]s %[1]s has to hold %[3]s.", Zh: "%[2]s %[1]s 里要存放%[3]s。"}.With(lang.Same(name), place, what))
}

// What the secrets are.
func (l *plan) token() lang.Text {
	if !l.running() {
		return lang.Text{En: "a token for the server", Zh: "访问服务器的令牌"}
	}
	return lang.Text{En: "a token that may read the private repositories", Zh: "可读取私有仓库的令牌"}
}

func netrcText() lang.Text {
	return lang.Text{En: "a .netrc file, as “machine HOST login USER password TOKEN”", Zh: "一个 .netrc 文件（内容形如 machine HOST login USER password TOKEN）"}
}

func keyText() lang.Text {
	return lang.Text{En: "a private ssh key that may read the repositories", Zh: "有读仓库权限的 SSH 私钥"}
}

func hostsText() lang.Text {
	return lang.Text{En: "the host keys of the git servers, as ssh-keyscan prints them; compare them with what the operator says", Zh: "各 git 服务器的主机公钥（即 ssh-keyscan 的输出，请先与管理员核对）"}
}

// joined makes a text of lines.
func joined(lines []string) string { return strings.Join(lines, "\n") + "\n" }

// foreign reports whether the host of a pattern is known to be no GitLab.
func foreign(pattern string) bool {
	k := kind(fixedHost(pattern))
	return k != "" && k != "gitlab"
}

// fixedHost returns the host of a pattern.
func fixedHost(pattern string) string {
	host, _, _ := strings.Cut(pattern, "/")
	return host
}
