package ci_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/godown-dev/godown/internal/toolbox/ci"
	"go.yaml.in/yaml/v4"
	"golang.org/x/tools/txtar"
)

// project writes the files of a txtar archive into a folder of their own.
func project(t *testing.T, archive string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, f.Data, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func detect(t *testing.T, archive string) *ci.Project {
	t.Helper()
	dir := project(t, archive)
	if archive == space {
		dir = filepath.Join(dir, "go", "api") // the workspace is further up
	}
	p, err := ci.Detect(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func makes(t *testing.T, target string, p *ci.Project, o ci.Options) *ci.Snippet {
	t.Helper()
	if o.Here == "" {
		o.Here, o.Needs = "1.26.8", "1.26"
	}
	s, err := ci.Make(target, p, o)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return s
}

// shop is a project with a private module.
const shop = `
-- go.mod --
module git.corp.example/team/shop

go 1.25.3

require (
	git.corp.example/team/lib v1.2.0
	rsc.io/quote v1.5.2
)
-- go.sum --
-- cmd/api/main.go --
package main
-- cmd/worker/main.go --
package main
-- shop.go --
package shop
`

// space is a workspace without a module at its top, in a folder of a repository.
const space = `
-- .git --
gitdir: elsewhere
-- go/go.work --
go 1.26.0

use (
	./api
	./lib
)
-- go/go.work.sum --
-- go/api/go.mod --
module example.com/api

go 1.26.0
-- go/api/go.sum --
-- go/api/main.go --
package main
-- go/lib/go.mod --
module example.com/lib

go 1.24.0
-- go/lib/lib.go --
package lib
-- go/lib/lib_test.go --
package lib

import "C"
`

// native is a program with C in it, and a module replaced by a folder.
const native = `
-- go.mod --
module example.com/native/v2

go 1.26

replace example.com/dep => ./dep

require example.com/dep v0.0.0
-- dep/go.mod --
module example.com/dep
-- dep/main.go --
package main
-- main.go --
package main

import "C"
`

// parseYAML is what cmd/godown hands to the package, in short.
func parseYAML(data []byte) (*ci.Tree, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 || doc.Content[0].ShortTag() == "!!null" {
		return nil, nil
	}
	return tree(doc.Content[0])
}

func tree(n *yaml.Node) (*ci.Tree, error) {
	t := &ci.Tree{Line: n.Line, Column: n.Column, Flow: n.Style&yaml.FlowStyle != 0}
	if n.Kind == yaml.ScalarNode {
		t.Scalar = n.ShortTag() + " " + n.Value
	}
	seen := make(map[string]bool)
	for i := 0; i < len(n.Content); i++ {
		if n.Kind == yaml.SequenceNode {
			item, err := tree(n.Content[i])
			if err != nil {
				return nil, err
			}
			t.Items = append(t.Items, item)
			continue
		}
		key := n.Content[i]
		if seen[key.Value] {
			return nil, fmt.Errorf("line %d: %s is there twice", key.Line, key.Value)
		}
		seen[key.Value] = true
		i++
		value, err := tree(n.Content[i])
		if err != nil {
			return nil, err
		}
		t.Pairs = append(t.Pairs, ci.Pair{Key: key.Value, Line: key.Line, Value: value})
	}
	return t, nil
}
