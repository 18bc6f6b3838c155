// Package interop holds nothing but tests in which programs and libraries that nobody here wrote judge what stet writes:
//
//   - the fsck library of Tessera checks whole logs, tile by tile, in a directory and over HTTP;
//   - Tessera's client follows a server that takes events, and its hammer reads there;
//   - transparency-dev/merkle checks inclusion and consistency proofs;
//   - transparency-dev/formats checks checkpoints and tlog-proofs.
//
// The verifier in JavaScript (package verifierpage) is our own, written from the specification alone: it stands against package
// evidence here, under Node and, within its page, in Chromium, which package browser starts.
//
// Each must accept a good log and refuse every corrupted copy: a check that cannot fail would prove nothing. It also
// holds, in the folder consumer, a program that uses the SDK as a user would, and a test of what that pulls in.
//
// It is a module of its own so that none of this reaches the users of stet.
package interop
