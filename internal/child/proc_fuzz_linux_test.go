package child

import (
	"fmt"
	"os"
	"testing"
)

// FuzzProcStat: whatever a process calls itself, its line reads as the kernel wrote it; other lines do not panic.
func FuzzProcStat(f *testing.F) {
	if b, err := os.ReadFile("/proc/self/stat"); err == nil {
		f.Add(b)
	}
	f.Add([]byte("1 (a) b) R 0 1"))
	f.Add([]byte("1 () S"))
	f.Fuzz(func(t *testing.T, b []byte) {
		parseStat(7, b)
		line := fmt.Appendf(nil, "7 (%s) S 3 5 0 0 -1", b)
		if p, ok := parseStat(7, line); !ok || p.pid != 7 || p.ppid != 3 || p.pgrp != 5 || p.state != 'S' {
			t.Fatalf("%q reads as %+v, %v", line, p, ok)
		}
	})
}
