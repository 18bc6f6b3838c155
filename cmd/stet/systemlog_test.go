package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/stetlog/stet/internal/lost"
)

// systemLog N TEXT -- COMMAND… runs a command while something listens at STET_SYSLOG, and demands that it was told exactly N
// lines, each with the text.
func systemLog(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 || args[2] != "--" {
		ts.Fatalf("usage: systemlog N text -- command…")
	}
	path := ts.Getenv("STET_SYSLOG")
	log, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	defer func() { _ = log.Close() }() // nothing to lose
	defer func() { ts.Check(os.Remove(path)) }()
	err = ts.Exec(args[3], args[4:]...)
	var exit interface{ ExitCode() int }
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	const end = "end of the test"
	ts.Check(lost.Tell(path, end, time.Now().Add(time.Minute)))
	n, buf := 0, make([]byte, 4096)
	for {
		size, err := log.Read(buf)
		ts.Check(err)
		line := string(buf[:size])
		if line == end {
			break
		}
		if n++; !strings.Contains(line, args[1]) {
			ts.Fatalf("the system's log was told %q", line)
		}
	}
	if strconv.Itoa(n) != args[0] {
		ts.Fatalf("the system's log was told %d lines, want %s", n, args[0])
	}
}

// tmpfs DIR full|ro|room mounts a small file system that is full, or can only be read, or has room, until the test ends. It
// needs root.
func tmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tmpfs dir full|ro|room")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o700))
	flags := uintptr(0)
	if args[1] == "ro" {
		flags = syscall.MS_RDONLY
	}
	size := "32m"
	if args[1] == "room" {
		size = "128m"
	}
	ts.Check(syscall.Mount("stet-test", dir, "tmpfs", flags, "size="+size+",mode=700"))
	ts.Defer(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // else it goes with the machine
	if args[1] != "full" {
		return
	}
	err := os.WriteFile(filepath.Join(dir, "full"), make([]byte, 64<<20), 0o600)
	if !errors.Is(err, syscall.ENOSPC) {
		ts.Fatalf("filling %s: %v", dir, err)
	}
}
