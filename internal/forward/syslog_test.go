package forward

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

// settling is the settling time of these tests.
const settling = 50 * time.Millisecond

// peer is a syslog receiver of which a test says what it does with its connections. The first is the watching one.
type peer struct {
	t     *testing.T
	l     net.Listener
	mu    sync.Mutex
	conns []*net.TCPConn // in the order in which they were accepted
	// line is what is done with a connection that carries rows.
	line func(n int, c *net.TCPConn) // n from 1
	all  sync.WaitGroup
}

func newPeer(t *testing.T, line func(n int, c *net.TCPConn)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, l: l, line: line}
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tcp := c.(*net.TCPConn)
			p.mu.Lock()
			p.conns = append(p.conns, tcp)
			n := len(p.conns) - 1
			p.mu.Unlock()
			if n > 0 {
				p.all.Go(func() { p.line(n, tcp) })
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.die()
		p.all.Wait()
	})
	return p
}

// die closes all connections, as the end of a process does.
func (p *peer) die() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
}

func (p *peer) syslog() *Syslog {
	d := NewSyslog(DialTCP(p.l.Addr().String(), nil), settling)
	p.t.Cleanup(func() { _ = d.Close() })
	return d
}

func someRows(first uint64, n int) (rows []Row) {
	for i := range n {
		rows = append(rows, Row{Seq: first + uint64(i), Data: fmt.Appendf(nil, "row %d", first+uint64(i))})
	}
	return rows
}

// toEnd reads a connection to its end, and ends it.
func toEnd(c *net.TCPConn) []byte {
	b, _ := io.ReadAll(c)
	_ = c.Close()
	return b
}

// Rows are safe when the receiver has read their connection to its end and has lived on for the settling time, and only then.
func TestSyslogWaitsForTheReceiver(t *testing.T) {
	got := make(chan []byte, 1)
	p := newPeer(t, func(_ int, c *net.TCPConn) { got <- toEnd(c) })
	d := p.syslog()
	if r := d.Send(t.Context(), someRows(7, 2)); r.Err != nil || len(r.Left) > 0 {
		t.Fatalf("%+v", r)
	}
	if safe, err := d.Settle(t.Context(), 9, false); safe != 0 || err != nil {
		t.Errorf("at once %d is safe, %v", safe, err)
	}
	began := time.Now()
	if safe, err := d.Settle(t.Context(), 9, true); safe != 9 || err != nil {
		t.Errorf("%d is safe, %v", safe, err)
	}
	if took := time.Since(began); took < settling {
		t.Errorf("it was called safe after %v", took)
	}
	if b := <-got; string(b) != "5 row 75 row 8" {
		t.Errorf("the receiver has read %q", b)
	}
	if safe, err := d.Settle(t.Context(), 20, false); safe != 20 || err != nil { // nothing is on its way
		t.Errorf("then %d is safe, %v", safe, err)
	}
}

// Whatever a receiver does that may have cost a row, nothing is called safe, and all is to be sent again.
func TestSyslogReceiversThatLose(t *testing.T) {
	for name, line := range map[string]func(p *peer, c *net.TCPConn){
		"it closes without having read":              func(_ *peer, c *net.TCPConn) { _ = c.Close() },
		"it reads a part, and closes":                func(_ *peer, c *net.TCPConn) { _, _ = io.ReadFull(c, make([]byte, 3)); _ = c.Close() },
		"it breaks the connection":                   func(_ *peer, c *net.TCPConn) { _, _ = c.Read(make([]byte, 14)); _ = c.SetLinger(0); _ = c.Close() },
		"it reads all to the end, and dies":          func(p *peer, c *net.TCPConn) { _, _ = io.ReadAll(c); p.die() },
		"it reads all to the end, closes, then dies": func(p *peer, c *net.TCPConn) { toEnd(c); p.die() },
	} {
		t.Run(name, func(t *testing.T) {
			var p *peer
			ready := make(chan struct{})
			p = newPeer(t, func(_ int, c *net.TCPConn) {
				<-ready
				line(p, c)
			})
			close(ready)
			d := p.syslog()
			d.settling = 10 * time.Second // the receiver must not seem to live on because the machine is slow
			r := d.Send(t.Context(), someRows(7, 2))
			err := r.Err
			if err == nil {
				var safe uint64
				if safe, err = d.Settle(t.Context(), 9, true); err == nil {
					t.Fatalf("%d is called safe", safe)
				}
			}
			if !errors.Is(err, errLost) {
				t.Errorf("it says %v", err)
			}
			if safe, err := d.Settle(t.Context(), 7, true); safe != 7 || err != nil {
				t.Errorf("then, of what was safe before: %d, %v", safe, err)
			}
		})
	}
}

// A connection that the receiver has ended by itself is not taken for one that was read to its end.
func TestSyslogEndedByTheReceiver(t *testing.T) {
	p := newPeer(t, func(_ int, c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 14))
		_ = c.Close()
	})
	d := p.syslog()
	if r := d.Send(t.Context(), someRows(7, 2)); r.Err != nil {
		t.Fatal(r.Err)
	}
	<-d.line.ended
	if safe, err := d.Settle(t.Context(), 9, true); !errors.Is(err, errLost) {
		t.Errorf("%d is called safe, %v", safe, err)
	}
}

// A connection begins when the one before it has ended, so that rows come in their order; and what was lost on one of several is sent again
// from there.
func TestSyslogForwarding(t *testing.T) {
	l := record(t, "a", 1200, 1)
	var mu sync.Mutex
	var got bytes.Buffer
	open := 0
	p := newPeer(t, func(n int, c *net.TCPConn) {
		defer func() { _ = c.Close() }()
		first := make([]byte, 1)
		if _, err := c.Read(first); err != nil {
			return // a watching one
		}
		mu.Lock()
		if open++; open > 1 {
			t.Errorf("%d connections carry rows", open)
		}
		mu.Unlock()
		if n == 1 { // the first loses what it has read, and all that was not
			_, _ = io.ReadFull(c, make([]byte, 100_000))
			mu.Lock()
			open--
			mu.Unlock()
			return
		}
		b, _ := io.ReadAll(c)
		mu.Lock()
		got.Write(append(first, b...))
		open--
		mu.Unlock()
	})
	cursor := openCursor(t, fsxtest.New())
	o := options(l, p.syslog(), cursor)
	if err := New(o).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	var want bytes.Buffer
	for _, r := range l.rows {
		fmt.Fprintf(&want, "%d %s", len(r.Data), r.Data)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes came, want %d", got.Len(), want.Len())
	}
	if cursor.Next != l.checkpoints[l.at].Size || cursor.Rows != uint64(len(l.rows)) {
		t.Errorf("the cursor is at %+v", cursor.Place)
	}
}

// A receiver that is not there is no loss, and one that goes away while nothing is on its way neither.
func TestSyslogReceiverIsAway(t *testing.T) {
	p := newPeer(t, func(_ int, c *net.TCPConn) { toEnd(c) })
	d := p.syslog()
	if r := d.Send(t.Context(), someRows(0, 1)); r.Err != nil {
		t.Fatal(r.Err)
	}
	if safe, err := d.Settle(t.Context(), 1, true); safe != 1 || err != nil {
		t.Fatalf("%d, %v", safe, err)
	}
	if err := p.l.Close(); err != nil {
		t.Fatal(err)
	}
	p.die()
	<-d.watch.ended
	if r := d.Send(t.Context(), someRows(1, 2)); r.Err == nil || errors.Is(r.Err, errLost) || len(r.Left) != 2 {
		t.Errorf("%+v", r)
	}
}

// Whoever gives up does not wait for the receiver.
func TestSyslogGivenUp(t *testing.T) {
	p := newPeer(t, func(_ int, c *net.TCPConn) { _, _ = io.ReadAll(c) }) // and never ends it
	d := p.syslog()
	d.settling = time.Millisecond
	if r := d.Send(t.Context(), someRows(0, 1)); r.Err != nil {
		t.Fatal(r.Err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if safe, err := d.Settle(ctx, 1, true); err == nil || safe != 0 {
		t.Errorf("%d is safe, %v", safe, err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if r := p.syslog().Send(ctx, someRows(0, 1)); r.Err == nil {
		t.Error("it was sent")
	}
}

// A receiver that wants a certificate says so only when we write already: its reason is told, and not just that the connection broke.
func TestSyslogSaysWhyItIsTurnedAway(t *testing.T) {
	own := httptest.NewTLSServer(nil) // for its certificate
	defer own.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: own.TLS.Certificates, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				_ = c.(*tls.Conn).Handshake() // which fails, and has told the other side
				_ = c.Close()
			})
		}
	})
	defer all.Wait()
	defer func() { _ = l.Close() }()
	trust := x509.NewCertPool()
	trust.AddCert(own.Certificate())
	d := NewSyslog(DialTCP(l.Addr().String(), &tls.Config{RootCAs: trust, ServerName: "example.com"}), settling)
	defer func() { _ = d.Close() }()
	for range 100 {
		r := d.Send(t.Context(), someRows(0, 1))
		if r.Err == nil {
			_, r.Err = d.Settle(t.Context(), 1, true)
		}
		if r.Err == nil || !strings.Contains(r.Err.Error(), "certificate required") {
			t.Fatalf("it says: %v", r.Err)
		}
	}
}
