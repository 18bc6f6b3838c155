// Package auth says who a caller is and what they may do: tokens and their roles, the keys that a token has brought, and
// one function that decides, [Identity.May]. Nothing else in stet decides it.
//
// A token is 256 random bits, told once; what is kept is their SHA-256, in the store, in the file auth/tokens (mode 0600):
//
//	stet/tokens/v1
//	{"name":"writer-billing-3f9a1c","role":"writer","hash":"…",…}
//
// one line a token in the order they were made, compact JSON with its members in one order, so that a file has one form.
// It is replaced whole and durably before a change counts, and its one writer is whoever holds the store's lock. What
// happens to tokens and keys is recorded in the log as events (events.go); the file is only what must be asked quickly.
//
// Errors and events of this package name tokens, and never hold one.
package auth
