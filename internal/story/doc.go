// Package story folds events into what happened: interactions, their jobs, each job's runs, and each run's four phases
// (submission, authorization, execution, outcome). It is the only fold there is, so that the CLI, the web pages, the
// watch and the store's closing of the dead can never tell two different stories of the same events.
//
// A story is a reading, never a record. Nothing is dropped to make it smooth: a phase that nobody reported is a slot
// that says why it is empty, a second outcome stands behind the first, and a word from somebody who had no say over a
// run is kept as a foreign claim (SCHEMA "Only its own"). Every event of an interaction has exactly one place in it.
//
// # Order
//
// Events stand in the order of the ledger, which is the one order that no sender can claim; those still in a spool
// follow, each stream by its own numbers. Clocks are shown and compared, never sorted by, except between the spools of
// different streams, where there is nothing else. Where clocks contradict what must have come first by more than the
// uncertainty they state themselves, the story says so.
//
// # Trust
//
// The package checks no signature. Whoever makes an [Item] of an entry has verified its seal, and says in KeyID and
// StoreKey whose it was. What an event claims about its sender decides nothing here but whether it belongs to the same
// application as the sender of the start, and that only under the same key.
//
// # Text
//
// All text leaves through one escaper, so that no byte of an event can move a cursor, reorder a line or forge one
// (THREATS 28). What could be mistaken for stet's own words is put in double quotes.
//
// The package is pure: no clock, no files, no network, no state between calls. Values may be read by many goroutines;
// a [Fold] is for one.
package story
