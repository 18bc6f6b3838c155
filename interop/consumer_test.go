package interop

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/stetlog/stet"

// TestConsumerDependencies: a program that uses the SDK links the standard library, golang.org/x/mod and stet's own
// packages, and among these none that opens a ledger.
func TestConsumerDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./consumer").Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderrOf(err))
	}
	never := map[string]string{
		module + "/internal/ledger": "the SDK writes spools; it never opens a ledger",
		module + "/internal/store":  "joining spools and ledger is for the CLI and the server",
		module + "/internal/verify": "verifying is for the CLI and the server",
		module + "/stettest":        "only tests may link it",
	}
	seen := map[string]bool{}
	for path := range strings.FieldsSeq(string(out)) {
		seen[path] = true
		own := path == module || strings.HasPrefix(path, module+"/")
		if !own && !strings.HasPrefix(path, "golang.org/x/mod/") {
			t.Errorf("%s would be linked into every user's program", path)
		}
		if why := never[path]; why != "" {
			t.Errorf("%s is linked into every user's program: %s", path, why)
		}
	}
	for _, path := range []string{module, module + "/proof", module + "/interop/consumer"} {
		if !seen[path] {
			t.Errorf("%s is not listed, so the list is not what it should be:\n%s", path, out)
		}
	}
	if out, err = exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}}", "./consumer").Output(); err != nil {
		t.Fatalf("go list: %v\n%s", err, stderrOf(err))
	}
	for path := range strings.FieldsSeq(string(out)) {
		if path == "testing" {
			t.Error("package testing is linked into every user's program")
		}
	}
}

// TestConsumerRuns: the program works in an empty store, and leaves no ledger behind.
func TestConsumerRuns(t *testing.T) {
	bin := build(t, ".", "./consumer")
	store := filepath.Join(t.TempDir(), "store")
	if out := execute(t, t.TempDir(), bin, store); out != "hello\n" {
		t.Errorf("it printed %q", out)
	}
	spools, err := os.ReadDir(filepath.Join(store, "spool"))
	if err != nil {
		t.Fatal(err)
	}
	if len(spools) != 1 {
		t.Errorf("%d spools, want one", len(spools))
	}
	if _, err := os.Stat(filepath.Join(store, "log")); err == nil {
		t.Error("the SDK made a ledger")
	}
}

// build compiles a command of the module in dir and returns its path.
func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "bin")
	cmd := exec.Command("go", "build", "-o", bin, pkg)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, out)
	}
	return bin
}

// execute runs a command with its state below home, wants exit 0, and returns what it wrote to standard output.
func execute(t *testing.T, home, bin string, args ...string) string {
	t.Helper()
	cmd := command(home, bin, args...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(bin), strings.Join(args, " "), err, stderrOf(err))
	}
	return string(out)
}

// command is a command with its state below home, and nothing in its environment that means stet.
func command(home, bin string, args ...string) *exec.Cmd {
	cmd := exec.Command(bin, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "STET_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+home, "STET_STATE="+filepath.Join(home, "state"))
	return cmd
}

func stderrOf(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(exit.Stderr)
	}
	return ""
}
