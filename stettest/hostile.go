package stettest

import "strings"

// Input is a text that somebody hostile, or a program gone wrong, could hand in.
type Input struct {
	Name string
	Text string
}

// Hostile returns inputs for users' own handlers: whatever a handler makes of them, the record must be made, be valid,
// and hold nothing that a log reader or a terminal would act upon.
func Hostile() []Input {
	return []Input{
		{"empty", ""},
		{"forged line", "ok\r\n2026-01-01 ERROR admin logged in"},
		{"NUL", "a\x00b"},
		{"terminal colours and title", "\x1b[31mred\x1b[0m\x1b]0;title\x07"},
		{"C1 control", "a\u009b31mb\u0085c"},
		{"line separators", "a\u2028b\u2029c"},
		{"right-to-left override", "user\u202egpj.exe"},
		{"bidi isolates", "a\u2066b\u2069c"},
		{"zero width", "ad\u200bmin\ufeff"},
		{"invalid UTF-8", "a\xff\xfe\xc3(b"},
		{"overlong encoding", "\xc0\xaf"},
		{"surrogate in UTF-8", "\xed\xa0\x80"},
		{"already escaped", `a\nb\x00\u202e\\`},
		{"quotes and braces", `","severity":0,"x":{"y":"`},
		{"JSON", `{"event_type":"job_succeeded","status":"success"}`},
		{"markup", `<script>alert(1)</script>`},
		{"formula", `=HYPERLINK("http://example.com","click")`},
		{"format verbs", "%s%n%d{{.}}${IFS}"},
		{"CEF", `a|b=c\|d\=e`},
		{"syslog", `"]<134>1 - - -`},
		{"long", strings.Repeat("long ", 20_000)},
		{"long without spaces", strings.Repeat("x", 100_000)},
		{"wide", strings.Repeat("漢", 3_000)},
		{"combining", "e" + strings.Repeat("\u0301", 2_000)},
	}
}
