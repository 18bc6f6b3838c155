package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

type demoCmd struct{}

// demoLimit bounds the whole demonstration.
const demoLimit = 2 * time.Minute

// demo runs real commands through this very program, in a directory of its own that it removes.
type demo struct {
	*env
	self string
	dir  string
}

func (demoCmd) Run(e *env) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "stet-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{env: e, self: self, dir: dir}
	for _, step := range []func() error{d.jobs, d.killed, d.tell, d.tamper} {
		if err := step(); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	d.say("\nNow your own. One word before a command, no server, nothing to set up:\n\n" +
		"  stet run --why \"trying it out\" -- ls -l\n  stet story\n  stet verify\n")
	return nil
}

func (d *demo) say(format string, args ...any) { _, _ = fmt.Fprintf(d.stdout, format, args...) }

// stet is a command line of this program, with a store and a memory of its own.
func (d *demo) stet(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(d.ctx, d.self, args...)
	cmd.WaitDelay = demoLimit
	cmd.Dir = d.dir
	cmd.Env = append(os.Environ(), "STET="+d.self, "STET_STORE="+filepath.Join(d.dir, "store"), "STET_STATE="+filepath.Join(d.dir, "state"),
		"STET_APP=demo", "STET_ENV=test", "NO_COLOR=1")
	cmd.Stdout, cmd.Stderr = d.stdout, d.stderr
	return cmd
}

// show runs a command line before the reader's eyes and returns its exit code.
func (d *demo) show(shown string, args ...string) (int, error) {
	d.say("\n$ stet %s\n", shown)
	err := d.stet(args...).Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}

func (d *demo) jobs() error {
	d.say("stet demo: real commands, recorded in a throwaway store.\n")
	for name, text := range map[string]string{"orders.csv": "id,total\n1,30\n2,12\n", "nightly.sh": nightly} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o700); err != nil {
			return err
		}
	}
	code, err := d.show(`run --job nightly --why "nightly maintenance" -- ./nightly.sh   (a parent that runs two jobs; the second fails)`,
		"run", "--job", "nightly", "--why", "nightly maintenance", "--as", "user:alice", "--", "./nightly.sh")
	if err == nil && code != 3 {
		err = fmt.Errorf("the nightly job ended with %d where its own code is 3", code)
	}
	d.say("(exit code %d: the command's own)\n", code)
	return err
}

const nightly = `#!/bin/sh
"$STET" run --job backup --why "before the purge" -- sh -c 'cp orders.csv orders.bak && echo "{\"summary\":\"1 file copied\",\"counts\":{\"files\":1}}" > "$STET_IMPACT_FILE"'
"$STET" run --job purge --why "retention: 90 days" -- sh -c 'exit 3'
`

// killed starts a job and kills its recorder in the middle, as a crash or an impatient person would.
func (d *demo) killed() error {
	d.say("\n$ stet run --job migrate -- sh -c 'sleep 60'   (killed half-way with kill -9)\n")
	sign := filepath.Join(d.dir, "begun")
	cmd := d.stet("run", "--job", "migrate", "--why", "schema 41 to 42", "--", "sh", "-c", `echo $$ > begun.tmp && mv begun.tmp begun && exec sleep 60`)
	if err := cmd.Start(); err != nil {
		return err
	}
	var pid int
	for deadline := time.Now().Add(demoLimit); ; time.Sleep(10 * time.Millisecond) {
		if b, err := os.ReadFile(sign); err == nil {
			if _, err := fmt.Sscan(string(b), &pid); err == nil {
				break
			}
		}
		if time.Now().After(deadline) {
			return errors.Join(errors.New("the job did not begin"), cmd.Process.Kill(), cmd.Wait())
		}
	}
	err := cmd.Process.Kill()
	_ = cmd.Wait() // it was killed: that is its error
	return errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
}

func (d *demo) tell() error {
	if _, err := d.show("story --full nightly", "story", "--full", "nightly"); err != nil {
		return err
	}
	if _, err := d.show("story migrate", "story", "migrate"); err != nil {
		return err
	}
	code, err := d.show("verify", "verify")
	if err == nil && code != exitOK {
		err = fmt.Errorf("verify ended with %d on a store that nobody touched", code)
	}
	return err
}

// The byte that is flipped: in the record of how the purge ended.
const (
	truth = `"status_code":"3"`
	lie   = `"status_code":"0"`
)

func (d *demo) tamper() error {
	dir, err := fsx.OpenDir(filepath.Join(d.dir, "store"))
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // read only
	seq, file, err := d.rewrite(dir)
	if err != nil {
		return err
	}
	d.say("\nNow somebody edits history: entry %d says the purge failed with code 3. One byte, and it says 0:\n  %s  →  %s   in %s\n", seq, truth, lie, file)
	var out bytes.Buffer
	cmd := d.stet("verify")
	cmd.Stdout = io.MultiWriter(d.stdout, &out)
	d.say("\n$ stet verify\n")
	err = cmd.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != exitIntegrity || !strings.Contains(out.String(), fmt.Sprintf("seq %d", seq)) {
		return fmt.Errorf("the tampering of entry %d was not caught: %w", seq, errors.Join(err, errors.New("verify did not name it")))
	}
	d.say("\nCaught: entry %d is not the one that was signed. (exit code %d)\n", seq, exitIntegrity)
	return nil
}

// rewrite flips the byte as a careful forger would: the bundle stays a well-formed file.
func (d *demo) rewrite(dir *fsx.Dir) (seq uint64, file string, err error) {
	s := store.New(dir, known.Dir{}, nil)
	cp, _, err := s.Checkpoint()
	if err != nil {
		return 0, "", err
	}
	found := false
	if err := s.Entries(d.ctx, func(n uint64, entry []byte) error {
		if !found && bytes.Contains(entry, []byte(truth)) && bytes.Contains(entry, []byte(`"name":"purge"`)) {
			seq, found = n, true
		}
		return nil
	}); err != nil || !found {
		return 0, "", errors.Join(err, errors.New("the purge's outcome is not in the log"))
	}
	t, first := logread.Bundle(seq, cp.Size)
	data, err := s.Source().Fetch(d.ctx, t.Path())
	if err != nil {
		return 0, "", err
	}
	var forged []byte
	for n := first; len(data) > 0; n++ {
		var entry []byte
		if entry, data, err = proof.NextBundleEntry(data); err != nil {
			return 0, "", err
		}
		if n == seq {
			entry = bytes.Replace(entry, []byte(truth), []byte(lie), 1)
		}
		if forged, err = proof.AppendBundleEntry(forged, entry); err != nil {
			return 0, "", err
		}
	}
	file = filepath.Join(d.dir, "store", logread.StoreLog, filepath.FromSlash(t.Path()))
	if err := os.Chmod(file, 0o600); err != nil {
		return 0, "", err
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return 0, "", err
	}
	if _, err := w.Write(forged); err != nil {
		return 0, "", err
	}
	if err := w.Close(); err != nil {
		return 0, "", err
	}
	return seq, logread.StoreLog + "/" + t.Path(), os.WriteFile(file, packed.Bytes(), 0o600)
}
