package child

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// FuzzForms: command lines with first lines of scripts, and lines of /proc, share a target: which of them an input is for,
// its first argument says.
func FuzzForms(f *testing.F) {
	f.Add(byte(0), "sh\x00-euo\x00pipefail\x00job.sh", "#!/bin/sh -e\n")
	f.Add(byte(0), "php\x00-f", "#!/usr/bin/env -S -u X python3 -u\n")
	f.Add(byte(0), "env\x00-u\x00", "#!\n")
	f.Add(byte(0), "node\x00--require", "#!env env\n")
	if b, err := os.ReadFile("/proc/self/stat"); err == nil {
		f.Add(byte(1), string(b), "")
	}
	f.Add(byte(1), "1 (a) b) R 0 1", "")
	f.Add(byte(1), "1 () S", "")
	f.Fuzz(func(t *testing.T, form byte, a, b string) {
		if form%2 == 0 {
			fuzzScript(t, a, b)
		} else {
			fuzzStat(t, a)
		}
	})
}

// fuzzScript: no panic, and what is called a script is one of the arguments.
func fuzzScript(t *testing.T, command, first string) {
	t.Helper()
	args := strings.Split(command, "\x00")
	if s, ok := scriptArg(args); ok && !slices.Contains(args[1:], s) {
		t.Errorf("script %q is not in %q", s, args)
	}
	if rest := afterEnv(args); rest != nil && (len(rest) == 0 || len(rest) >= len(args)) {
		t.Errorf("after env: %q of %q", rest, args)
	}
	if l, ok := parseShebang(first); ok {
		if l[0] == "" || strings.ContainsAny(l[0], " \t\n\x00") {
			t.Errorf("interpreter %q in %q", l[0], first)
		}
		envCommand(l)
	}
}

// fuzzStat: whatever a process calls itself, its line reads as the kernel wrote it; other lines do not panic.
func fuzzStat(t *testing.T, s string) {
	t.Helper()
	parseStat(7, []byte(s))
	line := fmt.Appendf(nil, "7 (%s) S 3 5 0 0 -1", s)
	if p, ok := parseStat(7, line); !ok || p.pid != 7 || p.ppid != 3 || p.pgrp != 5 || p.state != 'S' {
		t.Fatalf("%q reads as %+v, %v", line, p, ok)
	}
}
