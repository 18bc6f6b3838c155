package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"stet": main})
}

// TestScripts runs the command lines in testdata/script, each with a store and a state directory of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("STET_STORE", filepath.Join(e.WorkDir, "store"))
			e.Setenv("STET_STATE", filepath.Join(e.WorkDir, "state"))
			e.Setenv("TMPDIR", e.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":  exits,
			"hidden": hidden,
		},
	})
}

// exits N COMMAND… runs a command and demands its exit code; its output is for stdout and stderr.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N command…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// hidden TEXT demands that no file of the store or the state directory holds the text, plain or in a compressed bundle.
func hidden(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hidden text")
	}
	for _, root := range []string{ts.Getenv("STET_STORE"), ts.Getenv("STET_STATE")} {
		ts.Check(filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if strings.Contains(string(b), args[0]) {
				ts.Fatalf("%s holds %q", path, args[0])
			}
			if strings.Contains(path, "entries") {
				r, err := gzip.NewReader(bytes.NewReader(b))
				if err != nil {
					return err
				}
				if b, err = io.ReadAll(r); err != nil {
					return err
				}
				if strings.Contains(string(b), args[0]) {
					ts.Fatalf("%s holds %q", path, args[0])
				}
			}
			return nil
		}))
	}
}
