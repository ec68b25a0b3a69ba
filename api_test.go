package godown_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write api.txt")

// TestAPI compares what the package exports with api.txt, so that nobody
// changes it unawares.
func TestAPI(t *testing.T) {
	pkg, err := compiled(home)
	if err != nil {
		t.Fatal(err)
	}
	got := exported(pkg)
	if *update {
		if err := os.WriteFile("api.txt", []byte(strings.Join(got, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile("api.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n"), "\n")
	for _, line := range difference(got, want) {
		t.Errorf("not in api.txt: %s", line)
	}
	for _, line := range difference(want, got) {
		t.Errorf("no longer exported: %s", line)
	}
	if t.Failed() {
		t.Log("if that is meant: go test . -run TestAPI -update")
	} else if !slices.Equal(got, want) {
		t.Error("the lines of api.txt are out of order: go test . -run TestAPI -update")
	}
}

// difference returns the lines of a that are not in b.
func difference(a, b []string) (lines []string) {
	for _, line := range a {
		if !slices.Contains(b, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// compiled returns the package as the compiler describes it to those who import it.
func compiled(name string) (*types.Package, error) {
	var stderr strings.Builder
	list := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", name)
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.String())
	}
	exports := make(map[string]string)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(name string) (io.ReadCloser, error) {
		return os.Open(exports[name])
	}).Import(name)
}

// exported returns a sorted line for each exported name, field and method.
func exported(pkg *types.Package) (lines []string) {
	short := func(p *types.Package) string {
		if p == pkg {
			return ""
		}
		return p.Name()
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, name := range pkg.Scope().Names() {
		if !token.IsExported(name) {
			continue
		}
		switch o := pkg.Scope().Lookup(name).(type) {
		case *types.Const:
			add("const %s %s = %s", name, types.TypeString(o.Type(), short), o.Val())
		case *types.Var, *types.Func:
			add("%s", types.ObjectString(o, short))
		case *types.TypeName:
			if o.IsAlias() {
				add("%s", types.ObjectString(o, short))
				continue
			}
			lines = append(lines, exportedType(o, short)...)
		}
	}
	slices.Sort(lines)
	return lines
}

// exportedType returns the lines of a type and of what belongs to it.
func exportedType(o *types.TypeName, short types.Qualifier) (lines []string) {
	var methods *types.MethodSet
	switch u := o.Type().Underlying().(type) {
	case *types.Struct:
		lines = append(lines, "type "+o.Name()+" struct")
		for f := range u.Fields() {
			if f.Exported() {
				lines = append(lines, fmt.Sprintf("field %s.%s %s", o.Name(), f.Name(), types.TypeString(f.Type(), short)))
			}
		}
		methods = types.NewMethodSet(types.NewPointer(o.Type()))
	case *types.Interface:
		lines = append(lines, "type "+o.Name()+" interface")
		methods = types.NewMethodSet(o.Type())
	default:
		lines = append(lines, "type "+o.Name()+" "+types.TypeString(u, short))
		methods = types.NewMethodSet(types.NewPointer(o.Type()))
	}
	for s := range methods.Methods() {
		m := s.Obj().(*types.Func)
		if !m.Exported() {
			continue
		}
		receiver := o.Name()
		if _, ok := m.Signature().Recv().Type().(*types.Pointer); ok {
			receiver = "*" + receiver
		}
		lines = append(lines, fmt.Sprintf("method (%s) %s%s", receiver, m.Name(), strings.TrimPrefix(types.TypeString(m.Signature(), short), "func")))
	}
	return lines
}
