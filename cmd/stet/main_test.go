package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"stet-model-worker": modelWorker, "stet-chaos-emitter": chaosEmitter, "stet-syslog-receiver": syslogReceiver, "stet": main, cronName: main})
}

// TestScripts runs the command lines in testdata/script, each with a store and a state directory of its own.
func TestScripts(t *testing.T) {
	started := &servers{all: map[*testscript.TestScript]map[string]*startedServer{}}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("STET_STORE", filepath.Join(e.WorkDir, "store"))
			e.Setenv("STET_STATE", filepath.Join(e.WorkDir, "state"))
			e.Setenv("TMPDIR", e.WorkDir)
			e.Setenv("XDG_RUNTIME_DIR", e.WorkDir)
			e.Setenv("STET_SYSLOG", filepath.Join(e.WorkDir, "syslog"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     exits,
			"httpget":   httpGet,
			"httpuntil": httpUntil,
			"serving":   started.serving,
			"served":    started.served,
			"await":     await,
			"hidden":    hidden,
			"secret":    secret,
			"signalled": signalled,
			"printable": printable,
			"systemlog": systemLog,
			"tmpfs":     tmpfs,
			"listens":   listens,
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
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

// signalled SIGNAL N COMMAND… starts a command, sends it the signal as soon as there is a file named begun, and demands its
// exit code, which is -1 where the signal killed it. It removes the file.
func signalled(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: signalled signal N command…")
	}
	sig, ok := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "KILL": syscall.SIGKILL}[args[0]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[0])
	}
	cmd := exec.Command(args[2], args[3:]...)
	cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "STET_STORE", "STET_STATE", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its error is its exit code
	}()
	begun := filepath.Join(cmd.Dir, "begun")
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for waiting := true; waiting; {
		select {
		case <-ended:
			ts.Fatalf("it ended before it had begun: %v", cmd.ProcessState)
		case <-look.C:
			waiting = !exists(begun)
		}
	}
	ts.Check(cmd.Process.Signal(sig))
	<-ended
	ts.Check(os.Remove(begun))
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("exit code %s, want %s", got, args[1])
	}
}

// printable demands that the last command wrote nothing but printable characters and line ends.
func printable(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: printable")
	}
	for _, name := range []string{"stdout", "stderr"} {
		text := ts.ReadFile(name)
		if !utf8.ValidString(text) {
			ts.Fatalf("%s is not UTF-8", name)
		}
		for i, r := range text {
			if r != '\n' && !unicode.IsPrint(r) {
				ts.Fatalf("%s has %U at byte %d", name, r, i)
			}
		}
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

// listens SOCKET waits until somebody listens on a Unix socket.
func listens(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listens socket")
	}
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for late := time.After(time.Minute); ; {
		if c, err := net.Dial("unix", ts.MkAbs(args[0])); err == nil {
			ts.Check(c.Close())
			return
		}
		select {
		case <-look.C:
		case <-late:
			ts.Fatalf("nobody listens on %s", args[0])
		}
	}
}
