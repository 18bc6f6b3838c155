//go:build linux || darwin

package child

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

// onTerminal says whether one of the files is the controlling terminal of this
// process. TIOCGPGRP answers for that terminal alone: one that we merely have
// open sends us no signals.
func onTerminal(files ...*os.File) bool {
	for _, f := range files {
		if f == nil {
			continue
		}
		// SyscallConn and not Fd, which would make the descriptor blocking.
		conn, err := f.SyscallConn()
		if err != nil {
			continue
		}
		var errno syscall.Errno
		err = conn.Control(func(fd uintptr) {
			var pgrp int32
			_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCGPGRP, uintptr(unsafe.Pointer(&pgrp)))
		})
		if err == nil && errno == 0 {
			return true
		}
	}
	return false
}

// awaitExit returns when the process is dead, and leaves it to be reaped
// (WNOWAIT), which keeps its id from being given to another.
func awaitExit(pid int) {
	const byPid = 1    // P_PID
	var info [128]byte // siginfo_t, not looked at
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byPid, uintptr(pid),
			uintptr(unsafe.Pointer(&info)), syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if !errors.Is(errno, syscall.EINTR) {
			return
		}
	}
}
