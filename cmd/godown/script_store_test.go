//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/godown-dev/godown"
	"github.com/godown-dev/godown/internal/godowntest"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/mod/sumdb/dirhash"
)

// storeFiles returns the names of the files in a folder of modules, without
// those of checksum databases and of folders that begin with a dot.
func storeFiles(ts *testscript.TestScript, folder string) []string {
	var names []string
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		switch {
		case err != nil:
			return err
		case e.IsDir() && rel != "." && (e.Name()[0] == '.' || rel == "sumdb"):
			return fs.SkipDir
		case !e.IsDir():
			names = append(names, filepath.ToSlash(rel))
		}
		return nil
	})
	ts.Check(err)
	return names
}

// sums FOLDER GOSUM wants each zip in FOLDER to have the hash that stands in its
// .ziphash and in GOSUM, and every zip of GOSUM to be there.
func cmdSums(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "sums FOLDER GOSUM")
	folder := ts.MkAbs(args[0])
	known := make(map[string]string) // from "path version", or "path version/go.mod", to hash
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		if f := strings.Fields(line); len(f) == 3 {
			known[f[0]+" "+f[1]] = f[2]
		}
	}
	// A file is stored a moment after it was served.
	var missing string
	until(ts, func() bool {
		missing = ""
		for key := range known {
			if _, err := os.Stat(filepath.Join(folder, sumFile(ts, key))); err != nil {
				missing = key
			}
		}
		return missing == ""
	}, func() { ts.Logf("%s is in go.sum, but not in %s", missing, args[0]) })
	n := 0
	for _, name := range storeFiles(ts, folder) {
		req, err := godown.ParseRequest(name)
		if err != nil || req.Kind != godown.Mod && req.Kind != godown.Zip {
			continue
		}
		var h1 string
		key := req.Path + " " + req.Version
		file := filepath.Join(folder, name)
		if req.Kind == godown.Zip {
			h1, err = dirhash.HashZip(file, dirhash.Hash1)
			ts.Check(err)
			if beside := strings.TrimSpace(ts.ReadFile(file + "hash")); beside != h1 {
				ts.Fatalf("%s has the hash %s, its .ziphash says %s", name, h1, beside)
			}
		} else {
			key += "/go.mod"
			h1 = godown.HashMod([]byte(ts.ReadFile(file)))
		}
		if known[key] != h1 {
			ts.Fatalf("%s has the hash %s, go.sum says %q", name, h1, known[key])
		}
		n++
	}
	if n == 0 {
		ts.Fatalf("there is nothing in %s", args[0])
	}
	fmt.Fprintf(ts.Stdout(), "%d hashes agree\n", n)
}

// sumFile returns the name of the file that "path version" or "path version/go.mod" stands for.
func sumFile(ts *testscript.TestScript, key string) string {
	path, version, _ := strings.Cut(key, " ")
	req := godown.Request{Kind: godown.Zip, Path: path, Version: version}
	if v, ok := strings.CutSuffix(version, "/go.mod"); ok {
		req.Kind, req.Version = godown.Mod, v
	}
	return filepath.FromSlash(req.Name())
}

// whole FOLDER UPSTREAM wants every file in FOLDER to be what UPSTREAM has, byte
// for byte, and lists to name what there is. It counts all but the lists.
func cmdWhole(ts *testscript.TestScript, neg bool, args []string) {
	mods := worldOf(ts).mirrored[args[1]]
	usage(ts, !neg && len(args) == 2 && mods != nil, "whole FOLDER UPSTREAM")
	n := wholeFiles(ts, ts.MkAbs(args[0]), mods)
	fmt.Fprintf(ts.Stdout(), "%d whole files\n", n)
}

func wholeFiles(ts *testscript.TestScript, folder string, mods *godowntest.Modules) int {
	n := 0
	for _, name := range storeFiles(ts, folder) {
		data, err := os.ReadFile(filepath.Join(folder, name))
		ts.Check(err)
		switch {
		case strings.HasSuffix(name, ".ziphash"):
			req, err := godown.ParseRequest(strings.TrimSuffix(name, "hash"))
			ts.Check(err)
			if sums, _ := mods.Sums(req.Path, req.Version); strings.TrimSpace(string(data)) != sums.Zip {
				ts.Fatalf("%s says %q, the hash is %s", name, data, sums.Zip)
			}
		case strings.HasSuffix(name, "/@v/list"):
			n--
			for version := range strings.Lines(string(data)) {
				req, err := godown.ParseRequest(name)
				ts.Check(err)
				if _, ok := mods.Sums(req.Path, strings.TrimSuffix(version, "\n")); !ok {
					ts.Fatalf("%s lists %q", name, version)
				}
			}
		case !bytes.Equal(data, mods.Data(name)):
			ts.Fatalf("%s has %d bytes, and differs from upstream's %d bytes", name, len(data), len(mods.Data(name)))
		}
		n++
	}
	return n
}

// flip FILE OFFSET flips a bit of a byte; a negative offset counts from the end.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "flip FILE OFFSET")
	file := ts.MkAbs(args[0])
	data, err := os.ReadFile(file)
	ts.Check(err)
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	if i < 0 {
		i += len(data)
	}
	data[i] ^= 1
	ts.Check(os.Chmod(file, 0o666))
	ts.Check(os.WriteFile(file, data, 0o666))
}

// truncate FILE SIZE leaves the first SIZE bytes.
func cmdTruncate(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "truncate FILE SIZE")
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Chmod(ts.MkAbs(args[0]), 0o666))
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

// absent FOLDER GLOB waits until nothing in FOLDER has a name that matches.
func cmdAbsent(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "absent FOLDER GLOB")
	var found []string
	until(ts, func() bool {
		found = nil
		_ = filepath.WalkDir(ts.MkAbs(args[0]), func(path string, _ fs.DirEntry, err error) error {
			if ok, _ := filepath.Match(args[1], filepath.Base(path)); ok && err == nil && path != ts.MkAbs(args[0]) {
				found = append(found, path)
			}
			return nil // what vanishes meanwhile is absent
		})
		return len(found) == 0
	}, func() { ts.Logf("%q", found) })
}

// fetchAll asks a proxy for all files of mods with 8 requests at once, in
// random order, and calls after behind each. What fails does not matter.
func fetchAll(ctx context.Context, proxy string, mods *godowntest.Modules, after func()) {
	all := mods.Requests()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	work := make(chan godown.Request)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for req := range work {
				get{method: http.MethodGet, url: proxy + "/" + req.Name()}.do()
				after()
			}
		})
	}
	for _, req := range all {
		select {
		case work <- req:
		case <-ctx.Done():
		}
	}
	close(work)
	wg.Wait()
}

// flood UPSTREAM URL… asks each proxy for everything that the mirror has, all at once.
func cmdFlood(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1 && worldOf(ts).mirrored[args[0]] != nil, "flood UPSTREAM URL...")
	var wg sync.WaitGroup
	for _, url := range args[1:] {
		wg.Go(func() { fetchAll(context.Background(), url, worldOf(ts).mirrored[args[0]], func() {}) })
	}
	wg.Wait()
}

// crash ROUNDS UPSTREAM FLAGS… starts godown serve ROUNDS times, asks it for
// everything that the mirror has, kills it with SIGKILL when a random number of
// answers has come, and looks whether every file in $DATA/modules is whole.
func cmdCrash(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1 && worldOf(ts).mirrored[args[1]] != nil, "crash ROUNDS UPSTREAM FLAGS...")
	w := worldOf(ts)
	mods := w.mirrored[args[1]]
	rounds, err := strconv.Atoi(args[0])
	ts.Check(err)
	modules := filepath.Join(ts.Getenv("DATA"), "modules")
	left := 0
	for range rounds {
		cmdServe(ts, false, args[2:])
		p := w.process(ts, "serve")
		lives := int64(1 + rand.N(len(mods.Requests())/2))
		var answers atomic.Int64
		ctx, cancel := context.WithCancel(context.Background())
		fetchAll(ctx, ts.Getenv("PROXY"), mods, func() {
			if answers.Add(1) == lives {
				_ = p.cmd.Process.Kill()
				cancel()
			}
		})
		cancel()
		if code := p.wait(ts); code != 137 {
			ts.Fatalf("exit code %d, want that of SIGKILL", code)
		}
		n := wholeFiles(ts, modules, mods)
		temps, err := filepath.Glob(filepath.Join(modules, ".tmp", "*"))
		ts.Check(err)
		left += len(temps)
		ts.Logf("killed after %d answers: %d whole files, %d folders of temporary files", lives, n, len(temps))
	}
	fmt.Fprintf(ts.Stdout(), "%d folders were left behind\n", left)
}
