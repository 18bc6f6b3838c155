// Package syslog takes syslog messages over TCP and TLS (RFC 6587, 5425): it frames them, bounds who sends how much, and hands
// them to a Log. What the messages mean is the business of packages convert and intake.
//
// Nothing is read on from a connection before what was read is durable, so a log that is slow, or full, makes its senders wait
// and drops nothing. Syslog has no acknowledgement: what a sender has written and this process has not read when either of
// them crashes, is lost, and its sender does not know (docs/spec/import.md).
package syslog
