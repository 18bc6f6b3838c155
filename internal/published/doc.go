// Package published reads what a log publishes, once for all who follow it: the index, the watch, the alerts of a server.
//
// A [Reader] reads a log in order, takes each entry apart, and gives it to a [Taker] when its seal has come. A [Feed] is for a
// log that grows: whoever follows it reads by himself until he is at the end, and from there on all who are at the end are
// given the same entries by one Reader, an entry to one after the other. Who fails, or ends, is taken out of it, and what
// begins anew elsewhere reads by itself again: so nobody waits for a follower that is far behind, and none is given an entry
// twice or not at all. Each has his place in the log himself.
//
// Those who read together are as fast as the slowest of them. Nothing that the log acknowledges waits for any.
package published
