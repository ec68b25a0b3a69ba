// Command vcs measures how long modules take that come from git repositories,
// through godown and by the go command alone:
//
//	go run ./bench/vcs [flags]
//
// The repositories are made once and kept. This program serves them over smart
// HTTP on loopback, with a delay when asked for; godown, the go command and git
// are processes of their own. What is measured, and what came out, is in
// bench/README.md.
//
// It exits with 1 when a run failed or candidates disagree about what they were
// given. A missed target is only shown.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	rows    []row
	rounds  int
	rtts    []time.Duration
	mb      int           // of files at the tips of the repositories with tags
	timeout time.Duration // of one run
	folder  string        // of repositories and certificates that are kept
	runs    string        // folder in which this run has one of its own; empty: that for temporary files
	godown  string        // an executable; empty: build one
	args    []string      // more arguments for godown serve
	proxies map[string]string
	reset   string // shell command that empties a proxy
	origin  string // address of the git host
	json    string // file to write; empty: none
}

// A bench is one run of this program.
type bench struct {
	options
	scratch   string
	git       git
	shapes    []shape
	root      string // of the repositories that are served
	commit    commit // in the long history
	authority string // file of certificates to trust
	pushed    int    // new tags so far
	known     map[string]string
	results   []result
	trouble   []error
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	o, err := parseFlags(os.Args[1:])
	if err == nil {
		err = run(ctx, o)
	}
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vcs:", err)
		os.Exit(1)
	}
}

func parseFlags(argv []string) (o options, err error) {
	flags := flag.NewFlagSet("vcs", flag.ContinueOnError)
	o.proxies = make(map[string]string)
	names := flags.String("rows", "", "only rows whose names match this regular expression: cold, newtag, list, pseudo, hash, burst")
	rtts := flags.String("rtt", "0s,20ms", "round trips to the git host, separated by commas; each row is measured with each: an answer waits for one, a new connection for two more")
	args := flags.String("args", "", "more arguments for godown serve, separated by blanks; {gitconfig} in them stands for a git configuration with the host's proxy and authority")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds of each row")
	flags.IntVar(&o.mb, "mb", 50, "MB of files at the tips of the two repositories with tags")
	flags.DurationVar(&o.timeout, "timeout", 5*time.Minute, "after which a run is ended, and has failed")
	flags.StringVar(&o.folder, "dir", "", "folder of the repositories, which are made when they are not there; empty: godown-bench-git in the user's cache directory")
	flags.StringVar(&o.runs, "runs", "", "folder to make those of the runs in; empty: /dev/shm if it is there, else that for temporary files")
	flags.StringVar(&o.godown, "godown", "", "executable to measure, in place of a new build")
	flags.StringVar(&o.reset, "reset", "", "shell command that makes a -proxy forget all, with its name as $1; run before each of its runs. Without it a proxy is cold only in the first")
	flags.StringVar(&o.origin, "origin", "127.0.0.1:0", "address at which the git host listens, as the HTTPS_PROXY of a -proxy; its authority is the file ca.pem in -dir")
	flags.StringVar(&o.json, "json", "", "file to write every single result to")
	flags.Func("proxy", "`NAME=URL` of a proxy that runs already, and fetches from the git host; may be repeated", func(text string) error {
		name, url, ok := strings.Cut(text, "=")
		if !ok || !strings.HasPrefix(url, "http://") || slices.Contains([]string{"", asGo, asGodown, bare}, name) {
			return errors.New("it is NAME=http://HOST:PORT, and the name is no other candidate's")
		}
		o.proxies[name] = strings.TrimSuffix(url, "/")
		return nil
	})
	if err := flags.Parse(argv); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	match, err := regexp.Compile(*names)
	if err != nil {
		return o, fmt.Errorf("-rows: %w", err)
	}
	o.rows = slices.DeleteFunc(rows(), func(r row) bool { return !match.MatchString(r.name) })
	if len(o.rows) == 0 {
		return o, fmt.Errorf("-rows %s: no row has such a name", *names)
	}
	for text := range strings.SplitSeq(*rtts, ",") {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 || d > time.Minute {
			return o, fmt.Errorf("-rtt: %q is no duration from 0s to 1m", text)
		}
		o.rtts = append(o.rtts, d)
	}
	o.args = strings.Fields(*args)
	if o.rounds < 1 || o.timeout < time.Second || o.mb < 1 {
		return o, errors.New("-rounds is at least 1, -timeout 1s, -mb 1")
	}
	return o, o.places()
}

// places finds the folders that were not given.
func (o *options) places() error {
	if o.folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("-dir: %w", err)
		}
		o.folder = filepath.Join(cache, "godown-bench-git")
	}
	if info, err := os.Stat("/dev/shm"); o.runs == "" && err == nil && info.IsDir() {
		o.runs = "/dev/shm"
	}
	for _, name := range []*string{&o.folder, &o.runs, &o.godown, &o.json} {
		if *name != "" {
			abs, err := filepath.Abs(*name)
			if err != nil {
				return err
			}
			*name = abs
		}
	}
	return nil
}

func run(ctx context.Context, o options) error {
	scratch, err := os.MkdirTemp(o.runs, "godown-vcs-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	b := &bench{options: o, scratch: scratch, shapes: shapes(o.mb), root: filepath.Join(scratch, "git"), known: make(map[string]string)}
	b.git.home = filepath.Join(scratch, "home")
	for _, dir := range []string{b.folder, b.root, b.git.home} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	if b.godown == "" {
		if err := b.build(ctx); err != nil {
			return err
		}
	}
	if err := b.load(ctx); err != nil {
		return err
	}
	fmt.Printf("%s, %s, %d cores\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU())
	if err := b.measureAll(ctx); err != nil {
		b.trouble = append(b.trouble, err)
	}
	b.print(os.Stdout)
	if b.json != "" {
		b.trouble = append(b.trouble, b.write(b.json))
	}
	return errors.Join(append(b.trouble, ctx.Err())...)
}

// load puts copies of the repositories where they are served, as rows push to them.
func (b *bench) load(ctx context.Context) error {
	for i, s := range b.shapes {
		kept, err := b.git.ensure(ctx, b.folder, s, uint64(i+1))
		if err != nil {
			return fmt.Errorf("repository %s: %w", s.name, err)
		}
		if err := os.CopyFS(filepath.Join(b.root, s.name+".git"), os.DirFS(kept)); err != nil {
			return err
		}
	}
	var err error
	b.commit, err = b.git.look(ctx, filepath.Join(b.root, b.shapes[2].name+".git"), b.shapes[2].commits/4, "v1.0.0")
	return err
}

// measureAll measures all rows, a round of each in turn.
func (b *bench) measureAll(ctx context.Context) error {
	cert, authority, err := identity(b.folder)
	if err != nil {
		return err
	}
	b.authority = authority
	for _, rtt := range b.rtts {
		h, err := startHost(ctx, b.git, b.root, b.origin, cert, rtt)
		if err != nil {
			return err
		}
		for round := range b.rounds {
			for _, r := range b.rows {
				if err := r.run(b, ctx, h, round); err != nil { // other rows may go well
					b.trouble = append(b.trouble, fmt.Errorf("%s, %v, round %d: %w", r.name, rtt, round+1, err))
				}
				if ctx.Err() != nil {
					h.close()
					return nil
				}
			}
		}
		h.close()
	}
	return nil
}

// build builds godown as it stands.
func (b *bench) build(ctx context.Context) error {
	b.godown = filepath.Join(b.scratch, "godown")
	if runtime.GOOS == "windows" {
		b.godown += ".exe"
	}
	progress("building godown")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", b.godown, "github.com/godown-dev/godown/cmd/godown").CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("go build: %w", err), errors.New(string(out)))
	}
	return nil
}

// progress tells the user what takes its time now.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "vcs: "+format+"\n", args...)
}
