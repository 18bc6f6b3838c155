package child

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// maxProcFile bounds what is read of one file of /proc; status is about 1.5 KiB.
const maxProcFile = 16 << 10

// missed says whether a process certainly did not get a signal that was sent a
// moment ago: it neither catches nor ignores it, has not got it pending, and is
// alive all the same. A process that has it blocked and not pending did not get
// it either. One that is dead or dumping its core is dying of something. When in
// doubt it answers no.
func missed(pid int, sig syscall.Signal) bool {
	m, ok := signalMasks(pid)
	if !ok || m.dying {
		return false
	}
	bit := uint64(1) << (sig - 1)
	switch {
	case m.pending&bit != 0, m.ignored&bit != 0:
		return false
	case m.blocked&bit != 0:
		return true
	default:
		return m.caught&bit == 0
	}
}

// ignores says whether a process certainly ignores a signal.
func ignores(pid int, sig syscall.Signal) bool {
	m, ok := signalMasks(pid)
	return ok && m.ignored&(1<<(sig-1)) != 0
}

type masks struct {
	pending, blocked, ignored, caught uint64
	dying                             bool
}

// signalMasks reads /proc/PID/status; see proc_pid_status(5).
func signalMasks(pid int) (m masks, ok bool) {
	b, err := readProc(strconv.Itoa(pid) + "/status")
	if err != nil {
		return masks{}, false
	}
	found := 0
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "State":
			m.dying = m.dying || strings.ContainsAny(value[:min(3, len(value))], "ZX")
		case "CoreDumping":
			m.dying = m.dying || strings.TrimSpace(value) == "1"
		}
		n, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil {
			continue
		}
		switch name {
		case "SigPnd", "ShdPnd":
			m.pending |= n
		case "SigBlk":
			m.blocked = n
		case "SigIgn":
			m.ignored = n
		case "SigCgt":
			m.caught = n
		default:
			continue
		}
		found++
	}
	return m, found == 5
}

// survivors says whether a process group has live members besides its leader.
func survivors(pgrp int) bool {
	for _, p := range processes() {
		if p.pgrp == pgrp && p.pid != pgrp && p.state != 'Z' && p.state != 'X' {
			return true
		}
	}
	return false
}

// descendants lists the processes below pid, children before grandchildren. It
// is a look at a moving thing: what is forked meanwhile, or was orphaned before,
// is not in it.
func descendants(pid int) []int {
	children := map[int][]int{}
	for _, p := range processes() {
		children[p.ppid] = append(children[p.ppid], p.pid)
	}
	var below []int
	seen := map[int]bool{pid: true}
	for queue := []int{pid}; len(queue) > 0; queue = queue[1:] {
		for _, c := range children[queue[0]] {
			if !seen[c] { // ids reused during the scan could close a circle
				seen[c] = true
				below, queue = append(below, c), append(queue, c)
			}
		}
	}
	return below
}

type process struct {
	pid, ppid, pgrp int
	state           byte
}

func processes() []process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()                //nolint:errcheck // read only
	names, _ := dir.Readdirnames(-1) // what was read before an error still counts
	var all []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		b, err := readProc(name + "/stat")
		if err != nil {
			continue // gone meanwhile
		}
		if p, ok := parseStat(pid, b); ok {
			all = append(all, p)
		}
	}
	return all
}

// parseStat reads "pid (comm) state ppid pgrp …". The name may hold spaces and
// parentheses, so the fields begin behind the last one.
func parseStat(pid int, b []byte) (process, bool) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return process{}, false
	}
	f := strings.Fields(string(b[i+1:]))
	if len(f) < 3 || len(f[0]) != 1 {
		return process{}, false
	}
	ppid, err1 := strconv.Atoi(f[1])
	pgrp, err2 := strconv.Atoi(f[2])
	return process{pid: pid, ppid: ppid, pgrp: pgrp, state: f[0][0]}, err1 == nil && err2 == nil
}

func readProc(name string) ([]byte, error) {
	f, err := os.Open("/proc/" + name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return io.ReadAll(io.LimitReader(f, maxProcFile))
}
