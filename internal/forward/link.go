package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Dial makes a connection, for which it has dialTime. It returns the connection to use, and the one of TCP below it.
type Dial func(ctx context.Context) (net.Conn, *net.TCPConn, error)

// DialTCP connects to host:port; with trust in TLS, under the name of that host.
func DialTCP(address string, trust *tls.Config) Dial {
	return func(ctx context.Context) (net.Conn, *net.TCPConn, error) {
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		// The receiver's machine may go without a word: then the probes go unanswered.
		d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 4}}
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, nil, err
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok { // never
			return nil, nil, errors.Join(fmt.Errorf("connect: %T is no connection of TCP", conn), conn.Close())
		}
		// Where nobody listens at a port that the kernel gives out, it can connect a socket with itself.
		if conn.LocalAddr().String() == conn.RemoteAddr().String() {
			return nil, nil, errors.Join(errors.New("connect: nobody is there"), conn.Close())
		}
		if trust == nil {
			return conn, tcp, nil
		}
		config := trust.Clone()
		if config.ServerName == "" {
			if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
				return nil, nil, errors.Join(err, conn.Close())
			}
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, nil, errors.Join(err, conn.Close())
		}
		return secure, tcp, nil
	}
}

// settledEvery is how often the kernel is asked whether all has arrived; it takes one way to the receiver and back.
const settledEvery = 2 * time.Millisecond

// link is a connection to a receiver that says nothing. What it says all the same (tickets of TLS) is read, because to close
// a connection with something unread would make TCP break it, and the receiver lose what it has not read.
type link struct {
	conn  net.Conn
	tcp   *net.TCPConn
	ended chan struct{} // closed when the receiver has ended it, or it broke
	err   error         // why, behind ended; io.EOF: it was ended in order
}

func open(ctx context.Context, dial Dial) (*link, error) {
	conn, tcp, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{conn: conn, tcp: tcp, ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		var b [512]byte
		for l.err == nil {
			_, l.err = conn.Read(b[:])
		}
		if errors.Is(l.err, io.ErrUnexpectedEOF) { // many receivers end TCP and leave TLS open
			l.err = io.EOF
		}
	}()
	return l, nil
}

// gone says whether the receiver, or what is between, has ended the connection. It asks the kernel, which knows before the reading
// goroutine does.
func (l *link) gone() bool {
	select {
	case <-l.ended:
		return true
	default:
	}
	raw, err := l.tcp.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	if err := raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n == 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	}); err != nil {
		return true
	}
	return gone
}

// why says why a connection is gone.
func (l *link) why() error {
	<-l.ended // the reading goroutine finds out what the kernel has said
	if errors.Is(l.err, io.EOF) {
		return errEnded
	}
	return l.err
}

// wait waits for some time, at most until the connection is gone.
func (l *link) wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-l.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write writes all of b, unless ctx ends, writeTime is over or the connection breaks: then nobody knows how much of it.
func (l *link) write(ctx context.Context, b []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = l.tcp.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	for len(b) > 0 {
		if err := l.tcp.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := l.conn.Write(b[:min(len(b), 64<<10)])
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
				err = fmt.Errorf("it has read nothing for %v: %w", writeTime, err)
			}
			return l.reason(err)
		}
		b = b[n:]
	}
	return nil
}

// lastWord is how long a receiver's reason is waited for where a connection broke.
const lastWord = time.Second

// reason is what the receiver has said to why a connection broke that could not be written to, if it has. In TLS 1.3 it objects to
// a certificate only after the handshake, when we write already.
func (l *link) reason(err error) error {
	if _, secure := l.conn.(*tls.Conn); !secure || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	t := time.NewTimer(lastWord)
	defer t.Stop()
	select {
	case <-l.ended:
		if alert := (*net.OpError)(nil); errors.As(l.err, &alert) && alert.Op == "remote error" {
			return l.err
		}
	case <-t.C:
	}
	return err
}

// end ends the connection on our side, waits until the receiver has done so too, and closes it. It returns nil where both
// ended in order.
func (l *link) end(ctx context.Context) error {
	if l.gone() {
		return l.why()
	}
	if secure, ok := l.conn.(*tls.Conn); ok {
		if err := secure.CloseWrite(); err != nil {
			return l.reason(err)
		}
	}
	if err := l.tcp.CloseWrite(); err != nil {
		return l.reason(err)
	}
	t := time.NewTimer(closeTime)
	defer t.Stop()
	select {
	case <-l.ended:
	case <-t.C:
		return fmt.Errorf("it has not ended a connection for %v that was ended here", closeTime)
	case <-ctx.Done():
		return ctx.Err()
	}
	defer l.close()
	if !errors.Is(l.err, io.EOF) {
		return l.err
	}
	// A receiver may have ended the connection by itself, and what we wrote have come behind that: then its machine says so now.
	for {
		done, err := settled(l.tcp)
		if done || err != nil {
			return err
		}
		select {
		case <-time.After(settledEvery):
		case <-t.C:
			return fmt.Errorf("its machine has not taken for %v what was written", closeTime)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// close ends the connection at once.
func (l *link) close() { _ = l.tcp.Close() } // whatever it says: nothing is claimed of it any more
