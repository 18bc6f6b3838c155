// Package follow reads files that other programs write, and goes on reading while they do: through rotation by rename and by
// copytruncate, and through its own crashes. Where it stands in each file is durable: device and inode, offset, and digests of
// the first line and of what stands before the offset, so that another file is not taken for it (docs/spec/import.md).
//
// Records are given out at least once. A crash, or anything else that keeps Done from being called, has those of one batch
// given out again, marked as such, with the same file and offset: by these the caller knows whether it has them.
//
// A Follower is for one goroutine.
package follow
