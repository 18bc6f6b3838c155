// Package intake takes into the log what others bring unsealed: drafts of events, and records of other systems (OTLP logs, CloudEvents,
// syslog), of which it makes events. It completes each and judges it by itself, knows what was there before, counts what is noise, keeps
// what it refuses where people find it, and has the log write the rest, sealed by the log's own key for that, in a stream of its
// sender. docs/spec/intake.md has the rules.
//
// What it is told of a sender is the server's word; what an event or a record says is its sender's claim, and shown as such. Sources,
// kinds, bytes and files are bounded. All of it is safe for concurrent use.
package intake
