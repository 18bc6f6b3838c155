package syslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// session is one connection.
type session struct {
	l      *Listener
	c      net.Conn
	from   Peer
	frames frames
	number uint64 // of the messages that were handed on

	mu      sync.Mutex
	limit   time.Time // by when the next read must come
	drained time.Time // by when all must have come; zero until the end has begun
}

// quiet is how long nothing may come, at the end, for all that was sent to have come.
const quiet = 250 * time.Millisecond

// deadline is for reads from now on.
func (s *session) deadline(d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = time.Now().Add(d)
	return s.apply()
}

// apply sets the deadline; the caller holds mu.
func (s *session) apply() error {
	limit := s.limit
	if !s.drained.IsZero() {
		if q := time.Now().Add(quiet); q.Before(limit) {
			limit = q
		}
		if s.drained.Before(limit) {
			limit = s.drained
		}
	}
	return s.c.SetReadDeadline(limit)
}

// ending has the session end with what its sender has sent until now.
func (s *session) ending() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained = time.Now().Add(s.l.limits.Drain)
	_ = s.apply() // a connection that is closed ends by itself
}

// waker is the connection, on which each read at the end may take a while anew.
type waker struct{ s *session }

func (w waker) Read(b []byte) (int, error) {
	w.s.mu.Lock()
	ending := !w.s.drained.IsZero()
	if ending {
		_ = w.s.apply() // the read says what is wrong
	}
	w.s.mu.Unlock()
	return w.s.c.Read(b)
}

// run reads to the end, and hands on what came. When ctx ends, what has come by then is still handed on.
func (s *session) run(ctx context.Context) error {
	for {
		messages, err := s.gather()
		if len(messages) > 0 {
			if terr := s.take(ctx, messages); terr != nil {
				return errors.Join(err, terr)
			}
		}
		if err != nil {
			return err
		}
		s.slow(ctx, len(messages))
	}
}

// gather reads a message, waiting for it, and those that are here behind it.
func (s *session) gather() (messages []Message, err error) {
	size := 0
	for len(messages) < maxTogether && size < maxBytes && (len(messages) == 0 || s.frames.whole()) {
		if err := s.deadline(s.l.limits.Idle); err != nil {
			return messages, err
		}
		if err := s.frames.begin(); err != nil {
			if late(err) { // it was silent for long, or the listener ends
				err = io.EOF
			}
			return messages, err
		}
		if err := s.deadline(s.l.limits.MessageTime); err != nil {
			return messages, err
		}
		m, err := s.frames.next()
		if len(m.Text) > 0 || m.Err != nil {
			s.l.counts.came(m)
			messages = append(messages, m)
			size += len(m.Text)
		}
		if err == nil && errors.Is(m.Err, ErrFraming) {
			err = fmt.Errorf("a message %w", m.Err)
		}
		if err != nil {
			return messages, err
		}
	}
	return messages, nil
}

func late(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// How long a log that cannot take anything is left alone.
const (
	againFirst = 100 * time.Millisecond
	againMost  = 5 * time.Second
)

// take hands messages on until they are durable. While that cannot be, the sender waits: at most until the listener has to end.
func (s *session) take(ctx context.Context, messages []Message) error {
	wait := againFirst
	for {
		err := s.l.log.Take(context.WithoutCancel(ctx), s.from, s.number, messages)
		if err == nil {
			s.number += uint64(len(messages))
			return nil
		}
		s.l.counts.failed.Inc()
		if ctx.Err() != nil {
			s.l.counts.lost.Add(float64(len(messages)))
			return fmt.Errorf("%d messages could not be recorded, and the server ends: %w", len(messages), err)
		}
		s.l.logger.Error("syslog could not be recorded; its sender waits", "address", s.from.Addr.String(), "error", err)
		sleep(ctx, wait)
		wait = min(2*wait, againMost)
	}
}

// slow has a sender wait that sends more than its share.
func (s *session) slow(ctx context.Context, n int) {
	s.l.mu.Lock()
	limiter := s.l.peers[s.from.Addr].rate
	s.l.mu.Unlock()
	if d := limiter.ReserveN(time.Now(), n).Delay(); d > 0 {
		s.l.counts.slowed.Inc()
		sleep(ctx, d)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
