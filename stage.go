package godown

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// stage is a process's own folder of temporary files inside a Dir. A lock on a
// file in it tells other processes, and the next start after a crash, whether
// its owner lives.
type stage struct {
	root *os.Root

	mu   sync.Mutex // guards the fields below
	name string     // of the folder, below the root; empty until needed
	lock *os.File
}

const stageDir = ".tmp"

// clean removes the folders of processes that are no more.
func (s *stage) clean() {
	dir, err := s.root.Open(stageDir)
	if err != nil {
		return
	}
	defer dir.Close()
	entries, _ := dir.ReadDir(-1)
	for _, e := range entries {
		name := filepath.Join(stageDir, e.Name())
		lock, err := s.root.OpenFile(filepath.Join(name, "lock"), os.O_RDWR, 0)
		if err != nil {
			// It is only now being made, or was left by a crash in that moment.
			if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > time.Minute {
				s.root.RemoveAll(name)
			}
			continue
		}
		free := tryLock(lock)
		if runtime.GOOS == "windows" {
			lock.Close() // an open file cannot be removed there
		}
		if free {
			s.root.RemoveAll(name)
		}
		lock.Close()
	}
}

// create returns a new temporary file.
func (s *stage) create() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for try := 0; ; try++ {
		if s.name == "" {
			if err := s.open(); err != nil {
				return nil, err
			}
		}
		name := filepath.Join(s.name, strconv.FormatUint(rand.Uint64(), 36))
		f, err := s.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || try == 3 {
			return f, err
		}
		if errors.Is(err, fs.ErrNotExist) { // somebody has removed our folder
			s.lock.Close()
			s.name = ""
		} else if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

// open makes the folder. Caller holds s.mu.
func (s *stage) open() error {
	name := filepath.Join(stageDir, strconv.FormatUint(rand.Uint64(), 36))
	if err := s.root.MkdirAll(name, 0o777); err != nil {
		return err
	}
	lock, err := s.root.OpenFile(filepath.Join(name, "lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	tryLock(lock)
	s.name, s.lock = name, lock
	return nil
}

func (s *stage) owns(f *os.File) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.name != "" && filepath.Dir(f.Name()) == filepath.Join(s.root.Name(), s.name)
}

// rel returns the name of a temporary file below the root.
func (s *stage) rel(f *os.File) string {
	rel, err := filepath.Rel(s.root.Name(), f.Name())
	if err != nil {
		return f.Name() // the root refuses it
	}
	return rel
}

func (s *stage) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name == "" {
		return nil
	}
	name := s.name
	s.name = ""
	err := s.lock.Close()
	return errors.Join(err, s.root.RemoveAll(name))
}
