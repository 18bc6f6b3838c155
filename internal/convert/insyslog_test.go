package convert_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
)

// message reads one message as a listener does.
func message(line string) ([]convert.Record, error) {
	r, err := convert.ReadSyslog([]byte(line), noon)
	if err != nil {
		return nil, err
	}
	return []convert.Record{r}, nil
}

// pri is what <13> says, with what follows.
func pri(more ...string) []string {
	return append([]string{"syslog.facility=1 number", "syslog.severity=5 number"}, more...)
}

// old is pri of a message of RFC 3164 whose year and zone were assumed.
func old(at string, more ...string) []string {
	return append(pri("syslog.timestamp="+at, "syslog.assumed=year and zone"), more...)
}

func TestSyslog5424(t *testing.T) {
	for _, s := range []sample{
		{name: "the RFC's first", line: `<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - ` + "\ufeff'su root' failed for lonvick on /dev/pts/8",
			want: []string{"syslog.facility=4 number", "syslog.severity=2 number", "syslog.timestamp=2003-10-11T22:14:15.003Z", "syslog.hostname=mymachine.example.com", "syslog.appname=su",
				"syslog.msgid=ID47", "syslog.message='su root' failed for lonvick on /dev/pts/8"}},
		{name: "the RFC's structured data", line: `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]`,
			want: []string{"syslog.facility=20 number", "syslog.severity=5 number", "syslog.timestamp=2003-10-11T22:14:15.003Z", "syslog.hostname=mymachine.example.com", "syslog.appname=evntslog",
				"syslog.msgid=ID47", "iut=3 number", "eventSource=Application", "eventID=1011 number",
				"class=high"}},
		{name: "what util-linux's logger sends", line: `<13>1 2026-01-13T10:00:00.123456+01:00 host alice - - [timeQuality tzKnown="1" isSynced="1" syncAccuracy="204500"][app@1 user_id="a b"] hello`,
			want: pri("syslog.timestamp=2026-01-13T10:00:00.123456+01:00", "syslog.hostname=host", "syslog.appname=alice", "timeQuality:tzKnown=1 number", "timeQuality:isSynced=1 number", "timeQuality:syncAccuracy=204500 number",
				"user_id=a b", "syslog.message=hello")},
		{name: "nothing known", line: `<13>1 - - - - - -`, want: pri()},
		{name: "escapes in a value", line: `<13>1 - - - - - [a x="\"\\\]\n"]`, want: pri(`a:x="\]\n`)},
		{name: "nine digits, and names that are too long", line: `<13>1 2026-01-13T10:00:00.123456789Z h ` + strings.Repeat("a", 60) + ` - - - x`,
			want: pri("syslog.timestamp=2026-01-13T10:00:00.123456789Z", "syslog.hostname=h", "syslog.appname="+strings.Repeat("a", 60), "syslog.message=x")},
		{name: "a parameter twice is a list", line: `<13>1 - - - - - [origin ip="10.0.0.1" ip="::1"]`, want: pri("origin:ip=10.0.0.1", "origin:ip[1]=::1")},
		{name: "the header is not displaced", line: `<13>1 - h - - - - {"syslog":{"hostname":"evil"},"user":"u"}`,
			want: pri("syslog.hostname=h", `syslog.message={"syslog":{"hostname":"evil"},"user":"u"}`, "user=u")},
		{name: "of two elements the first has the name", line: `<13>1 - - - - - [a@1 user="u"][b@1 user="v"]`, want: pri("user=u", "b@1:user=v")},
		{name: "a cookie", line: `<13>1 - h - - - - @cee: {"user":"u"}`, want: pri("syslog.hostname=h", `syslog.message=@cee: {"user":"u"}`, "user=u")},
		{name: "what only looks like JSON", line: `<13>1 - h - - - - {user}`, want: pri("syslog.hostname=h", "syslog.message={user}")},
		{name: "NUL, ESC and bytes that are not UTF-8 are kept", line: "<13>1 - h - - - - a\x00b\x1b\xff\n", want: pri("syslog.hostname=h", "syslog.message=a\x00b\x1b\xff")},
		{name: "an element twice", line: `<13>1 - - - - - [a@1 user="u"][a@1 user="v"]`, err: event.ErrDuplicate},
		{name: "an element that does not end", line: `<13>1 - - - - - [a x="1"`, err: event.ErrSyntax},
		{name: "a value that does not end", line: `<13>1 - - - - - [a x="1]`, err: event.ErrSyntax},
		{name: "no id", line: `<13>1 - - - - - [] x`, err: event.ErrSyntax},
		{name: "no structured data", line: `<13>1 - - - - - x`, err: event.ErrSyntax},
		{name: "a short header", line: `<13>1 - - -`, err: event.ErrSyntax},
		{name: "no priority", line: `hello`, err: event.ErrSyntax},
		{name: "a priority that is none", line: `<192>1 - - - - - -`, err: event.ErrSyntax},
		{name: "nothing", line: ``, err: event.ErrSyntax},
		{name: "too many parameters", line: `<13>1 - - - - - [a ` + numbered(`p%="1" `, convert.MaxLineLeaves+1) + `]`, err: event.ErrItems},
	} {
		s.run(t, message)
	}
}

func TestSyslog3164(t *testing.T) {
	for _, s := range []sample{
		{name: "the RFC's first", line: `<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8`,
			want: []string{"syslog.facility=4 number", "syslog.severity=2 number", "syslog.timestamp=2025-10-11T22:14:15+01:00", "syslog.assumed=year and zone", "syslog.hostname=mymachine", "syslog.appname=su",
				"syslog.message='su root' failed for lonvick on /dev/pts/8"}},
		{name: "rsyslog's traditional form", line: `<13>Jan  3 10:00:00 host sshd[123]: Accepted publickey`,
			want: old("2026-01-03T10:00:00+01:00", "syslog.hostname=host", "syslog.appname=sshd", "syslog.procid=123", "syslog.message=Accepted publickey")},
		{name: "rsyslog's own form", line: `<13>2026-01-13T10:00:00.123456+01:00 host sshd[123]: Accepted publickey`,
			want: pri("syslog.timestamp=2026-01-13T10:00:00.123456+01:00", "syslog.hostname=host", "syslog.appname=sshd", "syslog.procid=123", "syslog.message=Accepted publickey")},
		{name: "busybox, which names no host", line: `<13>Jan  3 10:00:00 app: hello`, want: old("2026-01-03T10:00:00+01:00", "syslog.appname=app", "syslog.message=hello")},
		{name: "busybox with a process", line: `<13>Jan  3 10:00:00 crond[7]: USER root`, want: old("2026-01-03T10:00:00+01:00", "syslog.appname=crond", "syslog.procid=7", "syslog.message=USER root")},
		{name: "logger without a tag", line: `<13>Jan 13 10:00:00 host alice: hello`, want: old("2026-01-13T10:00:00+01:00", "syslog.hostname=host", "syslog.appname=alice", "syslog.message=hello")},
		{name: "a tag with a slash", line: `<22>Jan 13 10:00:00 mx postfix/smtpd[9]: connect`,
			want: []string{"syslog.facility=2 number", "syslog.severity=6 number", "syslog.timestamp=2026-01-13T10:00:00+01:00", "syslog.assumed=year and zone", "syslog.hostname=mx", "syslog.appname=postfix/smtpd", "syslog.procid=9", "syslog.message=connect"}},
		{name: "no tag", line: `<13>Jan 13 10:00:00 host went away`, want: old("2026-01-13T10:00:00+01:00", "syslog.hostname=host", "syslog.message=went away")},
		{name: "nothing but a tag", line: `<13>app[1]: hello`, want: pri("syslog.appname=app", "syslog.procid=1", "syslog.message=hello")},
		{name: "nothing but a text", line: `<13>hello, world`, want: pri("syslog.message=hello, world")},
		{name: "a URL is no tag", line: `<13>http://h/ is down`, want: pri("syslog.message=http://h/ is down")},
		{name: "nothing", line: `<13>`, want: pri()},
		{name: "a one-digit day without a space", line: `<13>Jan 3 10:00:00 h a: x`, want: old("2026-01-03T10:00:00+01:00", "syslog.hostname=h", "syslog.appname=a", "syslog.message=x")},
		{name: "a fraction", line: `<13>Jan 13 10:00:00.123 h a: x`, want: old("2026-01-13T10:00:00.123+01:00", "syslog.hostname=h", "syslog.appname=a", "syslog.message=x")},
		{name: "Cisco's firewalls", line: `<13>Jan 13 2024 10:00:00 fw01 : %ASA-6-302013: Built inbound`,
			want: pri("syslog.timestamp=2024-01-13T10:00:00+01:00", "syslog.assumed=zone", "syslog.hostname=fw01", "syslog.appname=%ASA-6-302013", "syslog.message=Built inbound")},
		{name: "Cisco's routers", line: `<13>123: *Jan  3 18:46:11: %SYS-5-CONFIG_I: Configured from console`,
			want: old("2026-01-03T18:46:11+01:00", "syslog.appname=%SYS-5-CONFIG_I", "syslog.message=Configured from console")},
		{name: "ISO 8601 without a zone", line: `<13>2026-01-13T10:00:00 h a: x`, want: pri("syslog.timestamp=2026-01-13T10:00:00+01:00", "syslog.assumed=zone", "syslog.hostname=h", "syslog.appname=a", "syslog.message=x")},
		{name: "an address for a host", line: `<13>Jan 13 10:00:00 fe80::1 a: x`, want: old("2026-01-13T10:00:00+01:00", "syslog.hostname=fe80::1", "syslog.appname=a", "syslog.message=x")},
		{name: "CEF", line: `<13>Jan 13 10:00:00 h app: CEF:0|a|b|1|authz_fail|d|5|suser=u`,
			want: old("2026-01-13T10:00:00+01:00", "syslog.hostname=h", "syslog.appname=app", "syslog.message=CEF:0|a|b|1|authz_fail|d|5|suser=u", "cef.version=0 number", "cef.vendor=a", "cef.product=b",
				"cef.product_version=1 number", "cef.event_class_id=authz_fail", "cef.name=d", "cef.severity=5 number", "suser=u")},
		{name: "CEF that is none", line: `<13>Jan 13 10:00:00 h CEF:0|a|b`, err: event.ErrSyntax},
		{name: "CRLF", line: "<13>a: x\r\n", want: pri("syslog.appname=a", "syslog.message=x")},
	} {
		s.run(t, message)
	}
}

// A time without a year is in the year that is nearest before now: at the turn of it, in the last one, and for a clock that is
// ahead in the next.
func TestSyslogYear(t *testing.T) {
	for _, c := range []struct{ now, stamp, want string }{
		{"2026-01-01T00:00:01Z", "Dec 31 23:59:59", "2025-12-31T23:59:59Z"},
		{"2025-12-31T23:59:59Z", "Jan  1 00:00:01", "2026-01-01T00:00:01Z"},
		{"2026-03-01T00:00:00Z", "Mar  3 00:00:00", "2025-03-03T00:00:00Z"},
		{"2026-03-01T00:00:00Z", "Feb 29 10:00:00", "2024-02-29T10:00:00Z"},
		{"2026-06-01T00:00:00+02:00", "May 31 23:00:00", "2026-05-31T23:00:00+02:00"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		r, err := convert.ReadSyslog([]byte("<13>"+c.stamp+" host app: x"), now)
		if l, ok := r.Leaf("syslog.timestamp"); err != nil || !ok || l.Text != c.want {
			t.Errorf("%s at %s: %v %v, want %s", c.stamp, c.now, l.Text, err, c.want)
		}
	}
}

// What we send, we understand: in each format that names its fields by a standard, an event says the same of what it has a place
// for.
func TestReadWhatWeWrite(t *testing.T) {
	for _, row := range rows(t) {
		if !row.IsEvent() {
			continue
		}
		for format, fields := range map[convert.Format][]string{
			convert.CEF:    {"event_id", "event_type", "app_id", "user_id", "source_ip", "interaction_id", "job.id", "job.name", "host.name"},
			convert.CEF1:   {"event_id", "event_type", "app_id", "user_id", "source_ip", "interaction_id", "job.id", "job.name", "host.name"},
			convert.Syslog: {"event_id", "event_type", "app_id", "environment", "user_id", "source_ip", "interaction_id", "job.id", "job.run_id", "job.name", "host.name", "description", "status", "trace_id"},
		} {
			in := convert.InCEF
			if format == convert.Syslog {
				in = convert.InSyslog
			}
			records, err := convert.NewLines(in, noon).Read(format.Append(nil, row))
			if err != nil || len(records) != 1 {
				t.Fatalf("%s: %d records, %v", format, len(records), err)
			}
			jsonl, err := convert.ReadLine(convert.JSONLines.Append(nil, row))
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range fields {
				want, _ := jsonl[0].Leaf("entry.event." + field)
				got, _ := convert.Standard().Value(&records[0], field)
				if want.Kind == convert.Null {
					want.Text = ""
				}
				if got.Text != want.Text {
					t.Errorf("%s: %s is %q, was %q", format, field, got.Text, want.Text)
				}
			}
		}
	}
}

// FuzzLines: whatever comes is read as records within the limits, or refused with one of our codes.
func FuzzLines(f *testing.F) {
	for _, s := range []string{
		`<34>1 2003-10-11T22:14:15.003Z h su 1 ID47 [a@1 x="\"" y="\]"][b z=""] ` + "\ufeffhello", `<34>Oct 11 22:14:15 h su[1]: x`, `<13>Jan 13 10:00:00 h app: CEF:0|a|b|1|c|d|5|suser=u cs1=x cs1Label=y`,
		`<13>1 - - - - - - {"a":{"b":[1,null]}}`, `<189>12: *Mar  1 18:46:11: %SYS-5: x`, `a=1 b="x\"\u00e9" c`, `CEF:0|a\|b|c|1|2|n|5|msg=a\=b\n request=http://x/?a=b`, "a,\"b\n\",c", `{"a":1}`, "<999>", "<13>2026-01-13T10:00:00 h", "\x00\xff[",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, input := range []convert.Input{convert.InJSON, convert.InLogfmt, convert.InCEF, convert.InCSV, convert.InSyslog, ""} {
			read := func(s string) ([]convert.Record, error) {
				if input == "" {
					return message(s)
				}
				l := convert.NewLines(input, noon)
				if _, err := l.Read([]byte("a,b,c")); err != nil && input == convert.InCSV {
					return nil, err
				}
				return l.Read([]byte(s))
			}
			records, err := read(line)
			var known *convert.LineError
			if err != nil && !errors.As(err, &known) {
				t.Fatalf("%s: %v", input, err)
			}
			for i := range records {
				r := &records[i]
				if len(r.Leaves) > convert.MaxLineLeaves {
					t.Fatalf("%s: %d values", input, len(r.Leaves))
				}
				for _, l := range r.Leaves {
					if len(l.Key) > convert.MaxLineKey+64 {
						t.Fatalf("%s: a key of %d bytes", input, len(l.Key))
					}
				}
				convert.Standard().Draft(r)
			}
			if again, err2 := read(line); fmt.Sprint(err) != fmt.Sprint(err2) || len(again) != len(records) {
				t.Fatalf("%s: read twice, it is not the same", input)
			}
		}
		convert.Sniff([]byte(line), noon)
	})
}
