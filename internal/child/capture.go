package child

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// chunk is what is read at once: half of what a pipe holds by default.
	chunk = 32 << 10
	// maxPipe is the most that a pipe can hold without privilege
	// (/proc/sys/fs/pipe-max-size): so much may have been written before the
	// child ended and must still be passed on.
	maxPipe = 1 << 20
	// quiet is how long the last look into a pipe waits for bytes.
	quiet = 20 * time.Millisecond
)

// stdio holds the child's three descriptors and what is captured of two.
type stdio struct {
	child    [3]*os.File // what the child gets
	ours     []*os.File  // those of them that are to be closed once it has them
	out, err *capture    // nil where the child writes itself
	wg       sync.WaitGroup
}

func newStdio(o Options) (s *stdio, err error) {
	s = &stdio{child: [3]*os.File{o.Stdin, o.Stdout, o.Stderr}}
	defer func() {
		if err != nil {
			s.closeChildEnds()
			s.abort()
		}
	}()
	if o.Capture {
		if s.out, err = s.pipe(1, o.Stdout, o.TailBytes); err != nil {
			return nil, err
		}
		if s.err, err = s.pipe(2, o.Stderr, o.TailBytes); err != nil {
			return nil, err
		}
	}
	for i, f := range s.child {
		if f != nil {
			continue
		}
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			return nil, fmt.Errorf("child: %w", err)
		}
		s.child[i], s.ours = null, append(s.ours, null)
	}
	return s, nil
}

// pipe makes the child's descriptor fd the writing end of a pipe. Both ends are
// close-on-exec (os.Pipe), the child gets a duplicate.
func (s *stdio) pipe(fd int, to *os.File, tail int) (*capture, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("child: pipe for output: %w", err)
	}
	s.child[fd], s.ours = w, append(s.ours, w)
	return &capture{from: r, to: to, max: tail, sum: sha256.New()}, nil
}

func (s *stdio) files() []*os.File { return s.child[:] }

func (s *stdio) captures() bool { return s.out != nil }

func (s *stdio) both() []*capture {
	if !s.captures() {
		return nil
	}
	return []*capture{s.out, s.err}
}

// closeChildEnds closes our copies of what the child got: a pipe ends only when
// its last writer is gone.
func (s *stdio) closeChildEnds() {
	for _, f := range s.ours {
		_ = f.Close()
	}
	s.ours = nil
}

// abort closes the reading ends when there is no child.
func (s *stdio) abort() {
	for _, c := range []*capture{s.out, s.err} {
		if c != nil {
			_ = c.from.Close()
		}
	}
}

func (s *stdio) copy() {
	for _, c := range s.both() {
		s.wg.Go(c.copy)
	}
}

// finish has the copying stop after at most d of reading, and returns a channel
// that is closed when it has.
func (s *stdio) finish(d time.Duration) <-chan struct{} {
	for _, c := range s.both() {
		_ = c.from.SetReadDeadline(time.Now().Add(d)) // fails only if already closed
	}
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	return done
}

func (s *stdio) results() (out, err Output, leftover bool) {
	if !s.captures() {
		return Output{}, Output{}, false
	}
	out, l1 := s.out.result()
	err, l2 := s.err.result()
	return out, err, l1 || l2
}

// A capture passes on, counts and hashes one output.
type capture struct {
	from, to *os.File // to may be nil: to nowhere
	max      int      // bytes of tail

	mu       sync.Mutex // guards what follows: results may be asked for while a write hangs
	n        int64
	sum      hash.Hash
	tail     []byte // the last max bytes are at its end; at most 2·max long
	eof      bool
	leftover bool
	err      error
	over     bool // results were taken: nothing counts any more
}

// copy runs until the end of file, the deadline, or until the reader downstream
// has gone. Closing the pipe in that last case is the message to the child: its
// next write fails with EPIPE, or it dies of SIGPIPE, as if it had written there
// itself. Any other failure downstream (a full disk) becomes the same to it.
func (c *capture) copy() {
	defer c.from.Close() //nolint:errcheck // a pipe's reading end: nothing can be lost
	buf := make([]byte, chunk)
	for {
		n, err := c.from.Read(buf)
		if !c.pass(buf[:n]) {
			return
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.rest(buf)
			return
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

// rest takes what is in the pipe when time is up. A slow reader downstream may
// have used up all the time, and bytes that the child wrote before it ended are
// still here: those belong to the reader.
func (c *capture) rest(buf []byte) {
	for left := maxPipe; left > 0; {
		if err := c.from.SetReadDeadline(time.Now().Add(quiet)); err != nil {
			c.end(err)
			return
		}
		n, err := c.from.Read(buf[:min(left, len(buf))])
		if !c.pass(buf[:n]) {
			return
		}
		if err != nil {
			c.end(err)
			return
		}
		left -= n
	}
	c.end(os.ErrDeadlineExceeded)
}

func (c *capture) pass(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	if !c.record(b) {
		return false
	}
	if c.to == nil {
		return true
	}
	if _, err := c.to.Write(b); err != nil {
		c.end(err)
		return false
	}
	return true
}

// record reports whether anybody still wants to know.
func (c *capture) record(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return false
	}
	c.n += int64(len(b))
	c.sum.Write(b)
	b = b[max(0, len(b)-c.max):]
	if len(c.tail)+len(b) > 2*c.max {
		// Moving once every max bytes, not for every write.
		keep := c.tail[max(0, len(c.tail)-c.max):]
		c.tail = c.tail[:copy(c.tail[:len(keep)], keep)]
	}
	c.tail = append(c.tail, b...)
	return true
}

func (c *capture) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, io.EOF):
		c.eof = true
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.leftover = true
	default:
		c.err = err
	}
}

func (c *capture) result() (Output, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	o := Output{
		Captured: true,
		Bytes:    c.n,
		Tail:     append([]byte(nil), c.tail[max(0, len(c.tail)-c.max):]...),
		Complete: c.eof && c.err == nil,
		Err:      c.err,
	}
	c.sum.Sum(o.SHA256[:0])
	return o, c.leftover
}
