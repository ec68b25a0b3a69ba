package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/godown-dev/godown/internal/auth/token"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"github.com/spf13/cobra"
)

// loginFlags are those of login.
type loginFlags struct {
	user, ref, store string
	stdin, noCheck   bool
	set, list, json  bool
}

// newLoginCommand returns the command login.
func newLoginCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login [flags] URL",
		Short: m.say("Store a token for a server of modules, for the go command to show", "保存模块服务器的令牌，供 go 命令出示"),
		Long: m.say(`Login stores a token for a server, as GOPROXY has its URL, and has the go command
show it there: through 'godown auth' in GOAUTH, which go 1.24 and newer know.

The token is asked for on the terminal, which does not show it, or read from standard
input (--token-stdin), or from where --token says. It is no argument: others on the
machine could read it, and the shell would keep it.

Before it is stored the server is asked whether it takes it. It is stored in the
system's keyring where there is one, else in a file that only you can read.

Exit codes:
  0  it is stored; or listed (--list)
  1  the server refuses it or cannot be reached, or it cannot be stored; with --set also: GOAUTH could not be set
  2  wrong arguments; nothing was done`, `login 为服务器（URL 与 GOPROXY 中的相同）保存令牌，并让 go 命令在那里出示它：
通过 GOAUTH 中的 godown auth，go 1.24 及以上支持。

令牌在终端上询问（输入时不显示），或从标准输入读取（--token-stdin），或从 --token 指明的位置读取。
令牌不能作为参数：同一台机器上的人能看到，shell 也会把它记入历史。

保存之前先问服务器是否接受。有系统钥匙串就存进钥匙串，否则存进只有你能读的文件。

退出码：
  0  已保存；或已列出（--list）
  1  服务器拒绝或连不上，或无法保存；有 --set 时还包括：没能设置 GOAUTH
  2  参数错误，什么也没做`),
		Example: m.say(`  godown login https://goproxy.corp.example
  godown login --user me https://artifactory.corp.example/artifactory/api/go/golang
      its password or access token, for servers that want both (Artifactory, Nexus)
  godown login --token-stdin --set https://goproxy.corp.example < token
  godown login --list`, `  godown login https://goproxy.corp.example
  godown login --user me https://artifactory.corp.example/artifactory/api/go/golang
      用户名加密码或访问令牌，用于两者都要的服务器（Artifactory、Nexus）
  godown login --token-stdin --set https://goproxy.corp.example < token
  godown login --list`),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	m.speak(cmd)
	var f loginFlags
	cmd.Args = func(_ *cobra.Command, args []string) error { return m.loginArguments(f, args) }
	cmd.Flags().StringVar(&f.user, "user", "", m.say("the `user` whose password or token it is: it is sent as Basic, and not as Bearer", "令牌或密码属于哪个`用户`：以 Basic 而不是 Bearer 发送"))
	cmd.Flags().StringVar(&f.ref, "token", "", m.say("`where` the token stands: env:NAME or file:PATH", "令牌的`位置`：env:NAME 或 file:PATH"))
	cmd.Flags().BoolVar(&f.stdin, "token-stdin", false, m.say("read the token from standard input", "从标准输入读取令牌"))
	cmd.Flags().StringVar(&f.store, "store", "auto", m.say("`where` to store it: keyring, file, or auto, which is the keyring where that works", "存放`位置`：keyring（钥匙串）、file（文件）或 auto（钥匙串可用则用之）"))
	cmd.Flags().BoolVar(&f.noCheck, "no-check", false, m.say("do not ask the server whether it takes the token", "不问服务器是否接受令牌"))
	cmd.Flags().BoolVar(&f.set, "set", false, m.say("set GOAUTH without asking, if 'godown auth' is not in it; 'godown use --undo' takes that back", "GOAUTH 中没有 godown auth 时直接设置，不再询问；可用 godown use --undo 撤销"))
	cmd.Flags().BoolVar(&f.list, "list", false, m.say("list the logins, without tokens", "列出登录，不含令牌"))
	cmd.Flags().BoolVar(&f.json, "json", false, m.say("with --list: print a JSON array", "与 --list 一起：打印 JSON 数组"))
	_ = cmd.RegisterFlagCompletionFunc("store", cobra.FixedCompletions([]string{"auto", "keyring", "file"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if f.list {
			for _, name := range []string{"user", "token", "token-stdin", "store", "no-check", "set"} {
				if cmd.Flags().Changed(name) {
					return fmt.Errorf(m.say("--%s does not go with --list", "--%s 不能与 --list 一起使用"), name)
				}
			}
			return m.listLogins(cmd, f.json)
		}
		return m.login(cmd, f, args[0])
	}
	return cmd
}

// loginArguments checks what login is told. It repeats no argument but the first: another is likely a token.
func (m machine) loginArguments(f loginFlags, args []string) error {
	switch {
	case f.list && len(args) > 0:
		return errors.New(m.say("--list takes no URL", "--list 不接受 URL"))
	case f.list:
		return nil
	case f.json:
		return errors.New(m.say("--json goes with --list only", "--json 只能与 --list 一起使用"))
	case len(args) == 0:
		return errors.New(m.say("login needs the URL of a server, such as: godown login https://goproxy.corp.example", "login 需要服务器的 URL，例如：godown login https://goproxy.corp.example"))
	case len(args) > 1:
		return errors.New(m.say("login takes one URL. If the other argument is a token: others on this machine can read arguments, and your shell has kept it; have it renewed, and give the new one when you are asked for it",
			"login 只接受一个 URL。如果另一个参数是令牌：同一台机器上的人能看到参数，shell 也已记入历史；请更换令牌，并在询问时输入新的"))
	case f.stdin && f.ref != "":
		return errors.New(m.say("--token and --token-stdin: give one of them", "--token 与 --token-stdin 只能用一个"))
	case f.store != "auto" && f.store != "keyring" && f.store != "file":
		return fmt.Errorf(m.say("flag --store: %q is none of auto, keyring and file", "选项 --store：%q 不是 auto、keyring 或 file"), f.store)
	case f.user != "" && (token.Login{User: f.user, Token: "x"}).Check() != nil:
		return fmt.Errorf(m.say("flag --user: %w", "选项 --user：%w"), m.tokenError(token.ErrUser))
	}
	return nil
}

// parseLoginServer parses the URL of a server, and explains what is wrong with it.
func (m machine) parseLoginServer(text string) (token.Server, error) {
	s, err := token.ParseServer(text)
	bad, ok := errors.AsType[*token.BadServer](err)
	if !ok {
		return s, err
	}
	why := m.say(bad.Error(), "这不是服务器的 URL；例如 https://goproxy.corp.example")
	switch bad.Reason {
	case token.Plain:
		why = m.say("over http anybody between could read a token, and the go command shows none there: write https://, and have the server served so",
			"通过 http，途中任何人都能读到令牌，go 命令在 http 上也不出示令牌：请写 https://，并让服务器支持它")
	case token.HasUser:
		why = m.say("it has a user or password in it: give the user with --user; the password is asked for", "URL 中带有用户名或密码：用户名请用 --user 给出，密码会询问")
	case token.HasTail:
		why = m.say("it has a query or a fragment, which no server of modules has", "URL 带有查询参数或片段，模块服务器不会有")
	case token.Unclear:
		why = m.say("its host or path could be read in two ways; a host name that is not ASCII is written as DNS has it (xn--…), one with a dot at its end without that",
			"主机名或路径可以有两种解读；非 ASCII 的主机名请写成 DNS 中的形式（xn--…），末尾的点请去掉")
	}
	return s, fmt.Errorf("%q: %s", maskSecrets(text), why)
}

// login stores a token.
func (m machine) login(cmd *cobra.Command, f loginFlags, at string) error {
	server, err := m.parseLoginServer(at)
	if err != nil {
		return err
	}
	l := token.Login{Server: server, User: f.user, Since: time.Now()}
	store, err := m.loginStore(loginPatience)
	if err != nil {
		return ended(exitFailed, err)
	}
	if f.store == "keyring" && store.Keyring == nil {
		return ended(exitFailed, errors.New(m.say("there is no keyring here: no session bus runs (DBUS_SESSION_BUS_ADDRESS); --store file stores it in a file", "这里没有钥匙串：没有运行会话总线（DBUS_SESSION_BUS_ADDRESS）；可用 --store file 存进文件")))
	}
	// What is wrong with it shows before somebody has typed a token.
	if _, err := store.List(); err != nil {
		return ended(exitFailed, m.tokenError(err))
	}
	switch {
	case f.ref != "":
		l.Token, err = m.readTokenRef(f.ref)
	case f.stdin:
		l.Token, err = readToken(cmd.InOrStdin())
	default:
		l.Token, err = m.askToken(cmd, l)
	}
	if _, stopped := errors.AsType[*exit](err); stopped {
		return err
	}
	if err == nil {
		err = l.Check()
	}
	if err != nil {
		return m.tokenError(err)
	}
	c := m.console(cmd)
	if !f.noCheck {
		if err := m.checkLogin(cmd.Context(), c, l); err != nil {
			return ended(exitFailed, err)
		}
	}
	if err := m.storeLogin(cmd.Context(), c, store, l, f.store); err != nil {
		return ended(exitFailed, m.tokenError(err))
	}
	return ended(exitOK, m.setUpGo(cmd.Context(), c, server, f.set))
}

// checkLogin asks the server whether it takes the token. An error means that nothing is to be stored.
func (m machine) checkLogin(ctx context.Context, c *term.Console, l token.Login) error {
	found, err := token.Probe{}.Ask(ctx, l)
	if err != nil {
		return fmt.Errorf(m.say("%w. Nothing was stored; --no-check stores it all the same", "%w。什么也没有保存；--no-check 可以不检查就保存"), err)
	}
	return m.judge(c, l, found)
}

// judge says what a server has said to a login. An error means that nothing is to be stored.
func (m machine) judge(c *term.Console, l token.Login, found token.Findings) error {
	s, all := l.Server, m.say("; --no-check stores it all the same", "；--no-check 可以不检查就保存")
	status := term.Clip(found.Status, 60)
	switch found.Verdict {
	case token.Accepted:
		c.Out.Say(lang.Text{En: "%v takes the token, and refuses who has none.", Zh: "%v 接受这个令牌，没有令牌则拒绝。"}, s)
	case token.Publishes:
		c.Out.Say(lang.Text{En: "%v takes the token for publishing. For reading it wants none.", Zh: "%v 接受这个令牌用于发布；读取不需要令牌。"}, s)
	case token.Open:
		c.Out.Say(lang.Text{En: "%v answers without a token as it does with it (%s): it may need none, and whether this one is right did not show.", Zh: "%v 有没有令牌都一样回答（%s）：可能不需要令牌，也看不出这个令牌对不对。"}, s, status)
	case token.Refused401:
		text := m.say("%v refuses the token (%s): it is wrong, has expired, or is for another server. Nothing was stored", "%v 拒绝这个令牌（%s）：令牌错误、已过期，或属于别的服务器。什么也没有保存")
		if found.Basic && l.User == "" {
			text += m.say(". It asks for a user and a password: give the user with --user", "。它要的是用户名和密码：请用 --user 给出用户名")
		}
		return fmt.Errorf(text, s, status)
	case token.Refused403:
		return fmt.Errorf(m.say("%v takes the token for no more than a refusal (%s): it may not read modules there. Nothing was stored%s", "%v 不允许这个令牌读取模块（%s）。什么也没有保存%s"), s, status, all)
	case token.Elsewhere:
		return fmt.Errorf(m.say("%v sends to %q (%s), which is shown no token: log in to the URL that the modules themselves come from. Nothing was stored%s", "%v 跳转到 %q（%s），令牌不会发给它：请登录模块实际所在的 URL。什么也没有保存%s"), s, term.Clip(found.Host, 100), status, all)
	default:
		return fmt.Errorf(m.say("%v fails now (%s), so whether it takes the token is not known. Nothing was stored%s", "%v 现在出错（%s），无法知道它是否接受令牌。什么也没有保存%s"), s, status, all)
	}
	return nil
}

// storeLogin stores a login where it is wanted, and says where that is.
func (m machine) storeLogin(ctx context.Context, c *term.Console, store *token.Store, l token.Login, where string) error {
	if where != "file" && store.Keyring != nil {
		l.Place = token.Keyring
		err := waiting(func() error { return store.Add(ctx, l) }, func() {
			c.Err.Say(lang.Text{En: "Waiting for the system's keyring, for a minute at most; it may ask you to unlock it. --store file does without …", Zh: "正在等待系统钥匙串（最多一分钟），它可能要求你解锁；用 --store file 可以不用它……"})
		})
		if err == nil {
			c.Out.Say(lang.Text{En: "Stored in the system's keyring; %s lists it.", Zh: "已存入系统钥匙串；%s 中有记录。"}, store.File)
			return nil
		}
		if _, ok := errors.AsType[*token.KeyringError](err); !ok || where == "keyring" || ctx.Err() != nil {
			return err
		}
		c.Err.Say(lang.Text{En: "The system's keyring does not work here: %v", Zh: "系统钥匙串在这里不可用：%v"}, m.tokenError(err))
	}
	l.Place = token.File
	if err := store.Add(ctx, l); err != nil {
		return err
	}
	c.Out.Say(lang.Text{En: "Stored in %s, which only you can read.", Zh: "已存入 %s，只有你能读。"}, store.File)
	return nil
}

// waiting calls do, and notice when it takes more than a second.
func waiting(do func() error, notice func()) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Second):
	}
	notice()
	return <-done
}

// samePlace reports whether the URL of a GOPROXY entry is the server's, whatever its scheme.
func samePlace(s token.Server, u *url.URL) bool {
	https := *u
	https.Scheme, https.User = "https", nil
	return s.Covers(&https)
}
