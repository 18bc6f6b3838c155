package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// limit bounds the tests of one mutant: a test that hangs has noticed, too.
	limit = 2 * time.Minute
	// longLimit bounds the tests of all mutants of a package, which must not hang.
	longLimit = 10 * time.Minute
)

// verdict is what became of a mutant.
type verdict string

const (
	killed verdict = "killed"
	alive  verdict = "ALIVE"  // every test passed
	broken verdict = "BROKEN" // it says nothing: it does not apply, or does not compile
)

type result struct {
	verdict verdict
	why     string // the test that noticed, or what is wrong
	output  string // what that test said
	took    time.Duration
}

// kill runs the tests over the broken code.
func (r runner) kill(ctx context.Context, m mutant) result {
	dir, err := os.MkdirTemp("", "stet-mutant-")
	if err != nil {
		return result{verdict: broken, why: err.Error()}
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left there harms nobody
	overlay, err := m.overlay(r.root, dir)
	if err != nil {
		return result{verdict: broken, why: err.Error()}
	}
	args := []string{"-count=1", "-failfast", "-overlay", overlay}
	out, err := r.test(ctx, limit, m.env, m.run, append(args, m.tests...))
	switch {
	case err != nil:
		return result{verdict: broken, why: err.Error(), output: out.text}
	case out.test == "":
		return result{verdict: alive, why: "every test passes"}
	}
	return result{verdict: killed, why: out.test, output: out.text}
}

// apply returns the broken source.
func (m mutant) apply(root string) ([]byte, error) {
	src, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(src, []byte(m.from)); n != 1 {
		return nil, fmt.Errorf("%s has the text %d times, once is expected: %q", m.file, n, m.from)
	}
	return bytes.Replace(src, []byte(m.from), []byte(m.to), 1), nil
}

// overlay writes the broken source and the overlay that puts it in its place into dir, and returns the overlay's name.
func (m mutant) overlay(root, dir string) (string, error) {
	src, err := m.apply(root)
	if err != nil {
		return "", err
	}
	source, name := filepath.Join(dir, "broken.go"), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.file): source}})
	if err != nil {
		return "", err
	}
	return name, errors.Join(os.WriteFile(source, src, 0o600), os.WriteFile(name, text, 0o600))
}

// control runs the mutants' tests over the tree as it is. They must pass. Results may come from the cache.
func (r runner) control(ctx context.Context, all []mutant) error {
	type group struct{ pkg, env string }
	patterns := map[group][]string{}
	for _, m := range all {
		for _, pkg := range m.tests {
			g := group{pkg, strings.Join(m.env, " ")}
			patterns[g] = append(patterns[g], m.run)
		}
	}
	groups := slices.Collect(maps.Keys(patterns))
	errs := make([]error, len(groups))
	r.each(len(groups), func(i int) {
		g := groups[i]
		slices.Sort(patterns[g])
		pattern := strings.Join(slices.Compact(patterns[g]), "|")
		if slices.Contains(patterns[g], "") {
			pattern = ""
		}
		out, err := r.test(ctx, longLimit, strings.Fields(g.env), pattern, []string{g.pkg})
		if err == nil && out.test != "" {
			err = fmt.Errorf("%s fails without any mutant:\n%s", out.test, indent(out.text))
		}
		errs[i] = err
	})
	return errors.Join(errs...)
}

// outcome is what a run of tests found.
type outcome struct {
	test string // the first test that failed, with its package; "" where all passed
	text string // its output
}

// test runs go test. An error says that the tests could not be run; it is nil where they ran, whether they passed or not.
func (r runner) test(ctx context.Context, most time.Duration, env []string, pattern string, args []string) (outcome, error) {
	args = append([]string{"test", "-json", "-p=1", "-vet=off", "-timeout", most.String(), "-run", pattern}, args...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.root
	cmd.Env = append(environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that go ends its tests
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	out, perr := readEvents(stdout)
	switch {
	case perr != nil:
		return out, fmt.Errorf("go test: %w: %s", perr, stderr.String())
	case err != nil && out.test == "":
		return out, fmt.Errorf("no test could be run: %w: %s%s", err, strings.TrimSpace(out.text), strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// environ is this process's environment without stet's own variables and CI, which would decide how long tests take (cron's
// own minute is no mutant's), or let a mutant write the golden files anew. rapid, too, must not keep in the tree what a mutant failed
// on, nor look for less of it that fails.
func environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "STET_") || strings.HasPrefix(kv, "CI=") })
	return append(env, "RAPID_NOFAILFILE=true", "RAPID_SHRINKTIME=0s")
}

// readEvents looks for the first test that failed in what go test -json wrote, or for what the compiler said.
func readEvents(b []byte) (out outcome, err error) {
	said := map[string]*strings.Builder{}
	for line := range bytes.Lines(b) {
		var e struct{ Action, Package, ImportPath, Test, Output, FailedBuild string }
		if err := json.Unmarshal(line, &e); err != nil {
			return out, fmt.Errorf("%q: %w", line, err)
		}
		test := e.Package + "." + e.Test
		switch e.Action {
		case "build-output":
			out.text += e.Output
		case "build-fail":
			return outcome{text: out.text}, nil
		case "output":
			if said[test] == nil {
				said[test] = new(strings.Builder)
			}
			said[test].WriteString(e.Output)
		case "fail":
			if e.FailedBuild != "" {
				return outcome{text: out.text}, nil
			}
			if e.Test != "" && out.test == "" {
				out.test = path.Base(e.Package) + "." + e.Test
				if s := said[test]; s != nil {
					out.text = s.String()
				}
			}
		}
	}
	if out.test == "" {
		for _, s := range said {
			out.text += s.String()
		}
		if strings.HasPrefix(out.text, "panic: ") || strings.Contains(out.text, "\npanic: ") {
			out.test = "the test program, which panicked or hung" // go test then names no test
		}
	}
	return out, nil
}
