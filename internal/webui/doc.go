// Package webui is the web pages of a server: search, stories, events with their proofs, and what is missing, for people who
// would rather look than read JSON.
//
// # What it stands on
//
// Every page is made on the server of what the server's own API answers to whoever looks at it (Caller.Ask), in the same
// process. So a page can show nothing, and do nothing, that a program with the same token could not; who may do what is
// decided where it is for programs, and reading is recorded as it is for programs.
//
// # What a page is
//
// A template of html/template and a typed view model. A page works without JavaScript; with it there are keys, live results,
// and the check of a proof in the browser. What a page shows stands in its address: a link is a view. Addresses are relative
// and of one segment, so that a proxy may put the pages below any path that it takes away again, without being told here.
//
// Nothing is inline, and the Content-Security-Policy allows nothing that is: what an event says is text, whatever it says.
// Each file of static/ is part of the program; htmx is the one that is not ours, pinned by its hash in a test.
//
// # Sessions
//
// A person logs in with a token. The browser gets 256 random bits in a cookie; the server keeps their SHA-256 and whose token
// it was, in memory, for twelve hours at most, and asks with each request whether that token is still good. The token itself
// is kept nowhere.
package webui
