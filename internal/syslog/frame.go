package syslog

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// Message is what came as one message.
type Message struct {
	Text []byte // without its framing; of what is too long the beginning
	// Err says why it is not whole: ErrLong, ErrCut or ErrFraming. nil: it is.
	Err error
}

// What can be wrong with a message before it is read.
var (
	ErrLong    = errors.New("is longer than a message may be")
	ErrCut     = errors.New("was cut short: its sender, or the connection, ended in the middle of it")
	ErrFraming = errors.New("stands where a message should begin: an octet count before it was wrong")
)

// frames reads messages in either framing of RFC 6587: each message is octet-counted where it begins with a number, a space
// and <, else it ends with a line break.
type frames struct {
	r       *bufio.Reader
	max     int  // bytes of a message
	counted bool // the last message was octet-counted
}

// maxCount bounds what an octet count may say, in digits: 8 are 99 MB, which are read and thrown away.
const maxCount = 8

// next reads a message; io.EOF behind the last one. Behind a message with ErrFraming, or any error, nothing can be read.
func (f *frames) next() (Message, error) {
	if err := f.begin(); err != nil {
		return Message{}, err
	}
	n, digits := f.count()
	switch {
	case n > 0:
		f.counted = true
		_, _ = f.r.Discard(digits + 1) // they were peeked at
		return f.octets(n)
	case f.counted && !f.at('<'):
		b, _ := f.r.Peek(min(f.r.Buffered(), f.max)) // it is here
		return Message{bytes.Clone(b), ErrFraming}, nil
	}
	f.counted = false
	text, size, err := f.line()
	m := Message{Text: text}
	switch {
	case size > f.max:
		m.Err = ErrLong
	case err != nil:
		m.Err = ErrCut
	}
	return m, err
}

// begin passes over what some senders put between messages, and waits for the next one.
func (f *frames) begin() error {
	for {
		b, err := f.r.Peek(1)
		if err != nil {
			return err
		}
		if b[0] != '\n' && b[0] != '\r' && b[0] != 0 {
			return nil
		}
		_, _ = f.r.Discard(1)
	}
}

func (f *frames) at(c byte) bool {
	b, err := f.r.Peek(1)
	return err == nil && b[0] == c
}

// count is what an octet count says, and its digits; 0 where there is none.
func (f *frames) count() (n, digits int) {
	for digits <= maxCount {
		b, err := f.r.Peek(digits + 1)
		if err != nil {
			return 0, 0
		}
		c := b[digits]
		if c == ' ' && digits > 0 {
			if b, err = f.r.Peek(digits + 2); err == nil && b[digits+1] == '<' {
				return n, digits
			}
			return 0, 0
		}
		if c < '0' || c > '9' || digits == 0 && c == '0' {
			return 0, 0
		}
		n = 10*n + int(c-'0')
		digits++
	}
	return 0, 0
}

// octets reads a message of n bytes.
func (f *frames) octets(n int) (Message, error) {
	m := Message{}
	for m.Text = make([]byte, 0, min(n, f.max, 4<<10)); len(m.Text) < min(n, f.max); {
		part := m.Text[len(m.Text):min(cap(m.Text), n, f.max)]
		if len(part) == 0 { // no more than what came is made room for
			m.Text = append(m.Text, 0)[:len(m.Text)]
			continue
		}
		got, err := f.r.Read(part)
		m.Text = m.Text[:len(m.Text)+got]
		if err != nil {
			m.Err = ErrCut
			return m, none(err)
		}
	}
	if n > f.max {
		m.Err = ErrLong
		if _, err := f.r.Discard(n - f.max); err != nil {
			return m, none(err)
		}
	}
	return m, nil
}

// none hides the end of a connection behind a message that still has to be handed on: the next call meets it again.
func none(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// line reads up to a line break, or the end of the connection, and says how long that was.
func (f *frames) line() (text []byte, size int, err error) {
	for {
		part, err := f.r.ReadSlice('\n')
		size += len(part)
		text = append(text, part[:min(len(part), max(0, f.max-len(text)))]...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == nil:
			size--
			text = bytes.TrimSuffix(text, []byte{'\n'})
		default:
			err = none(err)
		}
		return text, size, err
	}
}

// whole tells whether the next message is here already, so that it can be read without waiting.
func (f *frames) whole() bool {
	b, _ := f.r.Peek(f.r.Buffered())
	b = bytes.TrimLeft(b, "\n\r\x00")
	n, i := 0, 0
	for i < len(b) && i < maxCount && b[i] >= '0' && b[i] <= '9' {
		n = 10*n + int(b[i]-'0')
		i++
	}
	if i > 0 && i+1 < len(b) && b[i] == ' ' && b[i+1] == '<' && b[0] != '0' {
		return len(b)-i-1 >= n
	}
	return bytes.IndexByte(b, '\n') >= 0
}
