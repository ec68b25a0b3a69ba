package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/auth/token"
	"github.com/godown-dev/godown/internal/toolbox/goenv"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"golang.org/x/mod/semver"
)

// goauthSince is the version of Go that came with GOAUTH.
const goauthSince = "v1.24.0"

// setUpGo sees that the go command will show the token to the server, and says
// what stands in the way. With set it sets GOAUTH without asking.
func (m machine) setUpGo(ctx context.Context, c *term.Console, server token.Server, set bool) error {
	command, err := m.authCommand()
	if err != nil {
		return err
	}
	in, err := m.goMachine()
	if err != nil {
		return err
	}
	s, err := goenv.Read(ctx, in)
	if err != nil {
		if goenv.NoGo(err) && !set {
			c.Out.Say(lang.Text{En: "There is no go command in PATH. Where there is one, this has it show the token:", Zh: "PATH 中没有 go 命令。在装有 Go 的环境里，下面的命令让它出示令牌："})
			c.Out.Line(4, goEnvLine("GOAUTH", token.WithCommand("", command)))
			return nil
		}
		return fmt.Errorf(m.say("the login is stored, but GOAUTH could not be looked at: %w", "登录已保存，但读不到 GOAUTH：%w"), err)
	}
	if older(s.Version) {
		tellOlder(c, s.Version, server)
		if set {
			return errors.New(m.say("the login is stored, but GOAUTH cannot be set for this go command", "登录已保存，但这个 go 命令无法设置 GOAUTH"))
		}
		return nil
	}
	if err := m.setGOAUTH(ctx, c, in, s, command, set); err != nil {
		return err
	}
	m.warnOfRoute(c, s, server)
	return nil
}

// tellOlder says what a go command without GOAUTH has instead.
func tellOlder(c *term.Console, version string, server token.Server) {
	c.Err.Say(lang.Text{
		En: "Your go command is %s, which knows no GOAUTH: it shows a user and a password from %s only, in a line like this, to a server that takes Basic. From go 1.24 on it will show this token.",
		Zh: "你的 go 命令是 %s，还不支持 GOAUTH：它只会出示 %s 中的用户名和密码，写法如下，且服务器须接受 Basic。从 go 1.24 起就会出示这个令牌。",
	}, version, "~/"+netrcName)
	c.Err.Line(4, "machine "+server.URL().Hostname()+" login USER password TOKEN")
}

// older reports whether a go command such as "go1.23.4" has no GOAUTH; "devel …" and what is unknown has.
func older(version string) bool {
	v, _, _ := strings.Cut(version, " ")
	v, ok := strings.CutPrefix(v, "go")
	v = "v" + v
	for _, pre := range []string{"rc", "beta", "-"} {
		v, _, _ = strings.Cut(v, pre)
	}
	return ok && semver.IsValid(v) && semver.Compare(v, goauthSince) < 0
}

// authCommand returns the command of GOAUTH that runs this program: by its name
// where PATH finds it, else by its path.
func (m machine) authCommand() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	name := self
	if found, err := m.lookPath("godown"); err == nil {
		a, errA := os.Stat(found)
		b, errB := os.Stat(self)
		if filepath.IsAbs(found) && errA == nil && errB == nil && os.SameFile(a, b) {
			name = "godown"
		}
	}
	command, ok := token.Command(name)
	if !ok {
		return "", fmt.Errorf(m.say("the login is stored, but GOAUTH cannot name %q: put godown where PATH finds it", "登录已保存，但 GOAUTH 中写不了 %q：请把 godown 放到 PATH 能找到的地方"), name)
	}
	return command, nil
}

// setGOAUTH puts the command into GOAUTH where it is not in it: when it is told
// to, or who is there says yes. Else it prints what does.
func (m machine) setGOAUTH(ctx context.Context, c *term.Console, in goenv.Machine, s *goenv.Settings, command string, set bool) error {
	now := s.Values["GOAUTH"]
	if token.HasCommand(now.Text, command) {
		c.Out.Say(lang.Text{En: "The go command asks godown for tokens already (GOAUTH).", Zh: "go 命令已经会向 godown 要令牌（GOAUTH）。"})
		return nil
	}
	value := token.WithCommand(now.Text, command)
	if now.Text == "off" {
		c.Out.Say(lang.Text{En: "GOAUTH is off: the go command shows no credentials at all.", Zh: "GOAUTH 为 off：go 命令不出示任何凭据。"})
	}
	if now.Place() == goenv.Environment {
		c.Err.Say(lang.Text{
			En: "The environment variable GOAUTH is set, and wins over 'go env -w'. Where it is set, set it to this, and the go command shows the token:",
			Zh: "设置了环境变量 GOAUTH，它优先于 go env -w。请在设置它的地方改成下面这样，go 命令就会出示令牌：",
		})
		c.Err.Line(4, `GOAUTH="`+value+`"`)
		if set {
			return errors.New(m.say("the login is stored, but GOAUTH in the environment is not for godown to set", "登录已保存，但环境变量 GOAUTH 只能由你自己修改"))
		}
		return nil
	}
	if !set {
		c.Out.Say(lang.Text{En: "The go command does not ask godown for tokens yet. This has it do so:", Zh: "go 命令还不会向 godown 要令牌。下面的命令让它去要："})
		c.Out.Line(4, goEnvLine("GOAUTH", value))
		yes, _, err := c.Confirm(ctx, lang.Text{En: "Do that now?", Zh: "现在就设置吗？"})
		if err != nil || !yes {
			return err
		}
	}
	dir, err := m.userConfigDir()
	if err != nil {
		return err
	}
	e, err := goenv.NewEditor(in, s, filepath.Join(dir, "godown", "use"))
	if err == nil {
		_, err = e.Set(ctx, []goenv.Change{{Name: "GOAUTH", Value: value}}, "login")
	}
	if err != nil {
		return fmt.Errorf(m.say("the login is stored, but GOAUTH could not be set: %w", "登录已保存，但没能设置 GOAUTH：%w"), err)
	}
	c.Out.Say(lang.Text{En: "Set GOAUTH to %q in %s; 'godown use --undo' takes that back.", Zh: "已在 %[2]s 中把 GOAUTH 设为 %[1]q；用 godown use --undo 撤销。"}, value, s.File)
	return nil
}

// goEnvLine returns the command that sets a variable: in quotes that sh, PowerShell and cmd understand.
func goEnvLine(name, value string) string {
	if strings.ContainsAny(value, "\"$`!") {
		return "go env -w '" + name + "=" + strings.ReplaceAll(value, "'", `'\''`) + "'"
	}
	return `go env -w "` + name + "=" + value + `"`
}

// warnOfRoute says when the go command would not ask the server for modules at all, or not so that it shows a token.
func (m machine) warnOfRoute(c *term.Console, s *goenv.Settings, server token.Server) {
	entries, err := godown.ParseGOPROXY(s.Text("GOPROXY"))
	if err != nil {
		return // which the go command itself says plainly
	}
	named := false
	for _, e := range entries {
		if e.URL == nil || !samePlace(server, e.URL) {
			continue
		}
		named = true
		if strings.EqualFold(e.URL.Scheme, "http") {
			c.Err.Say(lang.Text{En: "GOPROXY names the server by http://, where the go command shows no token: write https:// there.", Zh: "GOPROXY 中这台服务器写的是 http://，go 命令在 http 上不出示令牌：请改成 https://。"})
		}
	}
	if !named {
		c.Err.Say(lang.Text{En: "GOPROXY does not name this server, so the go command does not ask it for modules.", Zh: "GOPROXY 中没有这台服务器，go 命令不会向它要模块。"})
		if list := s.Text("GOPROXY"); maskSecrets(list) == list { // a command with xxxxx in it is of no use
			c.Err.Say(lang.Text{En: "This puts it first:", Zh: "下面的命令把它放到最前面："})
			c.Err.Line(4, goEnvLine("GOPROXY", server.String()+","+list))
		}
		return
	}
	if past := s.Text("GONOPROXY"); past != "" && past != "none" {
		c.Err.Say(lang.Text{En: "Modules that match GONOPROXY or GOPRIVATE (%s) are not asked of it, but of their own hosts.", Zh: "匹配 GONOPROXY 或 GOPRIVATE（%s）的模块不会向它要，而是直接向各自的主机要。"}, term.Clean(past))
	}
}
