package foreign_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
)

// whole completes an event and has the schema judge it, as a recorder does.
func whole(e *event.Event) *event.Error {
	x := *e
	x.EventID = event.DeriveUUID("test", "id", [6]byte{1})
	x.AppID, x.Environment = "shop", ""
	x.StreamID, x.StreamSeq, x.Timestamp, x.Clock = x.EventID, 1, e.EventTime, &event.Clock{Confidence: "low"}
	if x.Absent == nil {
		x.Absent = map[string]string{}
	}
	x.Absent["environment"] = event.AbsentNotProvided
	_, err := (&event.Codec{}).Append(nil, &x)
	var no *event.Error
	if err == nil || !errors.As(err, &no) {
		return nil
	}
	return no
}

func TestMend(t *testing.T) {
	const head = `{"schema":"stet.event/1","timestamp":"2026-03-01T12:00:01Z","event_type":"order_placed","interaction_id":"i","stream_id":"` + stream + `","stream_seq":7,`
	for name, c := range map[string]struct {
		raw, path string
		mended    bool
		masked    []string
		check     func(*event.Event) bool
	}{
		"a text":               {head + `"description":"the word is swordfish"}`, "description", true, []string{"description"}, func(e *event.Event) bool { return e.Description == "[redacted:refused]" }},
		"a label":              {head + `"labels":{"a.b":"x","a":"y"}}`, "labels.a.b", true, []string{"labels.a.b"}, func(e *event.Event) bool { return e.Labels["a.b"] == "[redacted:refused]" && e.Labels["a"] == "y" }},
		"deep in parameters":   {head + `"job":{"id":"1","params":{"argv":["a",{"b":1}]}}}`, "job.params.argv[1].b", true, []string{"job.params.argv[1].b"}, func(e *event.Event) bool { return len(e.Job.Params["argv"].([]any)[1].(map[string]any)) == 0 }},
		"an element":           {head + `"job":{"id":"1","params":{"argv":["a","secret"]}}}`, "job.params.argv[1]", true, []string{"job.params.argv[1]"}, func(e *event.Event) bool { return e.Job.Params["argv"].([]any)[1] == "[redacted:refused]" }},
		"what is no text":      {head + `"severity":99}`, "severity", true, []string{"severity"}, func(e *event.Event) bool { return e.Severity == nil }},
		"a form of its own":    {head + `"source_ip":"nowhere"}`, "source_ip", true, []string{"source_ip"}, func(e *event.Event) bool { return e.SourceIP == "" }},
		"two things":           {head + `"severity":99,"description":"secret"}`, "description", true, []string{"description", "severity"}, func(e *event.Event) bool { return e.Severity == nil }},
		"a newer member":       {head + `"mood":"good"}`, "mood", true, []string{"mood"}, func(e *event.Event) bool { return len(e.Unknown) == 0 }},
		"nothing to be found":  {head + `"description":"x"}`, "labels.none", false, nil, nil},
		"no word of where":     {head + `"description":"x"}`, "", false, nil, nil},
		"what it cannot lack":  {head + `"description":"x"}`, "event_type", false, nil, nil},
		"no JSON":              {`{"schema":`, "description", false, nil, nil},
		"another kind of JSON": {`[]`, "[0]", false, nil, nil},
	} {
		e, err := foreign.Mend([]byte(c.raw), c.path, "stub 7", whole)
		if (err == nil) != c.mended {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err != nil {
			continue
		}
		var masked []string
		for _, r := range e.Redactions {
			masked = append(masked, r.Path)
		}
		if !slices.Equal(masked, c.masked) || !c.check(e) {
			t.Errorf("%s: masked %q in %+v", name, masked, e)
		}
		if !foreign.Again(e) || !slices.Contains(e.References, event.Reference{Kind: "stub", Value: "stub 7"}) || !e.StreamID.IsZero() || !e.Timestamp.IsZero() || e.EventTime.IsZero() || e.Absent["user_id"] == "" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func FuzzMend(f *testing.F) {
	f.Add([]byte(`{"event_type":"x","labels":{"a":"b"}}`), "labels.a")
	f.Add([]byte(`{"event_type":"x","references":[{"kind":"k","value":"v"}]}`), "references[0].value")
	f.Add([]byte(`{"job":{"params":{"a":[[1]]}}}`), "job.params.a[0][0]")
	f.Fuzz(func(t *testing.T, raw []byte, path string) {
		e, err := foreign.Mend(raw, path, "stub", whole)
		if err != nil {
			return
		}
		if !foreign.Again(e) || !e.StreamID.IsZero() {
			t.Errorf("%q at %q: %+v", raw, path, e)
		}
		if no := whole(e); no != nil {
			t.Errorf("%q at %q: what was mended is refused: %v", raw, path, no)
		}
	})
}
