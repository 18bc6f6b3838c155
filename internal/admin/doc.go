// Package admin does what is asked about tokens and keys, and has the log say so: each change is one call that makes it
// and records it. It also records what happens at a server's door: logins that were refused, readings, starts and stops,
// changed settings.
//
// [Office] works on a store that is held open, in a server or in a command that found the store free. [Office.Routes] is
// the same over HTTP, and [Client] the other end of that.
//
// Nothing of a token but its name is in any event, error or log line of this package. A token's text is in one answer, once.
package admin
