package origin

import (
	"fmt"
	"strconv"
	"strings"
)

// process is what /proc/PID/stat says, proc_pid_stat(5).
type process struct {
	name  string // at most 15 bytes
	ppid  int
	tty   uint64 // device number of the controlling terminal, 0 for none
	start uint64 // ticks since boot
	ok    bool
}

func (d detector) stat(pid string) process {
	return parseStat(d.read("proc/"+pid+"/stat", 4096))
}

// parseStat reads "pid (name) state ppid pgrp session tty …". The name may hold
// anything, so the fields begin behind the last parenthesis.
func parseStat(s string) process {
	open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
	if open < 0 || end < open {
		return process{}
	}
	f := strings.Fields(s[end+1:])
	if len(f) < 20 {
		return process{}
	}
	ppid, err1 := strconv.Atoi(f[1])
	tty, err2 := strconv.ParseInt(f[4], 10, 32) // printed as an int
	start, err3 := strconv.ParseUint(f[19], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return process{}
	}
	return process{name: s[open+1 : end], ppid: ppid, tty: uint64(uint32(tty)), start: start, ok: true}
}

// terminal names the controlling terminal by its device number; the majors are
// those of the kernel's admin-guide/devices.
func (p process) terminal() Value {
	if !p.ok || p.tty == 0 {
		return Value{}
	}
	major := p.tty >> 8 & 0xfff
	minor := p.tty&0xff | p.tty>>12&0xfff00
	var name string
	switch {
	case major >= 136 && major <= 143:
		name = fmt.Sprintf("pts/%d", (major-136)<<8|minor)
	case major == 4 && minor < 64:
		name = fmt.Sprintf("tty%d", minor)
	case major == 4:
		name = fmt.Sprintf("ttyS%d", minor-64)
	case major == 5 && minor == 1:
		name = "console"
	default:
		name = fmt.Sprintf("tty %d:%d", major, minor)
	}
	return value(name, "kernel: controlling terminal")
}

// ancestors calls visit for each process above p, with its id, nearest first, until it says
// stop. At most 32, and never the first process: it is everybody's ancestor.
func (d detector) ancestors(p process, visit func(pid string, a process) (stop bool)) {
	for range 32 {
		if !p.ok || p.ppid <= 1 {
			return
		}
		pid := strconv.Itoa(p.ppid)
		if p = d.stat(pid); !p.ok || visit(pid, p) {
			return
		}
	}
}
