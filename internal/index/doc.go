// Package index finds entries of a store's log by what they say: it answers the queries of package search without reading
// the whole log.
//
// It is derived from the log alone, and may be deleted at any time. Nothing that is acknowledged waits for it. It is not
// trusted either: each row is read from the log by its number, proven to be under the checkpoint, and asked the query again;
// what disagrees is shown, with what is doubtful about it. What an index that somebody has altered leaves out, nobody
// notices: whoever must be sure scans the log.
//
// For every term that some entry has — a value of a field, a word of a text, that a field is there at all — the index has
// the ascending numbers of the entries that have it. The log is cut into chunks of 65,536 entries; a query is computed a
// chunk at a time, with bitmaps, as two sets: what it surely finds, and what it may find. Only the difference is read to find
// out. received_at never decreases with the number of an entry, so a window of time is a range of numbers.
//
// The youngest chunk is in memory; after a crash it is indexed again. A whole chunk becomes an immutable file (write.go has
// the format), and sixteen of them in a row become one, so that the files depend on the log alone. A file says which log it
// is of and what root the log's tree had at its end: so an index of another log, or of one that was rolled back, is noticed,
// and a damaged file by its sum. Both are made anew.
package index
