package godown_test

import (
	"go/ast"
	"go/build/constraint"
	"go/token"
	"go/types"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// paths yields the imports of f.
func paths(f *file) func(yield func(*ast.ImportSpec, string) bool) {
	return func(yield func(*ast.ImportSpec, string) bool) {
		for _, s := range f.ast.Imports {
			if !yield(s, strings.Trim(s.Path.Value, "\"`")) {
				return
			}
		}
	}
}

// under reports whether name is root or something below it.
func under(name, root string) bool { return name == root || strings.HasPrefix(name, root+"/") }

// foreign reports whether an imported package is a third party's.
func foreign(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return strings.Contains(first, ".") && !under(name, home)
}

func ground(t *tree) {
	for f := range t.code(false) {
		for spec, name := range paths(f) {
			if f.ground() && (foreign(name) && !under(name, "golang.org/x/mod") || under(name, home)) {
				t.at(spec, "it imports %s", name)
			}
		}
	}
}

func rooms(t *tree) {
	const help = home + "/internal/godowntest"
	for f := range t.code(true) {
		own := path.Join(home, f.room())
		for spec, name := range paths(f) {
			switch {
			case !under(name, home) || name == home || !f.ground() && under(name, own):
			case under(name, help) && f.test():
			case under(f.name, "bench"): // measures the house as a whole, against a fake upstream
			case under(f.name, "cmd") && !under(name, help): // the roof puts the rooms together
			default:
				t.at(spec, "%s imports %s", f.room(), name)
			}
		}
	}
}

func process(t *tree) {
	bad := regexp.MustCompile(`^(os\.(Exit|Getenv|LookupEnv|Environ|ExpandEnv|Args)|flag\..*|log\.Fatal.*)$`)
	for f := range t.code(false) {
		if under(f.name, "cmd/godown") || under(f.name, "bench") { // bench is run by hand, and part of nothing
			continue
		}
		for n := range ast.Preorder(f.ast) {
			if s := t.imported(n); bad.MatchString(s) {
				t.at(n, "%s uses %s", f.room(), s)
			}
		}
	}
}

// status looks at who responds, and not at http.StatusOK and its like:
// upstream.go and body.go read those, as a client does.
func status(t *tree) {
	bad := regexp.MustCompile(`^net/http\.(ResponseWriter|NewResponseController|Error|NotFound.*|Redirect.*|Serve.*|FileServer.*)$`)
	for f := range t.code(false) {
		if !f.ground() || f.name == "handler.go" {
			continue
		}
		for n := range ast.Preorder(f.ast) {
			if s, ok := n.(*ast.SelectorExpr); ok && (bad.MatchString(t.imported(n)) || s.Sel.Name == "WriteHeader") {
				t.at(n, "it uses %s", s.Sel.Name)
			}
		}
	}
}

func names(t *tree) {
	bad := []string{"util", "utils", "common", "helper", "helpers", "types", "models"}
	for f := range t.code(true) {
		if name := strings.TrimSuffix(f.ast.Name.Name, "_test"); slices.Contains(bad, name) || slices.Contains(bad, path.Base(f.dir())) {
			t.at(f.ast.Name, "package %s in %s", name, f.dir())
		}
	}
}

func inits(t *tree) {
	for f := range t.code(true) {
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && d.Name.Name == "init" {
				t.at(d, "func init")
			}
		}
	}
}

// globals lets pass what cannot change: results of the functions in constant,
// literals that hold something, blank assertions and embedded files. It looks
// for assignments, but does not follow a table that is handed on.
func globals(t *tree) {
	for f := range t.code(true) {
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.GenDecl); ok && d.Tok == token.VAR {
				for _, s := range d.Specs {
					t.global(f, d, s.(*ast.ValueSpec))
				}
			}
		}
		for n := range ast.Preorder(f.ast) {
			var changed []ast.Expr
			switch n := n.(type) {
			case *ast.AssignStmt:
				changed = n.Lhs
			case *ast.IncDecStmt:
				changed = []ast.Expr{n.X}
			case *ast.RangeStmt:
				changed = []ast.Expr{n.Key, n.Value}
			case *ast.UnaryExpr:
				if n.Op == token.AND {
					changed = []ast.Expr{n.X}
				}
			case *ast.CallExpr: // of functions that change what they are given
				if id, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && slices.Contains([]string{"delete", "clear", "copy"}, id.Name) ||
					strings.HasPrefix(t.imported(n.Fun), "slices.Sort") || strings.HasPrefix(t.imported(n.Fun), "sort.") {
					changed = n.Args[:1]
				}
			}
			for _, e := range changed {
				if name := t.variable(e); name != "" {
					t.at(e, "%s is changed", name)
				}
			}
		}
	}
}

// global looks at the declaration of package-level variables.
func (t *tree) global(f *file, d *ast.GenDecl, s *ast.ValueSpec) {
	constant := []string{"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer"}
	for i, name := range s.Names {
		ok := name.Name == "_" || strings.Contains(f.text, "\n//go:embed ") && d.Doc != nil
		if i < len(s.Values) {
			switch v := s.Values[i].(type) {
			case *ast.CompositeLit:
				kind := t.imported(v.Type)
				ok = ok || kind == "sync.Pool" || len(v.Elts) > 0 && !strings.HasPrefix(kind, "sync") // an empty one is to be filled
			case *ast.UnaryExpr: // in the product, what stands behind a pointer has methods to change it
				_, literal := v.X.(*ast.CompositeLit)
				ok = ok || f.test() && v.Op == token.AND && literal
			case *ast.CallExpr:
				_, bytes := v.Fun.(*ast.ArrayType)
				called := t.imported(v.Fun)
				ok = ok || bytes || slices.Contains(constant, called) ||
					f.test() && name.Name == "update" && called == "flag.Bool" // rewrites golden files
			}
		}
		if !ok {
			t.at(name, "var %s", name.Name)
		}
	}
}

// variable returns the package-level variable that e is, or is a part of, or "".
func (t *tree) variable(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			if v, ok := t.info.Uses[x].(*types.Var); ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
				return v.Name()
			}
			return ""
		case *ast.SelectorExpr:
			if name := t.imported(x); name != "" {
				if under(name, home) || strings.HasPrefix(name, home+".") {
					return name
				}
				return ""
			}
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return ""
		}
	}
}

func tags(t *tree) {
	known := strings.Fields(`unix
		aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows
		386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm`)
	for f := range t.code(true) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if !constraint.IsGoBuild(c.Text) && !constraint.IsPlusBuild(c.Text) {
					continue
				}
				x, err := constraint.Parse(c.Text)
				if err != nil {
					t.at(c, "%v", err)
					continue
				}
				x.Eval(func(tag string) bool { // is asked for every tag
					if !slices.Contains(known, tag) {
						t.at(c, "the tag %s", tag)
					}
					return true
				})
			}
		}
	}
}

func sleep(t *tree) {
	for f := range t.code(true) {
		for n := range ast.Preorder(f.ast) {
			if f.test() && t.imported(n) == "time.Sleep" {
				t.at(n, "time.Sleep")
			}
		}
	}
}

func contexts(t *tree) {
	for f := range t.code(true) {
		for n := range ast.Preorder(f.ast) {
			s, ok := n.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range s.Fields.List {
				if t.imported(field.Type) == "context.Context" && !strings.HasPrefix(field.Doc.Text()+field.Comment.Text(), "of ") {
					t.at(field, "a field of type context.Context")
				}
			}
		}
	}
}

func sizes(t *tree) {
	for f := range t.code(true) {
		if n := strings.Count(f.text, "\n"); n > 600 {
			t.line(f, 601, "%d lines", n)
		}
		for n := range ast.Preorder(f.ast) {
			switch n := n.(type) {
			case *ast.FuncDecl, *ast.FuncLit:
				if lines := t.fset.Position(n.End()).Line - t.fset.Position(n.Pos()).Line + 1; lines > 100 {
					t.at(n, "a function of %d lines", lines)
				}
			case *ast.InterfaceType: // an embedded one counts as a method
				if m := n.Methods.NumFields(); m > 4 {
					t.at(n, "an interface of %d methods", m)
				}
			}
		}
	}
}

// documented asks for no comment on the fields of a struct, which its own may
// explain together, nor on methods whose contract is the standard library's.
func documented(t *tree) {
	wellKnown := []string{"Error", "Unwrap", "String", "Read", "Write", "Close"}
	packages := make(map[string]*file)
	described := make(map[string]bool)
	for f := range t.code(false) {
		if packages[f.dir()] == nil {
			packages[f.dir()] = f
		}
		described[f.dir()] = described[f.dir()] || f.ast.Doc != nil
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				public := d.Name.IsExported() && d.Doc == nil
				if d.Recv != nil {
					public = public && ast.IsExported(receiver(d)) && !slices.Contains(wellKnown, d.Name.Name)
				}
				if public {
					t.at(d.Name, "func %s", d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					t.documentedSpec(d, s)
				}
			}
		}
	}
	for dir, f := range packages {
		if !described[dir] {
			t.at(f.ast.Name, "package %s", f.ast.Name.Name)
		}
	}
}

// documentedSpec looks at one declaration in a group: the group's comment will do, or one behind it.
func (t *tree) documentedSpec(d *ast.GenDecl, s ast.Spec) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
			t.at(s.Name, "type %s", s.Name.Name)
		}
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
				t.at(name, "%s %s", d.Tok, name.Name)
			}
		}
	}
}

// receiver returns the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	for n := range ast.Preorder(d.Recv.List[0].Type) {
		if id, ok := n.(*ast.Ident); ok {
			return id.Name
		}
	}
	return ""
}

// required returns what the tree's go.mod file of that name requires, and where.
func (t *tree) required(name string) (f *file, parsed *modfile.File) {
	parsed = new(modfile.File)
	if f = t.file(name); f != nil {
		m, err := modfile.Parse(name, []byte(f.text), nil)
		if err != nil {
			t.line(f, 1, "%v", err)
			return f, parsed
		}
		parsed = m
	}
	return f, parsed
}

// moduleOf returns the module among those required that has the package, or the package's own path.
func moduleOf(m *modfile.File, name string) string {
	best := ""
	for _, r := range m.Require {
		if under(name, r.Mod.Path) && len(r.Mod.Path) > len(best) {
			best = r.Mod.Path
		}
	}
	if best == "" {
		return name
	}
	return best
}

func dependencies(t *tree) {
	_, m := t.required("go.mod")
	owner := make(map[string]string)
	for f := range t.code(false) {
		for spec, name := range paths(f) {
			module := moduleOf(m, name)
			if !foreign(name) || module == "golang.org/x/mod" { // the spec's nouns belong to all
				continue
			}
			if owner[module] == "" {
				owner[module] = f.room()
			}
			if owner[module] != f.room() {
				t.at(spec, "%s is imported by %s and by %s", module, owner[module], f.room())
			}
		}
	}
}

func earned(t *tree) {
	const page = "docs/dependencies.md"
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	text := ""
	if f := t.file(page); f != nil {
		text = f.text
	}
	var lines, needed []string
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		lines = append(lines, m[1])
	}
	need := func(f *file, line int, module string) {
		if needed = append(needed, module); !slices.Contains(lines, module) {
			t.line(f, line, "%s has no line", module)
		}
	}
	f, m := t.required("go.mod")
	for _, r := range m.Require {
		if !r.Indirect {
			need(f, r.Syntax.Start.Line, r.Mod.Path)
		}
	}
	f, m = t.required(".ci/go.mod")
	for _, tool := range m.Tool {
		need(f, tool.Syntax.Start.Line, moduleOf(m, tool.Path))
	}
	for i, line := range strings.Split(text, "\n") {
		if m := row.FindStringSubmatch(line); m != nil && !slices.Contains(needed, m[1]) {
			t.line(t.file(page), i+1, "%s is no dependency", m[1])
		}
	}
}

func places(t *tree) {
	folder := regexp.MustCompile(`(^|[^\w.~-])/(root|work)/`)
	// What godown ci prints is for a container, where root is the same everywhere.
	container := regexp.MustCompile(`(target=|known-hosts: )/r[o]ot/`)
	for _, f := range t.files {
		for i, line := range strings.Split(f.text, "\n") {
			if strings.Contains(line, t.proxy) {
				t.line(f, i+1, "the proxy; take it from go env GOPROXY or GOROOT/go.env at run time")
			}
			if folder.MatchString(container.ReplaceAllString(line, "")) {
				t.line(f, i+1, "a folder of one machine")
			}
		}
	}
}
