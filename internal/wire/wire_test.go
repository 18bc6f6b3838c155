package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

const (
	stream = "01980000-0000-7000-8000-000000000001"
	vkey   = "stet-emitter/host.example/1000+58800a76+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
)

func batch() wire.Element {
	return wire.Element{Batch: &spool.Batch{First: 7, Events: [][]byte{[]byte(`{"n":1}`), []byte(`{"n":2}`)}, Seal: []byte("a seal\n")}}
}

func loss() wire.Element {
	return wire.Element{Loss: &wire.Loss{Stream: stream, First: 9, Last: 12, Reason: "damaged <there>", Key: vkey, App: "billing", Environment: ""}}
}

func gone() wire.Element {
	return wire.Element{Gone: &wire.Gone{Stream: stream, Evidence: wire.Evidence{Host: "build-7", BootID: "b", MachineID: "m", PID: 4711,
		StartedAt: "2026-11-22T03:04:05.000000006Z", Why: "its lock could be taken"}}}
}

func TestABodyIsReadAsItWasWritten(t *testing.T) {
	want := []wire.Element{batch(), loss(), gone()}
	body, err := wire.Append([]byte("in front"), want)
	if err != nil {
		t.Fatal(err)
	}
	body = body[len("in front"):]
	got, err := wire.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	one, err := wire.Append(nil, want[:1])
	if err != nil || len(one) != wire.Envelope+wire.Size(*want[0].Batch) {
		t.Errorf("Size says %d and %d, it is %d (%v)", wire.Envelope, wire.Size(*want[0].Batch), len(one), err)
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	good, err := wire.Append(nil, []wire.Element{batch(), loss()})
	if err != nil {
		t.Fatal(err)
	}
	claim := func(kind byte, json string) []byte {
		b := append([]byte("stet/batches/v1\n"), kind)
		return append(binary.BigEndian.AppendUint32(b, uint32(len(json))), json...)
	}
	text := good[bytes.Index(good, []byte(`{"stream_id"`)):]
	change := func(from, to string) []byte {
		if !bytes.Contains(text, []byte(from)) {
			t.Fatalf("%q is not in %q", from, text)
		}
		return claim('L', strings.Replace(string(text), from, to, 1))
	}
	many := []byte("stet/batches/v1\n")
	for range wire.MaxElements + 1 {
		many = append(many, claim('L', string(text))[wire.Envelope:]...)
	}
	for _, c := range []struct {
		name string
		body []byte
		want error
	}{
		{"nothing", nil, wire.ErrMalformed},
		{"magic alone", good[:wire.Envelope], wire.ErrMalformed},
		{"another magic", append([]byte("stet/batches/v2\n"), good[wire.Envelope:]...), wire.ErrMalformed},
		{"a kind that does not exist", claim('X', "{}"), wire.ErrMalformed},
		{"a length beyond the end", append(bytes.Clone(good[:wire.Envelope]), 'B', 0xff, 0xff, 0xff, 0xff), wire.ErrMalformed},
		{"something behind the seal", append(bytes.Clone(good), 0), wire.ErrMalformed},
		{"too many elements", many, wire.ErrTooLarge},
		{"too many bytes", make([]byte, wire.MaxInflated+1), wire.ErrTooLarge},
		{"a space", change(`":`, `": `), wire.ErrMalformed},
		{"an unknown member", change(`{"`, `{"x":1,"`), wire.ErrMalformed},
		{"a member twice", change(`{"`, `{"stream_id":"`+stream+`","`), wire.ErrMalformed},
		{"no stream", change(stream, "x"), wire.ErrMalformed},
		{"numbers that go down", change(`"last":12`, `"last":8`), wire.ErrMalformed},
		{"a number without end", change(`"last":12`, `"last":9007199254740993`), wire.ErrMalformed},
		{"no key", change(`"key":"`, `"key":"x`), wire.ErrMalformed},
		{"a control character", change("damaged ", `damaged\u001b[2J`), wire.ErrMalformed},
		{"more than a claim's bytes", change("damaged ", strings.Repeat("d", wire.MaxClaim)), wire.ErrMalformed},
		{"nested", claim('G', strings.Repeat("[", wire.MaxClaim)), wire.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := wire.Parse(c.body); !errors.Is(err, c.want) {
				t.Errorf("got %v and %v, want %v", got, err, c.want)
			}
		})
	}
	for i := range good { // cut anywhere, it is no body, or that of the elements in front
		got, err := wire.Parse(good[:i])
		if err == nil && len(got) != 1 {
			t.Fatalf("cut at %d: %d elements", i, len(got))
		}
	}
}

func TestWhatCannotBeSentIsNotWritten(t *testing.T) {
	event := bytes.Repeat([]byte("e"), spool.MaxEvent)
	big := wire.Element{Batch: &spool.Batch{First: 1, Seal: []byte("s")}}
	for range spool.MaxEventBytes / len(event) {
		big.Batch.Events = append(big.Batch.Events, event)
	}
	both := batch()
	both.Loss = loss().Loss
	noReason := *loss().Loss
	noReason.Reason = strings.Repeat("r", proof.MaxReason+1)
	for _, c := range []struct {
		name     string
		elements []wire.Element
		want     error
	}{
		{"none", nil, wire.ErrTooLarge},
		{"too many", make([]wire.Element, wire.MaxElements+1), wire.ErrTooLarge},
		{"too many bytes", []wire.Element{big, big, big, big, big, big, big, big, big, big, big, big, big, big, big, big, big, big}, wire.ErrTooLarge},
		{"nothing in it", []wire.Element{{}}, wire.ErrMalformed},
		{"two things in one", []wire.Element{both}, wire.ErrMalformed},
		{"a long reason", []wire.Element{{Loss: &noReason}}, wire.ErrMalformed},
		{"a batch without a seal", []wire.Element{{Batch: &spool.Batch{First: 1, Events: [][]byte{event}}}}, wire.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := wire.Append(nil, c.elements); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func receipts() wire.Receipts {
	seq, prev := uint64(40), uint64(12)
	return wire.Receipts{Format: wire.ReceiptsFormat, Checkpoint: "log\n43\nroot\n\n— log sig\n", Results: []wire.Result{
		{Status: wire.Placed, Stream: stream, First: 7, Count: 3, Seq: &seq, ReceivedAt: "2026-11-22T03:04:05.000000006Z",
			Via: []byte(`{"kind":"http","token":"a<b>&c "}`), PrevSeq: &prev,
			Stubs: []wire.Stub{{Seq: 8, Code: "too_long", Path: "job.name", Reason: "too long", Hint: "cut it", Leaf: proof.LeafHash(nil).Hex()}},
			Proof: []proof.Hash{proof.EmptyRoot(), proof.LeafHash(nil)}},
		{Status: wire.Refused, Stream: stream, First: 9, Code: wire.StreamHole, Detail: "d", Hint: "h", Expected: 8},
	}}
}

func TestAnAnswerIsReadAsItWasWritten(t *testing.T) {
	b, err := receipts().Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.ParseReceipts(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(receipts(), got); d != "" {
		t.Error(d)
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*wire.Receipts)
	}{
		{"a state that does not exist", func(r *wire.Receipts) { r.Results[0].Status = "stored" }},
		{"refused without a code", func(r *wire.Receipts) { r.Results[1].Code = "" }},
		{"fewer than no entries", func(r *wire.Receipts) { r.Results[0].Count = -1 }},
		{"more entries than a batch has", func(r *wire.Receipts) { r.Results[0].Count = proof.MaxBatch + 2 }},
		{"a long proof", func(r *wire.Receipts) { r.Results[0].Proof = make([]proof.Hash, wire.MaxProofHashes+1) }},
		{"a long via", func(r *wire.Receipts) { r.Results[0].Via = []byte(`"` + strings.Repeat("v", proof.MaxVia) + `"`) }},
		{"more stubs than entries", func(r *wire.Receipts) { r.Results[0].Stubs = make([]wire.Stub, 4) }},
		{"a long reason", func(r *wire.Receipts) { r.Results[0].Stubs[0].Reason = strings.Repeat("r", proof.MaxReason+1) }},
		{"a number beyond the largest tree", func(r *wire.Receipts) { n := uint64(proof.MaxSize); r.Results[0].Seq = &n }},
		{"a long checkpoint", func(r *wire.Receipts) { r.Checkpoint = strings.Repeat("c", proof.MaxCheckpoint+1) }},
		{"too many results", func(r *wire.Receipts) { r.Results = make([]wire.Result, wire.MaxElements+1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := receipts()
			c.change(&r)
			b, err := r.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := wire.ParseReceipts(b); !errors.Is(err, wire.ErrMalformed) && !errors.Is(err, wire.ErrTooLarge) {
				t.Errorf("got %v", err)
			}
		})
	}
	for _, b := range []string{"", "null", "{}", `{"format":"stet.receipts/2"}`, `{"format":"stet.receipts/1","results":{}}`} {
		if _, err := wire.ParseReceipts([]byte(b)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: got %v", b, err)
		}
	}
}

func TestLog(t *testing.T) {
	good := wire.Log{Format: wire.LogFormat, Origin: "stet-emitter/host.example/1000", LogKey: vkey}
	b, err := good.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := wire.ParseLog(b); err != nil || got != good {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, c := range []wire.Log{{Origin: "another", LogKey: vkey}, {Origin: good.Origin, LogKey: vkey, StoreKey: "key"}, {Origin: good.Origin, LogKey: vkey + "A"}, {}} {
		b, err := c.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.ParseLog(b); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: got %+v, %v", b, got, err)
		}
	}
}

func TestProblems(t *testing.T) {
	seen := map[wire.Code]bool{}
	for _, m := range wire.Codes() {
		if seen[m.Code] || m.Status < 400 || m.Status > 599 || m.Title == "" || m.Hint == "" {
			t.Errorf("%+v", m)
		}
		seen[m.Code] = true
		p := wire.NewProblem(m.Code, "detail")
		got, ok := wire.ParseProblem(p.Append(nil))
		if d := cmp.Diff(p, got); d != "" || !ok {
			t.Errorf("%v %s", ok, d)
		}
		if s := got.Error(); !strings.Contains(s, string(m.Code)) || !strings.Contains(s, "detail") || !strings.Contains(s, m.Hint) {
			t.Errorf("%q", s)
		}
	}
	for _, page := range []string{"", "<html>", "{}", `{"code":1}`, `{"code":"` + strings.Repeat("c", 65) + `"}`, `{"code":"x","detail":"` + strings.Repeat("d", wire.MaxProblem) + `"}`} {
		if p, ok := wire.ParseProblem([]byte(page)); ok {
			t.Errorf("%.40q is taken for %+v", page, p)
		}
	}
}

// problemsPage is what people read of the codes: a heading for each, which its type leads to.
func problemsPage() string {
	var b strings.Builder
	b.WriteString("# Why a server refuses\n\nWritten by `go test ./internal/wire -update` from the table in `internal/wire/problem.go`. [wire.md](wire.md) says how a refusal looks.\n")
	for _, m := range wire.Codes() {
		later := "The same request will be refused again."
		if m.Later {
			later = "The same request may succeed later, no sooner than Retry-After says."
		}
		fmt.Fprintf(&b, "\n## %s\n\n%d. %s. %s What to do: %s.\n", m.Code, m.Status, m.Title, later, m.Hint)
	}
	return b.String()
}

func TestTheDocumentedCodesAreTheTable(t *testing.T) {
	const page = "../../docs/spec/problems.md"
	if *update {
		if err := os.WriteFile(page, []byte(problemsPage()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(problemsPage(), string(got)); d != "" {
		t.Errorf("run go test ./internal/wire -update: %s", d)
	}
	for _, m := range wire.Codes() {
		// GitHub makes the anchor of a heading of its text, and leaves lower-case letters and underscores alone.
		file, anchor, _ := strings.Cut(wire.NewProblem(m.Code, "").Type, "#")
		if !strings.HasSuffix(file, "/docs/spec/problems.md") || anchor != string(m.Code) || strings.Trim(anchor, "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("the type of %s leads to %s#%s", m.Code, file, anchor)
		}
	}
}

var update = flag.Bool("update", false, "write the fuzz targets' corpora and docs/spec/problems.md again")

func TestCorpus(t *testing.T) {
	body, err := wire.Append(nil, []wire.Element{batch(), loss(), gone()})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := receipts().Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	problem := wire.NewProblem(wire.StreamHole, "d")
	for name, c := range map[string]struct {
		form byte
		b    []byte
	}{
		"body": {0, body}, "body-cut": {0, body[:len(body)/2]}, "body-length": {0, append(bytes.Clone(body[:wire.Envelope]), 'B', 0xff, 0xff, 0xff, 0xff)},
		"body-trailing": {0, append(bytes.Clone(body), 'G')}, "answer": {1, answer}, "answer-null": {1, []byte("null")},
		"answer-nested": {1, bytes.Repeat([]byte("["), 1000)}, "problem": {2, problem.Append(nil)},
	} {
		file := filepath.Join("testdata", "fuzz", "FuzzForms", name)
		want := "go test fuzz v1\nbyte(" + strconv.QuoteRune(rune(c.form)) + ")\n[]byte(" + strconv.Quote(string(c.b)) + ")\n"
		if *update {
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(want), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil || string(got) != want {
			t.Errorf("%s is not what the forms are now (%v): go test ./internal/wire -run TestCorpus -update", file, err)
		}
	}
}

// FuzzForms: what is accepted as a body has one spelling; an answer or a problem that is accepted reads the same when
// written again; nothing panics. Which of them an input is for, its first argument says.
func FuzzForms(f *testing.F) {
	f.Fuzz(func(t *testing.T, form byte, b []byte) {
		switch form % 3 {
		case 0:
			elements, err := wire.Parse(b)
			if err != nil {
				return
			}
			if again, err := wire.Append(nil, elements); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("read %q, written %q, %v", b, again, err)
			}
		case 1:
			r, err := wire.ParseReceipts(b)
			if err != nil {
				return
			}
			text, err := r.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := wire.ParseReceipts(text)
			if err != nil {
				t.Fatalf("accepted, and yet written as %q: %v", text, err)
			}
			if text2, err := again.Append(nil); err != nil || !bytes.Equal(text, text2) {
				t.Fatalf("written as %q and then as %q, %v", text, text2, err)
			}
		case 2:
			if p, ok := wire.ParseProblem(b); ok {
				if _, ok := wire.ParseProblem(p.Append(nil)); !ok && len(p.Append(nil)) <= wire.MaxProblem {
					t.Fatalf("%q is a problem, %q is none", b, p.Append(nil))
				}
			}
		}
	})
}
