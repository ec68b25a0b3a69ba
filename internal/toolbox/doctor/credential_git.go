package doctor

import (
	"bytes"
	"context"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A gitConfig is what git is told, of what matters here.
type gitConfig struct {
	proxy      string       // http.proxy
	proxies    []gitSetting // that and those of hosts, http.URL.proxy
	myth       bool         // https.proxy is set, which is no setting
	noVerify   []gitSetting
	sshCommand string
	rules      []insteadOf
}

// A gitSetting is one of git's configuration.
type gitSetting struct{ key, value string }

// An insteadOf is a rule that sends git elsewhere.
type insteadOf struct {
	from string // how a URL begins
	to   string // what stands instead
}

// readGit asks git for its configuration; nil if there is none.
func (f *Facts) readGit(ctx context.Context) *gitConfig {
	git, err := f.Machine.LookPath("git")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, git, "config", "--null", "--get-regexp", `^(https?\..*|url\..*|core\.sshcommand)$`)
	cmd.Env, cmd.Dir = slices.Clone(f.Machine.Environ), f.Machine.Dir
	cmd.WaitDelay = time.Second
	out, _ := cmd.Output() // without any it fails
	c := &gitConfig{}
	for item := range bytes.SplitSeq(out, []byte{0}) {
		key, value, ok := strings.Cut(string(item), "\n")
		if !ok {
			value = "true" // as git has it for a name without a value
		}
		c.take(key, value)
	}
	return c
}

// gitPatience is how long git may take to read its configuration; it needs some 5 ms.
const gitPatience = 5 * time.Second

// take notes a setting of git. Names are in lower case but for what stands between the dots.
func (c *gitConfig) take(key, value string) {
	switch {
	case key == "http.proxy":
		c.proxy = value
	case key == "https.proxy":
		c.myth = value != ""
	case key == "core.sshcommand":
		c.sshCommand = value
	case strings.HasSuffix(key, ".sslverify"):
		if slices.Contains([]string{"false", "no", "off", "0"}, strings.ToLower(value)) {
			c.noVerify = append(c.noVerify, gitSetting{key, value})
		}
	}
	if strings.HasPrefix(key, "http.") && strings.HasSuffix(key, ".proxy") && value != "" {
		c.proxies = append(c.proxies, gitSetting{key, value})
	}
	if base, ok := strings.CutSuffix(key, ".insteadof"); ok {
		if to, ok := strings.CutPrefix(base, "url."); ok && value != "" {
			c.rules = append(c.rules, insteadOf{from: value, to: to})
		}
	}
}

// sshHost returns the user, host and port of an address that git reaches by ssh.
func sshHost(to string) (user, host, port string, ok bool) {
	if strings.Contains(to, "://") {
		u, err := url.Parse(to)
		if err != nil || u.Scheme != "ssh" && u.Scheme != "git+ssh" || u.Hostname() == "" {
			return "", "", "", false
		}
		return u.User.Username(), u.Hostname(), u.Port(), true
	}
	before, _, colon := strings.Cut(to, ":")
	if !colon || strings.Contains(before, "/") || len(before) < 2 { // C: is a drive
		return "", "", "", false
	}
	user, host, at := strings.Cut(before, "@")
	if !at {
		user, host = "", before
	}
	return user, host, "", host != ""
}
