// Package clock reads the wall clock together with the evidence for believing it.
//
// A timestamp in an audit log is a claim. What makes it worth something is what
// the kernel itself says about its clock at that moment: whether anything keeps
// it in step, and how wrong it may be. On Linux adjtimex(2) tells both in about
// a microsecond and without any privilege. The answer is part of every seal
// (docs/spec/seal.md) and, condensed to a confidence and a bound, of every event.
//
// The evidence is honest, not clever. A kernel that nobody has told it is in
// step says STA_UNSYNC and a maximum error of 16,000,000 µs, even where a daemon
// does discipline the clock without saying so (chrony without rtcsync): such a
// clock reads as unsynchronized here. Where the kernel cannot be asked (another
// system, a seccomp filter) the state is unknown, never assumed.
//
// Order never rests on the wall clock: stream numbers order events, and elapsed
// times are monotonic. The clock may jump by ten years in either direction and
// only the evidence changes.
package clock
