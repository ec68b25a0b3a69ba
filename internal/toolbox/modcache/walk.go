package modcache

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"
	"time"
)

// walkers is how many folders are read at once: a disk that is asked for several
// things answers sooner, and so does a network's.
const walkers = 8

// walkDirs calls visit for the folder dir and those that it says to go into, by
// their slash-separated names below dir; "." is dir. Symbolic links are not
// followed. visit is called by several goroutines.
func walkDirs(ctx context.Context, dir string, visit func(name string, entries []fs.DirEntry, err error) (into []string)) error {
	var working sync.WaitGroup
	places := make(chan struct{}, walkers)
	var enter func(name string)
	enter = func(name string) {
		if ctx.Err() != nil {
			return
		}
		entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(name)))
		for _, below := range visit(name, entries, err) {
			next := path.Join(name, below)
			select {
			case places <- struct{}{}:
				working.Go(func() {
					defer func() { <-places }()
					enter(next)
				})
			default:
				enter(next)
			}
		}
	}
	enter(".")
	working.Wait()
	return ctx.Err()
}

// A tree is the size of a folder.
type tree struct {
	bytes  int64
	files  int
	newest time.Time // of the folder and what stands directly in it
	err    error     // why not all was counted
}

// measure returns the size of what is below a folder, or of a file. Symbolic links are not followed.
func measure(ctx context.Context, dir string) tree {
	var t tree
	_ = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			t.err = ctx.Err()
			return fs.SkipAll
		}
		if err != nil {
			t.err = err
			return nil
		}
		top := name == dir || filepath.Dir(name) == dir
		if e.IsDir() && !top {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil // removed meanwhile
		}
		if top && info.ModTime().After(t.newest) {
			t.newest = info.ModTime()
		}
		if !e.IsDir() {
			t.bytes += info.Size()
			t.files++
		}
		return nil
	})
	return t
}

// inParallel calls f for each of n numbers, several at once.
func inParallel(ctx context.Context, n int, f func(i int)) {
	var working sync.WaitGroup
	next := make(chan int)
	for range min(walkers, n) {
		working.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	working.Wait()
}
