package godown

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/module"
)

// A Kind says which of the five files of the module proxy protocol is meant.
type Kind uint8

// The five kinds, in the order in which the go command usually asks for them.
const (
	List   Kind = iota + 1 // $module/@v/list: the known versions, a line each
	Latest                 // $module/@latest: the newest version, as JSON
	Info                   // $module/@v/$version.info: version and time, as JSON
	Mod                    // $module/@v/$version.mod: the go.mod file
	Zip                    // $module/@v/$version.zip: the module's files
)

// kinds holds the name of each kind, by its number.
var kinds = [...]string{List: "list", Latest: "latest", Info: "info", Mod: "mod", Zip: "zip"}

// String returns the kind as it stands in a URL: list, latest, info, mod or zip.
func (k Kind) String() string {
	if int(k) < len(kinds) && k != 0 {
		return kinds[k]
	}
	return "unknown"
}

// A Request names one file of the module proxy protocol
// (https://go.dev/ref/mod#goproxy-protocol). Path and Version are as people
// write them, not case-escaped. Version is empty for List and Latest. For
// [Info] it may be anything that names a revision (a branch, a commit, "v1");
// for [Mod] and [Zip] it is a canonical version.
type Request struct {
	Kind    Kind
	Path    string
	Version string
}

// ErrRequest is what the errors of [ParseRequest] wrap: no module proxy has such a file.
var ErrRequest = errors.New("not a file of the module proxy protocol")

// ParseRequest parses the path of a URL below the proxy's root, with or
// without its leading slash and already percent-decoded, such as
// "/github.com/!burnt!sushi/toml/@v/v1.5.0.info".
// What it accepts, [Request.Name] gives back unchanged, so it can be used as a
// file name: it holds no "..", no backslash and no empty or hidden element.
func ParseRequest(urlPath string) (Request, error) {
	p := strings.TrimPrefix(urlPath, "/")
	if escaped, ok := strings.CutSuffix(p, "/@latest"); ok {
		path, err := unescapePath(escaped)
		return Request{Kind: Latest, Path: path}, err
	}
	escaped, file, ok := strings.Cut(p, "/@v/")
	if !ok {
		return Request{}, fmt.Errorf("%w: %.200q has neither /@v/ nor /@latest", ErrRequest, urlPath)
	}
	path, err := unescapePath(escaped)
	if err != nil {
		return Request{}, err
	}
	if file == "list" {
		return Request{Kind: List, Path: path}, nil
	}
	dot := strings.LastIndexByte(file, '.')
	if dot < 0 {
		return Request{}, fmt.Errorf("%w: %.200q ends in none of list, .info, .mod, .zip", ErrRequest, urlPath)
	}
	req := Request{Path: path}
	switch file[dot:] {
	case ".info":
		req.Kind = Info
	case ".mod":
		req.Kind = Mod
	case ".zip":
		req.Kind = Zip
	default:
		return Request{}, fmt.Errorf("%w: %.200q ends in none of list, .info, .mod, .zip", ErrRequest, urlPath)
	}
	if file[0] == '.' { // no revision is called so, and no file of ours may be hidden
		return Request{}, fmt.Errorf("%w: the version in %.200q begins with a dot, or is empty", ErrRequest, urlPath)
	}
	if req.Version, err = module.UnescapeVersion(file[:dot]); err != nil {
		return Request{}, fmt.Errorf("%w: %.400v", ErrRequest, err)
	}
	if req.Kind != Info && module.CanonicalVersion(req.Version) != req.Version {
		return Request{}, fmt.Errorf("%w: version %.200q is not canonical; its .info says which version it stands for", ErrRequest, req.Version)
	}
	return req, nil
}

func unescapePath(escaped string) (string, error) {
	path, err := module.UnescapePath(escaped)
	if err != nil {
		return "", fmt.Errorf("%w: %.400v", ErrRequest, err)
	}
	return path, nil
}

// Fixed reports whether the answer can never change: the file of one canonical
// version, and not a list, a latest version or a query such as "master", "v1"
// or a v2.0.0 that lacks its +incompatible.
func (r Request) Fixed() bool {
	switch r.Kind {
	case Mod, Zip:
		return true
	case Info:
		return module.CanonicalVersion(r.Version) == r.Version && module.Check(r.Path, r.Version) == nil
	}
	return false
}

// Name returns the file's name below a proxy's root, in a [Store] and in
// GOMODCACHE/cache/download: the three are the same. It is empty if the path
// or version cannot be escaped, which no request from [ParseRequest] is.
func (r Request) Name() string {
	path, err := module.EscapePath(r.Path)
	if err != nil {
		return ""
	}
	switch r.Kind {
	case List:
		return path + "/@v/list"
	case Latest:
		return path + "/@latest"
	}
	version, err := module.EscapeVersion(r.Version)
	if err != nil {
		return ""
	}
	return path + "/@v/" + version + "." + r.Kind.String()
}

// String returns the request for people: "golang.org/x/mod@v0.42.0 zip" or "golang.org/x/mod list".
func (r Request) String() string {
	if r.Version == "" {
		return r.Path + " " + r.Kind.String()
	}
	return r.Path + "@" + r.Version + " " + r.Kind.String()
}
