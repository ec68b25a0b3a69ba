package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/auth/token"
	"github.com/spf13/cobra"
)

// Variables of the environment that auth reads, beside those of publish.
const (
	userEnv    = envPrefix + "USER"     // with it, the token is a password
	idTokenEnv = envPrefix + "ID_TOKEN" // an ID token of a CI system
	oidcEnv    = envPrefix + "OIDC"     // where one is to be asked for: "github"
)

// maxSaid is how much is read of what the go command says of an answer, in bytes.
const maxSaid = 64 << 10

// newAuthCommand returns the command auth.
func newAuthCommand(m machine) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth [flags] [URL]",
		Short: m.say("Tell the go command the tokens of 'godown login'; for GOAUTH", "向 go 命令提供 godown login 保存的令牌；用于 GOAUTH"),
		Long: m.say(`Auth is what the go command (1.24 or newer) runs to learn which token it shows to
which server:

  go env -w "GOAUTH=godown auth;netrc"

It prints the Authorization header for each server that was logged in to, or with a
URL for that URL only, and nothing where it knows nothing. A token holds at the URL that
was logged in to and below it, over https; no other host ever gets it.

A token is taken from the first of these that has one for the server:
  1  --server with --token, else $`+publishServerEnv+` with $`+publishTokenEnv+` (as 'godown publish' has them),
     with an ID token that the CI system has put into $`+idTokenEnv+`, or with
     `+oidcEnv+`=github, for which GitHub Actions is asked for one
  2  what 'godown login' has stored, in the system's keyring or in a file

With --user or $`+userEnv+` the token is sent as that user's password (Basic), else as Bearer.

Exit codes:
  0  it has answered, be it with nothing
  1  there is a token, but it cannot be read; 'go build -x' shows why
  2  wrong arguments`, `auth 由 go 命令（1.24 及以上）调用，告诉它向哪台服务器出示哪个令牌：

  go env -w "GOAUTH=godown auth;netrc"

它为每台登录过的服务器打印 Authorization 头；给出 URL 时只回答这个 URL；没有令牌时什么也不打印。
令牌只在登录过的 URL 及其下级路径、且仅通过 https 使用，绝不会发给别的主机。

令牌按以下顺序取，先有者为准：
  1  --server 加 --token，否则 $`+publishServerEnv+` 加 $`+publishTokenEnv+`（与 godown publish 相同），
     或 CI 系统放进 $`+idTokenEnv+` 的 ID 令牌，或 `+oidcEnv+`=github：向 GitHub Actions 索取
  2  godown login 保存的令牌：在系统钥匙串或文件中

设了 --user 或 $`+userEnv+` 时，令牌作为该用户的密码发送（Basic），否则作为 Bearer 发送。

退出码：
  0  已回答，没有令牌也算
  1  有令牌但读不出来；go build -x 会显示原因
  2  参数错误`),
		Example: m.say(`  go env -w "GOAUTH=godown auth;netrc"
  GOAUTH='godown auth --server https://goproxy.corp.example --token file:/run/secrets/godown' go mod download
  godown auth https://goproxy.corp.example/ | wc -l
      whether there is a token, without showing it`, `  go env -w "GOAUTH=godown auth;netrc"
  GOAUTH='godown auth --server https://goproxy.corp.example --token file:/run/secrets/godown' go mod download
  godown auth https://goproxy.corp.example/ | wc -l
      看看有没有令牌，而不显示它`),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errors.New(m.say("auth takes one URL at most", "auth 最多接受一个 URL"))
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	m.speak(cmd)
	var f authFlags
	cmd.Flags().StringVar(&f.server, "server", "", m.say("`URL` of a server that is logged in to (default $"+publishServerEnv+")", "登录的服务器 `URL`（默认 $"+publishServerEnv+"）"))
	cmd.Flags().StringVar(&f.token, "token", "", m.say("`where` the token for it stands: env:NAME or file:PATH (default env:"+publishTokenEnv+")", "令牌的`位置`：env:NAME 或 file:PATH（默认 env:"+publishTokenEnv+"）"))
	cmd.Flags().StringVar(&f.user, "user", "", m.say("the `user` whose password the token is (default $"+userEnv+", else it is a Bearer token)", "令牌是哪个`用户`的密码（默认 $"+userEnv+"，都没有则为 Bearer 令牌）"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var about *url.URL
		want := func(token.Server) bool { return true }
		if len(args) == 1 {
			u, err := url.Parse(args[0])
			if err != nil {
				return ended(exitOK, nil) // the go command asks for what it likes
			}
			about = u
			want = func(s token.Server) bool { return s.Covers(u) }
		}
		named, errNamed := m.namedLogin(f)
		refused := false
		if c := m.console(cmd); about != nil && named.GitHub != nil && !c.Ask {
			said, err := io.ReadAll(io.LimitReader(c.In, maxSaid))
			refused = err == nil && token.Refused(string(said))
		}
		store, err := m.loginStore(authPatience(about))
		if err != nil {
			store = nil // a machine without a home has no stored logins
		}
		logins, err := token.Finder{Named: named, Store: store}.Find(cmd.Context(), want, refused)
		err = errors.Join(errNamed, err)
		if errOut := token.Answer(cmd.OutOrStdout(), logins, about); errOut != nil {
			return ended(exitFailed, errOut)
		}
		if err != nil && len(logins) > 0 {
			// With an exit code, the go command would not look at what was printed.
			printError(cmd.ErrOrStderr(), m.tokenError(err))
			return nil
		}
		if err != nil {
			return ended(exitFailed, m.tokenError(err))
		}
		return nil
	}
	return cmd
}

// authFlags are what auth is told of a server.
type authFlags struct{ server, token, user string }

// namedLogin returns the login that flags, or else the environment, give.
func (m machine) namedLogin(f authFlags) (token.Named, error) {
	n := token.Named{Server: f.server, User: f.user}
	if n.Server == "" {
		n.Server = m.getenv(publishServerEnv)
	}
	if n.User == "" {
		n.User = m.getenv(userEnv)
	}
	if n.Server == "" {
		if f.token != "" {
			return token.Named{}, errors.New(m.say("--token without --server and without $"+publishServerEnv+": it must be said which server may see it", "有 --token，却没有 --server 或 $"+publishServerEnv+"：必须说明哪台服务器可以看到它"))
		}
		return n, nil
	}
	if f.token != "" {
		t, err := m.readTokenRef(f.token)
		n.Token = t
		return n, err
	}
	n.Token = token.Secret(strings.TrimSpace(m.getenv(publishTokenEnv)))
	n.IDToken = token.Secret(strings.TrimSpace(m.getenv(idTokenEnv)))
	switch at := m.getenv(oidcEnv); at {
	case "":
	case "github":
		n.GitHub = &token.GitHub{
			RequestURL: m.getenv("ACTIONS_ID_TOKEN_REQUEST_URL"), RequestToken: token.Secret(m.getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")),
			Temp: m.getenv("RUNNER_TEMP"),
		}
	default:
		return n, fmt.Errorf(m.say("environment %s: %q is not known; github is, and for all others the ID token itself is put into %s", "环境变量 %s：不认识 %q；可用 github，其他系统请把 ID 令牌放进 %s"), oidcEnv, at, idTokenEnv)
	}
	return n, nil
}

const (
	keyringPatience = 3 * time.Second  // of auth, for which a build waits
	againPatience   = time.Second / 2  // of auth for one URL
	loginPatience   = 60 * time.Second // of login and logout: somebody may have to unlock it
)

// authPatience returns how long auth waits for the keyring. The go command asks
// about a URL after each answer of 4xx, of which a build may have a hundred: each must not
// wait as long as the first call for a keyring that is locked.
func authPatience(about *url.URL) time.Duration {
	if about != nil {
		return againPatience
	}
	return keyringPatience
}

// loginStore returns where the logins of this user are stored.
func (m machine) loginStore(wait time.Duration) (*token.Store, error) {
	dir, err := m.userConfigDir()
	if err != nil {
		return nil, fmt.Errorf(m.say("there is no place to store logins: %w", "没有存放登录信息的地方：%w"), err)
	}
	return &token.Store{File: filepath.Join(dir, "godown", "credentials.json"), Keyring: m.keyring(), Wait: wait}, nil
}

// keyring returns the system's keyring, or nil where there is none. On Linux that
// is where a session bus runs already; none is started for it.
func (m machine) keyring() token.Vault {
	switch runtime.GOOS {
	case "windows", "darwin":
		return token.System{}
	}
	if at := m.getenv("DBUS_SESSION_BUS_ADDRESS"); at != "" && at != "autolaunch:" && at != "disabled:" {
		return token.System{}
	}
	// Where the library looks, too. The variable says that we are in a session of that user.
	dir := fmt.Sprintf("/run/user/%d", os.Getuid())
	if m.getenv("XDG_RUNTIME_DIR") == dir {
		if _, err := os.Stat(filepath.Join(dir, "bus")); err == nil {
			return token.System{}
		}
	}
	return nil
}

// tokenError returns an error of package token in the machine's language.
func (m machine) tokenError(err error) error {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		var said []error
		for _, err := range all.Unwrap() {
			said = append(said, m.tokenError(err))
		}
		return errors.Join(said...)
	}
	if e, ok := errors.AsType[*token.Exposed](err); ok {
		return fmt.Errorf(m.say("%s holds tokens, but others than you may open it (mode %04o), so nothing is read from it. 'chmod 600 %[1]s' mends that; if somebody else uses this machine, have the tokens renewed",
			"%s 里有令牌，但别人也能打开它（权限 %04o），因此不读取。用 chmod 600 %[1]s 修正；如果这台机器还有别人使用，请更换其中的令牌"), e.File, e.Mode.Perm())
	}
	if e, ok := errors.AsType[*token.Damaged](err); ok {
		return fmt.Errorf(m.say("%s is not as 'godown login' writes it: %w. Mend it, or remove it and log in again", "%s 不是 godown login 写的格式：%w。请修正，或删除后重新登录"), e.File, e.Err)
	}
	if e, ok := errors.AsType[*token.KeyringError](err); ok {
		why := e.Err
		switch {
		case errors.Is(why, token.ErrSlow):
			why = errors.New(m.say("it has not answered in time; it may be locked: unlock it, or store the token with 'godown login --store file'", "没有及时应答；可能已锁定：请先解锁，或用 godown login --store file 把令牌存进文件"))
		case errors.Is(why, token.ErrNoSecret):
			why = errors.New(m.say("it does not have it; log in again", "其中没有；请重新登录"))
		}
		return fmt.Errorf(m.say("the system's keyring, for %v: %w", "系统钥匙串（%v）：%w"), e.Server, why)
	}
	for known, zh := range map[error]string{
		token.ErrEmpty: "令牌为空",
		token.ErrLong:  "令牌过长：超过 16 KiB",
		token.ErrShape: "令牌含有空格、换行或其他不该有的字符",
		token.ErrUser:  "用户名为空，或含有冒号或控制字符",
	} {
		if errors.Is(err, known) && err.Error() == known.Error() {
			return errors.New(m.say(known.Error(), zh))
		}
	}
	return err
}
