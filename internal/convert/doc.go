// Package convert reads other applications' logs as records (JSON, logfmt, CEF, CSV, syslog), and gives their keys the meaning that
// they have in our schema: by a mapping that a person wrote, by the standard that names them, or by one that is guessed. What
// becomes of such an event is the business of packages foreign and intake.
//
// The other way round it writes the entries of a log in the forms that others read: a [Row] is an entry, a [Format] such a form,
// and docs/spec/formats.md says what becomes of what.
//
// It has no clock and no randomness, and keeps nothing between calls: everything may be used from many goroutines, but for a
// Guess and Lines, which are for one.
package convert
