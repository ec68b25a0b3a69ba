package main

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// objects counts what packs hold.
type objects struct {
	Commits, Trees, Blobs, Tags int
	Unknown                     int // changes to objects that are not in the same pack
}

var errAnswer = errors.New("not an answer of git's protocol v2 to a fetch")

// count adds what is in the pack of an answer, if it has one.
func (o *objects) count(answer []byte) error {
	pack, err := unband(answer)
	if err != nil || pack == nil {
		return err
	}
	return o.countPack(pack)
}

// unband returns the pack in an answer: lines in the format of gitprotocol-v2,
// and behind "packfile" those of side-band-64k. It is nil if there is none.
func unband(answer []byte) (pack []byte, err error) {
	inPack := false
	for len(answer) > 0 {
		if len(answer) < 4 {
			return nil, errAnswer
		}
		n, err := strconv.ParseUint(string(answer[:4]), 16, 16)
		if err != nil || int(n) > len(answer) {
			return nil, errAnswer
		}
		if n < 4 { // flush, delimiter, end
			answer = answer[4:]
			continue
		}
		line := answer[4:n]
		answer = answer[n:]
		switch {
		case !inPack:
			inPack = string(line) == "packfile\n"
		case len(line) > 0 && line[0] == 1:
			pack = append(pack, line[1:]...)
		case len(line) > 0 && line[0] == 3:
			return nil, fmt.Errorf("the git host says: %s", bytes.TrimSpace(line[1:]))
		}
	}
	return pack, nil
}

// Types of objects in a pack: gitformat-pack.
const (
	packCommit = 1
	packTree   = 2
	packBlob   = 3
	packTag    = 4
	packOffset = 6 // changes to the object so many bytes before
	packRef    = 7 // changes to an object that is named
)

// countPack adds what is in a pack.
func (o *objects) countPack(pack []byte) error {
	if len(pack) < 12 || string(pack[:4]) != "PACK" {
		return errors.New("a pack does not begin like one")
	}
	total := binary.BigEndian.Uint32(pack[8:])
	in := bytes.NewReader(pack)
	in.Seek(12, io.SeekStart)
	kinds := make(map[int64]byte) // by the offset of an object
	var z io.ReadCloser
	for i := range total {
		start := in.Size() - int64(in.Len())
		kind, err := header(in, start, kinds)
		if err == nil && z == nil {
			z, err = zlib.NewReader(in)
		} else if err == nil {
			err = z.(zlib.Resetter).Reset(in, nil)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, z)
		}
		if err != nil {
			return fmt.Errorf("object %d of %d in a pack: %w", i+1, total, err)
		}
		kinds[start] = kind
		switch kind {
		case packCommit:
			o.Commits++
		case packTree:
			o.Trees++
		case packBlob:
			o.Blobs++
		case packTag:
			o.Tags++
		default:
			o.Unknown++
		}
	}
	return nil
}

// header reads what stands before an object's data, and returns its type.
func header(in *bytes.Reader, start int64, kinds map[int64]byte) (byte, error) {
	b, err := in.ReadByte()
	if err != nil {
		return 0, err
	}
	kind := b >> 4 & 7
	for b&0x80 != 0 { // its size
		if b, err = in.ReadByte(); err != nil {
			return 0, err
		}
	}
	switch kind {
	case packOffset:
		b, err := in.ReadByte()
		back := int64(b & 0x7f)
		for err == nil && b&0x80 != 0 {
			b, err = in.ReadByte()
			back = (back+1)<<7 | int64(b&0x7f)
		}
		if err != nil {
			return 0, err
		}
		return kinds[start-back], nil
	case packRef:
		_, err := in.Seek(20, io.SeekCurrent)
		return packRef, err
	}
	return kind, nil
}
