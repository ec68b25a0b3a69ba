package vcs

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// maxArchive bounds the tar that git archive writes, in bytes: what a zip may
// hold, and headers.
const maxArchive = 1 << 30

// archiveZip writes to w the zip of a module whose attributes make git archive
// give out other bytes than those of its objects.
func (r *remote) archiveZip(ctx context.Context, dir string, w io.Writer, v module.Version, p place, listed []*zipEntry) error {
	spool, err := r.o.newTempFile()
	if err != nil {
		return err
	}
	defer spool.Close()
	args := []string{"archive", "--format=tar", p.commit.hash}
	if p.dir != "" {
		// The folder is of the module's path, which a stranger chose: -ofile/x is one. So it
		// is written as what can be no option and no pattern, for every version of git.
		args = append(args, ":(top,literal)"+p.dir)
	}
	limited := &limitedWriter{w: spool, left: maxArchive}
	if _, err := r.o.run(ctx, gitRun{dir: dir, args: args, stdout: limited}); err != nil {
		if limited.left < 0 {
			return errors.New("no zip can be made of it: its files have more than 1 GiB")
		}
		return err
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	files, err := tarFiles(spool, p.dir)
	if err != nil {
		return err
	}
	inTree := 0
	for _, e := range listed {
		if e.id != "" {
			inTree++
		}
	}
	if len(files) != inTree {
		return fmt.Errorf("git archive gave %d files, where the commit has %d", len(files), inTree)
	}
	for _, e := range listed { // the LICENSE of the repository
		if e.id == "" {
			files = append(files, e)
		}
	}
	if err := modzip.Create(w, v, files); err != nil {
		return fmt.Errorf("no zip can be made of it: %w", err)
	}
	return nil
}

// tarFiles returns the files of a tar below dir.
func tarFiles(f *tempFile, dir string) ([]modzip.File, error) {
	at := &position{r: bufio.NewReaderSize(f, 256<<10)}
	t := tar.NewReader(at)
	var files []modzip.File
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading what git archive wrote: %w", err)
		}
		name := h.Name
		if dir != "" {
			var ok bool
			if name, ok = strings.CutPrefix(name, dir+"/"); !ok {
				continue
			}
		}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeSymlink:
			e := zipEntry{name: name, mode: h.FileInfo().Mode(), size: h.Size}
			files = append(files, tarFile{e, f, at.n})
		}
	}
}

// A tarFile is a file in a tar.
type tarFile struct {
	zipEntry
	in io.ReaderAt
	at int64
}

// Open returns the file's content.
func (f tarFile) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(f.in, f.at, f.size)), nil
}

// A position counts what is read.
type position struct {
	r io.Reader
	n int64
}

func (p *position) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	return n, err
}

// A limitedWriter refuses what is too much.
type limitedWriter struct {
	w    io.Writer
	left int64
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errors.New("too much")
	}
	return l.w.Write(p)
}
