// Package ship brings the spools of one remote store to its server, and is the client's half of not having to trust it.
//
// # What it promises
//
// A batch leaves a spool only when its inclusion is proven: the leaves are rebuilt from the bytes in the spool, the range
// proof leads to a checkpoint, the checkpoint is signed by the log's pinned key, or by the newest one to which signed
// handovers lead from it, and continues the last one that this
// computer has seen, and that checkpoint is written down, durably. Whatever else the server answers, nothing is removed.
//
// A server that contradicts what it has proven before (a fork, a rollback, a wrong signature, a proof that does not hold) is
// an *IntegrityError: it is written down in the state directory as evidence, for doctor and for the next record, and said to
// whoever asked. Everything else that goes wrong is only a delay.
//
// # Where things are
//
//	<state>/servers/<name>/server     which server it is: see Server
//	<state>/servers/<name>/logkeys    how the log's key has changed since it was pinned, as far as this computer has followed
//	<state>/servers/<name>/trouble    how the server contradicted itself: see Trouble
//	<place>/spool, <place>/quarantine as in a store; <place> is $STET_SPOOL/<name>, else the above
//	<place>/sent                      how far living streams are proven, so that nobody sends that again
//	<place>/ship.lock                 one process ships at a time
//
// # Bounds
//
// A request is at most wire.MaxInflated, an answer wire.MaxReceipts, and both wait for the network no longer than
// RequestTimeout. One batch and one request are in memory at a time, however much is spooled.
package ship
