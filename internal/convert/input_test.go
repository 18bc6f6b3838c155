package convert_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
)

// noon is when the messages of these tests are read: in a zone that is an hour ahead of UTC.
var noon = time.Date(2026, time.January, 13, 12, 0, 0, 0, time.FixedZone("", 3600))

// said is what a record says: KEY=VALUE, with the kind of what is no text.
func said(r *convert.Record) []string {
	out := []string{}
	for _, l := range r.Leaves {
		out = append(out, l.Key+"="+l.Text+[...]string{"", " number", " bool", " null"}[l.Kind])
	}
	return out
}

// sample is a line that somebody sends, and what it says; or why it is refused.
type sample struct {
	name, line string
	want       []string
	err        event.Refusal
}

func (s sample) run(t *testing.T, read func(string) ([]convert.Record, error)) {
	t.Run(s.name, func(t *testing.T) {
		records, err := read(s.line)
		if s.err != "" {
			var line *convert.LineError
			if !errors.As(err, &line) || line.Code != s.err {
				t.Fatalf("%v, want %s", err, s.err)
			}
			return
		}
		if err != nil || len(records) != 1 {
			t.Fatalf("%d records, %v", len(records), err)
		}
		if diff := cmp.Diff(s.want, said(&records[0])); diff != "" {
			t.Error(diff)
		}
	})
}

// reading reads lines of one file.
func reading(f convert.Input, before ...string) func(string) ([]convert.Record, error) {
	return func(line string) ([]convert.Record, error) {
		l := convert.NewLines(f, noon)
		for _, b := range before {
			if _, err := l.Read([]byte(b)); err != nil {
				return nil, err
			}
		}
		return l.Read([]byte(line))
	}
}

func TestLogfmt(t *testing.T) {
	for _, s := range []sample{
		{name: "what Go's slog writes", line: `time=2026-01-13T10:00:00.000Z level=INFO msg="user logged in" user.id=u-1 n=3 ok=true`,
			want: []string{"time=2026-01-13T10:00:00.000Z", "level=INFO", "msg=user logged in", "user.id=u-1", "n=3 number", "ok=true bool"}},
		{name: "escapes", line: `a="x\"y\\z\n\u00e9\/" b=`, want: []string{"a=x\"y\\z\né/", "b="}},
		{name: "a key alone", line: `debug user=u`, want: []string{"debug=true bool", "user=u"}},
		{name: "a URL has its own signs", line: `url=http://h/?a=b&c=d x=1`, want: []string{"url=http://h/?a=b&c=d", "x=1 number"}},
		{name: "white space around", line: " \ta=1  b=2\r", want: []string{"a=1 number", "b=2 number"}},
		{name: "null", line: "a=null b=-1.5 c=1.2.3 d=1.", want: []string{"a=null null", "b=-1.5 number", "c=1.2.3", "d=1."}},
		{name: "a key twice", line: "user=alice user=bob", err: event.ErrDuplicate},
		{name: "no pair", line: "just some words", err: event.ErrSyntax},
		{name: "a quote that does not end", line: `a="b`, err: event.ErrSyntax},
		{name: "a quote that ends in an escape", line: `a="b\"`, err: event.ErrSyntax},
		{name: "an escape that is none", line: `a="\q"`, err: event.ErrSyntax},
		{name: "something behind a quote", line: `a="b"c=d`, err: event.ErrSyntax},
		{name: "a quote within a value", line: `a=b"c`, err: event.ErrSyntax},
		{name: "a value without a key", line: `=b`, err: event.ErrSyntax},
		{name: "a long key", line: strings.Repeat("k", convert.MaxLineKey+1) + "=1", err: event.ErrKeys},
		{name: "too many values", line: numbered("k%=1 ", convert.MaxLineLeaves+1), err: event.ErrItems},
	} {
		s.run(t, reading(convert.InLogfmt))
	}
}

// numbered is a text n times, with the number in the place of %.
func numbered(s string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Replace(s, "%", strconv.Itoa(i), 1))
	}
	return b.String()
}

func TestCEF(t *testing.T) {
	head := func(sev string) []string {
		return []string{"cef.version=0 number", "cef.vendor=Security", "cef.product=threatmanager", "cef.product_version=1.0 number", "cef.event_class_id=100 number", "cef.name=worm successfully stopped", "cef.severity=" + sev + " number"}
	}
	for _, s := range []sample{
		{name: "the document's own", line: `CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232`,
			want: append(head("10"), "src=10.0.0.1", "dst=2.1.2.2", "spt=1232 number")},
		{name: "the document's pipes", line: `CEF:0|security|threatmanager|1.0|100|detected a \| in message|10|src=10.0.0.1 act=blocked a | dst=1.1.1.1`,
			want: []string{"cef.version=0 number", "cef.vendor=security", "cef.product=threatmanager", "cef.product_version=1.0 number", "cef.event_class_id=100 number", "cef.name=detected a | in message", "cef.severity=10 number",
				"src=10.0.0.1", "act=blocked a |", "dst=1.1.1.1"}},
		{name: "the document's equals and line breaks", line: `CEF:0|security|threatmanager|1.0|100|detected a = in message|10|act=blocked a \= dst=1.1.1.1 msg=Detected a threat.\n No action needed.`,
			want: []string{"cef.version=0 number", "cef.vendor=security", "cef.product=threatmanager", "cef.product_version=1.0 number", "cef.event_class_id=100 number", "cef.name=detected a = in message", "cef.severity=10 number",
				"act=blocked a =", "dst=1.1.1.1", "msg=Detected a threat.\n No action needed."}},
		{name: "no extension", line: `CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|5|`, want: head("5")},
		{name: "a URL whose signs are not escaped", line: `CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|5|request=http://h/?a=b&c=d suser=u`,
			want: append(head("5"), "request=http://h/?a=b&c=d", "suser=u")},
		{name: "a custom field is known by its label", line: `CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|5|cs1=x-1 cs1Label=interaction_id cs2Label=y`,
			want: append(head("5"), "cs1=x-1", "cs1Label=interaction_id", "cs2Label=y", "interaction_id=x-1")},
		{name: "a label takes no key's place", line: `CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|5|suser=u cs1=root cs1Label=suser`,
			want: append(head("5"), "suser=u", "cs1=root", "cs1Label=suser")},
		{name: "behind syslog's header", line: `<134>Jan 13 10:00:00 fw01 CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|5|src=::1`,
			want: append(append([]string{"syslog.facility=16 number", "syslog.severity=6 number", "syslog.timestamp=2026-01-13T10:00:00+01:00", "syslog.assumed=year and zone", "syslog.hostname=fw01",
				"syslog.message=CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|5|src=::1"}, head("5")...), "src=::1")},
		{name: "a key twice", line: `CEF:0|a|b|1|2|c|5|suser=alice suser=bob`, err: event.ErrDuplicate},
		{name: "a short header", line: `CEF:0|a|b|1|2|c`, err: event.ErrSyntax},
		{name: "another version", line: `CEF:7|a|b|1|2|c|5|`, err: event.ErrSyntax},
		{name: "an extension without a key", line: `CEF:0|a|b|1|2|c|5|word another`, err: event.ErrSyntax},
		{name: "no CEF", line: `<13>1 - - - - - - hello`, err: event.ErrSyntax},
	} {
		s.run(t, reading(convert.InCEF))
	}
}

// CEF's severity ascends.
func TestCEFSeverity(t *testing.T) {
	for said, want := range map[string]event.Severity{"0": 7, "3": 5, "5": 4, "7": 3, "10": 0, "Low": 5, "Very-High": 1} {
		if s, ok := convert.SeverityOf(convert.Leaf{Key: "cef.severity", Text: said}); !ok || s != want {
			t.Errorf("%s: %d %v, want %d", said, s, ok, want)
		}
	}
	if s, ok := convert.SeverityOf(convert.Leaf{Key: "cef.severity", Text: "11"}); ok {
		t.Errorf("11 is %d", s)
	}
}

func TestCSV(t *testing.T) {
	const head = "time,user,note"
	for _, s := range []sample{
		{name: "a row", line: "2026-01-13T10:00:00Z,u-1,hello", want: []string{"time=2026-01-13T10:00:00Z", "user=u-1", "note=hello"}},
		{name: "quotes, commas and line breaks", line: "1,\"a,\"\"b\"\"\",\"x\r\ny\"", want: []string{"time=1 number", `user=a,"b"`, "note=x\ny"}},
		{name: "empty values", line: ",,", want: []string{"time=", "user=", "note="}},
		{name: "too few values", line: "1,2", err: event.ErrSyntax},
		{name: "too many values", line: "1,2,3,4", err: event.ErrSyntax},
		{name: "a quote within a value", line: `1,a"b,c`, err: event.ErrSyntax},
		{name: "two rows", line: "1,2,3\n4,5,6", err: event.ErrSyntax},
	} {
		s.run(t, reading(convert.InCSV, head))
	}
	for _, s := range []sample{
		{name: "semicolons", line: "1;2", want: []string{"a=1 number", "b=2 number"}},
	} {
		s.run(t, reading(convert.InCSV, "a;b"))
	}
	sample{name: "a column without a name", line: "1,2", want: []string{"a=1 number", "column_2=2 number"}}.run(t, reading(convert.InCSV, "a,"))
	sample{name: "a column twice", line: "1,2", err: event.ErrDuplicate}.run(t, reading(convert.InCSV, "a,a"))
	sample{name: "too many columns", line: "", err: event.ErrItems}.run(t, reading(convert.InCSV, numbered("c%,", 1100)))
	l := convert.NewLines(convert.InCSV, noon)
	for b, open := range map[string]bool{"a,b\n": false, "\"a\n": true, "\"a\"\"\n": true, "\"a\"\"\nb\"\n": false} {
		if l.Open([]byte(b)) != open {
			t.Errorf("%q: open is not %v", b, open)
		}
	}
}

func TestSniff(t *testing.T) {
	for line, want := range map[string]convert.Input{
		`{"a":1}`:                 convert.InJSON,
		`CEF:0|a|b|c|d|e|5|`:      convert.InCEF,
		`<13>1 - - - - - - hello`: convert.InSyslog,
		`Jan 13 10:00:00 host sshd[12]: Accepted publickey for root`:     convert.InSyslog,
		`2026-01-13T10:00:00.123456+01:00 host CRON[12]: session opened`: convert.InSyslog,
		`Jan 13 10:00:00 host CEF:0|a|b|c|d|e|5|`:                        convert.InCEF,
		`time=2026-01-13T10:00:00Z level=INFO msg=x`:                     convert.InLogfmt,
		`time,user,note`: convert.InCSV,
		`time;user`:      convert.InCSV,
		`127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1`: "",
		"": "",
	} {
		if f, ok := convert.Sniff([]byte(line), noon); f != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", line, f, want)
		}
	}
}
