// Command cold measures how long the go command takes with nothing in its
// caches, through godown and straight from the same far mirror:
//
//	go run ./bench/cold [flags]
//
// The modules are real ones: the ordinary go command fetches them once into a
// folder that is kept. From then on everything happens on loopback: the mirror
// is this program, godown and the go command are processes of their own, and
// each run begins with nothing. What is measured, and what came out, is in
// bench/README.md.
//
// It exits with 1 when a download that ended well has wrong files, or a
// measure could not be taken. A run that failed, and a missed target, are only
// shown.
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

	"github.com/godown-dev/godown"
)

// options are the flags.
type options struct {
	rows       []row
	rounds     int
	candidates []string
	timeout    time.Duration // of one run
	latency    time.Duration // of a round trip to the mirror
	rate       int           // of each connection, bytes/s
	pad        int           // records of the checksum database that are of no module
	folder     string        // of the corpus
	runs       string        // folder in which each run has one of its own; empty: that for temporary files
	fetch      bool          // what earlier runs have asked for in vain
	godown     string        // an executable; empty: build one
	json       string        // file to write; empty: none
}

// A bench is one run of this program.
type bench struct {
	options
	dir     string // temporary
	corpus  *corpus
	sets    map[string]*set
	db      *sumDB
	results []result
	wanted  map[godown.Request]bool // zips that the corpus lacks
	trouble []error                 // wrong files
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	o, err := parseFlags()
	if err == nil {
		err = run(ctx, o)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cold:", err)
		os.Exit(1)
	}
}

func parseFlags() (options, error) {
	var o options
	names := flag.String("rows", "", "only rows whose names match this regular expression; empty: all but large, whose modules have 700 MB")
	candidates := flag.String("candidates", strings.Join(allCandidates(), ","), "who downloads, separated by commas; ratios need straight")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each row")
	flag.DurationVar(&o.timeout, "timeout", 15*time.Minute, "after which a run is ended, and has failed")
	flag.DurationVar(&o.latency, "latency", 100*time.Millisecond, "of a round trip to the mirror")
	flag.IntVar(&o.rate, "rate", 2_000_000, "bytes/s of each connection to the mirror")
	flag.IntVar(&o.pad, "pad", 200_000, "records of no module in the checksum database, so that its tree is as high as a real one")
	flag.StringVar(&o.folder, "corpus", "", "folder of the modules, which is filled when a row needs it; empty: godown-bench-corpus in the user's cache directory")
	flag.StringVar(&o.runs, "dir", "", "folder to make those of the runs in; empty: that for temporary files. In memory, it leaves the disk out")
	flag.BoolVar(&o.fetch, "wanted", false, "first add the zips to the corpus that earlier runs have asked for in vain")
	flag.StringVar(&o.godown, "godown", "", "executable to measure, in place of a new build")
	flag.StringVar(&o.json, "json", "", "file to write every single result to")
	flag.Parse()
	if flag.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	match, err := regexp.Compile(*names)
	if err != nil {
		return o, fmt.Errorf("-rows: %w", err)
	}
	o.rows = slices.DeleteFunc(rows(), func(r row) bool {
		return !match.MatchString(r.name) || r.byItself && *names == ""
	})
	if len(o.rows) == 0 {
		return o, fmt.Errorf("-rows %s: no row has such a name", *names)
	}
	o.candidates = strings.Split(*candidates, ",")
	for _, c := range o.candidates {
		if !slices.Contains(allCandidates(), c) {
			return o, fmt.Errorf("-candidates %s: there are %s", c, strings.Join(allCandidates(), ", "))
		}
	}
	if o.rounds < 1 || o.timeout < time.Second || o.latency < 0 || o.rate < 1000 || o.pad < 0 {
		return o, errors.New("-rounds is at least 1, -timeout 1s, -latency 0, -rate 1000, -pad 0")
	}
	if o.folder == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return o, fmt.Errorf("-corpus: %w", err)
		}
		o.folder = filepath.Join(cache, "godown-bench-corpus")
	}
	o.folder, err = filepath.Abs(o.folder)
	return o, err
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.runs, "godown-cold-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir, sets: make(map[string]*set), wanted: make(map[godown.Request]bool)}
	if b.godown == "" {
		if err := b.build(ctx); err != nil {
			return err
		}
	} else if b.godown, err = filepath.Abs(b.godown); err != nil {
		return err
	}
	f := &filler{dir: b.folder}
	if err := b.load(ctx, f); err != nil {
		return err
	}
	fmt.Printf("%s, %s, %d cores\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU())
	if err := b.measure(ctx); err != nil {
		b.trouble = append(b.trouble, err)
	}
	b.print(os.Stdout)
	if b.json != "" {
		b.trouble = append(b.trouble, b.write(b.json))
	}
	return errors.Join(append(b.trouble, f.want(b.wanted), ctx.Err())...)
}

// load fills the corpus as far as the rows need it, and reads it.
func (b *bench) load(ctx context.Context, f *filler) error {
	if b.fetch {
		if err := f.fetch(ctx); err != nil {
			return err
		}
	}
	var names []string
	for _, r := range b.rows {
		if !slices.Contains(names, r.set) {
			names = append(names, r.set)
		}
	}
	if err := f.fill(ctx, names); err != nil {
		return err
	}
	progress("reading %s", b.folder)
	var err error
	if b.corpus, err = openCorpus(b.folder); err != nil {
		return err
	}
	for _, r := range b.rows {
		if b.sets[r.set], err = b.corpus.set(r.set, r.get); err != nil {
			return err
		}
	}
	b.db, err = newSumDB(b.corpus, b.pad)
	return err
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

// progress tells the user what takes its time now.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "cold: "+format+"\n", args...)
}
