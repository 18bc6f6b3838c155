package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
)

// pipes is a listener whose connections are in memory, so that their time is that of synctest.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// atHome is a connection from this machine.
type atHome struct{ net.Conn }

func (atHome) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2} }

// told is one thing that a stream says.
type told struct {
	event string
	id    int64 // -1: none
	data  string
	at    time.Time
}

// stream is the reader of one tail.
type stream struct {
	t    *testing.T
	conn net.Conn
	body *bufio.Reader
	resp *http.Response
}

// listen opens a stream. One that is refused is read to its end.
func (w *world) listen(t *testing.T, p *pipes, token, params string, headers ...string) *stream {
	t.Helper()
	mine, theirs := net.Pipe()
	p.conns <- atHome{theirs}
	r, err := http.NewRequest(http.MethodGet, "http://localhost/v1/tail"+params, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.tokens[token])
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if err := r.Write(mine); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(mine), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(mine.Close(), resp.Body.Close()) })
	return &stream{t, mine, bufio.NewReader(resp.Body), resp}
}

// next is the next thing that is said; io.EOF where nothing more comes.
func (s *stream) next() (a told, err error) {
	a.id = -1
	for {
		line, err := s.body.ReadString('\n')
		if err != nil {
			return a, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "":
			a.at = time.Now()
			return a, nil
		case "id":
			a.id, _ = strconv.ParseInt(value, 10, 64)
		case "event":
			a.event = value
		case "data":
			a.data += value
		}
	}
}

// entries reads n entries, whatever else is said between, and returns their numbers.
func (s *stream) entries(n int) (seqs []uint64) {
	s.t.Helper()
	for began := time.Now(); len(seqs) < n; {
		a, err := s.next()
		if err == nil && time.Since(began) > time.Hour {
			err = errors.New("nothing for an hour")
		}
		if err != nil {
			s.t.Fatalf("after %d entries: %v", len(seqs), err)
		}
		if a.event == "entry" {
			if !strings.HasPrefix(a.data, fmt.Sprintf(`{"seq":%d,"state":"verified"`, a.id)) {
				s.t.Errorf("entry %d is %.200s", a.id, a.data)
			}
			seqs = append(seqs, uint64(a.id))
		}
	}
	return seqs
}

func (s *stream) close() { _ = s.conn.Close() }

// inTime runs a test on a world that is served in memory, in synctest's time.
func inTime(t *testing.T, change func(*Options), fn func(t *testing.T, w *world, p *pipes, s *serving)) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		w := newWorld(t, change)
		fn(t, w, p, w.serve(time.Second, p))
	})
}

// A stream tells what comes, in order, each once, for as long as somebody listens, which is longer than a request may take; who comes
// again goes on behind the last that it has seen, whatever came meanwhile.
func TestTail(t *testing.T) {
	inTime(t, nil, func(t *testing.T, w *world, p *pipes, _ *serving) {
		from := w.held.State().Published
		s := newSender(t, "shop")
		post := func() (seq uint64) {
			got := receipts(t, w.post("writer", s.say(3))).Results[0]
			return *got.Seq
		}
		one := w.listen(t, p, "reader", "?q=event:shop_checkout")
		if got := one.resp.Header.Get("Content-Type"); got != "text/event-stream" {
			t.Fatalf("status %d, type %q", one.resp.StatusCode, got)
		}
		var want, got []uint64
		for range 4 {
			seq := post()
			want = append(want, seq, seq+1, seq+2)
			got = append(got, one.entries(3)...)
			for quiet := time.Now(); time.Since(quiet) < 10*time.Minute; { // it says that it is alive
				last := time.Now()
				a, err := one.next()
				if err != nil || a.event != "searched" || a.at.Sub(last) > tailKeep {
					t.Fatalf("%v after %v: %+v", err, a.at.Sub(last), a)
				}
			}
		}
		one.close()
		seq := post()
		want = append(want, seq, seq+1, seq+2)
		two := w.listen(t, p, "reader", "?q=event:shop_checkout", "Last-Event-ID", fmt.Sprint(got[len(got)-2])) // the last was lost
		got = append(got[:len(got)-1], two.entries(4)...)
		two.close()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told of %v, want %v", got, want)
		}
		three := w.listen(t, p, "auditor", fmt.Sprintf("?q=event:shop_checkout&limit=%d&from=%d", len(want), from))
		if got := three.entries(len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("from the beginning: %v, want %v", got, want)
		}
		if a, err := three.next(); !errors.Is(err, io.EOF) {
			t.Errorf("behind the limit: %+v, %v", a, err)
		}
	})
}

// Who asks for no rows is told that there is something new, whatever it is, and so has read nothing; that is when the rows are
// asked for. So a page that shows what comes has its readings recorded once.
func TestTailWithoutRows(t *testing.T) {
	var read []Reading
	inTime(t, func(o *Options) {
		o.Read = func(_ context.Context, _ auth.Identity, _ Peer, r Reading) { read = append(read, r) }
	}, func(t *testing.T, w *world, p *pipes, _ *serving) {
		s := newSender(t, "shop")
		for _, query := range []string{"event:shop_checkout", "event:never"} {
			one := w.listen(t, p, "reader", "?q="+query+"&rows=no")
			seq := *receipts(t, w.post("writer", s.say(3))).Results[0].Seq
			read = nil
			for below, began := uint64(0), time.Now(); below <= seq+2; {
				a, err := one.next()
				var said struct{ Below uint64 }
				if err == nil && a.event == "searched" {
					err = json.Unmarshal([]byte(a.data), &said)
				}
				if err != nil || a.event != "searched" || said.Below < below || time.Since(began) > tailKeep/2 {
					t.Fatalf("%s: after %v: %+v, %v", query, time.Since(began), a, err)
				}
				below = said.Below
			}
			one.close()
			if len(read) > 0 {
				t.Errorf("%s: recorded as read: %+v", query, read)
			}
			w.find("reader", fmt.Sprintf("seq:>=%d event:shop_checkout", seq))
			if want := (Reading{seq, seq + 2, 3}); len(read) != 1 || read[0] != want {
				t.Errorf("%s: of the rows that were given out is recorded %+v, want %+v", query, read, want)
			}
			two := w.listen(t, p, "reader", fmt.Sprintf("?q=event:shop_checkout&from=%d&limit=3", seq))
			two.entries(3)
			if _, err := two.next(); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if len(read) != 2 || read[1] != read[0] {
				t.Errorf("%s: of a stream of rows is recorded %+v", query, read)
			}
		}
	})
}

// Who does not take what is said is cut off, and its place is free for others.
func TestTailOfASlowReader(t *testing.T) {
	inTime(t, func(o *Options) { o.Limits.Tails = 1 }, func(t *testing.T, w *world, p *pipes, _ *serving) {
		slow := w.listen(t, p, "auditor", "")
		if other := w.listen(t, p, "admin", ""); other.resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("one more than there may be: status %d", other.resp.StatusCode)
		}
		time.Sleep(time.Minute) // of synctest's: it reads nothing
		synctest.Wait()
		if n := len(w.server.listening); n != 0 {
			slow.close()
			t.Fatalf("%d streams are open", n)
		}
		if _, err := io.Copy(io.Discard, slow.body); err == nil {
			t.Error("it was not cut off, but ended")
		}
		again := w.listen(t, p, "admin", "")
		if a, err := again.next(); err != nil || a.event != "searched" {
			t.Errorf("the next one: %+v, %v", a, err)
		}
		again.close()
	})
}

// The end of a server is the end of its streams, which say so and keep nobody waiting.
func TestTailEnds(t *testing.T) {
	inTime(t, nil, func(t *testing.T, w *world, p *pipes, s *serving) {
		one := w.listen(t, p, "auditor", "")
		if _, err := one.next(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		s.end()
		for {
			a, err := one.next()
			if err != nil {
				t.Fatalf("it ended without a word: %v", err)
			}
			if a.event == "end" {
				break
			}
		}
		if _, err := one.next(); !errors.Is(err, io.EOF) {
			t.Errorf("behind the end: %v", err)
		}
		one.close()
		if err := s.wait(); err != nil || time.Since(began) >= time.Second {
			t.Errorf("Serve took %v: %v", time.Since(began), err)
		}
	})
}

// A token that is revoked hears nothing more.
func TestTailOfARevokedToken(t *testing.T) {
	inTime(t, nil, func(t *testing.T, w *world, p *pipes, _ *serving) {
		one := w.listen(t, p, "reader", "")
		if _, err := one.next(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.auth.Revoke("reader"); err != nil {
			t.Fatal(err)
		}
		receipts(t, w.post("writer", newSender(t, "shop").say(1)))
		for {
			a, err := one.next()
			if err != nil || a.event == "entry" {
				t.Fatalf("told of %+v, %v", a, err)
			}
			if a.event == "end" {
				break
			}
		}
		one.close()
	})
}

// There are only so many streams of one token.
func TestTailIsBounded(t *testing.T) {
	inTime(t, func(o *Options) { o.Limits.Tails = 4 }, func(t *testing.T, w *world, p *pipes, _ *serving) {
		var all []*stream
		for range 3 {
			all = append(all, w.listen(t, p, "auditor", ""))
		}
		if more := w.listen(t, p, "auditor", ""); more.resp.StatusCode != http.StatusTooManyRequests {
			t.Errorf("a fourth: status %d", more.resp.StatusCode)
		}
		other := w.listen(t, p, "admin", "")
		if other.resp.StatusCode != http.StatusOK {
			t.Errorf("somebody else's: status %d", other.resp.StatusCode)
		}
		for _, s := range append(all, other) {
			s.close()
		}
	})
}

// Who asks wrongly is told so before the stream begins.
func TestTailRefuses(t *testing.T) {
	w := newWorld(t, nil)
	for target, want := range map[string]wire.Code{"?q=evnt:x": wire.InvalidQuery, "?from=-1": wire.Malformed, "?from=9007199254740992": wire.Malformed, "?limit=0": wire.Malformed, "?cursor=x": wire.Malformed, "?rows=x": wire.Malformed} {
		wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/tail"+target, nil), want)
	}
	wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/tail", nil, "Last-Event-ID", "9007199254740991"), wire.Malformed)
}
