package stettest

import "strings"

// Input is a text that somebody hostile, or a program gone wrong, could hand in.
type Input struct {
	Name string
	Text string
	// Secret is the part of Text that no record may hold, for WantNoSecret; "" where there is none. It is made up.
	Secret string
}

// Hostile returns inputs for users' own handlers: whatever a handler makes of them, the record must be made, be valid,
// and hold nothing that a log reader or a terminal would act upon.
func Hostile() []Input {
	return []Input{
		{Name: "empty", Text: ""},
		{Name: "forged line", Text: "ok\r\n2026-01-01 ERROR admin logged in"},
		{Name: "NUL", Text: "a\x00b"},
		{Name: "terminal colours and title", Text: "\x1b[31mred\x1b[0m\x1b]0;title\x07"},
		{Name: "C1 control", Text: "a\u009b31mb\u0085c"},
		{Name: "line separators", Text: "a\u2028b\u2029c"},
		{Name: "right-to-left override", Text: "user\u202egpj.exe"},
		{Name: "bidi isolates", Text: "a\u2066b\u2069c"},
		{Name: "zero width", Text: "ad\u200bmin\ufeff"},
		{Name: "invalid UTF-8", Text: "a\xff\xfe\xc3(b"},
		{Name: "overlong encoding", Text: "\xc0\xaf"},
		{Name: "surrogate in UTF-8", Text: "\xed\xa0\x80"},
		{Name: "already escaped", Text: `a\nb\x00\u202e\\`},
		{Name: "quotes and braces", Text: `","severity":0,"x":{"y":"`},
		{Name: "JSON", Text: `{"event_type":"job_succeeded","status":"success"}`},
		{Name: "markup", Text: `<script>alert(1)</script>`},
		{Name: "formula", Text: `=HYPERLINK("http://example.com","click")`},
		{Name: "formula with a plus", Text: "+1+cmd|' /C calc'!A0"},
		{Name: "formula with a minus", Text: "-2+3"},
		{Name: "formula with an at", Text: "@SUM(1+1)"},
		{Name: "formula behind a tab", Text: "\t=1+1"},
		{Name: "full-width formula", Text: "\uff1d1+1"},
		{Name: "format verbs", Text: "%s%n%d{{.}}${IFS}"},
		{Name: "CEF", Text: `a|b=c\|d\=e`},
		{Name: "syslog", Text: `"]<134>1 - - -`},
		{Name: "password", Text: `login failed: password="Tr0ub4dor&3"`, Secret: "Tr0ub4dor&3"},
		{Name: "connection string", Text: "dial postgres://app:s3cr3t-pw@db1/billing: refused", Secret: "s3cr3t-pw"},
		{Name: "bearer token", Text: "Authorization: Bearer q7Lk2ZpV9xT4mR8sW1nB", Secret: "q7Lk2ZpV9xT4mR8sW1nB"},
		{Name: "access key", Text: "denied for AKIAIOSFODNN7EXAMPLE", Secret: "AKIAIOSFODNN7EXAMPLE"},
		{Name: "card number", Text: "card 4111 1111 1111 1111 declined", Secret: "4111 1111 1111 1111"},
		{Name: "long", Text: strings.Repeat("long ", 20_000)},
		{Name: "long without spaces", Text: strings.Repeat("x", 100_000)},
		{Name: "wide", Text: strings.Repeat("漢", 3_000)},
		{Name: "combining", Text: "e" + strings.Repeat("\u0301", 2_000)},
	}
}
