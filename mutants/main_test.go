package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Each mutant of the list still applies, so that a change of the code that outdates one is seen at once and not at the
// next `make mutants`.
func TestTheListApplies(t *testing.T) {
	all, err := read("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if _, err := m.apply(".."); err != nil {
			t.Errorf("%s: %v", m.promise, err)
		}
		for _, pkg := range m.tests {
			if files, err := filepath.Glob(filepath.Join("..", pkg, "*_test.go")); err != nil || len(files) == 0 {
				t.Errorf("%s: no tests in %s (%v)", m.promise, pkg, err)
			}
		}
	}
}

func TestParse(t *testing.T) {
	all, err := parse("# a comment\n\npromise: p\nfile: f.go\nfrom: a\\n\\tb\\\\n\nto:\ntest: ./x ./y\nrun: TestX\nenv: A=1 B=2\n")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d mutants: %v", len(all), err)
	}
	if m := all[0]; m.promise != "p" || m.file != "f.go" || m.from != "a\n\tb\\n" || m.to != "" ||
		strings.Join(m.tests, "+") != "./x+./y" || m.run != "TestX" || strings.Join(m.env, "+") != "A=1+B=2" {
		t.Errorf("%+v", m)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "promise: p\nfile: f.go\nfrom: a\nto: b\ntest: ./x\n"
	for name, text := range map[string]string{
		"no colon":        good + "what\n",
		"unknown key":     good + "form: a\n",
		"a key twice":     good + "from: c\n",
		"a promise twice": good + "\n" + good,
		"no promise":      "file: f.go\nfrom: a\nto: b\ntest: ./x\n",
		"no file":         "promise: p\nfrom: a\nto: b\ntest: ./x\n",
		"no from":         "promise: p\nfile: f.go\nto: b\ntest: ./x\n",
		"no test":         "promise: p\nfile: f.go\nfrom: a\nto: b\n",
		"no change":       "promise: p\nfile: f.go\nfrom: a\nto: a\ntest: ./x\n",
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// toy is a module with one function, whose sign a test checks and whose zero none does.
func toy(t *testing.T, source string) runner {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module toy\n\ngo 1.26\n",
		"toy.go": source,
		"toy_test.go": `package toy

import "testing"

func TestSign(t *testing.T) {
	if Sign(-2) != -1 || Sign(3) != 1 {
		t.Error("a wrong sign")
	}
}
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return runner{root: dir, jobs: 2, mu: new(sync.Mutex)}
}

const sign = `package toy

func Sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}
`

func TestToyMutants(t *testing.T) {
	for _, c := range []struct {
		m    mutant
		want string
		err  error
	}{
		{mutant{promise: "a sign is right", from: "n < 0", to: "n > 0"}, "killed", nil},
		{mutant{promise: "zero has a sign", from: "n < 0", to: "n <= 0"}, "ALIVE", errAlive},
		{mutant{promise: "no compile", from: "n < 0", to: "n < zero"}, "BROKEN", errAlive},
		{mutant{promise: "not there", from: "n == 0", to: "n < 0"}, "BROKEN", errAlive},
		{mutant{promise: "twice there", from: "return", to: "panic"}, "BROKEN", errAlive},
	} {
		r := toy(t, sign)
		var out strings.Builder
		r.out = &out
		c.m.file, c.m.tests = "toy.go", []string{"."}
		err := r.run(t.Context(), []mutant{c.m})
		if !errors.Is(err, c.err) || !strings.HasPrefix(out.String(), c.want) || !strings.Contains(out.String(), c.m.promise) {
			t.Errorf("%s: %v, want %v and a line that begins with %s:\n%s", c.m.promise, err, c.err, c.want, &out)
		}
		if src, err := os.ReadFile(filepath.Join(r.root, "toy.go")); err != nil || string(src) != sign {
			t.Errorf("%s: the source was changed: %v", c.m.promise, err)
		}
	}
}

// A tree that is red by itself would kill every mutant.
func TestARedTreeKillsNothing(t *testing.T) {
	for name, source := range map[string]string{
		"a failing test": strings.Replace(sign, "return -1", "return 1", 1),
		"no compile":     strings.Replace(sign, "return -1", "return", 1),
	} {
		r := toy(t, source)
		var out strings.Builder
		r.out = &out
		err := r.run(t.Context(), []mutant{{promise: "p", file: "toy.go", from: "n < 0", to: "n > 0", tests: []string{"."}}})
		if err == nil || errors.Is(err, errAlive) || out.Len() > 0 {
			t.Errorf("%s: %v\n%s", name, err, &out)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := toy(t, sign)
	r.out = new(strings.Builder)
	err := r.run(ctx, []mutant{{promise: "p", file: "toy.go", from: "n < 0", to: "n > 0", tests: []string{"."}}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}
