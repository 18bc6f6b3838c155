// Package server is the HTTP service in front of a store that is held open: it takes sealed batches and answers with
// receipts, serves the log as C2SP tlog-tiles, single entries and proofs, and tells how it fares. docs/spec/http.md lists
// the routes.
//
// # What it decides and what not
//
// It decides how much is let in: connections, requests and bytes at once, rates a token, sizes, times. Who may do what is
// package auth's word, in one place; what becomes of a batch is the Log's. It decodes no event.
//
// # Bounds
//
// Everything that a request can make the server hold is counted before it is held. Whatever exceeds a bound is refused
// with a code of package wire and, where waiting helps, Retry-After; nothing that was let in is dropped. An answer that
// says placed is given after the batch is under a signed checkpoint (L2); when a request ends without an answer, the sender
// sends the same batch again and it is placed once.
//
// # Its own log
//
// The server's log is slog on standard error, for whoever runs it. It is never the audit log: what belongs there goes
// through the Log like every event.
package server
