// Package intake takes into the log what others bring unsealed: it completes drafts of events and judges each by itself, knows
// what was there before, and has the log write the rest, sealed by the log's own key for that, in a stream of its sender.
//
// What it is told of a sender is the server's word; what an event says is its sender's claim, and shown as such. All of it is
// safe for concurrent use.
package intake
