package server

import (
	"net"
	"syscall"
)

// unixPeer asks the kernel who opened the other end of a socket (SO_PEERCRED): the ids that process had when it connected.
func unixPeer(c *net.UnixConn) (Peer, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *syscall.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) {
		cred, asked = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return Peer{}, err
	}
	if asked != nil {
		return Peer{}, asked
	}
	p := Peer{Unix: true, UID: cred.Uid, GID: cred.Gid, HasIDs: true}
	if cred.Pid > 0 { // 0: it is in another pid namespace
		p.PID = uint32(cred.Pid)
	}
	return p, nil
}
