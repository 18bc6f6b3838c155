// Package wire holds the forms in which sealed batches travel to a server and receipts travel back: the body of
// POST /v1/batches, the answer to it, and the codes by which a server refuses. Client and server share it, so that there
// is one reader and one writer of each form. docs/spec/wire.md describes them.
//
// Everything here is bytes in, value or error out, bounded in size and count; nothing is retried, logged or trusted. An
// event is opaque here: what it says is for those who store it.
package wire
