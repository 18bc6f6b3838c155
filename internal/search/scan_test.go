package search

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// memLog is a log in memory, in the layout of C2SP tlog-tiles.
type memLog struct {
	t       testing.TB
	entries [][]byte
	keys    []string // of the seal over each, "" of seals and losses
	cuts    []uint64 // sizes at which no batch is cut
	now     time.Time
	signer  note.Signer
	vkey    string
	stream  event.UUID
	fetched int
}

func newMemLog(t testing.TB) *memLog {
	l := &memLog{t: t, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), stream: event.NewUUIDv7(time.UnixMilli(1), [10]byte{})}
	var err error
	if l.signer, l.vkey, err = proof.NewSigner("stet-emitter/web1/0", ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))); err != nil {
		t.Fatal(err)
	}
	return l
}

// put adds an entry that the seal of a key is over.
func (l *memLog) put(e proof.Entry, key string) {
	e.Seq, e.ReceivedAt, e.Via = uint64(len(l.entries)), proof.FormatTime(l.now), proof.Via{Kind: proof.ViaSpool}.Append(nil)
	l.entries, l.keys = append(l.entries, e.Append(nil)), append(l.keys, key)
}

// batch adds events of job n, of which every fifth was refused, and their seal.
func (l *memLog) batch(n, events int) {
	for i := range events {
		if i%5 == 4 {
			l.put(proof.Entry{Stub: &proof.Stub{Stream: l.stream.String(), First: 1, Last: 1, Code: proof.StubRefused}}, l.vkey)
			continue
		}
		b, err := (&event.Codec{}).Append(nil, &event.Event{EventID: l.stream, Timestamp: l.now, InteractionID: "i", AppID: "shop",
			EventType: "own_type", Job: &event.Job{ID: fmt.Sprint("job-", n), Attempt: int64(i + 1)}, StreamID: l.stream, StreamSeq: 1})
		if err != nil {
			l.t.Fatal(err)
		}
		l.put(proof.Entry{Event: b}, l.vkey)
	}
	seal := proof.Seal{App: "shop", Key: l.vkey, Stream: l.stream.String(), First: 1, Count: events, Root: proof.LeafHash(nil), Clock: proof.Clock{State: proof.ClockUnknown}}
	if events == 0 {
		seal.Final, seal.Root = true, proof.EmptyRoot()
	}
	msg, err := proof.SignSeal(seal, l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	l.put(proof.Entry{Seal: &proof.SealEntry{Note: msg}}, "")
	l.cut()
}

func (l *memLog) cut() {
	l.cuts = append(l.cuts, uint64(len(l.entries)))
	l.now = l.now.Add(time.Minute)
}

func (l *memLog) loss() {
	l.put(proof.Entry{Stub: &proof.Stub{Stream: l.stream.String(), First: 1, Last: 9, Code: proof.StubLost, Reason: "disk"}}, "")
	l.cut()
}

func (l *memLog) root(from, to uint64) proof.Hash {
	var tree proof.Tree
	for _, e := range l.entries[from:to] {
		tree.Append(proof.LeafHash(e))
	}
	return tree.Root()
}

func (l *memLog) checkpoint(size uint64) proof.Checkpoint {
	return proof.Checkpoint{Origin: "log", Size: size, Root: l.root(0, size)}
}

// Fetch implements logread.Source.
func (l *memLog) Fetch(_ context.Context, path string) (b []byte, err error) {
	l.fetched++
	t, err := proof.ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	span := uint64(1) // leaves under one of the tile's hashes
	for range t.Level {
		span *= proof.TileWidth
	}
	for i := range uint64(t.Width) {
		at := (t.Index*proof.TileWidth + i) * span
		if at+span > uint64(len(l.entries)) {
			return nil, fs.ErrNotExist
		}
		if t.Entries {
			if b, err = proof.AppendBundleEntry(b, l.entries[at]); err != nil {
				return nil, err
			}
			continue
		}
		h := l.root(at, at+span)
		b = append(b, h[:]...)
	}
	return b, nil
}

// anyLog has some bundles, batches across their borders, losses between them, refused events, and seals over nothing.
func anyLog(t testing.TB, batches int) *memLog {
	l := newMemLog(t)
	for n := range batches {
		l.batch(n, n*7%23)
		if n%9 == 4 {
			l.loss()
		}
	}
	return l
}

// naive is what a query finds by the matcher alone.
func naive(records []*Record, q Query, now time.Time) (seqs []uint64) {
	m := NewMatcher(q, now)
	for _, r := range records {
		if m.Match(r) {
			seqs = append(seqs, r.Seq)
		}
	}
	return seqs
}

func (l *memLog) records() (all []*Record) {
	for seq, raw := range l.entries {
		e, err := proof.ParseEntry(raw)
		if err != nil {
			l.t.Fatal(err)
		}
		if r, ok, err := NewRecord(e, l.keys[seq]); err != nil {
			l.t.Fatal(err)
		} else if ok {
			all = append(all, r)
		}
	}
	return all
}

func collect(seqs *[]uint64) func(Hit) error {
	return func(h Hit) error {
		*seqs = append(*seqs, h.Seq)
		return nil
	}
}

// A scan finds what the matcher finds in each entry, in both directions, whatever bounds it makes of the query.
func TestScanFindsWhatMatches(t *testing.T) {
	l := anyLog(t, 30) // two bundles
	size := uint64(len(l.entries))
	records := l.records()
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Int64Range(0, int64(size)+5)
		minute := rapid.Custom(func(t *rapid.T) time.Time {
			return time.Date(2026, 3, 1, 0, rapid.IntRange(0, 40).Draw(t, "minute"), 0, 0, time.UTC)
		})
		terms := []Node{
			Term{Field: FieldJob, Any: []Value{{Op: Prefix, Text: fmt.Sprint("job-", rapid.IntRange(0, 6).Draw(t, "job"))}}},
			Term{Field: FieldEmitter, Any: []Value{{Op: Equal, Text: proof.KeyID(l.vkey)}}},
			Term{Field: FieldHas, Any: []Value{{Op: Equal, Text: HasGap}}},
		}
		for range 2 {
			a, b := seq.Draw(t, "a"), seq.Draw(t, "b")
			terms = append(terms, Term{Field: FieldSeq, Any: []Value{{Op: Ints, Min: min(a, b), Max: max(a, b)}, {Op: Ints, Min: seq.Draw(t, "c"), Max: int64(size)}}})
			terms = append(terms, Term{Field: FieldSeq, Any: []Value{{Op: Ints, Min: 0, Max: b}}})
			terms = append(terms, Term{Field: FieldReceived, Any: []Value{{Op: Times, From: minute.Draw(t, "from")}, {Op: Times, Until: minute.Draw(t, "until")}}})
			terms = append(terms, Term{Field: FieldReceived, Any: []Value{{Op: Times, From: minute.Draw(t, "from")}}}, Term{Field: FieldReceived, Any: []Value{{Op: Times, Until: minute.Draw(t, "until")}}})
		}
		terms = append(terms, Term{Field: FieldReceived, Any: []Value{{Op: Ago, Ago: time.Hour}}})
		var q Query
		if n := rapid.IntRange(0, 4).Draw(t, "terms"); n == 1 {
			q.Root = rapid.SampledFrom(terms).Draw(t, "term")
		} else if n > 1 {
			and := make(And, n)
			for i := range and {
				if and[i] = rapid.SampledFrom(terms).Draw(t, "term"); rapid.IntRange(0, 5).Draw(t, "not") == 0 {
					and[i] = Not{and[i]}
				}
			}
			q.Root = and
		}
		now := time.Date(2026, 3, 1, 1, 15, 0, 0, time.UTC)
		cut := rapid.SampledFrom(l.cuts).Draw(t, "cut")
		var back, forward []uint64
		from, err := NewScanner(l, q, now).Back(t.Context(), l.checkpoint(size), collect(&back))
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(back)
		s := NewScanner(l, q, now)
		err = errors.Join(s.Forward(t.Context(), l.checkpoint(cut), 0, collect(&forward)), s.Forward(t.Context(), l.checkpoint(size), cut, collect(&forward)))
		if err != nil {
			t.Fatal(err)
		}
		want := naive(records, q, now)
		if diff := cmp.Diff(want, back); diff != "" {
			t.Errorf("%s back (-want +got):\n%s", q, diff)
		}
		if diff := cmp.Diff(want, forward); diff != "" {
			t.Errorf("%s forward, in two steps (-want +got):\n%s", q, diff)
		}
		if len(want) > 0 && from > want[0] {
			t.Errorf("%s: it says that it looked at %d and behind, and found %d", q, from, want[0])
		}
	})
}

// The key of an entry is that of the seal behind its batch, also where the query ends in the middle of the batch; a loss
// has none.
func TestScanKnowsTheKey(t *testing.T) {
	l := newMemLog(t)
	l.batch(1, 5) // 0 to 5: the last of them refused, then the seal
	l.loss()      // 6
	l.batch(2, 1)
	cp := l.checkpoint(uint64(len(l.entries)))
	for typed, want := range map[string][]uint64{
		"emitter:stet-emitter/*":                         {7, 4, 3, 2, 1, 0},
		"emitter:stet-emitter/* seq:<=1":                 {1, 0},
		"has:gap":                                        {6, 4},
		"has:gap -emitter:" + proof.KeyID(l.vkey):        {6},
		"seq:>2 -has:gap emitter:" + proof.KeyID(l.vkey): {7, 3},
	} {
		var back, forward []uint64
		_, err := NewScanner(l, mustParse(t, typed), time.Time{}).Back(t.Context(), cp, collect(&back))
		if err := errors.Join(err, NewScanner(l, mustParse(t, typed), time.Time{}).Forward(t.Context(), cp, 0, collect(&forward))); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(forward)
		if !slices.Equal(back, want) || !slices.Equal(forward, want) {
			t.Errorf("%s: back %v, forward %v, want %v", typed, back, forward, want)
		}
	}
}

func TestScanStops(t *testing.T) {
	l := anyLog(t, 60)
	cp := l.checkpoint(uint64(len(l.entries)))
	var seen []uint64
	from, err := NewScanner(l, Query{}, time.Time{}).Back(t.Context(), cp, func(h Hit) error {
		if seen = append(seen, h.Seq); len(seen) == 3 {
			return ErrStop
		}
		return nil
	})
	if err != nil || len(seen) != 3 || from != seen[2] {
		t.Errorf("looked at %d and behind, found %v: %v", from, seen, err)
	}
	// What lies beyond the query's bounds is not read.
	for _, c := range []struct {
		query string
		most  int // bundles and tiles
	}{
		{fmt.Sprintf("seq:>%d", cp.Size-20), 3},
		{"after:2026-03-01T01:00", 4},
		{"seq:<5", 3*4 + 4}, // the seal of what is found may stand up to 1,001 entries behind it
		{"seq:<5 seq:>7", 0},
	} {
		l.fetched = 0
		if _, err := NewScanner(l, mustParse(t, c.query), time.Time{}).Back(t.Context(), cp, func(Hit) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if l.fetched > c.most {
			t.Errorf("%s reads %d files, want at most %d", c.query, l.fetched, c.most)
		}
	}
}

// Of a bundle that is not the one under the checkpoint, or is not there, nothing is shown. On the way back the others are, and what
// is lacking is told; who goes forward stops there.
func TestScanShowsOnlyWhatIsProven(t *testing.T) {
	l := anyLog(t, 60)
	cp := l.checkpoint(uint64(len(l.entries)))
	// Bundle 1, entries 256 to 511, is gone one way or the other.
	with := func(do func([]byte) ([]byte, error)) logread.Source {
		return logread.NewRemote(func(ctx context.Context, path string) ([]byte, error) {
			b, err := l.Fetch(ctx, path)
			if tile, _ := proof.ParseTilePath(path); tile.Entries && tile.Index == 1 {
				return do(b)
			}
			return b, err
		})
	}
	sealed := 256 // the first entry whose seal stands before the gap is the one before this
	for sealed > 0 && l.keys[sealed-1] != "" {
		sealed--
	}
	if sealed == 256 || l.keys[511] == "" {
		t.Fatal("no batch goes over the gap's borders")
	}
	disk := errors.New("the disk does not answer")
	for name, c := range map[string]struct {
		src  logread.Source
		stop error // what makes it end at once
	}{
		"altered": {with(func(b []byte) ([]byte, error) { return bytes.Replace(b, []byte(`"job-3`), []byte(`"job-9`), 1), nil }), nil},
		"cut":     {with(func(b []byte) ([]byte, error) { return b[:len(b)/2], nil }), nil},
		"longer":  {with(func(b []byte) ([]byte, error) { return append(b, 0), nil }), nil},
		"gone":    {with(func([]byte) ([]byte, error) { return nil, fs.ErrNotExist }), nil},
		"unasked": {with(func([]byte) ([]byte, error) { return nil, disk }), disk},
	} {
		for typed, want := range map[string]struct {
			lack  bool // the gap lies between what the query lets in
			whole bool // beside the gap everything is found
		}{
			"":         {true, true},
			"seq:>500": {true, true}, "seq:>=512": {false, true}, "seq:<=256": {true, true},
			fmt.Sprint("seq:<", sealed):        {false, true},
			fmt.Sprint("seq:<=", sealed):       {true, true}, // its seal may be there
			"after:2026-03-01T00:50":           {false, true},
			"before:2026-03-01T00:03":          {false, true},
			"has:gap":                          {true, true},
			"emitter:" + proof.KeyID(l.vkey):   {true, false}, // whose some are is not known
			"seq:<=5 seq:>=4 -label.a:b job:*": {false, true},
		} {
			q := mustParse(t, typed)
			var seen, should []uint64
			_, err := NewScanner(c.src, q, time.Time{}).Back(t.Context(), cp, collect(&seen))
			slices.Reverse(seen)
			var gone *logread.UnreadError
			switch {
			case c.stop != nil:
				if !errors.Is(err, c.stop) && want.lack {
					t.Errorf("%s, %q: %v", name, typed, err)
				}
				continue
			case !want.lack && err != nil:
				t.Errorf("%s, %q: of what it lets in nothing is lacking: %v", name, typed, err)
			case want.lack && !errors.As(err, &gone):
				t.Errorf("%s, %q: it does not say what is lacking: %v", name, typed, err)
			case want.lack:
				r := gone.Ranges
				if len(r) != 1 || r[0].From != 256 || r[0].To != 512 || !strings.Contains(err.Error(), "entries 256 to 511 cannot be read: ") {
					t.Errorf("%s, %q: %+v", name, typed, r)
				}
				if typed == "" && r[0].Unsealed != 256-sealed {
					t.Errorf("%s: the seal of %d entries is lacking, it says of %d", name, 256-sealed, r[0].Unsealed)
				}
			}
			for _, seq := range naive(l.records(), q, time.Time{}) {
				if seq < 256 && (want.whole || seq < uint64(sealed)) || seq >= 512 {
					should = append(should, seq)
				}
			}
			if diff := cmp.Diff(should, seen); diff != "" {
				t.Errorf("%s, %q (-want +got):\n%s", name, typed, diff)
			}
		}
		var seen []uint64
		err := NewScanner(c.src, Query{}, time.Time{}).Forward(t.Context(), cp, 0, collect(&seen))
		if errors.As(err, new(*logread.UnreadError)) != (c.stop == nil) || !errors.Is(err, c.stop) && c.stop != nil {
			t.Errorf("%s, forward: %v", name, err)
		}
		if slices.Max(seen) >= proof.TileWidth {
			t.Errorf("%s, forward: entry %d is shown", name, slices.Max(seen))
		}
	}
}
