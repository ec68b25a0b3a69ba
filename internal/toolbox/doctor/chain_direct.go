package doctor

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/godown-dev/godown/internal/toolbox/lang"
	"github.com/godown-dev/godown/internal/toolbox/probe"
	"github.com/godown-dev/godown/internal/toolbox/term"
	"golang.org/x/mod/module"
)

// direct goes to where the module's path says that it is.
func (w *walk) direct(ctx context.Context, v *visit, word string) {
	v.link.Name = word
	path := w.report.Module
	host, _, _ := strings.Cut(path, "/")
	if module.CheckPath(path) != nil {
		v.fail(Step{Name: "go-get", Detail: text("%q is no module path", "%q 不是模块路径", term.Clean(path))})
		return
	}
	repo := staticRepo(path)
	if repo == "" {
		var ok bool
		if repo, ok = w.discover(ctx, v, word, host, path); !ok {
			return
		}
	}
	git, err := w.facts.Machine.LookPath("git")
	if err != nil {
		v.fail(Step{Name: "git", Detail: text("there is no git here", "本机没有 git")})
		missing := w.facts.gitMissing(required)
		missing.Evidence = []lang.Text{text("PATH has no git", "PATH 中没有 git"), text("%s comes straight from its host", "%s 直接从其主机获取", path)}
		w.found(v, missing)
		return
	}
	start := time.Now()
	w.tell(text("git reads %s", "git 读取 %s", showRepo(repo)))
	said, err := w.lsRemote(ctx, git, repo)
	if err != nil {
		kind := gitFailureKind(said)
		v.fail(Step{Name: "git", Took: time.Since(start), Detail: kind.text()})
		w.found(v, w.facts.gitTrouble(kind, repo, said))
		return
	}
	v.step(Step{Name: "git", State: StepOK, Took: time.Since(start), Detail: lang.Same(showRepo(repo))})
	v.outcome = StepOK
}

// discover asks the host for the page with ?go-get=1, which says where the repository is.
func (w *walk) discover(ctx context.Context, v *visit, word, host, path string) (repo string, ok bool) {
	v.base = &url.URL{Scheme: "https", Host: host}
	defer func() {
		v.link.Name = word + " " + host
		v.base = nil
	}()
	if !w.reach(ctx, v) {
		return "", false
	}
	defer v.client.Close()
	w.login(v)
	u := &url.URL{Scheme: "https", Host: host, User: v.base.User, Path: "/" + strings.TrimPrefix(strings.TrimPrefix(path, host), "/"), RawQuery: "go-get=1"}
	e := v.client.Get(ctx, probe.Ask{URL: u, Keep: true})
	v.link.Name = word + " " + host
	if e.Status == 0 {
		v.fail(Step{Name: "go-get", Took: e.Total, Detail: e.Failure.Text()})
		w.found(v, w.requestTrouble(v, "go-get", e)...)
		return "", false
	}
	vcs, repo := goImport(e.Body, path) // also of a page with another status, as the go command does
	switch {
	case repo == "":
		v.fail(Step{Name: "go-get", Took: e.Total, Detail: text("the page has no go-import tag for it", "页面中没有它的 go-import 标签")})
		w.found(v, noGoImport(host, path, e))
		return "", false
	case vcs != "git":
		v.step(Step{Name: "go-get", State: StepOK, Took: e.Total, Detail: text("it is in %s, which is not tried here", "它在 %s 中，这里不再尝试", term.Clip(vcs, 20))})
		v.outcome = StepOK
		return "", false
	case !safeRepo(repo):
		v.fail(Step{Name: "go-get", Took: e.Total, Detail: text("it names a repository that is neither https nor ssh", "它给出的仓库地址既不是 https 也不是 ssh")})
		w.found(v, noGoImport(host, path, e))
		return "", false
	}
	v.step(Step{Name: "go-get", State: StepOK, Took: e.Total, Detail: lang.Same(showRepo(repo))})
	return repo, true
}

// staticRepo returns the repository of a module whose path alone tells it, or "".
func staticRepo(path string) string {
	parts := strings.Split(path, "/")
	if (parts[0] == "github.com" || parts[0] == "bitbucket.org") && len(parts) >= 3 {
		return "https://" + strings.Join(parts[:3], "/")
	}
	for i, p := range parts {
		if i > 0 && strings.HasSuffix(p, ".git") {
			return "https://" + strings.Join(parts[:i+1], "/")
		}
	}
	return ""
}

// safeRepo reports whether git may be sent to a URL that a page has named.
func safeRepo(repo string) bool {
	u, err := url.Parse(repo)
	return err == nil && slices.Contains([]string{"https", "ssh", "git+ssh"}, u.Scheme) && u.Host != "" && !strings.HasPrefix(u.Host, "-")
}

// goImport returns what a page's go-import tag says for a module.
func goImport(page []byte, path string) (vcs, repo string) {
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict = false
	d.CharsetReader = nil
	for {
		t, err := d.RawToken()
		if err != nil {
			return "", ""
		}
		e, ok := t.(xml.StartElement)
		if end, isEnd := t.(xml.EndElement); isEnd && strings.EqualFold(end.Name.Local, "head") || ok && strings.EqualFold(e.Name.Local, "body") {
			return "", ""
		}
		if !ok || !strings.EqualFold(e.Name.Local, "meta") || attribute(e, "name") != "go-import" {
			continue
		}
		f := strings.Fields(attribute(e, "content"))
		if len(f) >= 3 && (path == f[0] || strings.HasPrefix(path, f[0]+"/")) {
			return f[1], f[2]
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if strings.EqualFold(a.Name.Local, name) {
			return a.Value
		}
	}
	return ""
}

// lsRemote asks a repository for its HEAD, as the go command would reach it, and with nobody asked
// for a password. It returns what git says on failure, without secrets.
func (w *walk) lsRemote(ctx context.Context, git, repo string) (said string, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.facts.timeout())
	defer cancel()
	cmd := exec.CommandContext(ctx, git, "ls-remote", "-q", "--", repo, "HEAD")
	cmd.Env = append(append(slices.Clone(w.facts.Machine.Environ), w.quietSSH(ctx)...), "GIT_TERMINAL_PROMPT=0", "GCM_INTERACTIVE=never", "GIT_ASKPASS=", "SSH_ASKPASS_REQUIRE=never", "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", errors.Join(err, ctx.Err())
	}
	return hidePasswords(stderr.String()), err
}

// quietSSH returns the environment in which ssh asks nobody, unless the user has
// said by which ssh git is to go: that wins for the go command too.
func (w *walk) quietSSH(ctx context.Context) []string {
	if w.facts.Machine.Getenv("GIT_SSH") != "" || w.facts.Machine.Getenv("GIT_SSH_COMMAND") != "" {
		return nil
	}
	if c := w.facts.readGit(ctx); c != nil && c.sshCommand != "" {
		return nil
	}
	return []string{"GIT_SSH_COMMAND=ssh -o ControlMaster=no -o BatchMode=yes"}
}

// hidePasswords takes user information out of the URLs in a text.
func hidePasswords(s string) string {
	return regexp.MustCompile(`(://)[^/@\s'"]+@`).ReplaceAllString(s, "${1}…@")
}

// showRepo returns a repository's URL without what may be secret.
func showRepo(repo string) string {
	u, err := url.Parse(repo)
	if err != nil {
		return hidePasswords(term.Clean(repo))
	}
	return showURL(u)
}

// A gitKind is why git could not read a repository.
type gitKind int

const (
	gitOther gitKind = iota
	gitSilent
	gitHostKey
	gitPublicKey
	gitLogin
	gitMissing
	gitHostName
	gitCertificate
)

// gitFailureKind looks at what git says: of another program there is nothing else to look at.
func gitFailureKind(said string) gitKind {
	for _, c := range []struct {
		kind gitKind
		has  string
	}{
		{gitHostKey, "Host key verification failed"},
		{gitPublicKey, "Permission denied (publickey"},
		{gitLogin, "terminal prompts disabled"},
		{gitLogin, "could not read Username"},
		{gitLogin, "could not read Password"},
		{gitLogin, "Authentication failed"},
		{gitCertificate, "certificate"},
		{gitHostName, "Could not resolve host"},
		{gitMissing, "not found"},
		{gitMissing, "does not appear to be a git repository"},
	} {
		if strings.Contains(said, c.has) {
			return c.kind
		}
	}
	if said == "" {
		return gitSilent
	}
	return gitOther
}

func (k gitKind) text() lang.Text {
	return [...]lang.Text{
		gitOther:       {En: "git cannot read the repository", Zh: "git 无法读取该仓库"},
		gitSilent:      {En: "git did not answer in time", Zh: "git 未能及时返回"},
		gitHostKey:     {En: "ssh does not know the host's key", Zh: "ssh 不认识该主机的密钥"},
		gitPublicKey:   {En: "the host takes none of your ssh keys", Zh: "该主机不接受你的任何 ssh 密钥"},
		gitLogin:       {En: "the host wants a login, and git has none", Zh: "该主机要求登录，而 git 没有凭据"},
		gitMissing:     {En: "the host says that there is no such repository, or that it is not for you", Zh: "该主机称没有这个仓库，或者你无权访问"},
		gitHostName:    {En: "git cannot resolve the host's name", Zh: "git 无法解析该主机名"},
		gitCertificate: {En: "git does not trust the host's certificate", Zh: "git 不信任该主机的证书"},
	}[k]
}
