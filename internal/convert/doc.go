// Package convert reads other applications' logs in JSON as records, and gives their keys the meaning that they have in our
// schema: by a mapping that a person wrote, or by one that is guessed. A record becomes an event only to be judged; what is
// imported as an event of ours is the business of package foreign.
//
// The other way round it writes the entries of a log in the forms that others read: a [Row] is an entry, a [Format] such a form,
// and docs/spec/formats.md says what becomes of what.
//
// It has no clock and no randomness, and keeps nothing between calls: everything may be used from many goroutines, but for a
// Guess, which is for one.
package convert
