package snapshot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/snapshot"
)

// What could be guessed needs a key, or the word that it may be.
func TestGuessable(t *testing.T) {
	for _, v := range []any{nil, 5000, "alice", true, map[string]any{"salary": 5000}, []byte("1234"), strings.Repeat("long", 1000)} {
		if _, err := snapshot.Value(v, snapshot.Options{}); !errors.Is(err, snapshot.ErrGuessable) {
			t.Errorf("%.20v: %v, want ErrGuessable", v, err)
		}
	}
	if _, err := snapshot.Reader(t.Context(), strings.NewReader("1234"), 100, snapshot.Options{}); !errors.Is(err, snapshot.ErrGuessable) {
		t.Errorf("a stream: %v, want ErrGuessable", err)
	}
	if _, err := snapshot.Value(1, snapshot.Options{Key: []byte("short"), Public: true}); err == nil {
		t.Error("a short key was taken")
	}
	k1, k2 := snapshot.Options{Key: bytes.Repeat([]byte{1}, 16)}, snapshot.Options{Key: bytes.Repeat([]byte{2}, 16), Public: true}
	a, err := snapshot.Value(5000, k1)
	da := digest(t, a, err)
	b, err := snapshot.Value(5000, k2)
	db := digest(t, b, err)
	if da == db || !strings.HasPrefix(da, "hmac-sha256:") || !strings.HasPrefix(db, "hmac-sha256:") {
		t.Errorf("under two keys: %s and %s", da, db)
	}
}

func TestSameValue(t *testing.T) {
	n, at := 3, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, group := range [][]any{
		{3, int8(3), uint64(3), 3.0, float32(3), json.Number("3"), json.RawMessage(" 3e0 "), &n},
		{nil, (*int)(nil), json.RawMessage("null")},
		{map[string]any{"b": 2, "a": "x"}, map[string]any{"a": "x", "b": uint8(2)}, json.RawMessage(`{ "b" : 2, "\u0061":"x"}`)},
		{[]any{"a", "b"}, []string{"a", "b"}, [2]string{"a", "b"}},
		{[]any{}, []string(nil)},
		{at, at.In(time.FixedZone("x", 7200)), &at},
		{uint64(math.MaxUint64), json.Number("18446744073709551615")},
	} {
		first, err := snapshot.Value(group[0], public)
		want := digest(t, first, err)
		for _, v := range group[1:] {
			s, err := snapshot.Value(v, public)
			if got := digest(t, s, err); got != want {
				t.Errorf("%T %v differs from %T %v", v, v, group[0], group[0])
			}
		}
	}
}

func TestOtherValue(t *testing.T) {
	seen := map[string]any{}
	for _, v := range []any{
		nil, false, true, 0, 1, -1, 0.5, "", "0", "1", "null", "true", []byte{}, []byte("1"), []any{}, map[string]any{}, []any{nil}, []any{[]any{}},
		[]any{"ab"}, []any{"a", "b"}, []any{"a", []any{"b"}}, []any{[]any{"a"}, "b"}, map[string]any{"a": "b"}, map[string]any{"a": nil, "b": nil},
		time.Unix(0, 0), "1970-01-01T00:00:00.000000000Z", "\xff", "\ufffd", uint64(math.MaxUint64), int64(math.MinInt64),
	} {
		s, err := snapshot.Value(v, public)
		d := digest(t, s, err)
		if other, ok := seen[d]; ok {
			t.Errorf("%T %#v and %T %#v have one digest", v, v, other, other)
		}
		seen[d] = v
	}
}

func TestUnsupportedValues(t *testing.T) {
	var loop any
	loop = &loop
	type row struct{ A int }
	for _, x := range []struct {
		v    any
		want error
	}{
		{math.NaN(), snapshot.ErrUnsupported}, {math.Inf(-1), snapshot.ErrUnsupported}, {9007199254740992.0, snapshot.ErrUnsupported},
		{row{1}, snapshot.ErrUnsupported}, {map[int]int{1: 1}, snapshot.ErrUnsupported}, {make(chan int), snapshot.ErrUnsupported},
		{json.Number("1e400"), snapshot.ErrUnsupported}, {json.Number("0x1"), snapshot.ErrUnsupported}, {json.Number("01"), snapshot.ErrUnsupported},
		{json.RawMessage(`{"a":1,"a":1}`), snapshot.ErrUnsupported}, {json.RawMessage(`{"a":1,"\u0061":2}`), snapshot.ErrUnsupported},
		{json.RawMessage("\"\xff\""), snapshot.ErrUnsupported}, {json.RawMessage(`"\ud800"`), snapshot.ErrUnsupported}, {json.RawMessage(`"\udc00\ud800"`), snapshot.ErrUnsupported},
		{json.RawMessage(`1 2`), snapshot.ErrUnsupported}, {json.RawMessage(`[1`), snapshot.ErrUnsupported}, {json.RawMessage(``), snapshot.ErrUnsupported},
		{json.RawMessage(strings.Repeat("[", 100) + strings.Repeat("]", 100)), snapshot.ErrTooLarge}, {loop, snapshot.ErrTooLarge}, {make([]int, 1_000_001), snapshot.ErrTooLarge},
	} {
		if _, err := snapshot.Value(x.v, public); !errors.Is(err, x.want) {
			t.Errorf("%T: %v, want %v", x.v, err, x.want)
		}
	}
}

// An error says the kind of thing that is wrong, never the data.
func TestErrorsKeepTheValue(t *testing.T) {
	for _, v := range []any{json.RawMessage(`{"hunter2":1,"hunter2":2}`), json.RawMessage(`"hunter2`), json.RawMessage(`hunter2`), json.Number("hunter2"), map[string]any{"hunter2": make(chan int)}} {
		if _, err := snapshot.Value(v, public); err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%T: %v", v, err)
		}
	}
}

// Two values have one digest where, and only where, they are the same.
func TestDigestTellsValuesApart(t *testing.T) {
	var item func(depth int) *rapid.Generator[any]
	item = func(depth int) *rapid.Generator[any] {
		plain := []*rapid.Generator[any]{
			rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64Range(-2, 2).AsAny(), rapid.SampledFrom([]string{"", "a", "l", "\x00"}).AsAny(),
		}
		if depth > 0 {
			plain = append(plain,
				rapid.Map(rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return item(depth - 1) }), 0, 3), func(l []any) any {
					return append([]any{}, l...)
				}),
				rapid.MapOfN(rapid.SampledFrom([]string{"", "a", "b"}), rapid.Deferred(func() *rapid.Generator[any] { return item(depth - 1) }), 0, 3).AsAny())
		}
		return rapid.OneOf(plain...)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := item(3).Draw(t, "a"), item(3).Draw(t, "b")
		sa, err := snapshot.Value(a, public)
		if err != nil {
			t.Fatal(err)
		}
		sb, err := snapshot.Value(b, public)
		if err != nil {
			t.Fatal(err)
		}
		if same := reflect.DeepEqual(a, b); same != (sa.Digest == sb.Digest) {
			t.Fatalf("same %v, digests %s and %s", same, sa.Digest, sb.Digest)
		}
	})
}

func TestReader(t *testing.T) {
	text := strings.Repeat("line\n", 50_000) + "last"
	want, err := snapshot.Reader(t.Context(), strings.NewReader(text), int64(len(text)), public)
	if err != nil {
		t.Fatal(err)
	}
	if *want.Count != 50_001 || want.Summary != "50,001 lines, 250.0 kB" {
		t.Errorf("%d, %q", *want.Count, want.Summary)
	}
	for _, r := range []func() *snapshotReader{func() *snapshotReader { return &snapshotReader{iotest.HalfReader(strings.NewReader(text))} },
		func() *snapshotReader { return &snapshotReader{iotest.DataErrReader(strings.NewReader(text))} }} {
		s, err := snapshot.Reader(t.Context(), r(), int64(len(text)), public)
		if got := digest(t, s, err); got != want.Digest {
			t.Error("the digest depends on how the stream is cut")
		}
	}
	if _, err := snapshot.Reader(t.Context(), strings.NewReader(text), int64(len(text))-1, public); !errors.Is(err, snapshot.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
	broken := errors.New("broken")
	if _, err := snapshot.Reader(t.Context(), iotest.ErrReader(broken), 10, public); !errors.Is(err, broken) {
		t.Errorf("%v, want the reader's own", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := snapshot.Reader(ctx, strings.NewReader(text), 1<<20, public); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}

type snapshotReader struct {
	r interface{ Read([]byte) (int, error) }
}

func (s *snapshotReader) Read(b []byte) (int, error) { return s.r.Read(b) }

func TestJoin(t *testing.T) {
	two, three := int64(2), int64(3)
	a := &event.Snapshot{Digest: "sha256:aa", Summary: "2 files", Object: "/a", Count: &two}
	b := &event.Snapshot{Digest: "sha256:bb", Summary: "3 files", Object: "/b", Count: &three}
	ab, err := snapshot.Join(snapshot.Options{}, a, b)
	if err != nil {
		t.Fatal(err)
	}
	if *ab.Count != 5 || ab.Object != "/a, /b" || ab.Summary != "/a: 2 files; /b: 3 files" {
		t.Errorf("%+v", ab)
	}
	ba, err := snapshot.Join(snapshot.Options{}, b, a)
	if digest(t, ba, err) == ab.Digest {
		t.Error("the order of parts does not matter")
	}
	gone, err := snapshot.Join(snapshot.Options{}, a, &event.Snapshot{Object: "/b"})
	if digest(t, gone, err) == ab.Digest || gone.Count != nil {
		t.Errorf("a part that was not taken does not show: %+v", gone)
	}
	if one, err := snapshot.Join(snapshot.Options{}, a); err != nil || *one != *a {
		t.Errorf("one part alone: %+v, %v", one, err)
	}
	if none, err := snapshot.Join(snapshot.Options{}); none != nil || err != nil {
		t.Errorf("no parts: %v, %v", none, err)
	}
}

// FuzzJSON: what is read as JSON is what another strict decoder takes, and writing it otherwise changes nothing.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x\u00e9",null,true],"b":{}}`, `"\ud83d\ude00"`, `"\ud800"`, `{"a":1,"a":2}`, `-0.0e1`, ` [ ] `, "\"\xff\"", `[1,]`, `1e999`, `"\\ud800"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := snapshot.Value(json.RawMessage(b), public)
		v := jsontext.Value(bytes.Clone(b))
		if err == nil && !v.IsValid() {
			t.Fatalf("took what is not JSON: %q", b)
		}
		if err != nil {
			// Beyond JSON's own rules it may be depth, or a number.
			if v.IsValid() && errors.Is(err, snapshot.ErrUnsupported) && !strings.Contains(err.Error(), "float") && !strings.Contains(err.Error(), "json.Number") {
				t.Fatalf("refused %q: %v", b, err)
			}
			return
		}
		if err := v.Format(jsontext.ReorderRawObjects(true), jsontext.Multiline(true), jsontext.EscapeForHTML(true)); err != nil {
			t.Fatal(err)
		}
		again, err := snapshot.Value(json.RawMessage(v), public)
		if err != nil || again.Digest != s.Digest {
			t.Fatalf("%q and %q differ: %v", b, v, err)
		}
	})
}
