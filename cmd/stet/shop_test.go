package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shop is a working directory with a store and a state directory, in which the real program is run.
type shop struct {
	dir, store, state string
	env               []string // beside the process's own
}

func newShop(t *testing.T) *shop {
	t.Helper()
	dir := t.TempDir()
	return &shop{dir: dir, store: filepath.Join(dir, "store"), state: filepath.Join(dir, "state")}
}

// command is a command line of the program under test, which TestMain has put into PATH.
func (x *shop) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "stet", args...)
	cmd.Dir = x.dir
	cmd.Env = append(os.Environ(), "STET_STORE="+x.store, "STET_STATE="+x.state, "TMPDIR="+x.dir)
	cmd.Env = append(cmd.Env, x.env...)
	return cmd
}

// run runs a command line and returns its exit code and all that it wrote.
func (x *shop) run(args ...string) (code int, out string) {
	cmd := x.command(context.Background(), args...)
	b, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return -1, err.Error()
	}
	return cmd.ProcessState.ExitCode(), string(b)
}

// must runs a command line that must end with code, and returns its standard output.
func (x *shop) must(t *testing.T, code int, args ...string) []byte {
	t.Helper()
	cmd := x.command(t.Context(), args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("stet %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, out, &stderr)
	}
	return out
}

// snapshot lists every file of the store with its digest.
func (x *shop) snapshot(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := filepath.WalkDir(x.store, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%x %s\n", sha256.Sum256(data), strings.TrimPrefix(path, x.store))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
