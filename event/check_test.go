package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stetlog/stet/event"
)

var update = flag.Bool("update", false, "write the generated parts of docs/spec, and vectors that do not exist yet")

// vector is one file of testdata/vectors: what any implementation must say of
// these bytes. Existing files never change.
type vector struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`        // ok, or the code of the refusal
	Path    string `json:"path,omitempty"` // of the field refused
	Strict  bool   `json:"strict,omitempty"`
	Event   string `json:"event,omitempty"`
	Bytes   []byte `json:"bytes,omitempty"` // base64, where the event is not UTF-8
}

func must(t testing.TB, e *event.Event) string {
	t.Helper()
	var c event.Codec
	b, err := c.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func outcome() *event.Event {
	e := sample()
	e.EventType, e.Job.Params = "job_succeeded", nil
	e.Timing = &event.Timing{StartedAt: e.Timestamp, EndedAt: e.Timestamp.Add(1), DurationUS: new(int64(0))}
	e.Impact = &event.Impact{Summary: "nothing to purge", Counts: map[string]int64{"rows": 0}}
	return e
}

// vectors derives every refusal from a sound event by one change.
func vectors(t testing.TB) []vector {
	good := must(t, sample())
	done := must(t, outcome())
	edit := func(in string, pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(in, pairs[i]) {
				t.Fatalf("%q is not in %s", pairs[i], in)
			}
			in = strings.Replace(in, pairs[i], pairs[i+1], 1)
		}
		return in
	}
	v := []vector{
		{Name: "submitted", Verdict: "ok", Event: good},
		{Name: "succeeded", Verdict: "ok", Event: done},
		{Name: "escaped-letters", Verdict: "ok", Event: edit(good, `"billing"`, `"b\u0069lling"`)},
		{Name: "escaped-slash", Verdict: "ok", Event: edit(good, `"nightly purge"`, `"nightly\/purge"`)},
		{Name: "surrogate-pair", Verdict: "ok", Event: edit(good, `"nightly purge"`, `"\ud83d\ude00"`)},
		{Name: "escaped-name", Verdict: "ok", Event: edit(good, `"app_id"`, `"\u0061pp_id"`)},
		{Name: "raised-severity", Verdict: "ok", Event: edit(good, `"severity":6`, `"severity":0`)},
		{Name: "newer-minor", Verdict: "ok", Event: edit(good, `"stet.event/1"`, `"stet.event/1.2"`, `"event_id"`, `"new":{"a":[1]},"event_id"`)},
		{Name: "unknown-type", Verdict: "ok", Event: edit(good, `"job_submitted"`, `"shop_checkout"`)},
		{Name: "clock-set-back", Verdict: "ok", Event: edit(done, `"high"`, `"low"`, `05.000000007Z`, `04.000000007Z`)},
		{Name: "identity-hmac", Verdict: "ok", Event: edit(good, `"192.0.2.7"`, `"hmac-sha256:01234567:`+strings.Repeat("0", 64)+`"`)},

		{Name: "empty", Verdict: "syntax", Bytes: []byte{}},
		{Name: "white-space", Verdict: "syntax", Event: edit(good, `,"event_id"`, `, "event_id"`)},
		{Name: "line-end", Verdict: "syntax", Event: good + "\n"},
		{Name: "cut-short", Verdict: "syntax", Event: good[:len(good)-1]},
		{Name: "trailing-comma", Verdict: "syntax", Event: good[:len(good)-1] + ",}"},
		{Name: "not-an-object", Verdict: "wrong_type", Event: "[]"},
		{Name: "too-large", Verdict: "too_large", Event: edit(good, `"nightly purge"`, `"`+strings.Repeat("x", event.MaxBytes)+`"`)},
		{Name: "params-too-large", Verdict: "too_large", Path: "job.params", Event: edit(good, `"older_than_days":30`, `"x":"`+strings.Repeat("x", event.MaxParamsBytes)+`"`)},
		{Name: "params-too-deep", Verdict: "too_deep", Path: "job.params.a.a.a.a.a.a", Event: edit(good, `"older_than_days":30`, `"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}`)},
		{Name: "params-too-many-keys", Verdict: "too_many_keys", Path: "job.params.x", Event: edit(good, `"older_than_days":30`, `"x":{`+manyKeys(65)+`}`)},
		{Name: "references-too-many", Verdict: "too_many_items", Path: "references", Event: edit(good, `,"stream_id"`, `,"references":[`+strings.Repeat(`{"kind":"log","value":"x"},`, 16)+`{"kind":"log","value":"x"}],"stream_id"`)},
		{Name: "duplicate-member", Verdict: "duplicate_key", Path: "app_id", Event: edit(good, `"app_version"`, `"app_id":"x","app_version"`)},
		{Name: "duplicate-null", Verdict: "duplicate_key", Path: "app_id", Event: edit(good, `"app_version"`, `"app_id":null,"app_version"`)},
		{Name: "duplicate-escaped", Verdict: "duplicate_key", Path: `job.params.\u0061`, Event: edit(good, `"older_than_days":30`, `"a":1,"\u0061":2`)},
		{Name: "lone-surrogate", Verdict: "invalid_utf8", Path: "why.reason", Event: edit(good, `"nightly purge"`, `"\ud83d"`)},
		{Name: "low-surrogate", Verdict: "invalid_utf8", Path: "why.reason", Event: edit(good, `"nightly purge"`, `"\ude00\ud83d"`)},
		{Name: "invalid-utf8", Verdict: "invalid_utf8", Path: "why.reason", Bytes: []byte(edit(good, `"nightly purge"`, "\"\xff\""))},
		{Name: "overlong-utf8", Verdict: "invalid_utf8", Path: "why.reason", Bytes: []byte(edit(good, `"nightly purge"`, "\"\xc0\x80\""))},
		{Name: "raw-control", Verdict: "control_char", Path: "why.reason", Event: edit(good, `"nightly purge"`, "\"a\nb\"")},
		{Name: "escaped-control", Verdict: "control_char", Path: "why.reason", Event: edit(good, `"nightly purge"`, `"a\nb"`)},
		{Name: "escaped-bidi", Verdict: "control_char", Path: "why.reason", Event: edit(good, `"nightly purge"`, `"\u202e"`)},
		{Name: "raw-bidi", Verdict: "control_char", Path: "why.reason", Event: edit(good, `"nightly purge"`, "\"\u202e\"")},
		{Name: "control-in-key", Verdict: "control_char", Path: "labels", Event: edit(good, `"team"`, `"te\u0000am"`)},
		{Name: "fraction", Verdict: "number", Path: "stream_seq", Event: edit(good, `"stream_seq":1`, `"stream_seq":1.0`)},
		{Name: "exponent", Verdict: "number", Path: "stream_seq", Event: edit(good, `"stream_seq":1`, `"stream_seq":1e2`)},
		{Name: "minus-zero", Verdict: "number", Path: "job.params.older_than_days", Event: edit(good, `"older_than_days":30`, `"older_than_days":-0`)},
		{Name: "beyond-2-53", Verdict: "number", Path: "job.params.older_than_days", Event: edit(good, `"older_than_days":30`, `"older_than_days":9007199254740993`)},
		{Name: "seq-zero", Verdict: "out_of_range", Path: "stream_seq", Event: edit(good, `"stream_seq":1`, `"stream_seq":0`)},
		{Name: "severity-eight", Verdict: "out_of_range", Path: "severity", Event: edit(good, `"severity":6`, `"severity":8`)},
		{Name: "schema-2", Verdict: "schema", Path: "schema", Event: edit(good, `stet.event/1`, `stet.event/2`)},
		{Name: "schema-minor-0", Verdict: "schema", Path: "schema", Event: edit(good, `stet.event/1`, `stet.event/1.0`)},
		{Name: "unknown-member", Verdict: "unknown_field", Path: "new", Event: edit(good, `"event_id"`, `"new":1,"event_id"`)},
		{Name: "upper-case-member", Verdict: "unknown_field", Path: "USER_ID", Event: edit(good, `"event_id"`, `"USER_ID":"x","event_id"`)},
		{Name: "unknown-nested", Verdict: "unknown_field", Path: "why.new", Event: edit(good, `"trigger"`, `"new":1,"trigger"`)},
		{Name: "number-for-string", Verdict: "wrong_type", Path: "app_version", Event: edit(good, `"1.4.2"`, `1`)},
		{Name: "string-for-number", Verdict: "wrong_type", Path: "severity", Event: edit(good, `"severity":6`, `"severity":"6"`)},
		{Name: "too-long", Verdict: "too_long", Path: "why.reason", Event: edit(good, `"nightly purge"`, `"`+strings.Repeat("x", 513)+`"`)},
		{Name: "not-in-list", Verdict: "not_in_list", Path: "why.trigger", Event: edit(good, `"manual"`, `"whim"`)},
		{Name: "odd-excuse", Verdict: "not_in_list", Path: "absent.user_id", Event: edit(good, `"alice@example.com","source_ip":"192.0.2.7"`, `null,"source_ip":"192.0.2.7","absent":{"user_id":"secret"}`)},
		{Name: "uuid-v4", Verdict: "format", Path: "event_id", Event: edit(good, good[strings.Index(good, `"event_id":"`)+12:][:36], "550e8400-e29b-41d4-a716-446655440000")},
		{Name: "time-without-fraction", Verdict: "format", Path: "timestamp", Event: edit(good, `05.000000006Z`, `05Z`)},
		{Name: "time-30-february", Verdict: "format", Path: "timestamp", Event: edit(good, `2026-01-02T`, `2026-02-30T`)},
		{Name: "ip-leading-zero", Verdict: "format", Path: "source_ip", Event: edit(good, `192.0.2.7`, `192.0.2.07`)},
		{Name: "ip-upper-case", Verdict: "format", Path: "source_ip", Event: edit(good, `192.0.2.7`, `2001:DB8::1`)},
		{Name: "app-id-space", Verdict: "format", Path: "app_id", Event: edit(good, `"billing"`, `"bill ing"`)},
		{Name: "trace-all-zero", Verdict: "format", Path: "trace_id", Event: edit(good, `,"labels"`, `,"trace_id":"`+strings.Repeat("0", 32)+`","labels"`)},
		{Name: "no-interaction", Verdict: "missing", Path: "interaction_id", Event: edit(good, `"interaction_id":"018f2b1e-7c00-7000-8000-000000000001",`, ``)},
		{Name: "no-user", Verdict: "missing", Path: "user_id", Event: edit(good, `"user_id":"alice@example.com",`, ``)},
		{Name: "job-event-without-job", Verdict: "missing", Path: "job", Event: edit(good, good[strings.Index(good, `"job":`):strings.Index(good, `"stream_id"`)], ``)},
		{Name: "submission-without-params", Verdict: "missing", Path: "job.params", Event: edit(done, `job_succeeded`, `job_submitted`, `"outcome"`, `"submission"`)},
		{Name: "outcome-without-timing", Verdict: "missing", Path: "timing", Event: edit(done, done[strings.Index(done, `"timing":`):strings.Index(done, `"stream_id"`)], ``)},
		{Name: "event-trigger-without-upstream", Verdict: "missing", Path: "principal.upstream.system", Event: edit(good, `"manual"`, `"event"`)},
		{Name: "parent-without-root", Verdict: "missing", Path: "job.root_id", Event: edit(good, `"phase"`, `"parent_id":"p","phase"`)},
		{Name: "span-without-trace", Verdict: "missing", Path: "trace_id", Event: edit(good, `,"labels"`, `,"span_id":"00f067aa0ba902b7","labels"`)},
		{Name: "empty-interaction", Verdict: "missing", Path: "interaction_id", Event: edit(good, `"interaction_id":"018f2b1e-7c00-7000-8000-000000000001"`, `"interaction_id":""`)},
		{Name: "empty-reference-kind", Verdict: "missing", Path: "references[0].kind", Event: edit(good, `,"stream_id"`, `,"references":[{"kind":"","value":"x"}],"stream_id"`)},
		{Name: "zero-timestamp", Verdict: "missing", Path: "timestamp", Event: edit(good, `2026-01-02T03:04:05.000000006Z`, `0001-01-01T00:00:00.000000000Z`)},
		{Name: "null-without-excuse", Verdict: "null", Path: "user_id", Event: edit(good, `"user_id":"alice@example.com"`, `"user_id":null`)},
		{Name: "nested-null", Verdict: "null", Path: "why.reason", Event: edit(good, `"nightly purge"`, `null`)},
		{Name: "excused-core", Verdict: "excuse", Path: "interaction_id", Event: edit(good, `"interaction_id":"018f2b1e-7c00-7000-8000-000000000001",`, `"absent":{"interaction_id":"not_provided"},`)},
		{Name: "strict-catalogue", Verdict: "unknown_type", Path: "event_type", Strict: true, Event: edit(good, `"job_submitted"`, `"shop_checkout"`)},
		{Name: "lowered-severity", Verdict: "severity_lowered", Path: "severity", Event: edit(good, `"severity":6`, `"severity":7`)},
		{Name: "ended-before-started", Verdict: "contradiction", Path: "timing.ended_at", Event: edit(done, `05.000000007Z`, `04.000000007Z`)},
		{Name: "succeeded-with-failure", Verdict: "contradiction", Path: "status", Event: edit(done, `"status":"success"`, `"status":"failure"`)},
	}
	return v
}

func manyKeys(n int) string {
	var k []string
	for i := range n {
		k = append(k, `"k`+string(rune('0'+i/10))+string(rune('0'+i%10))+`":1`)
	}
	return strings.Join(k, ",")
}

func (v vector) bytes() []byte {
	if v.Event != "" {
		return []byte(v.Event)
	}
	return v.Bytes
}

func (v vector) judge(t *testing.T) {
	t.Helper()
	c := event.Codec{Strict: v.Strict}
	_, err := c.Check(v.bytes())
	_, perr := c.Parse(v.bytes())
	if (err == nil) != (perr == nil) {
		t.Errorf("Check says %v, Parse %v", err, perr)
	}
	if v.Verdict == "ok" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var refusal *event.Error
	if !errors.As(err, &refusal) {
		t.Fatalf("verdict %v, want %s", err, v.Verdict)
	}
	if refusal.Code != v.Verdict || refusal.Path != v.Path && v.Path != "" {
		t.Errorf("verdict %s at %q (%v), want %s at %q", refusal.Code, refusal.Path, err, v.Verdict, v.Path)
	}
	if !errors.Is(err, event.Refusal(v.Verdict)) {
		t.Errorf("errors.Is does not know %s", v.Verdict)
	}
}

func TestRefusals(t *testing.T) {
	provoked := map[string]bool{"catalogue": true, "unsupported": true, "secret": true} // by other tests
	for _, v := range vectors(t) {
		t.Run(v.Name, v.judge)
		provoked[v.Verdict] = true
		path := filepath.Join("testdata", "vectors", v.Name+".json")
		if _, err := os.Stat(path); *update && errors.Is(err, os.ErrNotExist) {
			b, err := json.MarshalIndent(v, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range event.Refusals() {
		if !provoked[string(c)] {
			t.Errorf("no test provokes %s", c)
		}
	}
}

// TestVectors judges the committed files, which stay as they are for ever.
func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/vectors/*.json")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d vectors, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var v vector
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		t.Run(v.Name, v.judge)
	}
}

func TestSecretsAreRefusedWhereAsked(t *testing.T) {
	b := strings.Replace(must(t, sample()), "nightly purge", "password=hunter2", 1)
	var lax event.Codec
	if _, err := lax.Check([]byte(b)); err != nil {
		t.Fatal(err)
	}
	strict := event.Codec{RefuseSecrets: true}
	_, err := strict.Check([]byte(b))
	var refusal *event.Error
	if !errors.As(err, &refusal) || !errors.Is(err, event.ErrSecret) || refusal.Path != "why.reason" {
		t.Errorf("Check = %v", err)
	}
	if _, err := strict.Check([]byte(must(t, sample()))); err != nil {
		t.Errorf("what the encoder wrote is refused: %v", err)
	}
}

// TestOnceMore: what Append writes, Check accepts, Parse reads, and Append writes
// again, byte for byte.
func TestOnceMore(t *testing.T) {
	hostile := sample()
	hostile.Description = "C:\\dir\x1b[2J\n\u202e\xff" + strings.Repeat("ü", 800)
	hostile.Labels = map[string]string{"a\nb": "1\\2", "mail alice@example.com": "x", "mail bob@example.com": "y"}
	hostile.UserID = strings.Repeat("x", 300)
	hostile.Job.Params = map[string]any{"f": 1.5, "big": int64(1) << 60, "card": 4111111111111111, "password": map[string]any{"a": 1}, "n": nil, "list": []any{1, "x", true}}
	minimal := &event.Event{EventID: hostile.EventID, Timestamp: hostile.Timestamp, InteractionID: "i", AppID: "a", EventType: "x", StreamID: hostile.StreamID, StreamSeq: 1}
	for name, e := range map[string]*event.Event{"sample": sample(), "outcome": outcome(), "hostile": hostile, "minimal": minimal} {
		var c event.Codec
		first := must(t, e)
		if _, err := c.Check([]byte(first)); err != nil {
			t.Errorf("%s: %v\n%s", name, err, first)
		}
		parsed, err := event.Parse([]byte(first))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		second := must(t, parsed)
		if diff := cmp.Diff(first, second); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	for _, v := range vectors(t) {
		e, err := event.Parse(v.bytes())
		if v.Verdict != "ok" || err != nil {
			continue
		}
		first := must(t, e)
		again, err := event.Parse([]byte(first))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, must(t, again)); diff != "" {
			t.Errorf("%s:\n%s", v.Name, diff)
		}
	}
}

func TestCheckDoesNotAllocate(t *testing.T) {
	b := []byte(must(t, outcome()))
	var c event.Codec
	if n := testing.AllocsPerRun(100, func() {
		if _, err := c.Check(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCheck(b *testing.B) {
	buf := []byte(must(b, outcome()))
	var c event.Codec
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Check(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	e := outcome()
	e.Labels = map[string]string{"team": "payments"}
	e.UserID = "42"
	buf := make([]byte, 0, 4096)
	var c event.Codec
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Append(buf, e); err != nil {
			b.Fatal(err)
		}
	}
}

// TestIdentitiesAreHashedWhereAKeyIsGiven: who it was can then only be compared, and by nobody without the key.
func TestIdentitiesAreHashedWhereAKeyIsGiven(t *testing.T) {
	e := sample()
	e.Principal.OnBehalfOf = &event.OnBehalfOf{Type: "user", ID: "carol@example.com"}
	codec := event.Codec{IdentityKey: bytes.Repeat([]byte{7}, 32)}
	b, err := codec.Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	for _, clear := range []string{e.UserID, e.Principal.ID, e.Principal.OnBehalfOf.ID, e.SourceIP} {
		if bytes.Contains(b, []byte(clear)) {
			t.Errorf("%s is in the clear: %s", clear, b)
		}
	}
	got, err := event.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if want := event.HMAC(codec.IdentityKey, e.UserID); got.UserID != want || got.Principal.ID != want {
		t.Errorf("user_id %s, principal.id %s, want both %s", got.UserID, got.Principal.ID, want)
	}
	again, err := codec.Append(nil, got)
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("hashed twice: %v\n%s\n%s", err, b, again)
	}
}

// TestSecretsUnderKeys: what stands under a key that promises a secret is masked whatever it looks like, at any depth, and
// the event says where.
func TestSecretsUnderKeys(t *testing.T) {
	const secret = "plainword"
	e := sample()
	e.Labels = map[string]string{"api_key": secret, "team": "payments"}
	e.Job.Params = map[string]any{
		"password": secret, "pin": 4711, "rows": 4712,
		"db":  map[string]any{"token": secret, "name": "orders"},
		"env": []any{map[string]any{"name": "DB_PASSWORD", "value": secret}},
	}
	b := must(t, e)
	if strings.Contains(b, secret) || strings.Contains(b, "4711") {
		t.Errorf("a secret got through: %s", b)
	}
	if !strings.Contains(b, "payments") || !strings.Contains(b, "4712") || !strings.Contains(b, "orders") {
		t.Errorf("what is no secret is gone: %s", b)
	}
	got, err := event.Parse([]byte(b))
	if err != nil {
		t.Fatal(err)
	}
	where := map[string]bool{}
	for _, r := range got.Redactions {
		where[r.Path] = r.Action == "masked"
	}
	for _, path := range []string{"labels.api_key", "job.params.password", "job.params.pin", "job.params.db.token", "job.params.env[0].value"} {
		if !where[path] {
			t.Errorf("no redaction of %s: %+v", path, got.Redactions)
		}
	}
}

// TestScratchKeepsNothing: what is written in used memory is what is written in fresh memory, whatever was written there
// before, also where that was refused half-way.
func TestScratchKeepsNothing(t *testing.T) {
	var c event.Codec
	var used event.Scratch
	broken := sample()
	broken.Labels["api_key"], broken.Job.Params = "hunter2\x00", map[string]any{"x": []any{"a\u202eb", struct{}{}}}
	long := outcome()
	long.Impact.Summary = strings.Repeat("x\n", 600)
	bare := outcome()
	bare.Timing, bare.Impact = nil, nil
	noisy := sample() // more to note than there is room for, so that the rest is counted
	noisy.Job.Params = map[string]any{"lines": slices.Repeat([]string{"a\nb"}, event.MaxMarks+5)}
	all := []*event.Event{sample(), long, outcome(), bare, noisy, outcome(), broken, outcome(), sample()}
	// What was derived is written again where it is the same: not what was masked, escaped or changed.
	for _, how := range []string{"argument", "argument", "password=hunter2", "password=hunter2", "a\nb", "a\nb", "argument", "arguments", "argument"} {
		e := sample()
		e.Derived = map[string]string{"user_id": how, "host.name": "kernel"}
		marked := *e
		marked.Redactions = []event.Redaction{{Path: "derived.user_id", Rule: "password", Action: "masked"}}
		all = append(all, &marked, e, outcome(), e)
	}
	for i, e := range all {
		want, wantErr := c.Append(nil, e)
		got, err := c.AppendWith(&used, nil, e)
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("event %d (-fresh +used):\n%s", i, diff)
		}
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Errorf("event %d: %v, in fresh memory %v", i, err, wantErr)
		}
	}
}

// TestScratchForgetsWhatOneTypeMayHold: personal data that one type of event may hold is masked in the next of another.
func TestScratchForgetsWhatOneTypeMayHold(t *testing.T) {
	cat, err := event.LoadCatalogue([]byte(`{"schema": "stet.catalogue/1", "types": [
		{"name": "card_charged", "severity": 5, "security": true, "description": "A card was charged", "personal_data": {"derived": "contract"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c := event.Codec{Catalogue: cat}
	var used event.Scratch
	for _, kept := range []bool{true, false, true, false} {
		e := sample()
		e.Derived = map[string]string{"user_id": "mail of dora@example.net"}
		if kept {
			e.EventType, e.Job, e.Why = "card_charged", nil, nil
		}
		b, err := c.AppendWith(&used, nil, e)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(b, []byte("dora@example.net")); got != kept {
			t.Errorf("%s has the address: %v", e.EventType, got)
		}
	}
}
