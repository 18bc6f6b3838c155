// Package forward sends what is in a log to somebody else: a file, a syslog receiver, a web server. docs/spec/forward.md has the
// forms and what each destination's answer is worth.
//
// The way is one way. A [Forwarder] reads the log from its cursor on, holds each entry against the log's proven tree, makes a row of
// it in the destination's format, and hands rows over in the log's order. What a [Destination] says is safe with its receiver
// moves the [Cursor], which is durable before anything else is done with that. Nothing is queued: what must be sent again is
// read again, so memory is bounded by one batch whatever the receiver does.
//
// Guarantees. At least once: the cursor never stands behind a row that is not safe, as far as the destination can know that
// (see its comment), so whoever dies sends some rows again and leaves none out. In order: a row is handed over after those before it,
// and again only together with all those behind it that were handed over. Each row has its seq and entry hash, so that whoever
// gets it twice can tell. A log that is not the cursor's, has become smaller or is another fork of it, and entries that are not
// those under its checkpoint, are integrity failures: nothing is sent on.
//
// A row that the receiver will never take ends the forwarder with a [*RefusedError] that names it, unless it was told to skip such rows;
// then they are counted and told.
//
// A Forwarder is for one goroutine. Secrets and paths of addresses are in no error and no log line.
package forward
