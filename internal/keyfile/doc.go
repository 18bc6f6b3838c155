// Package keyfile keeps an Ed25519 private key in one small file and hands it
// out as a [crypto.Signer].
//
// Two kinds of key live in such files: an emitter's, which seals batches, and a
// log's, which signs checkpoints. Both must survive three things that go wrong
// in practice:
//
//   - A hundred processes start at once on a fresh machine. Exactly one key may
//     result, because a second one would split the history of one emitter in
//     two. [LoadOrCreate] therefore publishes with link(2), which refuses to
//     replace, and everyone who loses the race loads the winner's key.
//   - The power fails. A key that has signed something durable must not vanish,
//     so the file and its directory are synced before the key is handed out,
//     by the losers of the race too: they cannot know how far the winner got.
//   - Somebody copies the file about. A key that others can read is refused, not
//     repaired: it may already have been read, and only a person can judge that.
//
// The file is two lines of text:
//
//	stet/key/v1
//	PRIVATE+KEY+<name>+<hash>+<base64 of 0x01 and the 32-byte seed>
//
// The second line is golang.org/x/mod/sumdb/note's own form of a signer. No
// error or formatted value of this package contains any part of it.
package keyfile
