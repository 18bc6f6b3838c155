// Package watch notices what is missing: jobs that never start, never end or fall silent, numbers that do not come, clocks
// that are off. What it finds becomes an event under the store's own key; it decides nothing else, and nobody waits for it.
// docs/spec/watch.md has the rules in a table.
//
// # The machine
//
// A [Watch] is a pure state machine. It is given the log's entries in their order ([Watch.Add]), is asked what is due at a
// time ([Watch.Due]) and says when to ask again ([Watch.Next]). It has no clock, no files and no goroutines: the same
// entries, asked at the same times, give the same findings. What was found already it learns from the log, where its findings
// stand like everything else: so it is rebuilt by reading the log, and whatever it would find twice it finds once. What a
// finding is about (a type, and the entry or the numbers) is its identity, by which the log takes it once.
//
// Only the order of the log counts. A finding takes effect where it stands in the log, not when it was asked for: a sign
// of life that came in between is answered by job_recovered, an outcome by job_late_outcome.
//
// # Time
//
// Deadlines count from received_at, the log's own clock. What an emitter states (when its next heartbeat is due, until when
// it may run, when it is scheduled) counts as the interval from the event's own timestamp, so that a wrong clock does
// no harm, and up to the policy's cap (SCHEMA "Only its own"). While a server was down it heard nobody, and emitters come
// again within [Policy.RestartGrace]: nobody is called silent before that is over, counted from the server's own
// sys_startup in the log.
//
// # Whose word counts
//
// Who asked for a run and who started it, as in package story, against which a test holds this package's judgement of every
// run: the same key, application and environment. A job's parent may be anybody's.
//
// # Orphans
//
// A child is an orphan when nothing of its parent is in the log, which is what package story calls so: then its lineage
// cannot be followed to the original principal (108 "Recursive/Parent-Child Jobs"). A parent that reported its outcome and
// left its children running is in order, as in any fan-out. A parent that is lost, and whose child runs on, is not.
//
// # Memory
//
// Open runs and those given up are kept ([Policy.MaxRuns]), and of what is over 16-byte hashes, of the last 100,000 runs or
// more, so that a request that is shipped long after its job ended starts nothing. When there is no room, the run that
// was given up first is let go of; where there is none, new runs are not watched, and the log is told so once
// (sys_monitor_disabled).
package watch
