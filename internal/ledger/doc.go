// Package ledger keeps the append-only Merkle log of a store: its journal, its tree, its tiles, its head and its
// checkpoint. Byte layouts are in docs/spec/ledger.md.
//
// # What it promises
//
// Append returns when a batch is durable in the journal (L1). Publish returns when everything appended before the call
// is under a durable, signed checkpoint (L2). The order is always the same: entries durable, tiles and bundles durable,
// both read back from storage and hashed again, head committed, and only then the checkpoint signed. So there is never
// a signature over what a crash could take back, and never a second root for one size.
//
// The ledger does not judge what an event says; its caller has done that. It judges seals (signature, and the Merkle
// root recomputed from the event bytes it was given: it trusts no hash), numbering, and whose stream it is.
//
// # Failure
//
// The first error of a write, a flush or a publish ends the ledger: every call from then on, and every one that waits,
// gets ErrFailed, because what the disk holds is not known any more (a second fsync that succeeds proves nothing). Open
// it again: recovery is the same code as live work. It reads the head, replays the journal above it, and publishes that
// by the ordinary path into new files, before anything else is accepted.
//
// # Who owns what
//
// Three goroutines pass groups of batches from one to the next:
//
//	Append ──queue──► sequencer ──group──► flusher ──pending──► publisher
//	(checks seals,    (numbers, encodes,   (one write, one      (tree, tiles, bundles,
//	 in parallel)      hashes leaves)       flush: L1)           head, checkpoint: L2)
//
// While the flusher flushes one group the sequencer hashes its leaves and fills the next. The sequencer alone assigns
// seq and received_at; the flusher alone writes the journal; the publisher alone writes everything else, and removes
// journal segments. A group belongs to whom it was passed to, except its leaves, which the sequencer fills in and
// announces by closing group.hashed.
//
// Lock order: request.mu, then table.mu, then Ledger.mu. Ledger.mu is never held during a file operation; table.mu is
// held for reading while a spilled stream is looked up. What crosses goroutines otherwise does so through channels.
package ledger
