// Package exports makes files of evidence of a log: for a command at once, and for whoever asks a server in the background.
//
// # The desk
//
// A Desk makes one file at a time, in the order in which they were asked for, and keeps each for a while for the one who asked. How
// many wait and are kept, how large a file may be and how long the making may take is bounded (Limits), because the whole log is
// read for each. A file is verified before anybody is given it, and that it was made is an event of the log, durable (L1) by then,
// as it is for stet export. Whoever asks must be allowed to read the whole log: seals and keys of all applications are in evidence.
//
// What is kept lies in files without a name, so that nothing is left behind, whatever becomes of the process.
package exports
