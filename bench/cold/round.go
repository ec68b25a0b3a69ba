package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godown-dev/godown/bench/process"
	"github.com/godown-dev/godown/internal/godowntest"
)

// cores is how many the go command may use: it has as many requests under way.
const cores = "GOMAXPROCS=2"

// A result is one run of a candidate.
type result struct {
	Row       string
	Candidate string
	Round     int
	OK        bool    // it ended well, and every zip is the corpus's
	Wrong     bool    // it ended well, but with other files
	Why       string  // it is not OK
	Seconds   float64 // of the commands, one after the other
	traffic           // at the mirror
	Allowed   float64 // s that the line would have needed for that traffic; 0: nothing limits it
	Memory    int64   // peak of godown, resident bytes; 0: not known, or none ran
	Lacking   int     // zips that the corpus lacks, and a real mirror might have sent
}

// measure lets each candidate download each row, in an order that changes with
// the rounds.
func (b *bench) measure(ctx context.Context) error {
	for round := range b.rounds {
		for _, r := range b.rows {
			for i := range b.candidates {
				res := result{Row: r.name, Candidate: b.candidates[(i+round)%len(b.candidates)], Round: round}
				progress("round %d of %d: %s, %s", round+1, b.rounds, r.name, res.Candidate)
				if err := b.once(ctx, r, &res); err != nil {
					return fmt.Errorf("%s, %s: %w", r.name, res.Candidate, err)
				}
				if res.Wrong {
					b.trouble = append(b.trouble, fmt.Errorf("%s, %s, round %d: %s", r.name, res.Candidate, round+1, res.Why))
				}
				b.results = append(b.results, res)
			}
		}
	}
	return nil
}

// once is one run with a mirror, folders and processes of its own. Its error
// is that this could not be tried.
func (b *bench) once(ctx context.Context, r row, res *result) error {
	dir, err := os.MkdirTemp(b.dir, "run-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := b.sets[r.set]
	work := filepath.Join(dir, "main")
	if err := writeFiles(work, r.files(s)); err != nil {
		return err
	}
	line := b.conditions(r)
	if res.Candidate == atHand {
		line = conditions{}
	}
	m, err := startMirror(b.corpus, b.db, line)
	if err != nil {
		return err
	}
	defer m.close()

	proxy, sumdb := m.url, b.db.key
	settings := []string{"--data=" + filepath.Join(dir, "data"), "--private=", "--upstream=" + m.url, "--sumdb=" + sumdb}
	var below []string // what the go command is run by
	var srv *process.Server
	switch res.Candidate {
	case asRun:
		below = append(append([]string{b.godown, "run"}, settings...), "--")
	case asServe, asOwn:
		if res.Candidate == asOwn {
			if sumdb, err = b.ownSumDB(ctx, dir); err != nil {
				return err
			}
		}
		srv, err = process.Start(ctx, dir, append([]string{b.godown, "serve", "--listen=127.0.0.1:0"}, settings...)...)
		if err != nil {
			return err
		}
		defer srv.Stop()
		proxy = srv.URL
	case atHand:
		if !r.get { // which needs lists, and the checksum database
			proxy, sumdb = b.corpus.url(), "off"
		}
	}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o777); err != nil {
		return err
	}
	env := append(process.CleanEnv(home), godowntest.GoEnv(home, proxy, sumdb)...)
	env = append(env, "GOFLAGS=-modcacherw", cores)
	if err := b.commands(ctx, dir, r, below, env, res); err != nil {
		return err
	}
	if err := m.settle(ctx, stillness); err != nil {
		return err
	}
	if srv != nil {
		if res.Memory, err = peakMemory(srv.Cmd.Process.Pid); err != nil {
			res.Memory = 0
		}
	}
	b.account(m, res)
	if res.OK {
		res.Why = s.check(b.corpus, filepath.Join(home, "modcache"))
		if res.Why == "" && r.get {
			res.Why = s.checkMain(work)
		}
		if res.Why != "" {
			res.OK, res.Wrong = false, true
		}
	}
	return ctx.Err()
}

// ownSumDB makes a checksum database in the data folder, and returns what clients set GOSUMDB to.
func (b *bench) ownSumDB(ctx context.Context, dir string) (string, error) {
	cmd := process.Command(ctx, b.godown, "sumdb", "init", "--quiet", "--data="+filepath.Join(dir, "data"), "--key=file:"+filepath.Join(dir, "key"), "sum.own.example")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("godown sumdb init: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// account notes what a mirror has seen.
func (b *bench) account(m *mirror, res *result) {
	res.traffic = m.traffic()
	res.Allowed = m.allows(res.traffic).Seconds()
	for _, req := range m.lacking() {
		res.Lacking++
		b.wanted[req] = true
	}
}

// commands runs a row's commands below another in the main module below dir,
// and notes how long they took and how they ended.
func (b *bench) commands(ctx context.Context, dir string, r row, below, env []string, res *result) error {
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return err
	}
	defer output.Close()
	limited, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	for _, argv := range r.commands() {
		cmd := process.Command(limited, append(below[:len(below):len(below)], argv...)...)
		cmd.Dir = filepath.Join(dir, "main")
		cmd.Env, cmd.Stdout, cmd.Stderr = env, output, output
		start := time.Now()
		if err := cmd.Start(); err != nil {
			return err
		}
		stop := func() int64 { return 0 }
		if len(below) > 0 {
			stop = watchMemory(cmd.Process.Pid)
		}
		err := cmd.Wait()
		res.Seconds += time.Since(start).Seconds()
		res.Memory = max(res.Memory, stop())
		if limited.Err() != nil {
			res.Why = fmt.Sprintf("ended after %v", b.timeout)
			return nil
		}
		if err != nil {
			res.Why = fmt.Sprintf("%v: %s", err, process.Said(output.Name()))
			return nil
		}
	}
	res.OK = true
	return nil
}

// checkMain compares what go get has made of the main module, and says what is
// wrong; "" is nothing.
func (s *set) checkMain(dir string) string {
	for name, want := range map[string][]byte{"go.mod": s.goMod, "go.sum": s.goSum} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err.Error()
		}
		if !bytes.Equal(got, want) {
			return name + " is another than when the corpus was filled"
		}
	}
	return ""
}
