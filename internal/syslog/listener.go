package syslog

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Peer is what is known of who sends, by the listener itself.
type Peer struct {
	Addr netip.Addr
	// Subject is that of the client certificate, which was verified; "" without one.
	Subject string
	// Conn numbers the connections of a listener.
	Conn uint64
}

// Log is where messages go.
type Log interface {
	// Take returns when what became of the messages is durable: recorded, counted, or in quarantine. first is the number of the
	// first of them on its connection. After an error it is called again with the same, so it must know again what it took. It is
	// safe for concurrent use; the messages are the caller's once it returns.
	Take(ctx context.Context, from Peer, first uint64, messages []Message) error
}

// Limits are the bounds of a listener. Zero stands for the default.
type Limits struct {
	Connections int           // open at once; 512. One more waits in the kernel's queue
	PerAddress  int           // of these, of one address; 64. One more is closed at once
	Message     int           // bytes of a message; 64 KiB. What is longer is handed on as ErrLong
	Rate        float64       // messages a second of one address, in the mean; 5,000. Who sends more is read more slowly
	Burst       int           // of these at once; 10,000
	Idle        time.Duration // between two messages; 1 h
	MessageTime time.Duration // from a message's first byte to its last; 30 s
	Handshake   time.Duration // of TLS; 10 s
	Drain       time.Duration // for what senders have sent, when the listener ends; 5 s
}

func (l Limits) orDefaults() Limits {
	def(&l.Connections, 512)
	def(&l.PerAddress, 64)
	def(&l.Message, 64<<10)
	def(&l.Rate, 5000)
	def(&l.Burst, 10_000)
	def(&l.Idle, time.Hour)
	def(&l.MessageTime, 30*time.Second)
	def(&l.Handshake, 10*time.Second)
	def(&l.Drain, 5*time.Second)
	return l
}

func def[T int | float64 | time.Duration](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// What is handed on together, at most. A message is handed on when the next one is not here yet.
const (
	maxTogether = 256
	maxBytes    = 256 << 10
)

// Listener takes the messages of all connections. Its methods are safe for concurrent use.
type Listener struct {
	log    Log
	limits Limits
	logger *slog.Logger
	counts *Counts

	mu    sync.Mutex
	peers map[netip.Addr]*address
	conns uint64
}

// address is what the connections of one address share.
type address struct {
	open int
	rate *rate.Limiter
}

// New makes a listener for a log. logger may be nil.
func New(log Log, l Limits, logger *slog.Logger) *Listener {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Listener{log: log, limits: l.orDefaults(), logger: logger, counts: newCounts(), peers: map[netip.Addr]*address{}}
}

// Counts are what the listener counts, for a registry of metrics.
func (l *Listener) Counts() *Counts { return l.counts }

// Serve takes messages from all sockets, which it closes, until ctx ends. Then it takes no more connections, reads what the senders
// have sent already, as far as that comes within Limits.Drain, and returns when it is durable. Its error is that of a socket.
func (l *Listener) Serve(ctx context.Context, sockets ...net.Listener) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		for _, s := range sockets {
			_ = s.Close() // which ends accept
		}
	})
	defer stop()
	places := make(chan struct{}, l.limits.Connections)
	var all sync.WaitGroup
	for _, s := range sockets {
		all.Go(func() {
			if err := l.accept(ctx, s, places, &all); ctx.Err() == nil {
				cancel(err) // one that fails ends the others
			}
		})
	}
	all.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

func (l *Listener) accept(ctx context.Context, s net.Listener, places chan struct{}, all *sync.WaitGroup) error {
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		c, err := s.Accept()
		if err != nil {
			<-places
			var ne net.Error
			if ctx.Err() == nil && errors.As(err, &ne) && ne.Timeout() {
				continue
			}
			return err
		}
		a := addressOf(c)
		if !l.enter(a) {
			l.counts.refused.WithLabelValues("connections").Inc()
			_ = c.Close() // nothing was read
			<-places
			continue
		}
		all.Go(func() {
			defer func() { <-places }()
			defer l.leave(a)
			l.connection(ctx, c, a)
		})
	}
}

func addressOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

// enter takes a place of an address.
func (l *Listener) enter(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.peers[a]
	if p == nil {
		p = &address{rate: rate.NewLimiter(rate.Limit(l.limits.Rate), l.limits.Burst)}
		l.peers[a] = p
	}
	if p.open >= l.limits.PerAddress {
		return false
	}
	p.open++
	return true
}

// leave gives it back. An address without connections is remembered until its rate is whole again, or there are too many of them.
func (l *Listener) leave(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peers[a].open--
	for addr, p := range l.peers {
		if p.open == 0 && (len(l.peers) > 2*l.limits.Connections || p.rate.Tokens() >= float64(l.limits.Burst)) {
			delete(l.peers, addr)
		}
	}
}

// connection reads one connection to its end.
func (l *Listener) connection(ctx context.Context, c net.Conn, a netip.Addr) {
	defer func() { _ = c.Close() }() // all that counts was read, and is durable
	l.counts.connections.Inc()
	defer l.counts.connections.Dec()
	l.mu.Lock()
	l.conns++
	from := Peer{Addr: a, Conn: l.conns}
	l.mu.Unlock()
	if t, ok := c.(*tls.Conn); ok {
		shake, cancel := context.WithTimeout(ctx, l.limits.Handshake)
		err := t.HandshakeContext(shake)
		cancel()
		if err != nil {
			l.counts.refused.WithLabelValues("handshake").Inc()
			l.logger.Warn("a sender of syslog was turned away", slog.String("address", a.String()), slog.Any("error", err))
			return
		}
		if certs := t.ConnectionState().VerifiedChains; len(certs) > 0 {
			from.Subject = certs[0][0].Subject.String()
		}
	}
	s := &session{l: l, c: c, from: from}
	s.frames = frames{r: bufio.NewReaderSize(waker{s}, 16<<10), max: l.limits.Message}
	stop := context.AfterFunc(ctx, s.ending)
	defer stop()
	err := s.run(ctx)
	if err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		l.logger.Warn("a connection of syslog ended", slog.String("address", a.String()), slog.Any("error", err))
	}
}
