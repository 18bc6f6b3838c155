// Package proof holds what an auditor checks stet's log with: the Merkle tree of RFC 6962, its checkpoints and
// proofs, the seals that emitters put on their batches, and the entries that are the tree's leaves.
//
// Everything here is a pure function: bytes in, a value or an error out. Nothing reads a file, a clock, the network
// or a source of randomness, so that the same code runs in an emitter, a ledger, a one-file verifier and a browser,
// and so that a test can give it every input there is.
//
// # What is signed by whom
//
// An emitter seals a batch: a [Seal] states the [Merkle root] over the exact bytes of consecutive events and is a
// signed note under the emitter's key. A log orders entries and signs a [Checkpoint]: origin, size, root. Proofs tie
// the two together: event → seal root → emitter's signature, and entry → checkpoint root → log's signature.
//
// # Strictness
//
// Whatever can be written in two ways can be shown to two people in two ways. Every parser in this package accepts
// exactly the bytes that the encoder beside it writes: base64 is canonical, numbers have no leading zeros, lines and
// members stand in one order, nothing may follow. Sizes are checked before anything is allocated for them.
//
// # Errors
//
// A caller decides between three cases with [errors.Is]: [ErrMalformed] (the bytes are not of this format),
// [ErrSignature] (well formed, but not signed by the key it should be signed by) and [ErrProof] (well formed, but it
// does not prove what it is said to prove). Nothing in this package retries, and nothing panics on hostile input.
//
// Formats: docs/spec/seal.md (seals, checkpoints, proofs) and docs/spec/entry.md (entries, bundles, tiles), with
// test vectors in testdata/vectors.
//
// [Merkle root]: https://www.rfc-editor.org/rfc/rfc6962.html#section-2.1
package proof
