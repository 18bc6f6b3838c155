// Package fsxtest is the disk that stet's durability is tested on: Mem, a file system in memory that knows for every
// write and every name whether it would survive a power cut.
//
// The model is pessimistic within what journalling file systems promise. A file's bytes and length survive once
// File.Sync returned nil; its name survives once FS.SyncDir of the directory did; neither implies the other. What was
// not synced may be there or not after a crash, each write and each name for itself, and a write may be there in part,
// cut at 512-byte sectors, not only as a prefix: sectors that did not arrive read as zeros, or are past the end. A name
// change is atomic: Rename shows the old state or the new one.
//
// A test asks for a crash at a numbered operation (CrashAt), for a dead process on a living machine (KillAt), for a
// failing call with or without its effect (FailAt), or for a full disk (Limit). After a crash States yields the disks
// that the machine may wake up with. Explore and Faults drive a whole program through all of that.
//
// After a Sync that failed, the data counts as Linux counts it: readable, clean, and perhaps not on disk, so that a later
// Sync returns nil and proves nothing. Code that retries an fsync loses data here, as it does in the field.
package fsxtest
