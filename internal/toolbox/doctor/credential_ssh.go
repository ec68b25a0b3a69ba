package doctor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
)

// checkSSH looks at hosts to which git is sent by ssh: whether ssh is there,
// knows the host's key and has one to show. Nothing is connected to.
func checkSSH(ctx context.Context, f *Facts) []Finding {
	if f.gitNeed() == needless {
		return nil
	}
	git := f.readGit(ctx)
	if git == nil {
		return nil
	}
	var found []Finding
	var seen []string
	for _, rule := range git.rules {
		user, host, port, ok := sshHost(rule.to)
		if !ok || slices.Contains(seen, host+":"+port) {
			continue
		}
		seen = append(seen, host+":"+port)
		said := text("git config: %s is read as %s", "git 配置：%s 会被替换为 %s", hidePasswords(rule.from), hidePasswords(rule.to))
		ssh, err := f.Machine.LookPath("ssh")
		if err != nil && git.sshCommand == "" && f.Machine.Getenv("GIT_SSH_COMMAND") == "" && f.Machine.Getenv("GIT_SSH") == "" {
			return append(found, f.sshMissing(said))
		}
		if err != nil || git.sshCommand != "" || f.Machine.Getenv("GIT_SSH_COMMAND") != "" || f.Machine.Getenv("GIT_SSH") != "" {
			continue // what another program wants nobody knows here
		}
		found = append(found, f.sshHostTrouble(ctx, ssh, user, host, port, said)...)
	}
	return found
}

func (f *Facts) sshMissing(said lang.Text) Finding {
	return Finding{
		ID: "ssh-missing", Severity: Fault,
		Title:       text("git is sent to a host by ssh, and there is no ssh here", "git 要通过 ssh 访问主机，而本机没有 ssh"),
		Evidence:    []lang.Text{said, text("PATH has no ssh", "PATH 中没有 ssh")},
		Consequence: text("Modules of that host cannot be fetched: cannot run ssh: No such file or directory.", "无法获取该主机上的模块：cannot run ssh: No such file or directory。"),
		Fixes:       []Fix{f.install("openssh-client", map[string]string{"rhel": "openssh-clients", "arch": "openssh"})},
	}
}

// A sshSettings is what ssh would do for a host.
type sshSettings struct {
	host       string // by which it is known
	port       string
	lenient    bool // new keys are taken without a question
	knownFiles []string
	keys       []string
	agent      bool
}

// sshSettingsOf asks ssh itself, which connects to nobody for it; else it
// returns what ssh has built in.
func (f *Facts) sshSettingsOf(ctx context.Context, ssh, user, host, port string) sshSettings {
	s := sshSettings{host: host, port: port, agent: f.Machine.Getenv("SSH_AUTH_SOCK") != ""}
	args := []string{"-G"}
	if port != "" {
		args = append(args, "-p", port)
	}
	if user != "" {
		args = append(args, "-l", user)
	}
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, ssh, append(args, "--", host)...)
	cmd.Env, cmd.WaitDelay = slices.Clone(f.Machine.Environ), time.Second
	out, err := cmd.Output()
	if err != nil {
		out = nil
	}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "hostname":
			if s.host == host {
				s.host = value
			}
		case "hostkeyalias":
			s.host = value
		case "port":
			s.port = value
		case "stricthostkeychecking":
			s.lenient = value == "false" || value == "no" || value == "off" || value == "accept-new"
		case "userknownhostsfile", "globalknownhostsfile":
			s.knownFiles = append(s.knownFiles, strings.Fields(value)...)
		case "identityfile":
			s.keys = append(s.keys, value)
		case "identityagent":
			s.agent = value != "none" && value != "SSH_AUTH_SOCK" || s.agent && value != "none"
		case "pkcs11provider":
			s.agent = s.agent || value != "none"
		case "knownhostscommand", "proxyjump", "proxycommand":
			if value != "none" {
				s.lenient = s.lenient || key == "knownhostscommand"
			}
		}
	}
	if len(s.knownFiles) == 0 {
		s.knownFiles = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2", f.under("/etc/ssh/ssh_known_hosts")}
	}
	if len(s.keys) == 0 {
		s.keys = []string{"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519_sk", "~/.ssh/id_xmss", "~/.ssh/id_dsa"}
	}
	return s
}

// home returns a path with what ~ stands for.
func (f *Facts) home(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok && f.Home != "" {
		return filepath.Join(f.Home, rest)
	}
	return name
}

// sshHostTrouble looks at one host.
func (f *Facts) sshHostTrouble(ctx context.Context, ssh, user, host, port string, said lang.Text) []Finding {
	s := f.sshSettingsOf(ctx, ssh, user, host, port)
	var found []Finding
	if !s.lenient && !f.knownHost(s) {
		found = append(found, Finding{
			ID: "ssh-host-unknown", Severity: Warning,
			Title:       text("ssh does not know the key of %s yet", "ssh 还不认识 %s 的密钥", host),
			Evidence:    []lang.Text{said, text("there is no line for it in %s", "%s 中没有它", strings.Join(s.knownFiles, ", "))},
			Consequence: text("ssh asks whether to trust it, in the midst of what the go command prints; where nobody can answer (CI, an editor, a container), modules of that host fail: Host key verification failed.", "ssh 会在 go 命令的输出中间询问是否信任；在无人应答的地方（CI、编辑器、容器），该主机上的模块会失败：Host key verification failed。"),
			Fixes:       []Fix{knowHost(s.host, s.port)},
		})
	}
	hasKey := slices.ContainsFunc(s.keys, func(k string) bool {
		_, err := os.Stat(f.home(k))
		return err == nil
	})
	if !hasKey && !s.agent {
		found = append(found, Finding{
			ID: "ssh-no-key", Severity: Warning,
			Title:       text("There is no ssh key to show to %s", "没有可以出示给 %s 的 ssh 密钥", host),
			Evidence:    []lang.Text{said, text("no key file is there, and SSH_AUTH_SOCK is not set", "没有密钥文件，也没有设置 SSH_AUTH_SOCK")},
			Consequence: text("Modules of that host fail: Permission denied (publickey).", "该主机上的模块会失败：Permission denied (publickey)。"),
			Fixes: []Fix{
				{Command: "ssh-keygen -t ed25519", Say: text("make one, and tell the host its public half (~/.ssh/id_ed25519.pub)", "生成一个，并把公钥（~/.ssh/id_ed25519.pub）登记到该主机")},
				{Command: `eval "$(ssh-agent)" && ssh-add`, Say: text("or start an agent that holds one", "或启动持有密钥的 agent")},
			},
		})
	}
	return found
}

// knownHost reports whether a line of the files is for the host.
func (f *Facts) knownHost(s sshSettings) bool {
	name := s.host
	if s.port != "" && s.port != "22" {
		name = "[" + s.host + "]:" + s.port
	}
	for _, file := range s.knownFiles {
		data, err := os.ReadFile(f.home(file))
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) > 0 && fields[0] == "@cert-authority" {
				fields = fields[1:]
			}
			if len(fields) >= 3 && !strings.HasPrefix(fields[0], "#") && hostListed(fields[0], name) {
				return true
			}
		}
	}
	return false
}

// hostListed reports whether a name matches the first field of a line of known_hosts.
func hostListed(field, name string) bool {
	if hashed, ok := strings.CutPrefix(field, "|1|"); ok {
		salt64, sum64, _ := strings.Cut(hashed, "|")
		salt, err := base64.StdEncoding.DecodeString(salt64)
		sum, err2 := base64.StdEncoding.DecodeString(sum64)
		if err != nil || err2 != nil {
			return false
		}
		mac := hmac.New(sha1.New, salt)
		mac.Write([]byte(name))
		return hmac.Equal(mac.Sum(nil), sum)
	}
	listed := false
	for pattern := range strings.SplitSeq(strings.ToLower(field), ",") {
		pattern, not := strings.CutPrefix(pattern, "!")
		if ok := pattern == strings.ToLower(name) || wildcard(pattern, strings.ToLower(name)); ok && not {
			return false
		} else if ok {
			listed = true
		}
	}
	return listed
}

// wildcard matches * and ?; brackets, which hold a port, are only themselves.
func wildcard(pattern, name string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return false
	}
	ok, err := path.Match(strings.NewReplacer("[", `\[`, "]", `\]`).Replace(pattern), name)
	return ok && err == nil
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
