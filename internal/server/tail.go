package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/wire"
)

const (
	// tailPause is how long a stream that has told all there is waits at least before it asks again.
	tailPause = 500 * time.Millisecond
	// tailKeep is how often a stream says something, at least.
	tailKeep = 15 * time.Second
	// maxSeq is the largest number that an entry can have.
	maxSeq = 1<<53 - 1
)

// A tail is what a query finds as it comes into the log, told as server-sent events until the caller goes away: an "entry"
// with a row for each, whose id is its number; now and then "searched", whose id is the last number that was looked at; and
// "end" where the server ends it. The ids are what Last-Event-ID resumes behind.
type tail struct {
	s     *Server
	w     http.ResponseWriter
	rc    *http.ResponseController
	query search.Query
	at    uint64 // the next number to look at
	left  int    // rows until the end; below 0: no end
	bare  bool   // no rows are told, only how far can be searched
	buf   []byte
}

func (s *Server) getTail(w http.ResponseWriter, r *http.Request, c *Call) error {
	p, err := readParams(r, "q", "from", "limit", "rows")
	if err != nil {
		return err
	}
	t := &tail{s: s, w: w, rc: http.NewResponseController(w), left: -1}
	if t.query, err = p.query(); err != nil {
		return err
	}
	if p["limit"] != "" {
		if t.left, err = p.number("limit", 0, 1, 1_000_000); err != nil {
			return err
		}
	}
	switch text, given := p["rows"]; {
	case given && text != "no":
		return Refuse(wire.Malformed, "the parameter rows is no, or is left out")
	case given:
		t.bare = true
	}
	if _, _, err := c.Reads(); err != nil {
		return allowed(err)
	}
	if s.keeper == nil {
		return Refuse(wire.NotFound, "this server keeps no index")
	}
	if t.at, err = s.tailFrom(r, p); err != nil {
		return err
	}
	// Neither the time that a request has to arrive nor that of an answer is for this one.
	if err := t.rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", cacheNever)
	h.Set("X-Accel-Buffering", "no") // a proxy is not to collect
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := t.run(r, c); !errors.Is(err, errCutOff) {
		return err
	}
	return nil // whoever does not read, or is gone, is told nothing
}

// tailFrom is where a stream begins: behind the last that the caller has seen, where it says so, or behind what there is.
func (s *Server) tailFrom(r *http.Request, p params) (uint64, error) {
	cp, err := indexedLog{s.log}.Head(r.Context())
	if err != nil {
		return 0, fmt.Errorf("the log's own checkpoint: %w", err)
	}
	text, behind := r.Header.Get("Last-Event-ID"), uint64(1)
	if text == "" {
		text, behind = p["from"], 0
	}
	if text == "" {
		return cp.Size, nil
	}
	n, err := strconv.ParseUint(text, 10, 53)
	if err != nil || n+behind > maxSeq {
		return 0, Refuse(wire.Malformed, "Last-Event-ID, and the parameter from, are the number of an entry")
	}
	return n + behind, nil
}

// errCutOff says that the caller is gone, or does not read.
var errCutOff = errors.New("the reader is gone, or too slow")

// run tells what comes until the caller goes away, the server ends, or the caller may not read any more.
func (t *tail) run(r *http.Request, c *Call) error {
	ctx := r.Context()
	keep := time.NewTicker(tailKeep)
	defer keep.Stop()
	if err := t.searched(); err != nil {
		return err
	}
	for {
		select {
		case <-t.s.ending:
			return t.end("the server ends")
		default:
		}
		// A token may have been revoked since.
		id, err := t.s.identify(r, c.Peer, false)
		if err != nil {
			return t.end("the token is not good any more")
		}
		c.Identity = id
		next := t.s.keeper.next()
		more, err := t.tell(ctx, c)
		var ref *refusal
		switch {
		case errors.Is(err, errCutOff):
			return err
		case errors.As(err, &ref):
			return errors.Join(t.end(ref.problem.Title), err)
		case err != nil && ctx.Err() == nil:
			return errors.Join(t.end("the server cannot go on; its log says why"), err)
		case t.left == 0:
			return nil
		case more:
			continue
		}
		pause := time.NewTimer(tailPause)
		for waiting, paused := true, true; waiting; {
			var woken <-chan struct{}
			if !paused {
				woken = next
			}
			select {
			case <-ctx.Done():
				pause.Stop()
				return errCutOff
			case <-t.s.ending:
				pause.Stop()
				return t.end("the server ends")
			case <-keep.C:
				waiting = false
				if err := t.searched(); err != nil {
					pause.Stop()
					return err
				}
			case <-pause.C:
				paused = false
			case <-woken:
				waiting = false
			}
		}
		pause.Stop()
	}
}

// tell tells what is indexed and was not looked at yet, one page of it; more says that there is more.
func (t *tail) tell(ctx context.Context, c *Call) (more bool, err error) {
	indexed := t.s.keeper.indexed()
	if indexed <= t.at {
		return false, nil
	}
	if t.bare { // nothing of what the query finds, not even that it finds something: so nothing was read
		t.at = indexed
		return false, t.searched()
	}
	select {
	case t.s.asking <- struct{}{}: // streams wait for a place; they have time
	case <-ctx.Done():
		return false, errCutOff
	case <-t.s.ending:
		return false, nil
	}
	a := &asker{s: t.s, c: c, now: time.Now(), log: indexedLog{t.s.log}, x: t.s.keeper.x.Load(), said: searched{Indexed: unasked}}
	a.damage = a.x == nil
	var rows []index.Row
	var next *index.Window
	if a.what, a.all, err = c.Reads(); err == nil {
		asking, cancel := context.WithTimeoutCause(ctx, t.s.limits.QueryTime, errQueryTime)
		rows, next, err = a.find(asking, t.query, index.Window{From: t.at, To: index.Everything().To, Oldest: true}, rowsAtOnce)
		cancel()
	}
	<-t.s.asking
	if err != nil || a.damage {
		return false, err
	}
	for i, row := range rows {
		if t.left == 0 {
			rows = rows[:i]
			break
		}
		t.left--
		t.entry(row)
	}
	a.told(ctx, rows)
	if err := t.flush(); err != nil {
		return false, err
	}
	if next != nil {
		t.at = next.From
		return true, nil
	}
	t.at = max(t.at, a.said.Indexed)
	return false, nil
}

func (t *tail) entry(row index.Row) {
	t.buf = fmt.Appendf(t.buf, "id: %d\nevent: entry\ndata: ", row.Seq)
	line := appendRow(nil, row)
	if bytes.ContainsAny(line, "\r\n") { // of an entry that somebody has altered
		var b bytes.Buffer
		if json.Compact(&b, line) == nil {
			line = b.Bytes()
		}
	}
	t.buf = append(append(t.buf, line...), "\n\n"...)
}

// searched says how far the log was looked at, and that the stream is alive.
func (t *tail) searched() error {
	if t.at > 0 {
		t.buf = fmt.Appendf(t.buf, "id: %d\n", t.at-1)
	}
	t.buf = fmt.Appendf(t.buf, "event: searched\ndata: {\"below\":%d,\"rebuilding\":%t}\n\n", t.at, t.s.keeper.rebuilding())
	return t.flush()
}

// end is the last that a stream says.
func (t *tail) end(why string) error {
	t.buf = append(appendText(append(t.buf, "event: end\ndata: "...), why), "\n\n"...)
	return t.flush()
}

// flush sends what was said. Who does not take it in time is cut off.
func (t *tail) flush() error {
	if len(t.buf) == 0 {
		return nil
	}
	if err := t.rc.SetWriteDeadline(time.Now().Add(t.s.limits.TailTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errCutOff
	}
	_, err := t.w.Write(t.buf)
	t.buf = t.buf[:0]
	if err == nil {
		err = t.rc.Flush()
	}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errCutOff
	}
	return nil
}
