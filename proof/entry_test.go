package proof

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const testTime = "2026-11-22T03:02:33.123456789Z"

func drawVia(t *rapid.T) Via {
	text := rapid.OneOf(rapid.Just(""), rapid.StringN(0, 20, 300))
	id := rapid.Ptr(rapid.Uint32(), true)
	return Via{
		Kind: rapid.SampledFrom([]string{ViaStore, ViaSpool, ViaHTTP, ViaUnix, "fax"}).Draw(t, "kind"),
		UID:  id.Draw(t, "uid"), GID: id.Draw(t, "gid"), PID: id.Draw(t, "pid"),
		Addr: text.Draw(t, "addr"), Token: text.Draw(t, "token"),
		Key:     rapid.SampledFrom([]string{"", "0123abcd", "0123ABCD", "0123abc"}).Draw(t, "key"),
		Clock:   rapid.SampledFrom([]string{"", ClockUnsynchronized, ClockUnknown, ClockSynchronized}).Draw(t, "clock"),
		Changed: rapid.SliceOfN(rapid.StringN(1, 20, 300), 0, 70).Draw(t, "changed"),
	}
}

func drawEntry(t *rapid.T) Entry {
	number := rapid.OneOf(rapid.Uint64Range(0, 5), rapid.Uint64Range(MaxSize-3, MaxSize+3))
	e := Entry{
		Seq:        number.Draw(t, "seq"),
		ReceivedAt: FormatTime(time.Unix(rapid.Int64Range(-1e10, 1e11).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))),
		Via:        drawVia(t).Append(nil),
	}
	text := rapid.StringN(0, 600, -1)
	switch rapid.IntRange(0, 2).Draw(t, "kind of entry") {
	case 0:
		m := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "event")
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		e.Event = b
	case 1:
		e.Seal = &SealEntry{PrevSeq: rapid.Ptr(number, true).Draw(t, "prev"), Note: []byte(text.Draw(t, "note"))}
	case 2:
		e.Stub = &Stub{
			Stream: rapid.SampledFrom([]string{testStream, "", strings.ToUpper(testStream)}).Draw(t, "stream"),
			First:  number.Draw(t, "first"), Last: number.Draw(t, "last"),
			Code: rapid.SampledFrom([]string{StubRefused, StubLost, "x"}).Draw(t, "code"), Reason: text.Draw(t, "reason"),
		}
		if e.Stub.Code == StubRefused {
			e.Stub.Leaf = Hash{1, 2, 3}
		}
	}
	return e
}

// TestEntryRoundTrip: an entry reads back as it was, or Check says why it cannot be written. What is accepted is JSON.
func TestEntryRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawEntry(t)
		b := want.Append(nil)
		got, err := ParseEntry(b)
		if check := want.Check(); (check == nil) != (err == nil) {
			t.Fatalf("Check says %v, ParseEntry %v", check, err)
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if want.Seal != nil && want.Seal.Note == nil || got.Seal != nil && len(got.Seal.Note) == 0 {
			want.Seal.Note, got.Seal.Note = nil, nil // empty is empty
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s: %s", b, d)
		}
		if !json.Valid(b) {
			t.Fatalf("%s is not JSON", b)
		}
	})
}

func TestViaRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawVia(t)
		b := want.Append(nil)
		got, err := ParseVia(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if len(want.Changed) == 0 {
			want.Changed = nil
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s: %s", b, d)
		}
		if len(b) > MaxVia {
			t.Fatalf("%d bytes accepted", len(b))
		}
	})
}

// TestEveryBitOfAnEntry: a flipped bit makes an entry either malformed or another entry; never the same in new bytes.
func TestEveryBitOfAnEntry(t *testing.T) {
	s, signer := testSeal(t)
	msg, err := SignSeal(s, signer)
	if err != nil {
		t.Fatal(err)
	}
	prev, uid := uint64(4), uint32(1000)
	via := Via{Kind: ViaSpool, UID: &uid, Key: "0123abcd"}.Append(nil)
	for name, e := range map[string]Entry{
		"event": {Seq: 9, ReceivedAt: testTime, Via: via, Event: []byte(`{"a":[{"b":"c\\"}],"d":{}}`)},
		"seal":  {Seq: 9, ReceivedAt: testTime, Via: via, Seal: &SealEntry{PrevSeq: &prev, Note: msg}},
		"stub":  {Seq: 9, ReceivedAt: testTime, Via: via, Stub: &Stub{Stream: testStream, First: 3, Last: 3, Code: StubRefused, Leaf: Hash{1}, Reason: "é"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := e.Append(nil)
			for i := range b {
				for bit := range 8 {
					b[i] ^= 1 << bit
					if got, err := ParseEntry(b); err == nil && string(got.Append(nil)) != string(b) {
						t.Fatalf("bit %d of byte %d: %s is not canonical", bit, i, b)
					}
					b[i] ^= 1 << bit
				}
				if _, err := ParseEntry(b[:i]); !errors.Is(err, ErrMalformed) {
					t.Fatalf("cut to %d bytes: %v", i, err)
				}
			}
		})
	}
}

// TestEntryEventEnds: the parser finds where an event ends by its brackets and strings, whatever stands in them.
func TestEntryEventEnds(t *testing.T) {
	via := Via{Kind: ViaStore}.Append(nil)
	for _, event := range []string{`{}`, `{"":""}`, `{"a":"","b":""}`, `{"a":"\\"}`, `{"a":"\\\""}`, `{"a":"\"}]"}`, `{"a":[],"b":{}}`, `{"a":[[{}],"]"]}`} {
		e, err := ParseEntry(AppendEventEntry(nil, 1, testTime, via, []byte(event)))
		if err != nil || string(e.Event) != event {
			t.Errorf("%s: %s, %v", event, e.Event, err)
		}
	}
	for _, event := range []string{``, ` `, `[]`, `null`, `"{}"`, `{`, `}`, `{"}`, `{"a":"\"}`, `{[}]`, `{]`, `{}{}`, `{},{}`, `{} `, ` {}`, `{"a":1}}`} {
		if e, err := ParseEntry(AppendEventEntry(nil, 1, testTime, via, []byte(event))); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: accepted as %s, %v", event, e.Event, err)
		}
	}
}

// TestEntryEventAliases: an event is not copied out of its bundle, and cannot be appended to over its neighbour.
func TestEntryEventAliases(t *testing.T) {
	b := AppendEventEntry(nil, 1, testTime, Via{Kind: ViaStore}.Append(nil), []byte(`{"a":1}`))
	e, err := ParseEntry(b)
	if err != nil {
		t.Fatal(err)
	}
	if &e.Event[0] != &b[len(b)-len(e.Event)-1] || cap(e.Event) != len(e.Event) || cap(e.Via) != len(e.Via) {
		t.Error("event or via is a copy, or has room to grow into what follows")
	}
}

func TestEntryCheckRefusesTwoKinds(t *testing.T) {
	e := Entry{ReceivedAt: testTime, Via: Via{Kind: ViaStore}.Append(nil), Event: []byte(`{}`), Stub: &Stub{Stream: testStream, First: 1, Last: 1, Code: StubLost}}
	if err := e.Check(); !errors.Is(err, ErrMalformed) {
		t.Errorf("Check: %v", err)
	}
	if err := (Entry{}).Check(); !errors.Is(err, ErrMalformed) {
		t.Errorf("Check of nothing: %v", err)
	}
}

// TestTimes compares the hand-written check of entries with ParseTime, which asks package time.
func TestTimes(t *testing.T) {
	digits := rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\.[0-9]{9}Z`)
	rapid.Check(t, func(t *rapid.T) {
		s := digits.Draw(t, "time")
		at, err := ParseTime(s)
		if ok := validTime([]byte(s)); ok != (err == nil) {
			t.Fatalf("%s: an entry says %v, ParseTime %v", s, ok, err)
		}
		if err == nil && FormatTime(at) != s {
			t.Fatalf("%s became %s", s, FormatTime(at))
		}
	})
	for _, s := range []string{"", "2026-11-22", testTime + "Z", strings.Replace(testTime, ".", ",", 1), strings.Replace(testTime, "T", " ", 1), strings.ToLower(testTime)} {
		if _, err := ParseTime(s); !errors.Is(err, ErrMalformed) || validTime([]byte(s)) {
			t.Errorf("%q was accepted: %v", s, err)
		}
	}
	if early, late := FormatTime(time.Unix(0, 1)), FormatTime(time.Unix(0, 2)); early >= late {
		t.Errorf("%s does not sort before %s", early, late)
	}
}

// TestEnvelopesBehindEachOther: what stood before an entry changes nothing about how it is read.
func TestEnvelopesBehindEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.Custom(drawEntry)
		some := [2]Entry{drawn.Draw(t, "one"), drawn.Draw(t, "other")}
		pick := rapid.IntRange(0, 1)
		var p EnvelopeParser
		for range 8 {
			e := some[pick.Draw(t, "body")]
			e.Via, e.ReceivedAt = some[pick.Draw(t, "via")].Via, some[pick.Draw(t, "at")].ReceivedAt
			b := e.Append(nil)
			if at := rapid.IntRange(-8, 90).Draw(t, "damaged"); at >= 0 && at < len(b) {
				b[at] ^= rapid.Byte().Draw(t, "by")
			}
			var fresh EnvelopeParser
			want, werr := fresh.Parse(b)
			got, err := p.Parse(b)
			if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (werr == nil) || err != nil && err.Error() != werr.Error() {
				t.Fatalf("%q behind others: %v, by itself %v\n%s", b, err, werr, diff)
			}
		}
	})
}

// TestEntryRefusesBadParts has what the vectors leave out: parts that are wrong though the entry around them is right.
func TestEntryRefusesBadParts(t *testing.T) {
	prev := uint64(2)
	stub := Stub{Stream: testStream, First: 3, Last: 5, Code: StubLost, Reason: "r"}
	for name, change := range map[string]func(*Entry){
		"a stub's stream in upper case":  func(e *Entry) { e.Stub.Stream = strings.ToUpper(testStream) },
		"a stub's stream cut":            func(e *Entry) { e.Stub.Stream = testStream[:35] },
		"a stub's reason not UTF-8":      func(e *Entry) { e.Stub.Reason = "\xff" },
		"a stub's reason of one half":    func(e *Entry) { e.Stub.Reason = "\x80" },
		"a stub's reason with DEL":       func(e *Entry) { e.Stub.Reason = "\x7f" },
		"a stub's reason with NEL":       func(e *Entry) { e.Stub.Reason = "\u0085" },
		"a stub's reason with a BOM":     func(e *Entry) { e.Stub.Reason = "\ufeff" },
		"a stub's reason with a line":    func(e *Entry) { e.Stub.Reason = "\u2028" },
		"a stub's last above 2^53 - 1":   func(e *Entry) { e.Stub.Last = MaxSize + 1 },
		"a seal's note with a tab":       func(e *Entry) { e.Stub, e.Seal = nil, &SealEntry{PrevSeq: &prev, Note: []byte("a\tb\n")} },
		"a seal's note not UTF-8":        func(e *Entry) { e.Stub, e.Seal = nil, &SealEntry{PrevSeq: &prev, Note: []byte("a\xc3\n")} },
		"a seal before its predecessor":  func(e *Entry) { e.Stub, e.Seal, e.Seq = nil, &SealEntry{PrevSeq: &prev, Note: []byte("a\n")}, 1 },
		"a via that is no via":           func(e *Entry) { e.Via = []byte(`{}`) },
		"a via with more behind it":      func(e *Entry) { e.Via = append(e.Via, `,"x":1`...) },
		"a time with a space before it":  func(e *Entry) { e.ReceivedAt = " " + testTime[1:] },
		"a time that is a quote shorter": func(e *Entry) { e.ReceivedAt = testTime[:29] },
	} {
		t.Run(name, func(t *testing.T) {
			own := stub
			e := Entry{Seq: 7, ReceivedAt: testTime, Via: Via{Kind: ViaStore}.Append(nil), Stub: &own}
			if err := e.Check(); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			change(&e)
			if _, err := ParseEntry(e.Append(nil)); !errors.Is(err, ErrMalformed) {
				t.Errorf("ParseEntry: %v", err)
			}
			if err := e.Check(); !errors.Is(err, ErrMalformed) {
				t.Errorf("Check: %v", err)
			}
		})
	}
}
