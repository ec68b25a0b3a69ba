// Command load measures godown side by side with floors, which do the least
// that a Go program could do, and with other proxies:
//
//	go run ./bench/load [flags] [NAME=URL | NAME=EXECUTABLE …]
//
// NAME=URL is a proxy that runs already and whose upstream is ours (-origin).
// NAME=EXECUTABLE is another build of godown, started like this one.
// Everything happens on loopback and in a temporary folder. What is measured,
// and what came out, is in bench/README.md.
//
// It exits with 1 when an answer was wrong or a measure could not be taken; a
// missed target is only shown.
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
	measures []string
	rounds   int           // of each measure
	time     time.Duration // of one load of one candidate
	conns    int           // of one load
	versions int           // in the tree
	origin   string        // address for the fake upstream; empty: any
	clients  int           // of a burst
	size     int64         // of a burst's zip, bytes
	latency  time.Duration // of the upstream, in bursts
	only     *regexp.Regexp
	quiet    time.Duration // to spend on avoiding disturbances; counted down
	args     []string      // NAME=URL or NAME=EXECUTABLE
}

// A bench is one run of this program.
type bench struct {
	options
	dir string // temporary
	exe string // this program, which is also the floors
	own string // godown, newly built

	running []*candidate // proxies given by their URL
	others  []*candidate // other builds of godown
	shares  []float64    // of the machine, that other processes had during each run
}

// builds returns all builds of godown, as new candidates.
func (b *bench) builds() []*candidate {
	list := []*candidate{{name: "godown", exe: b.own}}
	for _, c := range b.others {
		list = append(list, &candidate{name: c.name, exe: c.exe})
	}
	return list
}

func main() {
	if len(os.Args) == 3 && strings.HasPrefix(os.Args[1], "floor-") {
		if err := serveFloor(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	o, err := parseFlags()
	if err == nil {
		err = run(ctx, o)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func parseFlags() (options, error) {
	var o options
	measures := flag.String("measure", "warm,burst,start", "what to measure, separated by commas")
	only := flag.String("load", "", "of the warm loads only those whose names match this regular expression")
	flag.IntVar(&o.rounds, "rounds", 7, "rounds of each measure; bursts have half as many")
	flag.DurationVar(&o.time, "time", 2*time.Second, "duration of one load")
	flag.IntVar(&o.conns, "conns", 8, "keep-alive connections of one load")
	flag.IntVar(&o.versions, "versions", 300, "module versions in the synthetic tree")
	flag.StringVar(&o.origin, "origin", "", "address at which the fake upstream listens as well, for proxies given by their URL")
	flag.IntVar(&o.clients, "clients", 200, "clients of a burst")
	flag.Int64Var(&o.size, "size", 50_000_000, "bytes of a burst's zip")
	flag.DurationVar(&o.latency, "latency", 50*time.Millisecond, "round trip of a burst's upstream")
	flag.DurationVar(&o.quiet, "quiet", 0, "time to spend, in all, on waiting for a quiet machine and on repeating runs that other processes disturbed")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: load [flags] [NAME=URL | NAME=EXECUTABLE …]")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.measures, o.args = strings.Split(*measures, ","), flag.Args()
	var err error
	o.only, err = regexp.Compile(*only)
	return o, err
}

func run(ctx context.Context, o options) error {
	known := []string{"warm", "burst", "start"}
	for _, m := range o.measures {
		if !slices.Contains(known, m) {
			return fmt.Errorf("-measure %s: there are %s", m, strings.Join(known, ", "))
		}
	}
	if o.rounds < 1 || o.conns < 1 || o.versions < versionsPerModule || o.clients < 1 || o.time < 100*time.Millisecond {
		return fmt.Errorf("too little to do: -rounds, -conns and -clients are at least 1, -versions %d, -time 100ms", versionsPerModule)
	}
	dir, err := os.MkdirTemp("", "godown-load-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir, own: filepath.Join(dir, "godown")}
	if b.running, b.others, err = parseOthers(o.args); err != nil {
		return err
	}
	if b.exe, err = os.Executable(); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	fmt.Printf("%s, %s, %d cores\n", time.Now().Format(time.DateOnly), runtime.Version(), runtime.NumCPU())
	for _, m := range o.measures {
		var err error
		switch m {
		case "warm":
			err = b.warm(ctx)
		case "burst":
			err = b.burst(ctx)
		case "start":
			err = b.start(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
		b.printShares()
	}
	return nil
}

// build builds godown as it stands.
func (b *bench) build(ctx context.Context) error {
	if runtime.GOOS == "windows" {
		b.own += ".exe"
	}
	progress("building godown")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", b.own, "github.com/godown-dev/godown/cmd/godown").CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("go build: %w", err), errors.New(string(out)))
	}
	return nil
}

// progress tells the user what takes its time now.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "load: "+format+"\n", args...)
}
