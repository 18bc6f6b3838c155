package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/stetlog/stet/event"
	"pgregory.net/rapid"
)

const (
	schemaFile = "../docs/spec/event.schema.json"
	specFile   = "../docs/spec/event.md"
	begin      = "<!-- table: written by go test ./event -update -->\n"
	end        = "<!-- end of table -->\n"
)

func TestSchemaFileIsTheTable(t *testing.T) {
	want := event.JSONSchema()
	if !json.Valid(want) {
		t.Fatal("not JSON")
	}
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run go test ./event -update:\n%s", diff)
	}
}

func TestSpecIsTheTable(t *testing.T) {
	b, err := os.ReadFile(specFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(b), begin)
	table, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the markers of the table are gone")
	}
	want := event.MarkdownTable()
	if *update && table != want {
		if err := os.WriteFile(specFile, []byte(head+begin+want+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
		table = want
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("run go test ./event -update:\n%s", diff)
	}
	for _, c := range event.Refusals() {
		if !strings.Contains(string(b), "`"+string(c)+"`") {
			t.Errorf("%s does not explain %s", specFile, c)
		}
	}
	if n := strings.Count(string(b), "\n"); n > 150 {
		t.Errorf("%s has %d lines, at most 150 are allowed", specFile, n)
	}
}

// TestHiddenIsUnicode compares the frozen ranges with the categories of the
// Unicode that Go knows.
func TestHiddenIsUnicode(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		want := unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
		if event.Hidden(r) != want {
			t.Fatalf("U+%04X: Hidden is %v", r, !want)
		}
		if !want {
			continue
		}
		e := sample()
		e.Why.Reason = "a" + string(r) + "b"
		b := must(t, e)
		var c event.Codec
		if _, err := c.Check([]byte(b)); err != nil {
			t.Fatalf("U+%04X: %v", r, err)
		}
		if strings.ContainsRune(b, r) {
			t.Fatalf("U+%04X got through", r)
		}
	}
}

func TestSanitizeIsInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", "\\", "n", "x", "u", "0", "1b", "\n", "\x1b", "\xff", "\u202e", "\U000e0001", "ü", "\ufffd", "\"", "U000e0001"})
		s := strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
		safe := event.Sanitize(s)
		back, ok := event.Unsanitize(safe)
		if !ok || back != s {
			t.Fatalf("%q → %q → %q", s, safe, back)
		}
		for _, r := range safe {
			if event.Hidden(r) || r == unicode.ReplacementChar && !strings.Contains(s, "\ufffd") {
				t.Fatalf("%q holds U+%04X", safe, r)
			}
		}
	})
}

func TestRefusedValues(t *testing.T) {
	var c event.Codec
	for name, v := range map[string]any{"NaN": nan(), "channel": make(chan int), "struct": struct{}{}} {
		e := sample()
		e.Job.Params = map[string]any{"x": v}
		out, err := c.Append([]byte("kept"), e)
		if !errors.Is(err, event.ErrValue) || string(out) != "kept" {
			t.Errorf("%s: %v, %q", name, err, out)
		}
	}
}

func nan() float64 { z := 0.0; return z / z }

func TestMarksAreBounded(t *testing.T) {
	e := sample()
	e.Labels = map[string]string{}
	list := make([]any, 0, 200)
	for range 200 {
		list = append(list, map[string]any{"password": "x", "t": "\n"})
	}
	e.Job.Params = map[string]any{"l": list}
	p, err := event.Parse([]byte(must(t, e)))
	if err != nil {
		t.Fatal(err)
	}
	last := p.Redactions[len(p.Redactions)-1]
	if len(p.Redactions) != event.MaxMarks+1 || last.Action != "counted" || last.Count != 200-event.MaxMarks {
		t.Errorf("%d records, the last is %+v", len(p.Redactions), last)
	}
}

func TestCatalogueFile(t *testing.T) {
	const good = `{"schema": "stet.catalogue/1", "types": [
		{"name": "card_charged", "severity": 5, "security": true, "description": "A card was charged",
		 "required": ["object.id", "labels.order"], "modifies": true, "personal_data": {"labels.customer": "contract"}},
		{"name": "job_succeeded", "severity": 6, "modifies": true}]}`
	cat, err := event.LoadCatalogue([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	c := event.Codec{Catalogue: cat, Strict: true}
	e := sample()
	e.EventType, e.Job, e.Why = "card_charged", nil, nil
	e.Labels = map[string]string{"customer": "alice@example.com", "other": "bob@example.com"}
	b, err := c.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if p.Labels["customer"] != "alice@example.com" || p.Labels["other"] != "[redacted:email]" {
		t.Errorf("labels %v", p.Labels)
	}
	for _, path := range []string{"before", "after", "object.id", "labels.order"} {
		if p.Absent[path] != event.AbsentNotProvided && p.Absent["object"] == "" {
			t.Errorf("%s is not excused: %v", path, p.Absent)
		}
	}
	for name, bad := range map[string]string{
		"duplicate":      `{"schema":"stet.catalogue/1","schema":"stet.catalogue/1","types":[]}`,
		"unknown member": `{"schema":"stet.catalogue/1","types":[],"x":1}`,
		"no schema":      `{"types":[]}`,
		"no severity":    `{"schema":"stet.catalogue/1","types":[{"name":"x"}]}`,
		"laxer":          `{"schema":"stet.catalogue/1","types":[{"name":"job_failed","severity":7}]}`,
		"unknown path":   `{"schema":"stet.catalogue/1","types":[{"name":"x","severity":6,"required":["nope"]}]}`,
		"twice":          `{"schema":"stet.catalogue/1","types":[{"name":"x","severity":6},{"name":"x","severity":6}]}`,
		"not JSON":       `{`,
	} {
		if _, err := event.LoadCatalogue([]byte(bad)); !errors.Is(err, event.ErrCatalogue) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// limits are the refusals that JSON itself does not know.
var limits = []event.Refusal{event.ErrTooLarge, event.ErrDepth, event.ErrKeys, event.ErrControl, event.ErrNumber, event.ErrTooLong}

// FuzzAgainstJSONText compares the JSON layer with jsontext: free JSON stands in
// job.params, where the table demands nothing of its own.
func FuzzAgainstJSONText(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":"\ud83d\ude00"}`, `{"a":"\ud83d"}`, `{"a":[1,-0,1e3,"x",null,true]}`, `{"a":"\u0000"}`,
		"{\"a\":\"\xff\"}", `{"a":{"b":[{}]}}`, `{"a":01}`, `{"a":"\x"}`, `{"\u0061":1,"a":2}`, `{"a":9007199254740993}`, `{"a":nul}`, `{"a":1}}`, `{"a":1,}`, `{"a" :1}`} {
		f.Add([]byte(s))
	}
	frame := must(f, sample())
	at := strings.Index(frame, `"params":`) + len(`"params":`)
	tail := frame[strings.Index(frame, `},"stream_id"`):]
	f.Fuzz(func(t *testing.T, params []byte) {
		b := append(append([]byte(frame[:at]), params...), tail...)
		e, err := event.Parse(b)
		var v jsontext.Value = append([]byte(nil), b...)
		d := jsontext.NewDecoder(bytes.NewReader(b), jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false))
		_, oracle := d.ReadValue()
		if oracle == nil && d.InputOffset() != int64(len(b)) {
			oracle = errors.New("more behind")
		}
		if err == nil && oracle != nil {
			t.Fatalf("accepted, jsontext says %v: %s", oracle, params)
		}
		if err != nil {
			if oracle != nil {
				return
			}
			for _, l := range limits {
				if errors.Is(err, l) {
					return
				}
			}
			if cerr := v.Compact(); cerr == nil && !bytes.Equal(v, b) && errors.Is(err, event.ErrSyntax) {
				return // white space between tokens
			}
			if !bytes.HasPrefix(params, []byte("{")) || bytes.Contains(params, []byte(`}`)) {
				return // the fuzzer closed params and went on in the event: the schema judges that
			}
			t.Fatalf("refused: %v, jsontext accepts: %s", err, params)
		}
		var got, want any
		if e.Job == nil || json.Unmarshal(v, &want) != nil {
			return
		}
		again, err := json.Marshal(e.Job.Params)
		if err != nil || json.Unmarshal(again, &got) != nil {
			t.Fatal(err)
		}
		if job, ok := want.(map[string]any)["job"].(map[string]any); ok && job["params"] != nil {
			if diff := cmp.Diff(job["params"], got); diff != "" {
				t.Fatalf("decoded differently:\n%s", diff)
			}
		}
	})
}

// FuzzCheck: no input panics, Check and Parse agree, and what is accepted can be
// written again.
func FuzzCheck(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c event.Codec
		_, err := c.Check(b)
		e, perr := event.Parse(b)
		if (err == nil) != (perr == nil) {
			t.Fatalf("Check says %v, Parse %v", err, perr)
		}
		if err != nil {
			return
		}
		if out, err := c.Append(nil, e); err == nil {
			if _, err := c.Check(out); err != nil {
				t.Fatalf("own bytes refused: %v", err)
			}
		}
	})
}
