package vcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/godown-dev/godown"
)

// A gitRun is one call of git. It is kept on a leash: git reads no configuration
// but ours (a user's own if it acts for that user), runs no hook, asks nobody,
// speaks no protocol but https and ssh, fetches no submodule, follows no lazy
// fetch, and everything it is given that came from outside stands behind
// --end-of-options or on its standard input.
type gitRun struct {
	dir    string    // GIT_DIR; empty: none
	args   []string  // from the subcommand on
	alone  bool      // a fetch that says nothing of what is here, where not all is here that commits name
	stdin  io.Reader // may be nil
	stdout io.Writer // nil: it is returned
	remote *remote   // the remote it speaks with; nil: none, and no protocol is allowed
	trace  string    // a file for the packets of the protocol; empty: none
}

const (
	connectTimeout = 15 * time.Second
	growthInterval = 200 * time.Millisecond
	maxGitOutput   = 64 << 20 // bytes; a list of half a million references, or of as many files
)

// settings are given to every git command.
func gitSettings() []string {
	return []string{
		"core.hooksPath=" + os.DevNull, "core.fsmonitor=false", "core.askPass=", "core.logAllRefUpdates=false", "core.longpaths=true",
		"gc.auto=0", "maintenance.auto=false", "fetch.unpackLimit=1", "fetch.writeCommitGraph=false", "fetch.parallel=1", "fetch.fsckObjects=false",
		"fetch.recurseSubmodules=false", "submodule.recurse=false", "transfer.bundleURI=false", "protocol.version=2",
		"http.followRedirects=initial", "advice.detachedHead=false", "log.showSignature=false", "core.autocrlf=input", "core.eol=lf",
	}
}

// prepare makes the folders that git commands share.
func (o *Origin) prepare() error {
	if o.Dir == "" {
		return fmt.Errorf("no directory is configured for version control")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	o.Dir = dir
	for _, sub := range []string{"repos", "served", "home", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	o.sweepTemp()
	if o.GitConfig != "" && !o.User {
		config, err := filepath.Abs(o.GitConfig)
		if err != nil {
			return err
		}
		if _, err := os.Stat(config); err != nil {
			return fmt.Errorf("the file of --git-config cannot be used: %w", err)
		}
		o.GitConfig = config
	}
	return nil
}

// hostSlots returns the places for git commands that speak with a host: half of
// all, so that one that hangs does not hold them all.
func (o *Origin) hostSlots(host string) chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	slots, ok := o.hosts[host]
	if !ok {
		if len(o.hosts) >= maxRemembered {
			clear(o.hosts) // some may then have more for a while
		}
		slots = make(chan struct{}, max(1, o.Jobs/2))
		o.hosts[host] = slots
	}
	return slots
}

// createTemp makes a temporary file, and its folder if somebody has removed it.
func (o *Origin) createTemp(pattern string) (*os.File, error) {
	dir := filepath.Join(o.Dir, "tmp")
	f, err := os.CreateTemp(dir, pattern)
	if errors.Is(err, fs.ErrNotExist) && os.MkdirAll(dir, 0o700) == nil {
		f, err = os.CreateTemp(dir, pattern)
	}
	return f, err
}

// run runs git, and returns what it wrote to its standard output.
func (o *Origin) run(ctx context.Context, g gitRun) (stdout []byte, err error) {
	if o.broken != nil {
		return nil, o.broken
	}
	if g.dir == "" && g.remote == nil {
		return nil, errors.New("git was to be run in no repository")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("git was stopped after %v: %w", o.Timeout, context.DeadlineExceeded))
	defer cancel()
	var way *passage
	if g.remote != nil {
		host := o.hostSlots(g.remote.address.Host)
		select {
		case host <- struct{}{}:
			defer func() { <-host }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		slots := o.slots
		if g.remote.key.private {
			slots = o.ownSlots // strangers' hosts that hang do not hold them
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if way, err = o.open(ctx, g.remote); err != nil {
			return nil, err
		}
		defer way.close()
	}
	var before int64
	if g.remote != nil && g.dir != "" {
		before = packsSize(g.dir, "*.pack")
		var stop func()
		ctx, stop = o.watchGrowth(ctx, g.dir)
		defer stop()
	}
	cmd, out, stderr := o.command(ctx, g, way)
	runErr := cmd.Run()
	if ctx.Err() != nil {
		endGroup(cmd, grace)
		return nil, context.Cause(ctx)
	}
	if out != nil && out.over { // git was ended by its pipe
		return nil, fmt.Errorf("git printed more than %d bytes", out.max)
	}
	if runErr != nil {
		return nil, o.failure(ctx, g, way, stderr.buf.String(), runErr)
	}
	if g.remote != nil && g.dir != "" && packsSize(g.dir, "*.pack")-before > o.MaxFetch {
		return nil, o.tooMuch() // it was quicker than the watch
	}
	if out != nil {
		stdout = out.buf.Bytes()
	}
	return stdout, nil
}

func (o *Origin) tooMuch() error {
	return fmt.Errorf("git has received more than %d bytes; if that is right, --git-fetch allows more", o.MaxFetch)
}

// packsSize returns how many bytes the packs of a repository that match have.
func packsSize(dir, pattern string) (n int64) {
	files, _ := filepath.Glob(filepath.Join(dir, "objects", "pack", pattern))
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			n += info.Size()
		}
	}
	return n
}

// watchGrowth ends the context when what git is receiving into a repository has
// grown larger than one command may receive: over ssh, and where there is no
// guard, nobody else counts it.
func (o *Origin) watchGrowth(ctx context.Context, dir string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(growthInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			if packsSize(dir, "tmp_*") > o.MaxFetch {
				cancel(o.tooMuch())
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// command returns the call, not yet started. out is where its output goes if g does not say.
func (o *Origin) command(ctx context.Context, g gitRun, way *passage) (cmd *exec.Cmd, out, stderr *bounded) {
	var args []string
	for _, s := range gitSettings() {
		args = append(args, "-c", s)
	}
	if o.GitConfig != "" && !o.User {
		args = append(args, "-c", "include.path="+o.GitConfig)
	}
	if way != nil {
		args = append(args, way.args()...)
	}
	if g.alone {
		args = append(args, "-c", "fetch.negotiationAlgorithm=noop")
	}
	cmd = exec.CommandContext(ctx, o.git.path, append(args, g.args...)...)
	cmd.Dir = o.Dir
	cmd.Env = o.gitEnviron(g, way)
	cmd.Stdin = g.stdin
	cmd.Stdout = g.stdout
	if g.stdout == nil {
		out = &bounded{max: maxGitOutput, strict: true}
		cmd.Stdout = out
	}
	stderr = &bounded{max: maxStderr}
	cmd.Stderr = stderr
	cmd.WaitDelay = grace
	ownGroup(cmd)
	return cmd, out, stderr
}

// gitEnviron returns the environment of a git command.
func (o *Origin) gitEnviron(g gitRun, way *passage) []string {
	var env []string
	for _, e := range o.Env {
		name, _, ok := strings.Cut(e, "=")
		if ok && keep(name) && (o.User || !ofUser(name)) {
			env = append(env, e)
		}
	}
	if o.Guard != nil {
		env = withoutProxies(env)
	}
	tmp := filepath.Join(o.Dir, "tmp")
	env = append(env,
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "SSH_ASKPASS_REQUIRE=never", "GCM_INTERACTIVE=never", // nobody is there to be asked
		"GIT_CEILING_DIRECTORIES="+filepath.Dir(o.Dir), // without GIT_DIR, no repository further up counts
		"GIT_ATTR_NOSYSTEM=1", "GIT_HTTP_PROXY_AUTHMETHOD=basic", "GIT_NO_LAZY_FETCH=1", "GIT_LFS_SKIP_SMUDGE=1", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1",
		"LC_ALL=C", // errors.go reads git's messages
		"TMPDIR="+tmp, "TEMP="+tmp, "TMP="+tmp,
	)
	if g.dir != "" {
		env = append(env, "GIT_DIR="+g.dir)
	}
	if g.trace != "" {
		env = append(env, "GIT_TRACE_PACKET="+g.trace)
	}
	if !o.User {
		home := filepath.Join(o.Dir, "home")
		env = append(env, "HOME="+home, "XDG_CONFIG_HOME="+home, "USERPROFILE="+home, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	}
	protocols := "none" // a missing object is missing, and is not fetched by the way
	if g.remote != nil {
		protocols = "https:ssh"
		if g.remote.address.Scheme != "ssh" && !o.User && !(g.remote.key.private && o.GitConfig != "") {
			protocols = "https" // ssh has its own preparations; insteadOf does not make them
		}
		if g.remote.key.insecure {
			protocols += ":http"
			env = append(env, "GIT_SSL_NO_VERIFY=1")
		}
		env = append(env, way.environ()...)
	}
	return append(env, "GIT_ALLOW_PROTOCOL="+protocols)
}

// ofUser reports whether a variable is about a user's own configuration of git
// and ssh, which only one who acts for that user follows.
func ofUser(name string) bool {
	switch name {
	case "HOME", "XDG_CONFIG_HOME", "USERPROFILE", "NETRC", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_PROXY_COMMAND", "GIT_ALLOW_PROTOCOL", "GIT_EXEC_PATH":
		return true
	}
	return strings.HasPrefix(name, "GIT_CONFIG_") || strings.HasPrefix(name, "GIT_HTTP_")
}

// A passage is how one git command reaches its remote.
type passage struct {
	login  godown.Login
	pass   *Pass  // nil: straight
	config string // a file of settings for this command alone; empty: none
	env    []string
}

// open prepares the way to a remote: through the guard, and with a login.
func (o *Origin) open(ctx context.Context, r *remote) (_ *passage, err error) {
	way := new(passage)
	defer func() {
		if err != nil {
			way.close()
		}
	}()
	if r.key.login && o.Login != nil {
		if way.login, err = o.Login(ctx, r.address); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	if r.address.Scheme == "ssh" {
		if err := o.openSSH(ctx, r, way); err != nil {
			return nil, err
		}
	} else {
		way.settings(&b, r.address)
		if !r.key.login && !o.User {
			// The helpers of --git-config are not for what strangers name.
			b.WriteString("[credential]\n\thelper =\n")
		}
		if o.Guard != nil {
			if way.pass, err = o.Guard.Open(ctx, r.key.free, o.MaxFetch); err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "[http]\n\tproxy = %s\n\tproxyAuthMethod = basic\n", quoteConfig(way.pass.URL()))
		}
	}
	if b.Len() == 0 {
		return way, nil
	}
	f, err := o.createTemp("git-*.config") // mode 0600
	if err != nil {
		return nil, err
	}
	way.config = f.Name()
	_, err = f.WriteString(b.String())
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return way, err
}

// settings writes what git needs to show the login to the host of u, and to no
// other: a helper that is asked for this host alone, and gets the secret from
// the environment. A header cannot be bound to a host across redirects, so
// there are none then.
func (w *passage) settings(b *strings.Builder, u *url.URL) {
	origin := u.Scheme + "://" + u.Host
	if w.login.User != "" || w.login.Password != "" {
		helper := `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$GODOWN_GIT_USER" "$GODOWN_GIT_PASSWORD"; }; f`
		fmt.Fprintf(b, "[credential]\n\thelper =\n[credential %s]\n\thelper = %s\n[http]\n\tproactiveAuth = basic\n", quoteConfig(origin), quoteConfig(helper))
		w.env = append(w.env, "GODOWN_GIT_USER="+w.login.User, "GODOWN_GIT_PASSWORD="+w.login.Password)
	}
	if len(w.login.Header) > 0 {
		fmt.Fprintf(b, "[http]\n\tfollowRedirects = false\n[http %s]\n", quoteConfig(origin+"/"))
		for name, values := range w.login.Header {
			for _, v := range values {
				fmt.Fprintf(b, "\textraHeader = %s\n", quoteConfig(name+": "+v))
			}
		}
	}
}

// openSSH prepares the call of ssh. A user's own ssh has its own ways.
func (o *Origin) openSSH(ctx context.Context, r *remote, way *passage) error {
	l := way.login
	if o.User && l.Key == "" && l.KnownHosts == "" {
		if getenv(o.Env, "GIT_SSH_COMMAND") == "" && getenv(o.Env, "GIT_SSH") == "" {
			way.env = append(way.env, "GIT_SSH_COMMAND=ssh -o ControlMaster=no -o BatchMode=yes")
		}
		return nil
	}
	ssh := []string{"ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "ForwardAgent=no", "-o", "PermitLocalCommand=no", "-o", "StrictHostKeyChecking=yes",
		"-o", fmt.Sprintf("ConnectTimeout=%d", int(connectTimeout/time.Second))}
	if l.Key != "" {
		ssh = append(ssh, "-i", l.Key, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none")
	}
	if l.Key == "" && !r.key.private {
		// The account's own keys and agent are not for what strangers name.
		ssh = append(ssh, "-o", "PubkeyAuthentication=no", "-o", "IdentityAgent=none")
	}
	if l.KnownHosts != "" {
		ssh = append(ssh, "-o", "UserKnownHostsFile="+l.KnownHosts, "-o", "GlobalKnownHostsFile=none")
	}
	if o.Guard != nil {
		host, port := r.address.Hostname(), r.address.Port()
		alias := host
		if port == "" {
			port = "22"
		} else if port != "22" {
			alias = "[" + host + "]:" + port
		}
		ip, err := o.Guard.Pin(ctx, host, port, r.key.free)
		if err != nil {
			return err
		}
		ssh = append(ssh, "-o", "HostName="+ip, "-o", "HostKeyAlias="+alias)
	}
	for i, s := range ssh {
		ssh[i] = "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" // git gives it to a shell
	}
	way.env = append(way.env, "GIT_SSH_COMMAND="+strings.Join(ssh, " "), "GIT_SSH_VARIANT=ssh")
	return nil
}

func (w *passage) args() []string {
	if w.config == "" {
		return nil
	}
	return []string{"-c", "include.path=" + w.config}
}

func (w *passage) environ() []string { return w.env }

func (w *passage) close() {
	if w.pass != nil {
		w.pass.Close()
	}
	if w.config != "" {
		os.Remove(w.config)
	}
}

// quoteConfig writes a value, or the name of a subsection, for a git configuration file.
func quoteConfig(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", "", "\x00", "").Replace(s) + `"`
}

// failure makes an error of a git command that ended with one.
func (o *Origin) failure(ctx context.Context, g gitRun, way *passage, stderr string, runErr error) error {
	if way != nil && way.pass != nil {
		if err := way.pass.Err(); err != nil {
			return err
		}
	}
	stderr = strings.ReplaceAll(stderr, o.Dir+string(os.PathSeparator), "")
	if strings.TrimSpace(stderr) == "" {
		stderr = "git " + g.args[0] + ": " + runErr.Error()
	}
	if g.remote != nil {
		if status := loginStatus(stderr); status != 0 {
			return o.refusedBy(ctx, g.remote.address, way.login, !g.remote.key.login, status, redact(tell("git "+g.args[0], stderr)))
		}
	}
	return judgeGit(g.args, redact(stderr), runErr)
}
