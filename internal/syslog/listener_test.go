package syslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// memory is a Log that keeps what it is given.
type memory struct {
	mu   sync.Mutex
	got  []string
	from []Peer
	next map[uint64]uint64 // by connection: the number of the message that must come next
	fail int               // so many times it cannot take anything
	hold chan struct{}     // not nil: Take waits for it
	wake chan struct{}     // told of each call
}

func newMemory() *memory { return &memory{next: map[uint64]uint64{}, wake: make(chan struct{}, 1000)} }

func (m *memory) Take(ctx context.Context, from Peer, first uint64, messages []Message) error {
	m.wake <- struct{}{}
	if m.hold != nil {
		<-m.hold
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return errors.New("the context of work that must be done has ended")
	}
	if m.fail > 0 {
		m.fail--
		return errors.New("disk full")
	}
	if first != m.next[from.Conn] {
		return fmt.Errorf("message %d of connection %d, want %d", first, from.Conn, m.next[from.Conn])
	}
	m.next[from.Conn] += uint64(len(messages))
	for _, x := range messages {
		text := string(x.Text)
		if x.Err != nil {
			text += " " + x.Err.Error()
		}
		m.got = append(m.got, text)
		m.from = append(m.from, from)
	}
	return nil
}

func (m *memory) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.got...)
}

// listening is a listener that runs until the test ends, or stop is called, which waits for its end.
func listening(t *testing.T, log Log, limits Limits) (l *Listener, addr string, stop func()) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = New(log, limits, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, socket) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return l, socket.Addr().String(), stop
}

// metric is the sum of a counter over its labels.
func metric(t *testing.T, l *Listener, name string) (sum float64) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(l.Counts()); err != nil {
		t.Fatal(err)
	}
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// ended waits until the other end has closed a connection.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	var ne net.Error
	if err == nil || errors.As(err, &ne) && ne.Timeout() {
		t.Fatalf("the connection is still open: %v", err)
	}
}

// All that was sent before the end is taken, also what the listener had not read when it was told to end.
func TestEndTakesWhatWasSent(t *testing.T) {
	m := newMemory()
	m.hold = make(chan struct{})
	_, addr, stop := listening(t, m, Limits{})
	c := dial(t, addr)
	var want []string
	send(t, c, "<13>0\n")
	want = append(want, "<13>0")
	<-m.wake // it is on its way, so the rest is not read
	for i := range 500 {
		want = append(want, fmt.Sprintf("<13>%d %s", i+1, strings.Repeat("x", 50)))
		send(t, c, want[i+1]+"\n")
	}
	go func() { close(m.hold) }()
	stop()
	if diff := cmp.Diff(want, m.texts()); diff != "" {
		t.Error(diff)
	}
	ended(t, c)
}

// A log that cannot take anything makes its sender wait; nothing is dropped.
func TestNothingIsDroppedWhileTheLogCannot(t *testing.T) {
	m := newMemory()
	m.fail = 2
	l, addr, stop := listening(t, m, Limits{})
	c := dial(t, addr)
	send(t, c, "<13>a\n")
	for range 3 {
		select {
		case <-m.wake:
		case <-time.After(30 * time.Second):
			t.Fatal("it is not tried again")
		}
	}
	send(t, c, "<13>b\n")
	<-m.wake
	stop()
	if diff := cmp.Diff([]string{"<13>a", "<13>b"}, m.texts()); diff != "" {
		t.Error(diff)
	}
	if n := metric(t, l, "stet_syslog_failures_total"); n != 2 {
		t.Errorf("%v failures are counted", n)
	}
}

func TestBrokenMessages(t *testing.T) {
	m := newMemory()
	l, addr, stop := listening(t, m, Limits{Message: 10})
	c := dial(t, addr)
	send(t, c, "<13>too long\n4 <13>a")
	ended(t, c) // only a new connection finds its way again
	c = dial(t, addr)
	send(t, c, "9 <13>cut")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	ended(t, c)
	stop()
	if diff := cmp.Diff([]string{"<13>too lo " + ErrLong.Error(), "<13>", "a " + ErrFraming.Error(), "<13>cut " + ErrCut.Error()}, m.texts()); diff != "" {
		t.Error(diff)
	}
	if n := metric(t, l, "stet_syslog_messages_total"); n != 4 {
		t.Errorf("%v messages are counted", n)
	}
}

// A message that does not come to its end is given up, and handed on as what it is; one that was silent is not at fault.
func TestSlowSender(t *testing.T) {
	m := newMemory()
	_, addr, stop := listening(t, m, Limits{MessageTime: 50 * time.Millisecond})
	c := dial(t, addr)
	send(t, c, "<13>whole\n<13>ha")
	ended(t, c)
	stop()
	if diff := cmp.Diff([]string{"<13>whole", "<13>ha " + ErrCut.Error()}, m.texts()); diff != "" {
		t.Error(diff)
	}
}

func TestIdleSenderIsClosed(t *testing.T) {
	m := newMemory()
	_, addr, _ := listening(t, m, Limits{Idle: 20 * time.Millisecond})
	ended(t, dial(t, addr))
	if got := m.texts(); len(got) != 0 {
		t.Errorf("taken: %q", got)
	}
}

// One address has so many connections and no more, so that it cannot keep others out.
func TestConnectionsOfOneAddress(t *testing.T) {
	m := newMemory()
	l, addr, _ := listening(t, m, Limits{PerAddress: 2})
	kept := dial(t, addr)
	other := dial(t, addr)
	for _, c := range []net.Conn{kept, other} { // so both have been accepted
		send(t, c, "<13>a\n")
		<-m.wake
	}
	ended(t, dial(t, addr))
	if n := metric(t, l, "stet_syslog_refused_connections_total"); n != 1 {
		t.Errorf("%v connections were turned away", n)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	send(t, kept, "<13>b\n")
	<-m.wake
	for deadline := time.Now().Add(time.Minute); ; { // a place is free as soon as the listener has seen the end
		c := dial(t, addr)
		_, err := io.WriteString(c, "<13>c\n")
		if err == nil {
			select {
			case <-m.wake:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the place of a connection that has ended is not free")
		}
	}
}

// Who sends more than its rate is read more slowly, and loses nothing.
func TestRate(t *testing.T) {
	m := newMemory()
	l, addr, stop := listening(t, m, Limits{Rate: 20_000, Burst: 300})
	c := dial(t, addr)
	var want []string
	var text strings.Builder
	for i := range 3000 {
		want = append(want, fmt.Sprintf("<13>%d", i))
		text.WriteString(want[i] + "\n")
	}
	send(t, c, text.String())
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	ended(t, c)
	stop()
	if diff := cmp.Diff(want, m.texts()); diff != "" {
		t.Error(diff)
	}
	if metric(t, l, "stet_syslog_slowed_total") == 0 {
		t.Error("it was not made to wait")
	}
}
