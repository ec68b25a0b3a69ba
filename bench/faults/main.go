// Command faults measures how godown with several mirrors gets along when one
// of them is at fault, beside the go command that has the same mirrors:
//
//	go run ./bench/faults [flags]
//
// Everything happens on loopback and in a temporary folder: the mirrors are
// this program, godown and the go command are processes of their own, and each
// run begins with nothing. What is measured, and what came out, is in
// bench/README.md.
//
// It exits with 1 when wrong bytes were taken for good or a measure could not
// be taken. A run that failed because of a mirror's fault, and a missed
// target, are only shown.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
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

	"github.com/godown-dev/godown/bench/process"
	"github.com/godown-dev/godown/internal/godowntest"
)

// options are the flags.
type options struct {
	measures   []string
	rounds     int // of each measure
	rows       *regexp.Regexp
	candidates []string
	flap       bool
	timeout    time.Duration // of one run
	latency    time.Duration // of every mirror
	seed       uint64
	godown     string // an executable; empty: build one
	json       string // file to write; empty: none
}

// A bench is one run of this program.
type bench struct {
	options
	dir     string // temporary
	report  report
	trouble []error // measures that could not be taken, and wrong bytes
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	o, err := parseFlags()
	if err == nil {
		err = run(ctx, o)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

func parseFlags() (options, error) {
	var o options
	measures := flag.String("measure", "faults,split,hedge", "what to measure, separated by commas")
	candidates := flag.String("candidates", "straight,serve,run", "of faults: who downloads, separated by commas")
	rows := flag.String("rows", "", "of faults only those whose names match this regular expression; \"none\" is always there")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each measure")
	flag.BoolVar(&o.flap, "flap", false, "of faults: the first mirror goes and comes back every 2 s, on top of its fault")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "after which a run is ended, and has failed")
	flag.DurationVar(&o.latency, "latency", 20*time.Millisecond, "that each mirror adds to each answer and to each new connection")
	flag.Uint64Var(&o.seed, "seed", 1, "of the dice that decide which requests a fault hits")
	flag.StringVar(&o.godown, "godown", "", "executable to measure, in place of a new build")
	flag.StringVar(&o.json, "json", "", "file to write every single result to")
	flag.Parse()
	if flag.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	o.measures, o.candidates = strings.Split(*measures, ","), strings.Split(*candidates, ",")
	if err := known("-measure", o.measures, "faults", "split", "hedge"); err != nil {
		return o, err
	}
	if err := known("-candidates", o.candidates, "straight", "serve", "run"); err != nil {
		return o, err
	}
	if o.rounds < 1 || o.timeout < time.Second || o.latency < 0 {
		return o, errors.New("-rounds is at least 1, -timeout 1s, -latency 0")
	}
	var err error
	o.rows, err = regexp.Compile(*rows)
	return o, err
}

// known checks the elements of a flag's list.
func known(name string, list []string, all ...string) error {
	for _, s := range list {
		if !slices.Contains(all, s) {
			return fmt.Errorf("%s %s: there are %s", name, s, strings.Join(all, ", "))
		}
	}
	return nil
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "godown-faults-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir}
	if b.godown == "" {
		if err := b.build(ctx); err != nil {
			return err
		}
	} else if b.godown, err = filepath.Abs(b.godown); err != nil {
		return err
	}
	fmt.Printf("%s, %s, %d cores\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU())
	for _, m := range b.measures {
		var err error
		switch m {
		case "faults":
			err = b.faults(ctx)
		case "split":
			err = b.split(ctx)
		case "hedge":
			err = b.hedge(ctx)
		}
		if err != nil {
			b.trouble = append(b.trouble, fmt.Errorf("%s: %w", m, err))
		}
	}
	if b.json != "" {
		b.trouble = append(b.trouble, b.report.write(b.json))
	}
	return errors.Join(append(b.trouble, ctx.Err())...)
}

// build builds godown as it stands.
func (b *bench) build(ctx context.Context) error {
	b.godown = filepath.Join(b.dir, "godown")
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

// An origin is what all mirrors of a measure have: modules and their checksum
// database. Mirrors ask it in memory.
type origin struct {
	*godowntest.Upstream
	mods *godowntest.Modules
	db   *godowntest.SumDB
}

func startOrigin(mods *godowntest.Modules) (*origin, error) {
	up, err := godowntest.StartUpstream(mods)
	if err != nil {
		return nil, err
	}
	db, err := godowntest.StartSumDB("sum.test", mods)
	if err != nil {
		up.Close()
		return nil, err
	}
	up.Attach(db)
	o := &origin{up, mods, db}
	// The database records a version when it is first asked for it: done here,
	// or the first candidate would meet a database that grows.
	for _, v := range mods.Versions() {
		rec := httptest.NewRecorder()
		if db.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/lookup/"+v.String(), nil)); rec.Code != http.StatusOK {
			o.close()
			return nil, fmt.Errorf("fake checksum database: %v: %d %s", v, rec.Code, rec.Body)
		}
	}
	o.forget()
	return o, nil
}

func (o *origin) close() {
	o.Upstream.Close()
	o.db.Close()
}

// forget drops the records of requests, which would fill the memory.
func (o *origin) forget() {
	o.Upstream.Reset()
	o.db.Reset()
}

// progress tells the user what takes its time now.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "faults: "+format+"\n", args...)
}

// startGodown starts godown serve with an empty data folder below dir, and
// more arguments.
func (b *bench) startGodown(ctx context.Context, dir string, args ...string) (*process.Server, error) {
	return process.Start(ctx, dir, append([]string{b.godown, "serve", "--listen=127.0.0.1:0", "--data=" + filepath.Join(dir, "data"), "--private="}, args...)...)
}
