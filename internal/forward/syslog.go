package forward

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Bounds of a syslog destination.
const (
	dialTime  = 10 * time.Second // to connect, TLS included
	writeTime = time.Minute      // for what is written at once: a receiver that does not read for so long is given up
	closeTime = 30 * time.Second // for the receiver to end a connection that we have ended
	maxLine   = 4 << 20          // bytes on one connection
	maxUnsafe = 64 << 20         // bytes that are not known to be safe: so far is sent again at most
)

// Syslog sends rows to a syslog receiver over TCP or TLS, octet-counted (RFC 6587, 3.4.1; RFC 5425).
//
// Syslog knows no acknowledgement, and that TCP has one says that a machine has the bytes, not that anybody has read them. So rows count as
// safe when three things have come together. Their connection was ended by us, and then by the receiver: whoever sees our end has
// read all before it, and who closes without having read makes TCP say so (RST, RFC 2525, 2.17). Another connection to the
// receiver, which was there before the first of these rows and carries nothing, has outlived that by the settling time: a
// process that dies loses all its connections at once, so that nobody's death is taken for an end in order. And the receiver had that
// time to put away what it had read. A connection carries rows for about the settling time, so what is not known to be
// safe, and is sent again in its order where a connection breaks, is what was sent in the last two or three of them, at most 64 MiB.
//
// What it cannot know: whether a receiver that keeps what it has read in memory for longer than the settling time is killed then; whether the
// disk of its machine has it when that loses power; and who stands behind a proxy or balancer, which answers for itself.
type Syslog struct {
	dial     Dial
	settling time.Duration

	watch *link // carries nothing, and is there for as long as what is not safe
	line  *link // carries rows; nil: nobody is needed
	began time.Time
	bytes int // on line
	// closed are the connections that were ended in order and whose rows are not known to be safe yet, in their order.
	closed []closed
	unsafe int // bytes that are not known to be safe
	upTo   uint64
}

// closed is a connection that was ended in order.
type closed struct {
	upTo  uint64 // rows before this seq are on it, or on one before it
	bytes int
	at    time.Time
}

// NewSyslog makes a syslog destination with a settling time above 0. Nothing is connected to yet.
func NewSyslog(dial Dial, settle time.Duration) *Syslog { return &Syslog{dial: dial, settling: settle} }

// Send implements Destination.
func (d *Syslog) Send(ctx context.Context, rows []Row) Result {
	if err := d.connect(ctx); err != nil {
		return Result{Left: rows, Err: err}
	}
	var b []byte
	for _, r := range rows {
		b = strconv.AppendInt(b, int64(len(r.Data)), 10)
		b = append(append(b, ' '), r.Data...)
	}
	if d.bytes == 0 {
		d.began = time.Now()
	}
	d.bytes, d.unsafe, d.upTo = d.bytes+len(b), d.unsafe+len(b), rows[len(rows)-1].Seq+1
	if err := d.line.write(ctx, b); err != nil {
		return Result{Left: rows, Err: d.lost("write to", err)}
	}
	var err error
	switch {
	case d.unsafe >= maxUnsafe:
		_, err = d.Settle(ctx, d.upTo, true)
	case d.bytes >= maxLine:
		err = d.end(ctx)
	}
	return Result{Err: err}
}

// connect sees to it that there are both connections, the watching one first.
func (d *Syslog) connect(ctx context.Context) (err error) {
	if d.watch != nil && d.watch.gone() {
		if d.unsafe > 0 {
			return d.lost("keep a connection to", d.watch.why())
		}
		d.drop()
	}
	if d.watch == nil {
		if d.watch, err = open(ctx, d.dial); err != nil {
			return err
		}
	}
	if d.line == nil {
		if d.line, err = open(ctx, d.dial); err != nil && d.unsafe > 0 {
			return d.lost("connect again to", err)
		}
	}
	return err
}

// end ends the connection that carries rows, and waits until the receiver has.
func (d *Syslog) end(ctx context.Context) error {
	if err := d.line.end(ctx); err != nil {
		return d.lost("end a connection with", err)
	}
	d.closed = append(d.closed, closed{d.upTo, d.bytes, time.Now()})
	d.line, d.bytes = nil, 0
	return nil
}

// Settle implements Destination.
func (d *Syslog) Settle(ctx context.Context, sent uint64, all bool) (safe uint64, err error) {
	for {
		if d.unsafe == 0 {
			return sent, nil
		}
		if d.line != nil && d.bytes > 0 && (all || time.Since(d.began) >= d.settling) {
			if err := d.end(ctx); err != nil {
				return 0, err
			}
		}
		// The time first: what the watching connection says counts for it.
		now := time.Now()
		for _, l := range []*link{d.watch, d.line} {
			if l != nil && l.gone() {
				return 0, d.lost("keep a connection to", l.why())
			}
		}
		for len(d.closed) > 0 && now.Sub(d.closed[0].at) >= d.settling {
			safe, d.unsafe = d.closed[0].upTo, d.unsafe-d.closed[0].bytes
			d.closed = d.closed[1:]
		}
		if d.unsafe == 0 {
			return sent, nil
		}
		if !all {
			return safe, nil
		}
		if err := d.watch.wait(ctx, d.settling-now.Sub(d.closed[0].at)); err != nil {
			return safe, err
		}
	}
}

// lost gives all up that is not known to be safe.
func (d *Syslog) lost(what string, why error) error {
	d.drop()
	return fmt.Errorf("could not %s the receiver: %w; %w", what, why, errLost)
}

func (d *Syslog) drop() {
	for _, l := range []*link{d.watch, d.line} {
		if l != nil {
			l.close()
		}
	}
	d.watch, d.line, d.closed, d.bytes, d.unsafe = nil, nil, nil, 0, 0
}

// Close implements Destination.
func (d *Syslog) Close() error {
	d.drop()
	return nil
}

var errEnded = errors.New("the receiver has ended the connection")
