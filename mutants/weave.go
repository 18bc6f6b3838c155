package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Compiling and linking a package's tests anew for every mutant takes most of the time. So the mutants that break the
// body of a function are woven into one copy of the tree, all of them, each asleep:
//
//	func f(n int) int {
//		if awakeMutant == "0007" {
//			…the body as mutant 7 has it…
//		}
//		…the body…
//
// and each package's tests are built once. Waking one is a matter of four bytes in a copy of the test program, so that it
// is awake also in the processes that the tests start of themselves.

const (
	// asleep is what the variable awakeMutant holds in a program as it was built; waking writes over the digits.
	asleep = "stet mutants awake: " + noMutant
	// noMutant, like the numbers of mutants, has four digits.
	noMutant = "0000"
	// maxWoven is how many four digits can name.
	maxWoven = 9999
	// wovenFile is added to each package that has mutants.
	wovenFile = "awake_mutant.go"
)

// weave is one way to break a tree in many ways.
type weave struct {
	dir     string            // temporary
	overlay string            // file
	number  map[string]string // promise → four digits
	program map[string]string // package → its test program
}

// place is where a mutant changes a file: in the body of one function, and nothing but a text in it.
type place struct {
	body     *ast.BlockStmt
	results  bool // the function has some
	from, to int  // offsets in the source
	text     string
}

// find returns where a mutant can be woven in; false where it changes more than a body, or one whose copy would not
// compile beside it.
func (m mutant) find(fset *token.FileSet, file *ast.File, src string) (place, bool) {
	at := strings.Index(src, m.from)
	if at < 0 || strings.Count(src, m.from) != 1 {
		return place{}, false
	}
	from, to := m.from, m.to
	for from != "" && to != "" && from[0] == to[0] {
		from, to, at = from[1:], to[1:], at+1
	}
	for from != "" && to != "" && from[len(from)-1] == to[len(to)-1] {
		from, to = from[:len(from)-1], to[:len(to)-1]
	}
	offset := func(p token.Pos) int { return fset.Position(p).Offset }
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil || at <= offset(f.Body.Lbrace) || at+len(from) > offset(f.Body.Rbrace) {
			continue
		}
		labels := false // they belong to the whole function
		ast.Inspect(f.Body, func(n ast.Node) bool {
			_, label := n.(*ast.LabeledStmt)
			labels = labels || label
			return true
		})
		return place{body: f.Body, results: f.Type.Results != nil, from: at, to: at + len(from), text: to}, !labels
	}
	return place{}, false
}

// weaveFile returns a source with its mutants in it, and which of them are.
func weaveFile(name, src string, all []mutant, number map[string]string) (string, []mutant, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return "", nil, err
	}
	type insertion struct {
		at   int
		text string
	}
	var ins []insertion
	var woven []mutant
	for _, m := range all {
		p, ok := m.find(fset, file, src)
		if !ok {
			continue
		}
		open, end := fset.Position(p.body.Lbrace).Offset+1, fset.Position(p.body.Rbrace).Offset
		var b strings.Builder
		fmt.Fprintf(&b, "\nif awakeMutant == %q {\n%s%s%s\n", number[m.promise], src[open:p.from], p.text, src[p.to:end])
		if !p.results {
			b.WriteString("return\n")
		}
		b.WriteString("}\n")
		ins = append(ins, insertion{open, b.String()})
		woven = append(woven, m)
	}
	slices.SortStableFunc(ins, func(a, b insertion) int { return b.at - a.at })
	for _, i := range ins {
		src = src[:i.at] + i.text + src[i.at:]
	}
	return src, woven, nil
}

// weave writes the tree's sources with the mutants in them into dir. Those that cannot be woven in are not in the result.
func (r runner) weave(dir string, all []mutant) (*weave, error) {
	w := &weave{dir: dir, overlay: filepath.Join(dir, "overlay.json"), number: map[string]string{}, program: map[string]string{}}
	files := map[string][]mutant{}
	number := map[string]string{}
	for i, m := range all[:min(len(all), maxWoven)] {
		number[m.promise] = fmt.Sprintf("%04d", i+1)
		files[m.file] = append(files[m.file], m)
	}
	replace := map[string]string{}
	put := func(name, text string) error {
		to := filepath.Join(dir, strings.ReplaceAll(name, string(filepath.Separator), "_"))
		replace[filepath.Join(r.root, name)] = to
		return os.WriteFile(to, []byte(text), 0o600)
	}
	for name, mutants := range files {
		src, err := os.ReadFile(filepath.Join(r.root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		text, woven, err := weaveFile(name, string(src), mutants, number)
		if err != nil || len(woven) == 0 {
			continue // the compiler will say it better
		}
		for _, m := range woven {
			w.number[m.promise] = number[m.promise]
		}
		pkg := regexp.MustCompile(`(?m)^package \w+`).Find(src)
		awake := fmt.Sprintf("%s\n\nvar awakeMutantText = %q\n\nvar awakeMutant = awakeMutantText[%d:]\n", pkg, asleep, len(asleep)-len(noMutant))
		if err := errors.Join(put(name, text), put(filepath.Join(filepath.Dir(name), wovenFile), awake)); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	return w, os.WriteFile(w.overlay, text, 0o600)
}

// build compiles the test programs. A package that does not compile with its mutants in it is left out of the result:
// then they are broken one by one.
func (r runner) build(ctx context.Context, w *weave, all []mutant) error {
	var packages []string
	for _, m := range all {
		if w.number[m.promise] != "" {
			packages = append(packages, m.tests...)
		}
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	ok := make([]bool, len(packages))
	r.each(len(packages), func(i int) {
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", w.overlay, "-o", w.file(i), packages[i])
		cmd.Dir, cmd.Env = r.root, environ()
		out, err := cmd.CombinedOutput()
		if ok[i] = err == nil; !ok[i] && r.verbose {
			r.printf("%s does not compile with all mutants: %v\n%s\n", packages[i], err, indent(string(out)))
		}
	})
	for i, pkg := range packages {
		if ok[i] {
			w.program[pkg] = w.file(i)
		}
	}
	return ctx.Err()
}

func (w *weave) file(i int) string { return filepath.Join(w.dir, fmt.Sprintf("%d.test", i)) }

// wake runs a mutant's tests while it alone is awake. False: nothing can be said that way.
func (r runner) wake(ctx context.Context, w *weave, m mutant) (result, bool) {
	number := w.number[m.promise]
	if number == "" {
		return result{}, false
	}
	for _, pkg := range m.tests {
		program := w.program[pkg]
		if program == "" {
			return result{}, false
		}
		b, err := os.ReadFile(program)
		if err != nil {
			return result{}, false
		}
		b = bytes.ReplaceAll(b, []byte(asleep), []byte(strings.TrimSuffix(asleep, noMutant)+number))
		awake := program + "." + number
		if err := os.WriteFile(awake, b, 0o700); err != nil {
			return result{}, false
		}
		out := r.program(ctx, limit, awake, pkg, m.env, m.run)
		_ = os.Remove(awake)
		if out.test != "" {
			return result{verdict: killed, why: out.test, output: out.text}, true
		}
	}
	return result{}, false // the tests that pass have yet to pass over that mutant alone
}

var failLine = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// program runs one test program, for at most so long.
func (r runner) program(ctx context.Context, most time.Duration, name, pkg string, env []string, pattern string) outcome {
	ctx, cancel := context.WithTimeout(ctx, most+most/4)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, "-test.paniconexit0", "-test.failfast", "-test.timeout", most.String(), "-test.run", pattern)
	cmd.Dir = filepath.Join(r.root, pkg)
	cmd.Env = append(environ(), env...)
	text, err := cmd.CombinedOutput()
	out := outcome{text: string(text)}
	switch fail := failLine.FindStringSubmatch(out.text); {
	case err == nil:
	case fail != nil:
		out.test = filepath.Base(filepath.Join(r.root, pkg)) + "." + fail[1]
	case strings.HasPrefix(out.text, "panic: ") || strings.Contains(out.text, "\npanic: ") || strings.Contains(out.text, "\nfatal error: "):
		out.test = "the test program, which panicked or hung"
	}
	return out
}

// whileAsleep runs the tests that noticed a mutant while all are asleep, and takes back the verdicts of those that fail
// then, too. all and results belong together.
func (r runner) whileAsleep(ctx context.Context, w *weave, all []mutant, results []result) {
	type group struct{ pkg, env string }
	tests, members := map[group][]string{}, map[group][]int{}
	for i, m := range all {
		if results[i].verdict != killed {
			continue
		}
		pattern := m.run
		if _, test, ok := strings.Cut(results[i].why, "."); ok {
			pattern = "^" + test + "$"
		}
		for _, pkg := range m.tests {
			g := group{pkg, strings.Join(m.env, " ")}
			tests[g], members[g] = append(tests[g], pattern), append(members[g], i)
		}
	}
	groups := slices.Collect(maps.Keys(tests))
	failed := make([]bool, len(groups))
	r.each(len(groups), func(i int) {
		g := groups[i]
		slices.Sort(tests[g])
		pattern := strings.Join(slices.Compact(tests[g]), "|")
		failed[i] = r.program(ctx, longLimit, w.program[g.pkg], g.pkg, strings.Fields(g.env), pattern).test != ""
	})
	for i, g := range groups {
		for _, m := range members[g] {
			if failed[i] {
				results[m] = result{}
			}
		}
	}
}
