package foreign_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
)

const stream = "01900000-0000-7000-8000-000000000001"

func adopt(t *testing.T, raw, location string) *event.Event {
	t.Helper()
	o, err := foreign.Parse([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	o.Adopt(location)
	return o.Event
}

func sumOf(compact string) string {
	sum := sha256.Sum256([]byte(compact))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// What was the event's place in another stream becomes a reference, and nothing of it stays where the recorder fills in.
func TestAdopt(t *testing.T) {
	const raw = `{"event_type":"user_created","stream_id":"` + stream + `","stream_seq":7,"timestamp":"2026-03-01T12:00:01Z"}`
	e := adopt(t, " "+raw+" ", "f:1")
	if !e.StreamID.IsZero() || e.StreamSeq != 0 || !e.Timestamp.IsZero() || e.Clock != nil {
		t.Errorf("it keeps a place in a stream: %v %d %v %v", e.StreamID, e.StreamSeq, e.Timestamp, e.Clock)
	}
	want := []event.Reference{{Kind: foreign.Kind, Value: sumOf(raw) + " stream " + stream + " seq 7"}}
	if d := cmp.Diff(want, e.References); d != "" {
		t.Error(d)
	}
	if !e.EventTime.Equal(time.Date(2026, 3, 1, 12, 0, 1, 0, time.UTC)) || e.CodeLocation != "f:1" {
		t.Errorf("time %v, location %q", e.EventTime, e.CodeLocation)
	}
	for _, path := range []string{"user_id", "source_ip", "host", "principal", "entry_point", "app_version"} {
		if e.Absent[path] != event.AbsentNotProvided {
			t.Errorf("%s is %q", path, e.Absent[path])
		}
	}
	if e := adopt(t, `{"event_time":"2026-03-01T12:00:00Z","timestamp":"2026-03-01T12:00:01Z","absent":{"user_id":"not_applicable"}}`, ""); !strings.HasSuffix(e.References[0].Value, " timestamp 2026-03-01T12:00:01.000000000Z") || e.CodeLocation != "" || e.Absent["user_id"] != event.AbsentNotApplicable {
		t.Errorf("%+v", e)
	}
}

// The digest is that of the original whatever its white space, and what an original claims of its own past does not
// replace it.
func TestSums(t *testing.T) {
	claim := "sha256:" + strings.Repeat("ab", 32)
	refs := func(n int) string {
		return `[` + strings.TrimSuffix(strings.Repeat(`{"kind":"imported","value":"`+claim+`"},`, n), ",") + `]`
	}
	for name, raw := range map[string]string{
		"none": `{"event_type":"x"}`, "one": `{"event_type":"x","references":` + refs(1) + `}`,
		"all of them": `{"event_type":"x","references":` + refs(16) + `}`,
		"and a label": `{"event_type":"x","references":` + refs(16) + `,"labels":{"imported":"` + claim + `"}}`,
	} {
		o, err := foreign.Parse([]byte(strings.ReplaceAll(raw, ":", ": ")))
		if name != "none" { // the claim holds a colon
			o, err = foreign.Parse([]byte(raw))
		}
		if err != nil {
			t.Fatal(name, err)
		}
		if got := "sha256:" + hex.EncodeToString(o.Sum[:]); got != sumOf(raw) {
			t.Errorf("%s: the digest is %s, want %s", name, got, sumOf(raw))
		}
		first := foreign.First(o.Event, o.Sum)
		if got := "sha256:" + hex.EncodeToString(first[:]); name == "none" && first != o.Sum || name != "none" && got != claim {
			t.Errorf("%s: the first original is %s", name, got)
		}
		o.Adopt("")
		if last, ok := foreign.Last(o.Event); !ok || last != o.Sum {
			t.Errorf("%s: the last original is %x, %v; want %x", name, last, ok, o.Sum)
		}
	}
	if _, ok := foreign.Last(&event.Event{References: []event.Reference{{Kind: "ticket", Value: claim}}}); ok {
		t.Error("an event that was not adopted has an original")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"event_type":"x","references":[{"kind":"imported","value":"sha256:"}]}`))
	f.Add([]byte(` {"stream_id":"` + stream + `", "labels":{"imported":"sha256:00"}}`))
	f.Add([]byte("\t{ \"event_type\" :\r\n\"a \\\" \\\\\" , \"labels\":{ \"b\":\" c\"} } "))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := foreign.Parse(raw)
		if err != nil {
			return
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, raw); err != nil || o.Sum != sha256.Sum256(compact.Bytes()) {
			t.Errorf("%q: %v, or the digest is not that of %q", raw, err, &compact)
		}
		foreign.First(o.Event, o.Sum)
		o.Adopt("somewhere")
		if last, ok := foreign.Last(o.Event); !ok || last != o.Sum {
			t.Errorf("%q: adopted, it names %x, not %x", raw, last, o.Sum)
		}
		if e := o.Event; !e.StreamID.IsZero() || e.StreamSeq != 0 || !e.Timestamp.IsZero() {
			t.Errorf("%q keeps a place in another stream", raw)
		}
	})
}
