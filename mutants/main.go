// Command mutants breaks the code in known ways, one at a time, and runs the tests that must notice. A mutant that no
// test notices is a promise that nobody keeps; the command then exits 1.
//
// The mutants are in mutants.txt. Nothing in the tree is changed: each runs as an overlay of the build.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// limit bounds one mutant: a test that hangs has noticed, too.
const limit = 5 * time.Minute

// mutant is one block of mutants.txt.
type mutant struct {
	name, file string
	from, to   string // exact text; from stands once in the file
	tests      []string
	run        string // -run pattern, "" for all
}

func main() {
	only := flag.String("only", "", "run the mutants whose name contains this")
	flag.Parse()
	if err := run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(only string) error {
	text, err := os.ReadFile("mutants/mutants.txt")
	if err != nil {
		return err
	}
	all, err := parse(string(text))
	if err != nil {
		return err
	}
	ran, alive := 0, 0
	for _, m := range all {
		if !strings.Contains(m.name, only) {
			continue
		}
		start := time.Now()
		out, err := m.kill()
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		ran++
		verdict := "killed"
		if out == nil {
			verdict = "ALIVE"
			alive++
		}
		fmt.Printf("%-7s %6.1fs  %s (%s)\n", verdict, time.Since(start).Seconds(), m.name, firstFailure(out))
	}
	fmt.Printf("%d mutants, %d killed, %d alive\n", ran, ran-alive, alive)
	if alive > 0 || ran == 0 {
		return errors.New("a break that no test notices")
	}
	return nil
}

// kill runs the tests over the broken code and returns their output where they failed, nil where they passed.
func (m mutant) kill() ([]byte, error) {
	src, err := os.ReadFile(m.file)
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(src, []byte(m.from)); n != 1 {
		return nil, fmt.Errorf("%s has the text %d times, once is expected: %q", m.file, n, m.from)
	}
	dir, err := os.MkdirTemp("", "stet-mutant-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	broken := filepath.Join(dir, "broken.go")
	if err := os.WriteFile(broken, bytes.Replace(src, []byte(m.from), []byte(m.to), 1), 0o600); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(m.file)
	if err != nil {
		return nil, err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{abs: broken}})
	if err != nil {
		return nil, err
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	// A break must be one of behaviour: what does not compile proves nothing.
	build := exec.CommandContext(ctx, "go", "build", "-overlay", overlayFile, "./...")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the mutant does not compile: %s", out)
	}
	args := []string{"test", "-count=1", "-failfast", "-vet=off", "-overlay", overlayFile}
	if m.run != "" {
		args = append(args, "-run", m.run)
	}
	out, err := exec.CommandContext(ctx, "go", append(args, m.tests...)...).CombinedOutput()
	if err == nil {
		return nil, nil
	}
	if bytes.Contains(out, []byte("[build failed]")) || bytes.Contains(out, []byte("[setup failed]")) {
		return nil, fmt.Errorf("the tests do not compile: %s", out)
	}
	return append(out, '\n'), nil
}

func firstFailure(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "--- FAIL") {
			return strings.TrimPrefix(line, "--- ")
		}
	}
	if out == nil {
		return "all tests passed"
	}
	return "failed without a named test"
}

// parse reads blocks of "key: value" lines, apart by blank lines; # begins a comment. In from and to, \n is a new line
// and \t a tab.
func parse(text string) ([]mutant, error) {
	var all []mutant
	for block := range strings.SplitSeq(text, "\n\n") {
		var m mutant
		for line := range strings.Lines(block) {
			line = strings.TrimRight(line, "\n")
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			key, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, fmt.Errorf("mutants.txt: %q is not key: value", line)
			}
			value = strings.TrimPrefix(value, " ")
			unescaped := strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(value)
			switch key {
			case "break":
				m.name = value
			case "file":
				m.file = value
			case "from":
				m.from = unescaped
			case "to":
				m.to = unescaped
			case "test":
				m.tests = strings.Fields(value)
			case "run":
				m.run = value
			default:
				return nil, fmt.Errorf("mutants.txt: unknown key %q", key)
			}
		}
		if m.name == "" && m.file == "" {
			continue
		}
		if m.name == "" || m.file == "" || m.from == "" || len(m.tests) == 0 || m.from == m.to {
			return nil, fmt.Errorf("mutants.txt: the block of %q lacks something", m.name+m.file)
		}
		all = append(all, m)
	}
	return all, nil
}
