// Package snapshot says what data looked like before and after a job, as [event.Snapshot]: a digest by which two states can
// be compared, a summary for people, what it is of, and a count. The data itself is never recorded.
//
//	before, err := snapshot.Tree(ctx, "/srv/data", snapshot.TreeOptions{})
//	…                                     // the work
//	after, err := snapshot.Tree(ctx, "/srv/data", snapshot.TreeOptions{})
//	run.Snapshot(before.Snapshot(), after.Snapshot())
//
// [Value] takes a value, [Reader] a stream of bytes, [Tree] a file tree, [Rows] the rows of an SQL query; [Join] makes one
// snapshot of several. What each digest is taken over is written in docs/spec/snapshot.md, with test vectors in testdata,
// and begins with "stet/snapshot/v1": the same state has the same digest on every machine and under every later version.
//
// A plain SHA-256 gives away what could be guessed: who knows that a salary lies between 30,000 and 200,000 tries them all.
// So Value, Reader and Rows refuse ([ErrGuessable]) unless they get a Key, which makes the digest an HMAC, or are told that
// the data is Public. Of a Tree, most of which nobody could guess, the digest is plain unless there is a Key.
//
// Nothing here keeps state between calls; everything may be used from several goroutines at once.
package snapshot
