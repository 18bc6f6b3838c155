package convert_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
)

// leaves writes what a line says, a value a line; a blank line stands between records.
func leaves(records []convert.Record) string {
	var b strings.Builder
	for i := range records {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, l := range records[i].Leaves {
			b.WriteString(l.Key + "=" + l.Text)
			if l.Raw {
				b.WriteString(" (raw)")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func TestReadLine(t *testing.T) {
	for _, c := range []struct{ name, line, want string }{
		{"values of every kind", `{"a":"x","b":1.50,"c":true,"d":null}`, "a=x\nb=1.50\nc=true\nd=\n"},
		{"objects and dots make one path", `{"log":{"level":"INFO"},"log.logger":"x"}`, "log.level=INFO\nlog.logger=x\n"},
		{"elements of lists", `{"a":[1,{"b":2}]}`, "a[0]=1\na[1].b=2\n"},
		{"escapes are decoded", `{"a":"x\n\u001b\ud83d\ude00"}`, "a=x\n\x1b😀\n"},
		{"what does not show itself and is not encoded", "{\"a\":\"x\u202ey\",\"b\u200b\":1,\"c\":\"\x7f\"}", "a=x\u202ey (raw)\nb\u200b=1 (raw)\nc=\x7f (raw)\n"},
		{"attributes of OpenTelemetry", `{"attributes":[{"key":"user.id","value":{"stringValue":"u"}},{"key":"n","value":{"intValue":"5"}}]}`, "attributes.user.id=u\nattributes.n=5\n"},
		{"the same as Go's exporter writes it", `{"Attributes":[{"Key":"k","Value":{"Type":"String","Value":"v"}}]}`, "Attributes.k=v\n"},
		{"a type and a value that are somebody's own", `{"a":{"Type":"card","Value":"v"}}`, "a.Type=card\na.Value=v\n"},
		{"lists and maps of OpenTelemetry", `{"a":{"arrayValue":{"values":[{"stringValue":"x"}]}},"b":{"kvlistValue":{"values":[{"key":"k","value":{"boolValue":true}}]}}}`, "a[0]=x\nb.k=true\n"},
		{"a list of keys that are none", `{"a":[{"key":1,"value":2}]}`, "a[0].key=1\na[0].value=2\n"},
		{"an OTLP line has a record for each of its own",
			`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s"}}]},"scopeLogs":[{"scope":{"name":"x"},"logRecords":[{"body":{"stringValue":"1"}},{"body":{"stringValue":"2"}}]}]}]}`,
			"body=1\nresource.attributes.service.name=s\nscope.name=x\n\nbody=2\nresource.attributes.service.name=s\nscope.name=x\n"},
		{"an OTLP line without records", `{"resourceLogs":[{"scopeLogs":[{}]},{}]}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			records, err := convert.ReadLine([]byte(c.line))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, leaves(records)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What has no one meaning, or could be without end, is refused, and the refusal quotes nothing.
func TestReadLineRefuses(t *testing.T) {
	deep := strings.Repeat(`{"a":`, convert.MaxLineDepth+1) + "1" + strings.Repeat("}", convert.MaxLineDepth+1)
	record := strings.Repeat(",{}", convert.MaxLineLeaves/2)
	for _, c := range []struct {
		name, line string
		want       event.Refusal
	}{
		{"no JSON", "2026-01-13 INFO hunter2", event.ErrSyntax},
		{"cut short", `{"a":"hunter2`, event.ErrSyntax},
		{"two objects", `{"a":1}{"b":2}`, event.ErrSyntax},
		{"a line break in a text", "{\"a\":\"x\ny\"}", event.ErrSyntax},
		{"a list", `["hunter2"]`, event.ErrType},
		{"a text", `"hunter2"`, event.ErrType},
		{"a key twice", `{"hunter2":1,"hunter2":2}`, event.ErrDuplicate},
		{"a key twice, spelled apart", `{"a":{"b":1,"\u0062":2}}`, event.ErrDuplicate},
		{"not UTF-8", "{\"a\":\"\xff\"}", event.ErrUTF8},
		{"half a surrogate pair", `{"a":"\ud800"}`, event.ErrSyntax},
		{"nested too deeply", deep, event.ErrDepth},
		{"too many values", `{"a":[1` + strings.Repeat(",1", convert.MaxLineLeaves) + `]}`, event.ErrItems},
		{"too long a path", `{"` + strings.Repeat("k", convert.MaxLineKey+1) + `":1}`, event.ErrKeys},
		{"a resource many times over", `{"resourceLogs":[{"resource":{"attributes":[1` + strings.Repeat(",1", convert.MaxLineLeaves/3) + `]},"scopeLogs":[{"logRecords":[{}` + record + `]}]}]}`, event.ErrItems},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := convert.ReadLine([]byte(c.line))
			var refused *convert.LineError
			if !errors.As(err, &refused) || !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the refusal quotes the line: %v", err)
			}
		})
	}
}

func TestReadTime(t *testing.T) {
	const at = "2026-01-13T10:00:00.5Z"
	for _, c := range []struct {
		in   string
		want convert.TimeForm
	}{
		{"2026-01-13T10:00:00.5Z", convert.TimeISO},
		{"2026-01-13T11:00:00.500+01:00", convert.TimeISO},
		{"2026-01-13T11:00:00.500+0100", convert.TimeISO},
		{"2026-01-13 11:00:00,500+01:00", convert.TimeISO},
		{"2026-01-13T10:00:00.500", convert.TimeLocal},
		{"2026-01-13 10:00:00,500", convert.TimeLocal},
		{"1768298400.5", convert.TimeEpoch},
		{"1768298400500", convert.TimeEpoch},
		{"1768298400500000", convert.TimeEpoch},
		{"1768298400500000000", convert.TimeEpoch},
		{"", convert.TimeUnknown},
		{"yesterday", convert.TimeUnknown},
		{"17682984", convert.TimeUnknown},
		{"2026-13-13T10:00:00Z", convert.TimeUnknown},
		{strings.Repeat("1", 100), convert.TimeUnknown},
	} {
		got, form := convert.ReadTime(c.in)
		if form != c.want {
			t.Errorf("%q: form %d, want %d", c.in, form, c.want)
		}
		if form != convert.TimeUnknown && got.Format("2006-01-02T15:04:05.9Z07:00") != at {
			t.Errorf("%q is %v", c.in, got)
		}
	}
	if got, form := convert.ReadTime("13/Jan/2026:11:00:00 +0100"); form != convert.TimeCLF || got.Hour() != 10 {
		t.Errorf("the Common Log Format: %v, form %d", got, form)
	}
}

// Whatever stands in a line, it is read in bounded memory or refused, and what is read can be asked for.
func FuzzReadLine(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,"x",null]}}`, `{"a":1,"a":2}`, `{"resourceLogs":[{"resource":{"attributes":[{"key":"k","value":{"stringValue":"v"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"b"}}]}]}]}`,
		"{\"a\":\"\xff\"}", `[]`, ``, `{"a":{"kvlistValue":{"values":[{"key":"k","value":{}}]}}}`, `{"":{"":""}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		records, err := convert.ReadLine(line)
		var refused *convert.LineError
		if err != nil && !errors.As(err, &refused) {
			t.Fatalf("%T: %v", err, err)
		}
		var g convert.Guess
		for i := range records {
			r := &records[i]
			for _, l := range r.Leaves {
				if _, ok := r.Leaf(l.Key); !ok {
					t.Fatalf("%q is there and not found", l.Key)
				}
			}
			g.Add(r)
		}
		m := g.Map()
		again, err := convert.ParseMap([]byte(m.YAML()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, m.YAML())
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("the guess (-) and its file (+):\n%s", diff)
		}
		for i := range records {
			m.Draft(&records[i])
		}
	})
}
