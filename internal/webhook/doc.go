// Package webhook sends requests to somebody else's web server, and messages that are signed after the Standard Webhooks
// specification 1.0.0.
//
// It follows no redirect and asks no proxy, bounds the time and the answer, and where that is asked for connects to public
// addresses only, judged when the connection is made. Paths of addresses are often secrets: no error of this package has more of
// an address than its host. It tries once; when to try again is for whoever calls.
package webhook
