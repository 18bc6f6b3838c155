package search

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// plain reads those rows of the specification's table whose values are members and nothing else: by the field's name the
// paths of its values.
func plain(t testing.TB) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../../docs/spec/search.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string][]string)
	for _, f := range []Field{FieldActor, FieldEvent, FieldJob, FieldApp, FieldEnv, FieldTarget, FieldHost, FieldInteraction, FieldParent,
		FieldRun, FieldPhase, FieldAttempt, FieldStatus, FieldSeverity, FieldTrigger, FieldRef} {
		_, row, ok := strings.Cut(string(b), "\n| `"+f.String()+"` | ")
		values, _, more := strings.Cut(row, " |")
		if !ok || !more {
			t.Fatalf("the specification has no row for %s", f)
		}
		rows[f.String()] = strings.Split(values, "; ")
	}
	return rows
}

// judge decides by an entry's JSON alone what a query finds, in the plainest way there is.
type judge struct {
	plain map[string][]string
	entry map[string]any
	event map[string]any
	key   string
}

func newJudge(t testing.TB, rows map[string][]string, entry []byte, key string) *judge {
	d := json.NewDecoder(bytes.NewReader(entry))
	d.UseNumber()
	j := &judge{plain: rows, key: key}
	if err := d.Decode(&j.entry); err != nil {
		t.Fatal(err)
	}
	j.event, _ = j.entry["event"].(map[string]any)
	return j
}

// at finds all that stands at a path such as references[].value, null aside.
func at(v any, path ...string) []any {
	if v == nil || len(path) == 0 {
		if v == nil {
			return nil
		}
		return []any{v}
	}
	name, list := strings.CutSuffix(path[0], "[]")
	m, _ := v.(map[string]any)
	v = m[name]
	if !list {
		return at(v, path[1:]...)
	}
	var out []any
	all, _ := v.([]any)
	for _, v := range all {
		out = append(out, at(v, path[1:]...)...)
	}
	return out
}

func (j *judge) at(path string) []any {
	if rest, ok := strings.CutPrefix(path, "entry."); ok {
		return at(j.entry, strings.Split(rest, ".")...)
	}
	return at(j.event, strings.Split(path, ".")...)
}

func (j *judge) has(path string) bool { return len(j.at(path)) > 0 }

func (j *judge) text(path string) string {
	for _, v := range j.at(path) {
		s, _ := v.(string)
		return s
	}
	return ""
}

// values are what the specification's table says of a field.
func (j *judge) values(f Field, path []string) (out []any) {
	paths, ok := j.plain[f.String()]
	switch {
	case ok:
	case f == FieldSeq:
		paths = []string{"entry.seq"}
	case f == FieldReceived:
		paths = []string{"entry.received_at"}
	case f == FieldTime && j.has("event_time"):
		paths = []string{"event_time"}
	case f == FieldTime:
		paths = []string{"timestamp"}
	case f == FieldIP:
		for _, p := range []string{"source_ip", "host.ip", "source.forwarded_for[]", "entry.via.addr"} {
			for _, v := range j.at(p) {
				if a, err := netip.ParseAddr(v.(string)); err == nil {
					out = append(out, a.Unmap().String())
				}
			}
		}
		return out
	case f == FieldRoot:
		paths = []string{"job.root_id"}
		if !j.has("job.root_id") && !j.has("job.parent_id") {
			paths = []string{"job.id"}
		}
	case f == FieldEmitter:
		paths = []string{"entry.via.token", "stream_id", "entry.stub.stream_id"}
		if j.key != "" {
			out = append(out, strings.Split(j.key, "+")[0], proof.KeyID(j.key))
		}
	case f == FieldObject:
		paths = []string{"object.id", "before.object", "after.object"}
		if j.has("object.id") {
			out = append(out, j.text("object.type")+":"+j.text("object.id"))
		}
	case f == FieldLabel:
		m, _ := j.event["labels"].(map[string]any)
		return at(m[path[0]])
	case f == FieldParam:
		for _, v := range j.at("job.params") {
			return param(v, path)
		}
		return nil
	case f == FieldIs:
		typ := j.text("event_type")
		for name, is := range map[string]bool{
			IsGhost:   slices.Contains([]string{"job_lost", "job_no_outcome", "job_never_started", "job_missed"}, typ),
			IsStalled: typ == "job_stalled", IsLate: typ == "job_late_outcome", IsOrphan: typ == "job_orphaned",
			IsCorrection: j.has("corrects"), IsSecurity: j.event["security"] == true, IsRedacted: j.has("redactions"),
			IsForeign:  slices.Contains(j.at("references[].kind"), any("imported")) || j.has("labels.imported"),
			IsUnsealed: j.event != nil && strings.HasPrefix(j.key, "stet-door/") && slices.Contains([]string{"http", "unix", "syslog"}, j.text("entry.via.kind")),
		} {
			if is {
				out = append(out, name)
			}
		}
		return out
	case f == FieldHas:
		for name, has := range map[string]bool{
			HasDiff: j.has("before") && j.has("after"), HasImpact: j.has("impact"),
			HasError: slices.Contains([]string{"failure", "aborted", "denied"}, j.text("status")) && (j.has("status_reason") || j.has("status_code")),
			HasGap:   j.entry["stub"] != nil || j.text("event_type") == "stream_gap",
		} {
			if has {
				out = append(out, name)
			}
		}
		return out
	}
	for _, p := range paths {
		out = append(out, j.at(p)...)
	}
	return slices.DeleteFunc(out, func(v any) bool { return v == "" })
}

// param walks job.params.
func param(v any, path []string) []any {
	for _, key := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[key]
		case []any:
			v = nil
			for i := range in {
				if strconv.Itoa(i) == key {
					v = in[i]
				}
			}
		default:
			v = nil
		}
	}
	all, ok := v.([]any)
	if !ok {
		all = []any{v}
	}
	return slices.DeleteFunc(slices.Clone(all), func(v any) bool {
		switch v.(type) {
		case string, json.Number, bool:
			return false
		}
		return true
	})
}

func (j *judge) prose() []string {
	paths := append([]string{"description", "action", "object.id", "why.reason", "why.reference", "status_reason", "status_code",
		"authorization.decided_by", "heartbeat.progress", "before.summary", "before.object", "after.summary", "after.object",
		"impact.summary", "references[].value", "corrects.reason", "job.name", "entry.stub.reason"}, j.plain["actor"]...)
	var out []string
	for _, p := range paths {
		for _, v := range j.at(p) {
			out = append(out, v.(string))
		}
	}
	for _, p := range []string{"labels", "job.params"} {
		for _, v := range j.at(p) {
			out = append(out, stringsIn(v)...)
		}
	}
	return out
}

func stringsIn(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case map[string]any:
		for _, in := range v {
			out = append(out, stringsIn(in)...)
		}
	case []any:
		for _, in := range v {
			out = append(out, stringsIn(in)...)
		}
	}
	return out
}

// tokensOf splits what the application wrote, a character at a time.
func tokensOf(stored string) string {
	raw, _ := event.Unsanitize(stored)
	var b strings.Builder
	for _, r := range raw {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r):
			b.WriteByte(' ')
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
			b.WriteString(" " + string(r) + " ")
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return " " + strings.Join(strings.Fields(b.String()), " ") + " "
}

func (j *judge) finds(n Node) bool {
	switch n := n.(type) {
	case And:
		for _, of := range n {
			if !j.finds(of) {
				return false
			}
		}
		return true
	case Or:
		for _, of := range n {
			if j.finds(of) {
				return true
			}
		}
		return false
	case Not:
		return !j.finds(n.Of)
	case Words:
		want := " " + strings.Join(n.Tokens, " ")
		if !n.Prefix {
			want += " "
		}
		for _, text := range j.prose() {
			if strings.Contains(tokensOf(text), want) {
				return true
			}
		}
		return false
	case Term:
		for _, v := range j.values(n.Field, n.Path) {
			for _, want := range n.Any {
				if j.is(v, want) {
					return true
				}
			}
		}
		return false
	}
	return true
}

func (j *judge) is(v any, want Value) bool {
	text := ""
	switch v := v.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	case bool:
		text = strconv.FormatBool(v)
	}
	switch want.Op {
	case Present:
		return true
	case Equal:
		return text == want.Text
	case Prefix:
		return strings.HasPrefix(text, want.Text)
	case Network:
		a, err := netip.ParseAddr(text)
		return err == nil && netip.MustParsePrefix(want.Text).Contains(a)
	case Ints:
		n, ok := v.(json.Number)
		i, err := n.Int64()
		return ok && err == nil && i >= want.Min && i <= want.Max
	case Times:
		at, err := time.Parse(time.RFC3339Nano, text)
		return err == nil && (want.From.IsZero() || !at.Before(want.From)) && (want.Until.IsZero() || at.Before(want.Until))
	}
	return false
}

// drawEntry draws an entry with the texts that drawQuery asks for, and the key of its seal.
func drawEntry(t *rapid.T) (raw []byte, key string) {
	received := drawTime(t)
	via := rapid.SampledFrom([]proof.Via{{Kind: proof.ViaSpool}, {Kind: proof.ViaHTTP, Token: "alice", Addr: "192.0.2.7"},
		{Kind: proof.ViaUnix}, {Kind: proof.ViaStore}, {Kind: proof.ViaHTTP, Addr: "2001:db8::1"}}).Draw(t, "via").Append(nil)
	key = rapid.SampledFrom([]string{"", "alice+0badcafe+AAAA", "stet-door/stet.local/x+0badcafe+AAAA"}).Draw(t, "key")
	e := proof.Entry{Seq: rapid.Uint64Range(0, 20).Draw(t, "seq"), ReceivedAt: proof.FormatTime(received), Via: via}
	if rapid.IntRange(0, 9).Draw(t, "stub") == 0 {
		e.Stub = &proof.Stub{Stream: drawUUID(t).String(), First: 1, Last: 1, Code: proof.StubLost, Reason: "the disk of alice is full"}
	} else {
		b, err := (&event.Codec{}).Append(nil, drawEvent(t))
		if err != nil {
			t.Fatal(err)
		}
		e.Event = b
	}
	return e.Append(nil), key
}

func drawUUID(t *rapid.T) event.UUID {
	return event.NewUUIDv7(time.UnixMilli(1), [10]byte{rapid.ByteRange(1, 3).Draw(t, "uuid")})
}

func drawEvent(t *rapid.T) *event.Event {
	raw := func() string { // what an application writes
		s, _ := event.Unsanitize(drawText(t))
		return s
	}
	some := func() bool { return rapid.IntRange(0, 2).Draw(t, "some") == 0 }
	ip := func() string {
		return rapid.SampledFrom([]string{"", "192.0.2.7", "192.0.3.1", "2001:db8::1", "::ffff:192.0.2.7"}).Draw(t, "ip")
	}
	count := rapid.Int64Range(-10, 10).Draw(t, "count")
	severity := event.Severity(rapid.IntRange(0, 2).Draw(t, "severity"))
	e := &event.Event{
		EventID: drawUUID(t), Timestamp: drawTime(t), InteractionID: "i" + raw(), AppID: rapid.SampledFrom([]string{"alice", "bob"}).Draw(t, "app"),
		EventType: rapid.SampledFrom([]string{"own_type", "sensitive_read", "job_lost", "job_stalled", "job_late_outcome", "job_orphaned", "stream_gap"}).Draw(t, "type"),
		Severity:  &severity, StreamID: drawUUID(t), StreamSeq: 1, Environment: raw(), Description: raw(), UserID: raw(), SourceIP: ip(),
		Job: &event.Job{ID: raw(), RunID: raw(), Name: raw(), Attempt: rapid.Int64Range(0, 3).Draw(t, "attempt"),
			Phase: rapid.SampledFrom([]string{"", "execution", "outcome"}).Draw(t, "phase"),
			Params: map[string]any{"a": raw(), "b": count, raw(): map[string]any{raw(): raw(), "5": true},
				"ab": []any{raw(), count, nil, map[string]any{"a": raw()}}}},
		Status: rapid.SampledFrom([]string{"", "success", "failure", "denied"}).Draw(t, "status"),
		Labels: map[string]string{"a": raw(), raw(): raw()},
	}
	if some() {
		e.EventTime = drawTime(t)
	}
	if some() {
		e.Principal = &event.Principal{Type: "user", ID: raw()}
		if some() {
			e.Principal.OnBehalfOf = &event.OnBehalfOf{ID: "x" + raw()}
		}
		if some() {
			e.Principal.Upstream = &event.Upstream{System: "s", EventRef: raw()}
		}
	}
	if some() {
		e.Host = &event.Host{Name: raw(), IP: ip(), InstanceID: raw()}
	}
	if some() {
		e.Source = &event.Source{ForwardedFor: []string{ip(), raw()}}
	}
	if some() {
		e.Target = &event.Target{System: raw(), Environment: raw()}
	}
	if some() {
		e.Object = &event.Object{Type: "file", ID: raw()}
	}
	if some() {
		e.Why = &event.Why{Trigger: rapid.SampledFrom([]string{"schedule", "manual"}).Draw(t, "trigger"), Reason: raw(), Reference: raw()}
	}
	if some() {
		e.StatusReason = raw()
	}
	if some() {
		e.Before, e.After = &event.Snapshot{Object: raw(), Summary: raw()}, &event.Snapshot{Summary: raw()}
	}
	if some() {
		e.Impact = &event.Impact{Summary: raw()}
	}
	if some() {
		e.References = []event.Reference{{Kind: rapid.SampledFrom([]string{"imported", "ticket"}).Draw(t, "kind"), Value: "v" + raw()}}
	}
	if some() {
		e.Corrects = &event.Corrects{EventID: drawUUID(t), Kind: "correction", Reason: raw()}
		e.CausationID = drawUUID(t)
	}
	if some() {
		e.Job.RootID, e.Job.ParentID = "r"+raw(), "p"+raw()
	}
	if some() {
		e.Heartbeat = &event.Heartbeat{N: 1, Progress: raw()}
		e.Authorization = &event.Authorization{Basis: "policy", DecidedBy: raw()}
	}
	if some() {
		e.TraceID, e.SpanID = strings.Repeat("ab", 16), strings.Repeat("cd", 8)
	}
	return e
}

func recordOf(t testing.TB, entry []byte, key string) *Record {
	t.Helper()
	e, err := proof.ParseEntry(entry)
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := NewRecord(e, key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The matcher finds what the specification says, as another reading of it over decoded JSON finds it.
func TestMatchAgreesWithAReadingOfTheJSON(t *testing.T) {
	rows := plain(t)
	found, missed := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		q := drawQuery(rt)
		now := drawTime(rt)
		m := NewMatcher(q, now)
		for range 8 {
			raw, key := drawEntry(rt)
			want := newJudge(t, rows, raw, key).finds(q.Resolve(now).Root)
			if got := m.Match(recordOf(t, raw, key)); got != want {
				rt.Fatalf("%s finds it: %v, and a plain reading says %v\nkey %q\n%s", q, got, want, key, raw)
			}
			if want && !newSieve(m.root).may(raw) {
				rt.Fatalf("%s finds it, and the sieve holds it back\n%s", q, raw)
			}
			if want {
				found++
			} else {
				missed++
			}
		}
	})
	if found < missed/50 || missed < found/50 {
		t.Errorf("the queries find %d and miss %d: a test of little", found, missed)
	}
	t.Logf("%d found, %d missed", found, missed)
}
