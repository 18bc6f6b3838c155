package convert_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
)

// A mapping that is written reads as itself, whatever the keys of the log are.
func TestMapRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := convert.Map(rapid.MapOf(rapid.SampledFrom(convert.Fields()),
			rapid.SliceOfN(rapid.OneOf(rapid.StringN(1, 20, 80), rapid.SampledFrom([]string{"@timestamp", "yes", "null", "1", "a.b", "a: b", "# x", "\u2028", "é", "{x", "*x", "&x", "!x", "- x", "x\ny", `"`, `\`})), 1, convert.MaxMapKeys)).Draw(t, "map"))
		for field, keys := range m {
			for _, k := range keys {
				if strings.ToValidUTF8(k, "") != k {
					t.Skip("keys of a record are UTF-8")
				}
			}
			m[field] = keys
		}
		got, err := convert.ParseMap([]byte(m.YAML()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, m.YAML())
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Fatalf("%s\n%s", diff, m.YAML())
		}
	})
}

func TestParseMap(t *testing.T) {
	const head = "format: stet.map/1\nfields:\n"
	for _, c := range []struct{ name, file, want string }{ // want "": it holds
		{"one key, several keys", head + "  user_id: uid\n  severity: [lvl, level]\n  timestamp:\n  - \"@t\"\n", ""},
		{"no fields", "format: stet.map/1\n", ""},
		{"nothing", "", "its format is not stet.map/1"},
		{"no YAML", "{", "mapping"},
		{"another format", "format: stet.map/2\n", "its format is not stet.map/1"},
		{"another member", "format: stet.map/1\nshape: otlp\n", "shape"},
		{"a member twice", "format: stet.map/1\nformat: stet.map/1\n", "format"},
		{"no field of ours", head + "  userid: uid\n", `"userid" is no field`},
		{"a field twice", head + "  user_id: a\n  user_id: b\n", "user_id"},
		{"a key that is no text", head + "  user_id: 1\n", "user_id: a key is a text"},
		{"an empty key", head + "  user_id: \"\"\n", "user_id: a key is a text"},
		{"no key", head + "  user_id: []\n", "user_id: names 0 keys"},
		{"too many keys", head + "  user_id: [a, b, c, d, e, f, g, h, i]\n", "user_id: names 9 keys"},
		{"an object", head + "  user_id: {a: b}\n", "user_id: a key is a text"},
		{"an alias", head + "  user_id: &x uid\n  severity: *x\n", "anchors, aliases"},
		{"a tag", head + "  user_id: !!binary dWlk\n", "anchors, aliases"},
		{"types", head + "  event_type: id\ntypes:\n  \"4624\": authn_login_success\n", ""},
		{"a type that is none", head + "types:\n  x: logged_in\n", `"logged_in" is no event_type`},
		{"a type that only the log's own key raises", head + "types:\n  x: job_lost\n", `"job_lost" is no event_type`},
		{"too large", head + strings.Repeat("# \n", convert.MaxMap), "at most 65536"},
		{"not UTF-8", head + "  user_id: \xff\n", "not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := convert.ParseMap([]byte(c.file))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.Is(err, convert.ErrMap) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q in it", err, c.want)
			}
		})
	}
}

// What a mapping file says of a log's own names of types counts before these.
func TestTypes(t *testing.T) {
	m, types, err := convert.ParseMapping([]byte("format: stet.map/1\nfields:\n  event_type: id\ntypes:\n  \"4624\": authn_login_success\n"))
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{`{"id":4624}`: "authn_login_success", `{"id":"user.created"}`: "user_created", `{"id":4625}`: ""} {
		r, err := convert.ReadLine([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		types.Apply(m, &r[0])
		if name, ok := m.Typed().Type(&r[0]); ok != (want != "") || ok && name != want {
			t.Errorf("%s: %q, want %q", line, name, want)
		}
	}
}

func FuzzParseMap(f *testing.F) {
	for _, s := range []string{"format: stet.map/1\nfields:\n  user_id: uid\n", "format: stet.map/1\nfields: {severity: [lvl, \"@l\"]}\n", "a: &x [*x]", "- - -", "{", "? a\n: b", "fields:\n\t- x", "|\n x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		m, err := convert.ParseMap(file)
		if err != nil {
			if !errors.Is(err, convert.ErrMap) {
				t.Fatal(err)
			}
			return
		}
		again, err := convert.ParseMap([]byte(m.YAML()))
		if err != nil {
			t.Fatalf("%v in\n%s", err, m.YAML())
		}
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Every field that can be mapped has a place in an event, so that what is mapped is not lost.
func TestFieldsAreOfTheSchema(t *testing.T) {
	for _, field := range convert.Fields() {
		path, values := field, []any{"a", int64(4), true, "0194c5a0-0000-7000-8000-000000000000", "2026-01-13T10:00:00Z"}
		if field == "job.params" || field == "impact.counts" {
			path += ".x"
		}
		ok := false
		for _, v := range values {
			ok = ok || (&event.Event{}).Set(path, v)
		}
		if !ok {
			t.Errorf("%s has no place in an event", field)
		}
	}
}

// guessed is the mapping that is guessed of some lines.
func guessed(t *testing.T, lines ...string) convert.Map {
	t.Helper()
	var g convert.Guess
	for _, line := range lines {
		records, err := convert.ReadLine([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			g.Add(&records[i])
		}
	}
	return g.Map()
}

func TestGuess(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       convert.Map
	}{
		{"our own names", `{"timestamp":"2026-01-13T10:00:00Z","user_id":"u","job":{"id":"j","params":{"n":1}}}`,
			convert.Map{"timestamp": {"timestamp"}, "user_id": {"user_id"}, "job.id": {"job.id"}, "job.params": {"job.params"}}},
		{"names in any spelling", `{"X-Correlation-Id":"c","userId":"u","log.level":"INFO","service":{"name":"s"}}`,
			convert.Map{"interaction_id": {"X-Correlation-Id"}, "user_id": {"userId"}, "severity": {"log.level"}, "app_id": {"service.name"}}},
		{"what loggers wrap around", `{"mdc":{"requestId":"r"},"level":"INFO"}`, convert.Map{"interaction_id": {"mdc.requestId"}, "severity": {"level"}}},
		{"the likelier first", `{"correlation_id":"c","request_id":"r","transaction_id":"t"}`, convert.Map{"interaction_id": {"correlation_id", "request_id"}}},
		{"a trace will do", `{"trace_id":"x"}`, convert.Map{"trace_id": {"trace_id"}, "interaction_id": {"trace_id"}}},
		{"a time is one by its value", `{"time":"soon","ts":1768298400}`, convert.Map{"timestamp": {"ts"}}},
		{"an address is one by its value", `{"ip":"unknown","remote_addr":"::1"}`, convert.Map{"source_ip": {"remote_addr"}}},
		{"an HTTP status is not how a job ended", `{"status":200}`, convert.Map{}},
		{"logstash's version is not the application's", `{"@version":"1"}`, convert.Map{}},
		{"elements of lists are no fields", `{"user_id":["a"]}`, convert.Map{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, guessed(t, c.line)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
