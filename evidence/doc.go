// Package evidence writes and verifies evidence: one file that holds some entries of a log and everything that shows, with no
// network and no access to the log, that they stand in it as they are.
//
// A file of evidence is a zip in one strict form. In it are the entries in their exact bytes, the seals over them, one proof
// that leads all of them to the log's checkpoint, and the entries that enrolled the keys. Beside them, for people, lie a
// table and the stories; a manifest says what was asked for, and holds the hash of every other member. The format is in
// docs/spec/evidence.md, which suffices for writing another verifier.
//
// [Write] makes such a file of what it is given, and [Verify] judges one: by the checks that judge a whole log, in the same
// words. Both stream: memory does not grow with the number of entries. Neither reads a clock, a network or a file; the same
// input makes the same bytes.
//
// # What a verdict is worth
//
// Verified means that the entries are, byte for byte, what the holder of the log's key signed as being in it, that each event
// is what the holder of an enrolled key sealed, and, where the file promises the whole of a range, that no entry of it is
// left out of account. It does not mean that what the events say is true, that the query found all there is (unless the whole is
// accounted for, and then only as far as package comment of Whole says), or that the table and the stories, which are only
// hashed, say what the entries say. Where nobody outside the file vouches for the log's key it says nothing of its author.
package evidence
