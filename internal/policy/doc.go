// Package policy holds the requirements of the two documents that stet is built to, and judges logs by them: the 108 document
// ("Audit Logging for Jobs") and the policy ("Audit Event Design & Schema Policy").
//
// A Requirement is one demand of a document, in words of ours. A Rule is what of it can be read off a log. Every requirement has
// a rule, or the reason why no log can show it; docs/spec/lint.md is written from both tables.
//
// # Three words
//
// A rule judges events, runs of jobs, or lines, and says of each pass, fail, or not checked with the reason. The three are never
// mixed: what could not be told is neither good nor bad.
//
// # What never leaves
//
// A finding names a line, or an entry, and a field. It never quotes a value, which may be the very secret that it is about;
// names of keys are redacted and escaped.
//
// # Bounds
//
// A Linter keeps counts, the first findings of each rule, and hashes of at most maxSeen ids. Stories are folded by
// internal/story from at most MaxStoryEvents events at a time; where a log has more, whoever reads it reads it again, a share
// of its interactions each time.
//
// The package is pure: no clock, no files, no network. A Linter is for one goroutine.
package policy
