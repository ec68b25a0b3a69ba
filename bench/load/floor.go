package main

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
)

// serveFloor is this program in another role, a process of its own: it serves
// the files of a folder until it is killed.
//
//	floor-small  the small files from memory, with ready headers
//	floor-zip    http.FileServer
func serveFloor(role, dir string) error {
	var h http.Handler
	var err error
	switch role {
	case "floor-small":
		h, err = newSmallFloor(os.DirFS(dir))
	case "floor-zip":
		h = http.FileServer(http.Dir(dir))
	default:
		err = fmt.Errorf("there is no %s", role)
	}
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return http.Serve(l, h)
}

// A smallFloor answers by path, with the headers that godown sends too.
type smallFloor map[string]*readyFile

type readyFile struct {
	data                                           []byte
	contentType, contentLength, cacheControl, etag []string
}

func newSmallFloor(files fs.FS) (smallFloor, error) {
	floor := make(smallFloor)
	err := fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || path.Ext(name) == ".zip" {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		f := &readyFile{
			data:          data,
			contentType:   []string{"text/plain; charset=utf-8"},
			contentLength: []string{strconv.Itoa(len(data))},
			cacheControl:  []string{"public, max-age=31536000, immutable"},
			etag:          []string{`"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`},
		}
		switch {
		case path.Ext(name) == ".info":
			f.contentType = []string{"application/json"}
		case path.Base(name) == "list":
			f.cacheControl = []string{"public, max-age=60"}
		}
		floor["/"+name] = f
		return nil
	})
	return floor, err
}

// ServeHTTP answers a request.
func (s smallFloor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := s[r.URL.Path]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h["Content-Type"] = f.contentType
	h["Content-Length"] = f.contentLength
	h["Cache-Control"] = f.cacheControl
	h["Etag"] = f.etag
	w.Write(f.data)
}
