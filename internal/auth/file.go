package auth

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	statEvery = time.Second // a file is looked at no more often
	maxSecret = 64 << 10    // bytes of a secret
	maxNetrc  = 1 << 20     // bytes of a netrc file
)

// A content is what a file held when it was last read.
type content struct {
	data string
	info fs.FileInfo // nil: there is no file
	soon bool        // it had been changed just before, so that another change may not show in its time
}

// readFile returns what the file at path holds: old, where it has not changed since.
func readFile(path string, max int, old content) (content, error) {
	info, err := os.Stat(path)
	if err != nil {
		return content{}, err
	}
	if old.info != nil && !old.soon && os.SameFile(old.info, info) && old.info.Size() == info.Size() && old.info.ModTime().Equal(info.ModTime()) {
		return old, nil
	}
	if !info.Mode().IsRegular() { // to open a pipe could block for ever
		return content{}, fmt.Errorf("%s is no regular file", path)
	}
	if info.Size() > int64(max) {
		return content{}, fmt.Errorf("%s is larger than %d bytes", path, max)
	}
	f, err := os.Open(path)
	if err != nil {
		return content{}, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return content{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(max)+1))
	if err != nil {
		return content{}, err
	}
	if len(data) > max {
		return content{}, fmt.Errorf("%s is larger than %d bytes", path, max)
	}
	return content{string(data), info, info.ModTime().After(time.Now().Add(-2 * time.Second))}, nil
}

// absent reports whether err says that there is no file.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
