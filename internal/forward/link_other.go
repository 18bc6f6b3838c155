//go:build !linux

package forward

import (
	"net"
	"syscall"
)

// settled says whether a connection that both sides have ended was broken by then, as far as this system tells.
func settled(c *net.TCPConn) (done bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false, err
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		var errno int
		if errno, serr = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR); serr == nil && errno != 0 {
			serr = syscall.Errno(errno)
		}
	}); err != nil {
		return false, err
	}
	return true, serr
}
