// Package expect knows when jobs must run, and finds out which of them did not come.
//
// A [Definition] says of a job, by name, at which times it must begin, in which time zone, and how late it may be. [Watch]
// reads a log's entries and says which of these times, the slots, were missed; [Report] says of each slot of a period how
// it went. Both are pure: no clock, no files, no goroutines. docs/spec/expect.md is the specification.
//
// # Why a parser of our own
//
// What is expected must be what the machine's own scheduler does, also in the two nights of the year when clocks change.
// robfig/cron/v3, the usual library, leaves out a time that the clock skips, runs one that comes twice twice, and does not
// take a field such as */2 for an asterisk where day of month and day of week are joined: cron does none of these. So it
// would raise job_missed, or miss one, exactly in those nights. The rules here, which the tests hold:
//
//   - cron, with neither hour nor minute beginning with an asterisk (Debian's cron(8), after Vixie): a time that the clock
//     skips is due at the moment of the change, a time that comes twice is due the first time. Several slots that a change
//     puts at one moment are one. Changes of more than three hours are corrections: what they skip is not due.
//   - cron, with an asterisk there: slots follow the new time at once. What is skipped is not due, what comes twice is due
//     twice.
//   - systemd's OnCalendar, as systemd-analyze calendar of systemd 257 prints it: what is skipped is not due (its issue
//     5595), what comes twice is due the first time (its issue 8647).
//   - every: so long after the last run began, or after the log was told; after a missed one, so long after that.
package expect
