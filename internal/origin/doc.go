// Package origin finds out who and where we are, and what set us off, without
// asking anybody: neither a person, nor a network.
//
// SCHEMA wants every default that was found rather than given to be named in an
// event's "derived" member. So each thing found here is a [Value]: what it is, and how
// it was found. What could not be found is the zero Value, which a caller
// excuses in "absent". Nothing is guessed in silence.
//
// There are two sorts of findings, and How keeps them apart. What the kernel
// says (host name, uid, login uid, boot id, ancestors in /proc) an ordinary user
// cannot forge. What the environment says (SSH_CONNECTION, SUDO_USER,
// INVOCATION_ID, GITHUB_*, CI_*, AIRFLOW_CTX_*, OPENLINEAGE_PARENT_ID) is a claim of whoever started us, and its How
// begins with "environment".
//
// Of the environment only variables that this package names are read, one by one:
// tokens and mail addresses lie right beside them.
//
// No packet is sent, no name service is asked (both can hang), no command is
// run. Every file that is read is bounded, and read through an fs.FS, so that
// tests can show a machine that is not there. Text is handed on as found, cut at
// [MaxText] bytes; making it harmless is the encoder's work.
package origin
