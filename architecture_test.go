package stet_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/stetlog/stet"

// source is one production file of this module.
type source struct {
	dir  string // package folder, "." for the root
	path string
	file *ast.File
}

func (s source) imports() []string {
	var all []string
	for _, i := range s.file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		all = append(all, p)
	}
	return all
}

func sources(t *testing.T) (*token.FileSet, []source) {
	t.Helper()
	fset := token.NewFileSet()
	var all []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			// Nested modules have rules of their own.
			if p != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "interop", "bench", "integrations", "docs"}, d.Name())) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(filepath.Dir(p)), p, f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no source files found")
	}
	return fset, all
}

func within(dir string, roots ...string) bool {
	for _, r := range roots {
		if dir == r || strings.HasPrefix(dir, r+"/") {
			return true
		}
	}
	return false
}

// The never-rules: which folder must not import what, and why.
var neverImports = []struct {
	from   []string
	never  []string // import paths, each with everything below it
	except []string // files
	why    string
}{
	{from: []string{"event", "proof", "evidence"}, never: []string{"os", "net", "net/http", "syscall", "io/fs", "crypto/rand", "math/rand", module + "/internal/fsx", module + "/internal/clock"},
		why: "what an event or a proof says must not depend on the machine that looks at it"},
	{from: []string{"evidence"}, never: []string{"time", module + "/internal/ledger", module + "/internal/store", module + "/internal/search", module + "/internal/story"},
		why: "a file of evidence is judged by formats and proofs: when, for whom and how it was found must not matter"},
	{from: []string{"internal/exhibit"}, never: []string{"os", "net/http", module + "/internal/fsx", module + "/internal/ledger", module + "/internal/store", module + "/internal/server", module + "/internal/verify"},
		why: "evidence is made of a log that is handed in, and what is made is judged by others"},
	{from: []string{"event", "proof"}, never: []string{"encoding/json"}, except: []string{"event/load.go"}, // reads a catalogue file, not events
		why: "the strict scanner is the only decoder; a second one would read some bytes differently (THREATS 21)"},
	{from: []string{"internal/redact"}, never: []string{module},
		why: "the redactor must be usable, and testable, without anything that could need it"},
	{from: []string{"internal/fsx", "internal/segment", "proof"}, never: []string{module + "/event", module + "/internal/ledger", module + "/internal/store"},
		why: "the lowest layer knows bytes, not what they mean"},
	{from: []string{"internal/ledger"}, never: []string{module + "/event", module + "/internal/index", module + "/internal/auth", module + "/internal/server", module + "/internal/emitter", "net/http"},
		why: "the ledger keeps bytes in order; who may send them and what they say is decided before"},
	{from: []string{"internal/story"}, never: []string{"os", "net", module + "/internal/fsx", module + "/internal/ledger", module + "/internal/store"},
		why: "one fold of events for CLI, watch, policy and UI: it must not care where events come from"},
	{from: []string{"internal/search"}, never: []string{"os", "net", module + "/internal/fsx", module + "/internal/ledger", module + "/internal/store", module + "/internal/index", module + "/internal/server"},
		why: "one language for CLI, API and UI, and the judge of the index: it must not know who asks nor how rows are found"},
	{from: []string{"internal/expect"}, never: []string{"os", "net", module + "/internal/fsx", module + "/internal/ledger", module + "/internal/store", module + "/internal/server"},
		why: "what was missed must be told by the log alone, so that it is the same after every restart"},
	{from: []string{"internal/watch"}, never: []string{"os", "net", module + "/internal/fsx", module + "/internal/ledger", module + "/internal/store", module + "/internal/index", module + "/internal/server"},
		why: "what is missing must follow from the log alone, so that it is found again by reading it"},
	{from: []string{"internal/policy", "internal/convert"}, never: []string{"os", "net/http", module + "/internal/fsx", module + "/internal/ledger", module + "/internal/store", module + "/internal/server"},
		why: "rules judge what they are given, whoever's log it is and wherever it lies"},
	{from: []string{"internal/webui"}, never: []string{"os", module + "/internal/fsx", module + "/internal/ledger", module + "/internal/store", module + "/internal/index", module + "/internal/verify", module + "/internal/logread"},
		why: "a page shows what the API answers to whoever looks at it, and has no way around it"},
	{from: []string{"internal/forward"}, never: []string{module + "/internal/ledger", module + "/internal/store", module + "/internal/server", module + "/internal/ship", module + "/internal/index"},
		why: "what is sent on is read from a log that is handed in, wherever it lies, and proven entry by entry: an index proves nothing"},
	{from: []string{"internal/verify"}, never: []string{module + "/internal/store", module + "/internal/emitter", "net/http"},
		why: "the verifier must not share code with what it checks more than formats"},
	{from: []string{"internal/wire", "internal/ship"}, never: []string{module + "/internal/ledger", module + "/internal/store", module + "/internal/server", module + "/internal/auth", module + "/internal/logread", "github.com/klauspost"},
		why: "the way to a server is linked into every program that records: the standard library and x/mod, and no ledger"},
	{from: []string{"snapshot"}, never: []string{module + "/internal", "net", "net/http", "os/exec"},
		why: "what data was must be told by the data alone, with nothing of the log in it: package event's words and the standard library"},
	{from: []string{"."}, never: []string{module + "/snapshot", "database/sql"},
		why: "who takes no snapshots must not link what takes them"},
	{from: []string{"."}, never: []string{module + "/internal/ledger", module + "/internal/store", module + "/internal/verify"},
		why: "the SDK writes spools and never opens a ledger: it must not be able to hold the log's key"},
	{from: []string{"."}, never: []string{"C"}, why: "no cgo: one static binary"},
	{from: []string{"event", "proof", "internal", "cmd"}, never: []string{"C"}, why: "no cgo: one static binary"},
}

func TestNeverImports(t *testing.T) {
	_, all := sources(t)
	for _, rule := range neverImports {
		for _, s := range all {
			if slices.Contains(rule.except, s.path) || rule.from[0] == "." && s.dir != "." || rule.from[0] != "." && !within(s.dir, rule.from...) {
				continue
			}
			for _, imp := range s.imports() {
				if imp != "net/netip" && within(imp, rule.never...) { // net/netip only parses
					t.Errorf("%s imports %s: %s", s.path, imp, rule.why)
				}
			}
		}
	}
}

func TestNoTestingInProduction(t *testing.T) {
	_, all := sources(t)
	for _, s := range all {
		if strings.HasSuffix(s.dir, "test") {
			continue // packages made for tests say so in their name
		}
		for _, imp := range s.imports() {
			if imp == "testing" || strings.HasSuffix(imp, "test") && strings.HasPrefix(imp, module) {
				t.Errorf("%s imports %s: it would put test flags and test code into users' binaries", s.path, imp)
			}
		}
	}
}

// A clock read is a claim about this machine: it is made in one place, so that it comes with its evidence and tests can
// replace it.
func TestNoClockInPurePackages(t *testing.T) {
	fset, all := sources(t)
	for _, s := range all {
		if !within(s.dir, "event", "proof", "evidence", "internal/redact", "internal/search", "internal/story", "internal/expect", "internal/segment", "internal/spool", "snapshot") {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep"}, sel.Sel.Name) {
				t.Errorf("%s: time.%s: the time is handed in", fset.Position(sel.Pos()), sel.Sel.Name)
			}
			return true
		})
	}
}

// State that belongs to nobody cannot be tested apart, and races. Package variables are tables and sentinel errors,
// written once.
func TestNoMutablePackageState(t *testing.T) {
	fset, all := sources(t)
	globals := map[string]map[string]bool{}
	for _, s := range all {
		if globals[s.dir] == nil {
			globals[s.dir] = map[string]bool{}
		}
		for _, d := range s.file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for _, n := range v.Names {
					globals[s.dir][n.Name] = true
				}
				if sel, ok := v.Type.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") {
						t.Errorf("%s: a package variable of type %s.%s is mutable state", fset.Position(v.Pos()), x.Name, sel.Sel.Name)
					}
				}
			}
		}
	}
	for _, s := range all {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			local := declared(f)
			written := func(e ast.Expr) {
				if id := rootIdent(e); id != nil && id.Name != "_" && globals[s.dir][id.Name] && !local[id.Name] {
					t.Errorf("%s: the package variable %s is written to", fset.Position(id.Pos()), id.Name)
				}
			}
			ast.Inspect(f.Body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.AssignStmt:
					if n.Tok != token.DEFINE {
						for _, e := range n.Lhs {
							written(e)
						}
					}
				case *ast.IncDecStmt:
					written(n.X)
				}
				return true
			})
		}
	}
}

// declared lists every name that a function declares anywhere: a local one may hide a package variable.
func declared(f *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	fields := func(l *ast.FieldList) {
		if l == nil {
			return
		}
		for _, field := range l.List {
			for _, n := range field.Names {
				names[n.Name] = true
			}
		}
	}
	fields(f.Recv)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncType:
			fields(n.Params)
			fields(n.Results)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, e := range n.Lhs {
					if id, ok := e.(*ast.Ident); ok {
						names[id.Name] = true
					}
				}
			}
		case *ast.RangeStmt:
			for _, e := range []ast.Expr{n.Key, n.Value} {
				if id, ok := e.(*ast.Ident); ok {
					names[id.Name] = true
				}
			}
		case *ast.ValueSpec:
			for _, id := range n.Names {
				names[id.Name] = true
			}
		}
		return true
	})
	return names
}

func rootIdent(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// Every package says what it is for, in one comment worth reading.
func TestOnePackageComment(t *testing.T) {
	_, all := sources(t)
	comments := map[string]int{}
	for _, s := range all {
		comments[s.dir] += 0
		if s.file.Doc != nil && len(strings.TrimSpace(s.file.Doc.Text())) > 80 {
			comments[s.dir]++
		}
	}
	for dir, n := range comments {
		if n != 1 {
			t.Errorf("package %s has %d package comments worth the name, one is the rule", dir, n)
		}
	}
}

// The SDK is compiled into other people's programs: it brings the standard library, x/mod and nothing else.
func TestSDKDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for p := range strings.Lines(string(out)) {
		p = strings.TrimSpace(p)
		if p == "" || within(p, module, "golang.org/x/mod") {
			continue
		}
		t.Errorf("package stet depends on %s", p)
	}
	for _, never := range []string{path.Join(module, "internal/ledger"), path.Join(module, "internal/store")} {
		out, err := exec.Command("go", "list", "-deps", ".").Output()
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(strings.Fields(string(out)), never) {
			t.Errorf("package stet depends on %s", never)
		}
	}
}
