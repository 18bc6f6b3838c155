package server

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// gate bounds the connections of one listener that are open at once. One more waits in the kernel's queue until one of
// them ends, which the server's timeouts see to; so slow clients delay others, take no memory for it, and never delay the
// socket of the administrator, which has a gate of its own.
type gate struct {
	places chan struct{}
	open   atomic.Int64
	waits  atomic.Uint64 // times that a connection had to wait for a place
}

func newGate(most int) *gate { return &gate{places: make(chan struct{}, most)} }

// gatedListener is a listener behind a gate. It accepts once there is a place.
type gatedListener struct {
	net.Listener
	gate *gate
	once sync.Once
	done chan struct{}
}

func (g *gate) listen(l net.Listener) net.Listener {
	return &gatedListener{Listener: l, gate: g, done: make(chan struct{})}
}

func (l *gatedListener) Accept() (net.Conn, error) {
	select {
	case l.gate.places <- struct{}{}:
	default:
		l.gate.waits.Add(1)
		select {
		case l.gate.places <- struct{}{}:
		case <-l.done:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.gate.places
		return nil, err
	}
	l.gate.open.Add(1)
	return &gatedConn{Conn: c, gate: l.gate, peer: peerOf(c)}, nil
}

func (l *gatedListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// gatedConn gives its place back when it is closed.
type gatedConn struct {
	net.Conn
	gate *gate
	once sync.Once
	peer Peer
}

func (c *gatedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.gate.open.Add(-1)
		<-c.gate.places
	})
	return err
}

// Peer is what the server itself knows of who is at the other end of a connection.
type Peer struct {
	Unix          bool
	UID, GID, PID uint32 // of a Unix peer, when HasIDs
	HasIDs        bool
	Addr          netip.AddrPort // of a TCP peer
}

// Loopback says whether the peer is on this machine.
func (p Peer) Loopback() bool { return p.Unix || p.Addr.Addr().Unmap().IsLoopback() }

func peerOf(c net.Conn) Peer {
	switch c := c.(type) {
	case *net.UnixConn:
		p, err := unixPeer(c)
		if err != nil {
			return Peer{Unix: true} // nobody: whoever decides gives it no rights
		}
		return p
	case *net.TCPConn:
		if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			return Peer{Addr: a.AddrPort()}
		}
	}
	return Peer{}
}

type peerKey struct{}

// withPeer is http.Server's ConnContext.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	if g, ok := c.(*gatedConn); ok {
		return context.WithValue(ctx, peerKey{}, g.peer)
	}
	return ctx
}

func peerFrom(ctx context.Context) Peer {
	p, _ := ctx.Value(peerKey{}).(Peer)
	return p
}

// retryAfter rounds a wait up to whole seconds, at least one, as Retry-After has them (RFC 9110, 10.2.3).
func retryAfter(d time.Duration) int {
	return max(1, int((d+time.Second-1)/time.Second))
}
