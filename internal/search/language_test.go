package search

import (
	"errors"
	"strings"
	"testing"
)

// spellings are queries as people type them, and their one canonical spelling.
var spellings = []struct{ typed, canonical string }{
	{``, ``},
	{" \t ", ``},
	{`actor:alice event:job_failed after:2026-01-01 -label.queue:mail "card declined"`, `actor:alice event:job_failed after:2026-01-01 -label.queue:mail "card declined"`},
	// And binds closer than OR; parentheses stay where they matter.
	{`a OR b c`, `a OR b c`},
	{`(a OR b) c`, `(a OR b) c`},
	{`(a (b c)) OR (d)`, `a b c OR d`},
	{`a AND b`, `a b`},
	{`-(a b) -(c OR d) -(-e)`, `-(a b) -(c OR d) -(-e)`},
	{`(-a)`, `-a`},
	// Words are tokens in lower case.
	{`Card-Declined`, `"card declined"`},
	{`"OR"`, `or`},
	{`purg*`, `purg*`},
	{`"card decl"*`, `"card decl"*`},
	{`失败`, `"失 败"`},
	{`12:30`, `"12 30"`},
	// Values.
	{`actor:*`, `actor:*`},
	{`status:failure,aborted`, `status:failure,aborted`},
	{`job:purge-*,"nightly job"`, `job:purge-*,"nightly job"`},
	{`job:"purge*"`, `job:"purge*"`},
	{`actor:CORP\nora`, `actor:"CORP\\nora"`},
	{`actor:"a\nb"`, `actor:"a\nb"`},
	{`actor:"say \"no\""`, `actor:"say \"no\""`},
	{`object:../x`, `object:"../x"`},
	{`param.f:a..b`, `param.f:"a..b"`},
	{`job:-5`, `job:-5`},
	{`label.x:""`, `label.x:""`},
	{`label."a:b":x`, `label."a:b":x`},
	{`label.team.lead:x`, `label.team.lead:x`},
	{`param.a."b.c".0:5`, `param.a."b.c".0:5`},
	{`ip:10.0.0.0/8,::ffff:192.0.2.7,2001:DB8::0:1`, `ip:10.0.0.0/8,192.0.2.7,2001:db8::1`},
	{`ip:192.0.2.*`, `ip:192.0.2.*`},
	// Ranges.
	{`attempt:>1`, `attempt:>=2`},
	{`attempt:<5`, `attempt:<=4`},
	{`seq:10..20,30`, `seq:10..20,30`},
	{`seq:0..20`, `seq:<=20`},
	{`severity:error`, `severity:3`},
	{`severity:<=3`, `severity:<=3`},
	{`param.rows:>=100`, `param.rows:>=100`},
	{`param.rows:5..5`, `param.rows:5..5`},
	{`param.rows:-5..5`, `param.rows:-5..5`},
	// Times.
	{`after:2026-01-01T00:00`, `after:2026-01-01`},
	{`after:2026-01-01T08:00-02:00`, `after:2026-01-01T10:00Z`},
	{`after:2026-01-01T01:00+01:00`, `after:2026-01-01`},
	{`before:2026-01`, `before:2026-01-01`},
	{`since:2026-01-01`, `after:2026-01-01`},
	{`since:1w12h`, `since:7d12h`},
	{`since:90m`, `since:1h30m`},
	{`received:>=2026`, `after:2026-01-01`},
	{`time:2026`, `time:2026`},
	{`time:2026-02`, `time:2026-02`},
	{`time:2026-02-01..2026-02-28`, `time:2026-02`},
	{`time:2026-02-01T08:30..2026-02-28`, `time:2026-02-01T08:30Z..2026-02-28`},
	{`time:>2026-02-01`, `time:>=2026-02-02`},
	{`time:<=2026-02-01`, `time:<2026-02-02`},
	{`time:2026-02-01T08:30:00.5Z`, `time:2026-02-01T08:30:00.500000000Z`},
	{`received:2026-02-01,2026-02-07`, `received:2026-02-01,2026-02-07`},
}

func TestSpellings(t *testing.T) {
	for _, c := range spellings {
		if got := mustParse(t, c.typed).String(); got != c.canonical {
			t.Errorf("%s prints as %s, want %s", c.typed, got, c.canonical)
		}
	}
}

// wrong are queries that are refused: the bytes that are pointed at, and a part of what is said.
var wrong = []struct{ typed, at, says string }{
	{`actr:alice`, `actr`, `do you mean actor?`},
	{`user_id:alice`, `user_id`, `do you mean actor?`},
	{`user-id:alice`, `user-id`, `do you mean actor?`},
	{`Actor:alice`, `Actor`, `do you mean actor?`},
	{`queue:mail`, `queue`, `label.queue:VALUE`},
	{`http://x.example`, `http`, `quote it`},
	{`label:x`, `label`, `label.NAME:VALUE`},
	{`label.x`, `label.x`, `a colon and a value`},
	{`label.:x`, `:`, `the name of a label`},
	{`label."a b".c:x`, `label."a b"`, `a colon and a value`},
	{`actor.name:x`, `actor.name`, `has no parts`},
	{`actor: alice`, `:`, `without a space`},
	{`actor:`, `:`, `actor:* finds all that have one`},
	{`actor:a,`, `,`, `a value must follow`},
	{`actor:""`, `""`, `-actor:* finds what has none`},
	{`actor:""*`, `""*`, `actor:* finds all`},
	{`actor:*,a`, `actor:*,a`, `nothing can stand beside it`},
	{`actor:(a OR b)`, `(`, `actor:a,b`},
	{`actor:"a"b`, `b`, `cannot stand here`},
	{`actor:a"b`, `"`, `cannot stand here`},
	{`actor:“a”`, `“`, `write "`},
	{`actor:a*b`, `*`, `only stand at the end`},
	{`actor:>5`, `>5`, `has no order`},
	{`job:10..20`, `10..20`, `has no order`},
	{`status:failed`, `failed`, `it is one of success, failure`},
	{`status:succes`, `succes`, `do you mean success?`},
	{`is:ghosts`, `ghosts`, `do you mean ghost?`},
	{`is:*`, `*`, `needs a value`},
	{`event:Job-Failed`, `Job-Failed`, `do you mean job_failed?`},
	{`severity:>=error`, `>=error`, `severity:<=3`},
	{`severity:eror`, `eror`, `emergency`},
	{`severity:8`, `8`, `between 0 and 7`},
	{`severity:<0`, `<0`, `no severity lies there`},
	{`attempt:0`, `0`, `between 1 and`},
	{`attempt:two`, `two`, `not a whole number`},
	{`seq:1*`, `1*`, `5..10`},
	{`seq:20..10`, `20..10`, `from the smaller to the greater`},
	{`seq:9007199254740992`, `9007199254740992`, `between 0 and`},
	{`param.x:>=a`, `>=a`, `not a whole number`},
	{`param.a..b:x`, `.`, `the name of a param`},
	{`ip:10.0.0.300`, `10.0.0.300`, `not an IP address`},
	{`ip:10.0.0.1/8`, `10.0.0.1/8`, `do you mean 10.0.0.0/8?`},
	{`ip:web*`, `web*`, `no address begins so`},
	{`after:yesterday`, `yesterday`, `2026-01-31`},
	{`after:2026-02-30`, `2026-02-30`, `is not a time`},
	{`after:2026-01..2026-02`, `2026-01..2026-02`, `received:A..B`},
	{`after:2026-01-01,2026-02-01`, `,`, `takes one time`},
	{`since:soon`, `soon`, `90m`},
	{`since:0s`, `0s`, `90m`},
	{`time:2026..2025`, `2026..2025`, `the earlier time stands first`},
	{`time:1969`, `1969`, `1970 to 2261`},
	{`(a OR b`, `(`, `no ) for this`},
	{`a)`, `)`, `no ( for this`},
	{`()`, `)`, `something to look for`},
	{`a OR`, ``, `something to look for`},
	{`OR a`, `O`, `something to look for`},
	{`a AND`, ``, `something to look for`},
	{`NOT a`, `NOT`, `- in front`},
	{`- a`, `-`, `directly in front`},
	{`--a`, `-`, `directly in front`},
	{`–a`, `–`, `write - to negate`},
	{`!a`, `!`, `write - to negate`},
	{`:a`, `:`, `a field's name`},
	{`*`, `*`, `an empty query finds everything`},
	{`a || b`, `||`, `write OR`},
	{`"..."`, `"..."`, `letters and digits`},
	{`"a`, `"`, `does not end`},
	{`"a\qb"`, `"a\qb"`, `a backslash is written \\`},
	{"a\x00", "\x00", `\u0000`},
	{"a\xff", "\xff", `\xff`},
	{"\"a\u200b\"", "\u200b", `\u200b`},
}

func TestWrong(t *testing.T) {
	for _, c := range wrong {
		q, err := Parse(c.typed)
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: taken as %s", c.typed, q)
			continue
		}
		if got := c.typed[e.At:e.End]; got != c.at {
			t.Errorf("%s: points at %q, want %q", c.typed, got, c.at)
		}
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: says %q, want %q in it", c.typed, err, c.says)
		}
	}
}

func TestCaret(t *testing.T) {
	for _, c := range []struct{ typed, shown string }{
		{"status:succes x", "status:succes x\n       ^^^^^^"},
		{"ü status:succes", "ü status:succes\n         ^^^^^^"},
		{"a\tOR", "a OR\n    ^"},
		{strings.Repeat("word ", 40) + "bad:x", "…" + strings.Repeat("word ", 40)[200-caretRoom:] + "bad:x\n" + strings.Repeat(" ", caretRoom+1) + "^^^"},
		{"\x1b[2Jbad:x", "\uFFFD[2Jbad:x\n^"},
	} {
		_, err := Parse(c.typed)
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%q: %v", c.typed, err)
		}
		if got := e.Caret(); got != c.shown {
			t.Errorf("%q:\n%s\nwant\n%s", c.typed, got, c.shown)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name, good, bad string
	}{
		{"bytes", strings.Repeat("a", MaxBytes), strings.Repeat("a", MaxBytes+1)},
		{"bytes as printed", "job:" + strings.Repeat(`\`, MaxBytes/2-3), "job:" + strings.Repeat(`\`, MaxBytes/2-2)},
		{"depth", strings.Repeat("-(", MaxDepth/2) + "a" + strings.Repeat(")", MaxDepth/2), strings.Repeat("-(", MaxDepth/2) + "-a" + strings.Repeat(")", MaxDepth/2)},
		{"words", strings.Repeat("a ", MaxTerms), strings.Repeat("a ", MaxTerms+1)},
		{"values", "job:a" + strings.Repeat(",a", MaxTerms-1), "job:a" + strings.Repeat(",a", MaxTerms)},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustParse(t, c.good)
			if _, err := Parse(c.bad); err == nil {
				t.Error("beyond the limit it is taken")
			}
		})
	}
}
