package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// client is one connection that sends one request after another. It does as little as it can, because what it does is done
// on the processors of the server that is measured.
type client struct {
	addr, path string
	kind       string // Content-Type
	token      string // "": none

	conn    net.Conn
	r       *bufio.Reader
	head    []byte
	request http.Request
	answer  []byte // of the last post
}

// reply is what was answered.
type reply struct {
	status int
	later  bool // with Retry-After
	body   []byte
}

// post sends a body and waits for the answer, whose bytes are valid until the next call. An error ends the connection, and
// what became of the request is not known then; the next call makes another connection.
func (c *client) post(ctx context.Context, body []byte) (reply, error) {
	if c.conn == nil {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr)
		if err != nil {
			return reply{}, err
		}
		c.conn, c.r, c.request.Method = conn, bufio.NewReader(conn), http.MethodPost
	}
	a, keep, err := c.exchange(body)
	if err != nil || !keep {
		err = joinClose(err, c.close())
	}
	return a, err
}

func (c *client) exchange(body []byte) (a reply, keep bool, err error) {
	c.head = fmt.Appendf(c.head[:0], "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nAuthorization: Bearer %s\r\nContent-Length: ",
		c.path, c.addr, c.kind, c.token)
	c.head = append(strconv.AppendInt(c.head, int64(len(body)), 10), "\r\n\r\n"...)
	if _, err := (&net.Buffers{c.head, body}).WriteTo(c.conn); err != nil {
		return a, false, err
	}
	r, err := http.ReadResponse(c.r, &c.request)
	if err != nil {
		return a, false, err
	}
	if c.answer, err = appendAll(c.answer[:0], r.Body); err != nil {
		return a, false, err
	}
	return reply{r.StatusCode, r.Header.Get("Retry-After") != "", c.answer}, !r.Close, r.Body.Close()
}

// appendAll is io.ReadAll into memory that is used again.
func appendAll(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		if b = b[:len(b)+n]; err == io.EOF { //nolint:errorlint // io.Reader's word for the end
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

func (c *client) close() error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}

func joinClose(err, closed error) error {
	if err != nil {
		return err
	}
	return closed
}
