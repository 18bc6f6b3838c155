package clock

import (
	"io"
	"os"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// From <linux/timex.h> and <linux/time.h>; package syscall does not name them.
const (
	staUnsync     = 0x0040
	staNano       = 0x2000
	timeError     = 5
	clockBoottime = 7
)

// kernel asks adjtimex(2) with no mode bits, which only reads and needs no
// privilege.
func kernel() (Kernel, bool) {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	if err != nil {
		return Kernel{}, false
	}
	offset := int64(t.Offset)
	if t.Status&staNano != 0 {
		offset /= 1000
	}
	return Kernel{
		Synchronized: state != timeError && t.Status&staUnsync == 0,
		OffsetUS:     offset,
		MaxErrorUS:   int64(t.Maxerror),
		Source:       "adjtimex",
	}, true
}

// uptime reads CLOCK_BOOTTIME, which unlike CLOCK_MONOTONIC goes on while the
// machine is suspended.
func uptime() (time.Duration, bool) {
	var ts syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0, false
	}
	return time.Duration(ts.Nano()), true
}

func bootID() (string, bool) {
	f, err := os.Open("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false
	}
	defer f.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return "", false
	}
	id := strings.TrimSpace(string(b))
	return id, plainID(id)
}

// plainID accepts a UUID's alphabet only: the id becomes one word of a seal, and
// a sandbox may put anything in place of the kernel's file.
func plainID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && c != '-' {
			return false
		}
	}
	return true
}
