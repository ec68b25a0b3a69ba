package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxRecord = 1<<16 - 1               // bytes of a record, as an entry bundle can hold
	maxBundle = width * (maxRecord + 2) // bytes of a file of records
)

// splitData splits a file of n records in the go command's format: texts, each
// followed by an empty line.
func splitData(data []byte, n int) ([][]byte, error) {
	texts := make([][]byte, n)
	for i := range texts {
		end := bytes.Index(data[:min(len(data), maxRecord+1)], []byte("\n\n"))
		if end < 0 {
			return nil, fmt.Errorf("its record %d of %d is cut off, or longer than %d bytes", i, n, maxRecord)
		}
		texts[i], data = data[:end+1], data[end+2:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("it has %d bytes more than its %d records", len(data), n)
	}
	return texts, nil
}

// splitEntries splits an entry bundle of c2sp.org/tlog-tiles: n entries, each
// preceded by its length in two bytes, the higher one first.
func splitEntries(data []byte, n int) ([][]byte, error) {
	texts := make([][]byte, n)
	for i := range texts {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("its entry %d of %d is cut off", i, n)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		texts[i], data = data[2:end], data[end:]
	}
	if len(data) > 0 {
		return nil, fmt.Errorf("it has %d bytes more than its %d entries", len(data), n)
	}
	return texts, nil
}

// parse fills in what the record's text says.
func (r *Record) parse() error {
	// This is stricter than the rules for a record's text, which we look at only
	// to say what is wrong.
	first, rest, _ := strings.Cut(string(r.Text), "\n")
	second, rest, ended := strings.Cut(rest, "\n")
	if !ended || rest != "" {
		if _, err := tlog.FormatRecord(r.ID, r.Text); err != nil {
			return fmt.Errorf("%q is not a text that a record may have", clip(string(r.Text), 200))
		}
		return fmt.Errorf("%q is not two lines", clip(string(r.Text), 200))
	}
	path, version, zip, err := splitLine(first)
	if err != nil {
		return err
	}
	path2, version2, mod, err := splitLine(second)
	if err != nil {
		return err
	}
	if path2 != path || version2 != version+"/go.mod" {
		return fmt.Errorf("%q is not the line for go.mod of %q", clip(second, 200), clip(first, 200))
	}
	if err := module.Check(path, version); err != nil {
		return err
	}
	if c := module.CanonicalVersion(version); c != version {
		return fmt.Errorf("version %q is not canonical, which is %q", version, c)
	}
	r.Path, r.Version, r.Zip, r.Mod = path, version, zip, mod
	return nil
}

// splitLine splits a line of go.sum.
func splitLine(line string) (path, version, hash string, err error) {
	path, rest, ok1 := strings.Cut(line, " ")
	version, hash, ok2 := strings.Cut(rest, " ")
	if !ok1 || !ok2 || path == "" || version == "" {
		return "", "", "", fmt.Errorf("%q is not a module path, a version and a hash", clip(line, 200))
	}
	if err := checkHash(hash); err != nil {
		return "", "", "", fmt.Errorf("%q: %w", clip(line, 200), err)
	}
	return path, version, hash, nil
}

var errHash = errors.New("its hash is not h1: and 32 bytes in base64")

// checkHash checks that there is only one way to write the hash.
func checkHash(hash string) error {
	b64, ok := strings.CutPrefix(hash, "h1:")
	var buf [33]byte // of which padding leaves 32
	var again [44]byte
	if !ok || len(b64) != len(again) {
		return errHash
	}
	n, err := base64.StdEncoding.Decode(buf[:], []byte(b64))
	if err != nil || n != 32 {
		return errHash
	}
	base64.StdEncoding.Encode(again[:], buf[:n])
	if string(again[:]) != b64 {
		return errHash
	}
	return nil
}
