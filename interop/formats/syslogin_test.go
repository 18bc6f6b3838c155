package formats

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/internal/convert"
)

// What keeps to the grammar of RFC 5424 our parser reads as leodido/go-syslog does.
func TestReadSyslogAsOthersDo(t *testing.T) {
	other := rfc5424.NewParser()
	rapid.Check(t, func(t *rapid.T) {
		word := func(label string, most int) string {
			return rapid.OneOf(rapid.Just("-"), rapid.StringMatching(fmt.Sprintf(`[!#-~]{1,%d}`, most))).Draw(t, label)
		}
		var b strings.Builder
		fmt.Fprintf(&b, "<%d>1 %s %s %s %s %s ", rapid.IntRange(0, 191).Draw(t, "priority"),
			rapid.SampledFrom([]string{"-", "2026-01-13T10:00:00Z", "2026-01-13T10:00:00.123456+01:00", "2026-01-13T10:00:00.1-05:30"}).Draw(t, "time"), word("host", 100), word("app", 48), word("proc", 100), word("id", 32))
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,8}(@[0-9]{1,5})?`), 0, 3, rapid.ID).Draw(t, "ids")
		for i, id := range ids {
			b.WriteString("[" + id)
			for j := range rapid.IntRange(0, 3).Draw(t, "parameters") {
				fmt.Fprintf(&b, ` p%d%d="%s"`, i, j, strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(rapid.String().Draw(t, "value")))
			}
			b.WriteString("]")
		}
		if len(ids) == 0 {
			b.WriteString("-")
		}
		if text := rapid.StringMatching(`[^\x00\r\n{@][^\x00\r\n]{0,50}[^\x00\r\n]`).Draw(t, "text"); rapid.Bool().Draw(t, "with text") && !strings.HasPrefix(text, "CEF:") {
			b.WriteString(" " + text)
		}
		theirs, err := other.Parse([]byte(b.String()))
		if err != nil {
			t.Skip("it does not keep to the grammar as they have it:", err)
		}
		m := theirs.(*rfc5424.SyslogMessage)
		r, err := convert.ReadSyslog([]byte(b.String()), time.Now())
		if err != nil {
			t.Fatalf("%q: %v", b.String(), err)
		}
		is := func(key string, want *string) {
			t.Helper()
			l, ok := r.Leaf(key)
			if want != nil && strings.TrimPrefix(*want, "\ufeff") == "" {
				want = nil
			}
			if ok != (want != nil) || ok && l.Text != strings.TrimPrefix(*want, "\ufeff") {
				t.Fatalf("%q: %s is %q, they have %v", b.String(), key, l.Text, want)
			}
		}
		is("syslog.hostname", m.Hostname)
		is("syslog.appname", m.Appname)
		is("syslog.procid", m.ProcID)
		is("syslog.msgid", m.MsgID)
		is("syslog.message", m.Message)
		if l, ok := r.Leaf("syslog.timestamp"); ok != (m.Timestamp != nil) {
			t.Fatalf("%q: the time is %q", b.String(), l.Text)
		} else if at, _ := convert.ReadTime(l.Text); ok && !at.Equal(*m.Timestamp) {
			t.Fatalf("%q: the time is %v, they have %v", b.String(), at, m.Timestamp)
		}
		if l, _ := r.Leaf("syslog.severity"); l.Text != fmt.Sprint(*m.Severity) {
			t.Fatalf("%q: severity %s", b.String(), l.Text)
		}
		if m.StructuredData != nil {
			for id, parameters := range *m.StructuredData {
				for name, value := range parameters {
					key := id + ":" + name
					if strings.Contains(id, "@") {
						key = name // none is there twice
					}
					if l, ok := r.Leaf(key); !ok || l.Text != value {
						t.Fatalf("%q: %s is %q, they have %q", b.String(), key, l.Text, value)
					}
				}
			}
		}
	})
}

// The same of RFC 3164, where it has all its parts.
func TestReadOldSyslogAsOthersDo(t *testing.T) {
	now := time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)
	other := rfc3164.NewParser(rfc3164.WithYear(rfc3164.Year{YYYY: 2026}), rfc3164.WithTimezone(time.UTC))
	rapid.Check(t, func(t *rapid.T) {
		at := now.Add(-time.Duration(rapid.Int64Range(0, 364*24*3600-1).Draw(t, "ago")) * time.Second)
		line := fmt.Sprintf("<%d>%s %s %s", rapid.IntRange(0, 191).Draw(t, "priority"), at.Format(time.Stamp), rapid.StringMatching(`[a-z][a-z0-9-]{0,20}`).Draw(t, "host"), rapid.StringMatching(`[a-z]{1,20}(\[[0-9]{1,6}\])?: [a-z][ -~]{0,60}[!-~]`).Draw(t, "rest"))
		theirs, err := other.Parse([]byte(line))
		if err != nil {
			t.Skip("it does not keep to the grammar as they have it:", err)
		}
		m := theirs.(*rfc3164.SyslogMessage)
		r, err := convert.ReadSyslog([]byte(line), now)
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]*string{"syslog.hostname": m.Hostname, "syslog.appname": m.Appname, "syslog.procid": m.ProcID, "syslog.message": m.Message} {
			if l, ok := r.Leaf(key); ok != (want != nil) || ok && l.Text != *want {
				t.Fatalf("%q: %s is %q, they have %v", line, key, l.Text, want)
			}
		}
		if l, _ := r.Leaf("syslog.timestamp"); l.Text != m.Timestamp.Format(time.RFC3339) {
			t.Fatalf("%q: the time is %s, they have %v", line, l.Text, m.Timestamp)
		}
	})
}
