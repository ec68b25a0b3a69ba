package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/auth/token"
	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"github.com/spf13/cobra"
)

// A listedLogin is an element of what 'godown login --list --json' prints; docs/login.md explains it.
type listedLogin struct {
	Server   string     `json:"server"`
	User     string     `json:"user,omitempty"`
	StoredIn string     `json:"stored_in"`
	Since    *time.Time `json:"since,omitempty"`
}

// listLogins prints the logins that auth would answer with.
func (m machine) listLogins(cmd *cobra.Command, asJSON bool) error {
	store, err := m.loginStore(keyringPatience)
	if err != nil {
		return ended(exitFailed, err)
	}
	list, err := store.List()
	if err != nil {
		return ended(exitFailed, m.tokenError(err))
	}
	named, err := m.namedLogin(authFlags{})
	if err == nil {
		var l token.Login
		var ok bool
		if l, ok, err = named.Announced(); ok {
			list = append([]token.Login{l}, list...)
		}
	}
	if err != nil {
		printError(cmd.ErrOrStderr(), m.tokenError(err))
	}
	c := m.console(cmd)
	if asJSON {
		said := []listedLogin{}
		for _, l := range list {
			one := listedLogin{Server: l.Server.String(), User: l.User, StoredIn: string(l.Place)}
			if !l.Since.IsZero() {
				one.Since = &l.Since
			}
			said = append(said, one)
		}
		enc := json.NewEncoder(cmd.OutOrStdout())
		enc.SetIndent("", "\t")
		return ended(exitOK, enc.Encode(said))
	}
	if len(list) == 0 {
		c.Out.Say(lang.Text{En: "No server is logged in to. 'godown login URL' does that.", Zh: "没有登录任何服务器。用 godown login URL 登录。"})
		return nil
	}
	var rows [][]term.Cell
	for _, l := range list {
		since := ""
		if !l.Since.IsZero() {
			since = l.Since.Local().Format("2006-01-02 15:04")
		}
		rows = append(rows, term.Cells(l.Server.String(), orDash(l.User), m.placeText(l.Place), orDash(since)))
	}
	_, err = fmt.Fprint(cmd.OutOrStdout(), c.Out.Table([]term.Column{
		{Title: lang.Text{En: "SERVER", Zh: "服务器"}, Shrink: true},
		{Title: lang.Text{En: "USER", Zh: "用户"}, Shrink: true},
		{Title: lang.Text{En: "STORED IN", Zh: "存放位置"}},
		{Title: lang.Text{En: "SINCE", Zh: "登录时间"}},
	}, rows))
	return ended(exitOK, err)
}

// placeText says where a token stands.
func (m machine) placeText(p token.Place) string {
	switch p {
	case token.Environment:
		return m.say("environment", "环境变量")
	case token.CI:
		return m.say("CI system", "CI 系统")
	case token.Keyring:
		return m.say("keyring", "钥匙串")
	case token.File:
		return m.say("file", "文件")
	}
	return string(p)
}

// newLogoutCommand returns the command logout.
func newLogoutCommand(m machine) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "logout [flags] URL",
		Short: m.say("Forget the token of a server", "删除某台服务器的令牌"),
		Long: m.say(`Logout forgets what 'godown login' has stored for a server. The token itself stays
valid: if nobody needs it any more, have the server revoke it.

Exit codes:
  0  it is forgotten
  1  there is no such login, or the keyring does not give it up
  2  wrong arguments; nothing was done`, `logout 删除 godown login 为服务器保存的令牌。令牌本身仍然有效：不再需要时，请在服务器上吊销。

退出码：
  0  已删除
  1  没有这个登录，或钥匙串不肯删除
  2  参数错误，什么也没做`),
		Example: `  godown logout https://goproxy.corp.example
  godown logout --all`,
		Args: func(_ *cobra.Command, args []string) error {
			if all == (len(args) == 1) || len(args) > 1 {
				return errors.New(m.say("logout takes one URL, or --all", "logout 接受一个 URL，或 --all"))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if store, err := m.loginStore(keyringPatience); err == nil && len(args) == 0 {
				list, _ := store.List()
				for _, l := range list {
					names = append(names, l.Server.String())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	m.speak(cmd)
	cmd.Flags().BoolVar(&all, "all", false, m.say("forget all logins", "删除所有登录"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return m.logout(cmd, args) }
	return cmd
}

// logout forgets the login for the server that args name, or all.
func (m machine) logout(cmd *cobra.Command, args []string) error {
	want := func(token.Server) bool { return true }
	var server token.Server
	if len(args) == 1 {
		var err error
		if server, err = m.parseLoginServer(args[0]); err != nil {
			return err
		}
		want = func(s token.Server) bool { return s == server }
	}
	store, err := m.loginStore(loginPatience)
	if err != nil {
		return ended(exitFailed, err)
	}
	gone, err := store.Remove(cmd.Context(), want)
	c := m.console(cmd)
	for _, l := range gone {
		c.Out.Say(lang.Text{En: "Forgotten: %v. The token itself stays valid till the server revokes it.", Zh: "已删除：%v。令牌本身在服务器吊销之前仍然有效。"}, l.Server)
	}
	if err != nil {
		return ended(exitFailed, m.tokenError(err))
	}
	if len(gone) > 0 {
		return nil
	}
	if len(args) == 0 {
		c.Out.Say(lang.Text{En: "There was no login.", Zh: "没有任何登录。"})
		return nil
	}
	list, err := store.List()
	if err != nil {
		return ended(exitFailed, m.tokenError(err))
	}
	var names []string
	for _, l := range list {
		names = append(names, l.Server.String())
	}
	text := fmt.Sprintf(m.say("there is no login for %v", "没有 %v 的登录"), server)
	if names != nil {
		text += fmt.Sprintf(m.say("; there are: %s", "；现有：%s"), strings.Join(names, ", "))
	}
	return ended(exitFailed, errors.New(text))
}
