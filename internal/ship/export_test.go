package ship

import "net/http"

// NewClientTo is a client whose requests go to a handler in this process.
func NewClientTo(a Address, h http.RoundTripper) *Client {
	c := NewClient(a)
	c.http.Transport = h
	return c
}
