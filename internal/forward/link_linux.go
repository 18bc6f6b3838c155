package forward

import (
	"net"

	"golang.org/x/sys/unix"
)

// settled says whether nothing is on its way any more on a connection that both sides have ended, and whether it was broken by
// then: the receiver's machine refused what came behind its own end.
func settled(c *net.TCPConn) (done bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false, err
	}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		var errno int
		if errno, serr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); serr != nil {
			return
		}
		if errno != 0 {
			serr = unix.Errno(errno)
			return
		}
		var info *unix.TCPInfo
		if info, serr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); serr == nil {
			done = info.State == unix.BPF_TCP_CLOSE // TIME_WAIT shows itself so
		}
	}); err != nil {
		return false, err
	}
	return done, serr
}
