package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// mutant is one block of a list: one way to break the code.
type mutant struct {
	promise  string   // what must not be broken, for people
	file     string   // path below the module's root
	from, to string   // exact text; from stands once in the file
	tests    []string // packages whose tests must notice, as go test takes them
	run      string   // -run pattern of these tests; "" for all
	env      []string // KEY=value for the tests
}

// read reads all lists below root, a file an area of the code.
func read(root string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(root, list))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("there is no " + list + " here: run this in the module's root")
	}
	var text strings.Builder
	for _, f := range files { // in the order of their names
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		text.Write(b)
		text.WriteString("\n\n")
	}
	return parse(text.String())
}

// parse reads blocks of "key: value" lines, apart by blank lines; # begins a comment. In from and to, \n stands for a
// new line, \t for a tab and \\ for a backslash. promise, file, from and test must be there; to may be empty or missing,
// which takes from away.
func parse(text string) ([]mutant, error) {
	var all []mutant
	names := map[string]bool{}
	for block := range strings.SplitSeq(text, "\n\n") {
		m, some, err := parseBlock(block)
		switch {
		case err != nil:
			return nil, err
		case !some:
			continue
		case names[m.promise]:
			return nil, fmt.Errorf("%s: %q is there twice", list, m.promise)
		}
		names[m.promise] = true
		all = append(all, m)
	}
	return all, nil
}

// parseBlock reads one block; some is false where it holds comments at most.
func parseBlock(block string) (m mutant, some bool, err error) {
	fail := func(format string, args ...any) (mutant, bool, error) {
		return mutant{}, false, fmt.Errorf("%s: %s", list, fmt.Sprintf(format, args...))
	}
	seen := map[string]bool{}
	for line := range strings.SplitSeq(block, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return fail("%q is not key: value", line)
		}
		if seen[key] {
			return fail("%q has %s twice", m.promise, key)
		}
		seen[key] = true
		value = strings.TrimPrefix(value, " ")
		switch key {
		case "promise":
			m.promise = value
		case "file":
			m.file = value
		case "from":
			m.from = unescape(value)
		case "to":
			m.to = unescape(value)
		case "test":
			m.tests = strings.Fields(value)
		case "run":
			m.run = value
		case "env":
			m.env = strings.Fields(value)
		default:
			return fail("unknown key %q", key)
		}
	}
	switch {
	case len(seen) == 0:
		return m, false, nil
	case m.promise == "" || m.file == "" || m.from == "" || len(m.tests) == 0:
		return fail("the block of %q lacks promise, file, from or test", m.promise+m.file)
	case m.from == m.to:
		return fail("%q changes nothing", m.promise)
	}
	return m, true, nil
}

func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\t`, "\t").Replace(s)
}
