// Package search holds the query language of stet, the same on the command line, in the API and in the web pages: its
// parser, its canonical printer, and the matcher that says of one entry whether a query finds it.
//
// The language is specified in docs/spec/search.md: which member of an event each field means, how it is compared, and
// what of an event free words look at. [Parse] gives a [Query], a small tree with everything resolved that can be resolved
// without looking at an entry: what is planned from it needs to know no syntax. [Query.String] prints it in its one
// canonical spelling, which parses to the same tree.
//
// Nothing that is asked for wrongly is answered with "nothing found": an unknown field, a misspelled status, a range where
// there is no order are each an [*Error] that points at the place and says what may be meant.
//
// A [Matcher] is the plain reading of a query over one [Record], and by that the judge of every index: an index may find
// rows in any way it likes, but they must be those of which [Matcher.Match] says true. [Scanner] reads a log with it.
//
// The package has no clock: whoever asks "since:2h" says what now is. Queries and matchers are not changed by their
// methods and may be used from many goroutines at once; a Record and a Scanner are for one.
package search
