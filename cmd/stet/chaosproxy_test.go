package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// fault is what a proxy does to one request and its answer.
type fault int

const (
	unharmed    fault = iota
	slow              // every piece is late, in both directions
	cutRequest        // both connections are reset in the middle of the request
	halfRequest       // the server sees the end of the stream in the middle of the request; its answer passes
	swallow           // the server's answer has begun, so it has done what was asked: both are reset, and not a byte passes
	cutAnswer         // both are reset in the middle of the answer
	halfAnswer        // the client sees the end of the stream in the middle of the answer
	unreachable       // no server is there
	faults
)

func (f fault) String() string {
	return [...]string{"passed", "slow", "request cut", "request half-closed", "answer swallowed", "answer cut", "answer half-closed", "no server"}[f]
}

// turn is one request and its answer on a connection.
type turn struct {
	fault     fault
	at        int // bytes of the request, or of the answer, after which it strikes
	asked     int // bytes of the request that were passed
	answered  int // bytes of the answer
	answering bool
}

// proxy stands between emitters and a server whose address changes, and does harm. What the server answered is handed to
// hear, also what never reached anybody.
type proxy struct {
	listener net.Listener
	hear     func(req *http.Request, body []byte, resp *http.Response, answer []byte)
	serving  sync.WaitGroup

	mu     sync.Mutex
	rand   *rand.Rand
	deck   []fault // what comes next, so that each comes as often
	kind   bool    // everything passes
	target string  // host:port
	struck [faults]int
	pulse  chan struct{} // closed and made anew when something begins: a request or an answer
	conns  map[net.Conn]bool
}

func newProxy(ctx context.Context, seed uint64, hear func(*http.Request, []byte, *http.Response, []byte)) (*proxy, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, hear: hear, rand: rand.New(rand.NewPCG(seed, 1)), pulse: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.serving.Go(func() { p.serve(ctx, c.(*net.TCPConn)) })
		}
	})
	return p, nil
}

func (p *proxy) url() string { return "http://" + p.listener.Addr().String() }

// close ends all connections, and returns when all that was said on them was heard.
func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
}

// to says where the server is now; "" where there is none.
func (p *proxy) to(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// calm ends the harm.
func (p *proxy) calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kind = true
}

// next is closed when the next request or answer begins.
func (p *proxy) next() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pulse
}

// deal chooses what becomes of the next request. Half of them pass, so that there is progress.
func (p *proxy) deal() turn {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.pulse)
	p.pulse = make(chan struct{})
	if p.kind {
		return turn{}
	}
	if len(p.deck) == 0 {
		p.deck = []fault{unharmed, unharmed, unharmed, unharmed, unharmed, slow, cutRequest, halfRequest, swallow, cutAnswer, halfAnswer}
		p.rand.Shuffle(len(p.deck), func(i, j int) { p.deck[i], p.deck[j] = p.deck[j], p.deck[i] })
	}
	t := turn{fault: p.deck[0], at: 1 + p.rand.IntN(16<<p.rand.IntN(12))} // of short requests and long ones
	p.deck = p.deck[1:]
	if t.fault == unharmed || t.fault == slow {
		p.struck[t.fault]++
	}
	return t
}

func (p *proxy) strike(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.struck[f]++
	close(p.pulse)
	p.pulse = make(chan struct{})
}

// link is one client's connection and the one to the server.
type link struct {
	p              *proxy
	client, server *net.TCPConn
	asked, told    *tape // what passed to the server, and what it said

	mu   sync.Mutex
	turn turn
}

func (p *proxy) serve(ctx context.Context, client *net.TCPConn) {
	p.mu.Lock()
	p.conns[client] = true
	target := p.target
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, client)
		p.mu.Unlock()
	}()
	var d net.Dialer
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, "tcp", target)
	if err != nil {
		p.strike(unreachable)
		reset(client)
		return
	}
	l := &link{p: p, client: client, server: c.(*net.TCPConn), asked: newTape(), told: newTape(), turn: turn{answering: true}}
	var both sync.WaitGroup
	both.Go(l.request)
	both.Go(l.answer)
	both.Go(l.listen)
	both.Wait()
	_, _ = l.client.Close(), l.server.Close()
}

// reset closes a connection so that its peer sees an error and not an end.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

func (l *link) cut() {
	reset(l.client)
	reset(l.server)
}

// request passes on what the client says.
func (l *link) request() {
	defer l.asked.end()
	b := make([]byte, 32<<10)
	for {
		n, err := l.client.Read(b)
		if n > 0 && !l.ask(b[:n]) {
			_, _ = io.Copy(io.Discard, l.client) // nothing of the rest passes
			return
		}
		if err != nil {
			_ = l.server.CloseWrite()
			return
		}
	}
}

// ask passes a piece of a request on, and says whether more may pass.
func (l *link) ask(b []byte) bool {
	l.mu.Lock()
	if l.turn.answering {
		l.turn = l.p.deal()
	}
	t := l.turn
	cut := (t.fault == cutRequest || t.fault == halfRequest) && t.asked+len(b) > t.at
	if cut {
		b = b[:t.at-t.asked]
	}
	l.turn.asked += len(b)
	l.mu.Unlock()
	if t.fault == slow {
		time.Sleep(time.Duration(t.at%5) * time.Millisecond) // the harm itself; nobody waits for it
	}
	l.asked.add(b)
	_, err := l.server.Write(b)
	if cut {
		l.p.strike(t.fault)
		if t.fault == cutRequest {
			l.cut()
		} else {
			_ = l.server.CloseWrite()
		}
	}
	return err == nil && !cut
}

// answer passes on what the server says.
func (l *link) answer() {
	defer l.told.end()
	b := make([]byte, 32<<10)
	for {
		n, err := l.server.Read(b)
		if n > 0 {
			l.told.add(b[:n])
			if !l.tell(b[:n]) {
				for err == nil { // what else it says is heard and does not pass
					n, err = l.server.Read(b)
					l.told.add(b[:n])
				}
			}
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				_ = l.client.CloseWrite()
			} else {
				reset(l.client) // a server that was killed does not say goodbye
			}
			return
		}
	}
}

// tell passes a piece of an answer on, and says whether more may pass.
func (l *link) tell(b []byte) bool {
	l.mu.Lock()
	began := !l.turn.answering
	l.turn.answering = true
	t := l.turn
	if t.fault == swallow {
		b = nil
	}
	cut := t.fault == swallow || (t.fault == cutAnswer || t.fault == halfAnswer) && t.answered+len(b) > t.at
	if cut && b != nil {
		b = b[:t.at-t.answered]
	}
	l.turn.answered += len(b)
	l.mu.Unlock()
	if began && !cut {
		l.p.beat()
	}
	if t.fault == slow {
		time.Sleep(time.Duration(t.at%5) * time.Millisecond)
	}
	_, err := l.client.Write(b)
	if cut {
		l.p.strike(t.fault)
		if t.fault == halfAnswer {
			_ = l.client.CloseWrite()
		} else {
			reset(l.client)
		}
	}
	return err == nil && !cut
}

func (p *proxy) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.pulse)
	p.pulse = make(chan struct{})
}

// listen reads requests and answers off the tapes, as far as both are whole.
func (l *link) listen() {
	asked, told := bufio.NewReader(l.asked), bufio.NewReader(l.told)
	for {
		req, err := http.ReadRequest(asked)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		resp, err := http.ReadResponse(told, req)
		if err != nil {
			return
		}
		answer, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return
		}
		l.p.hear(req, body, resp, answer)
	}
}

// tape keeps what one side said until it was read.
type tape struct {
	mu    sync.Mutex
	more  *sync.Cond
	b     bytes.Buffer
	ended bool
}

func newTape() *tape {
	t := &tape{}
	t.more = sync.NewCond(&t.mu)
	return t
}

func (t *tape) add(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b.Write(b)
	t.more.Broadcast()
}

func (t *tape) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.more.Broadcast()
}

func (t *tape) Read(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.b.Len() == 0 && !t.ended {
		t.more.Wait()
	}
	return t.b.Read(b)
}

// counts says how many requests each fault struck.
func (p *proxy) counts() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for f, n := range p.struck {
		all = append(all, fmt.Sprintf("%d %v", n, fault(f)))
	}
	return strings.Join(all, ", ")
}
