package evidence_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/evidencetest"
	"github.com/stetlog/stet/proof"
)

// BenchmarkGigabyte verifies evidence of some 1.1 GB, 2 GB unpacked, and says how much memory there was in use at most:
//
//	go test -run '^$' -bench Gigabyte -benchtime 1x -timeout 60m ./evidence
//
// STET_KEEP names a folder to leave the file and its key in, for other verifiers.
func BenchmarkGigabyte(b *testing.B) {
	dir := os.Getenv("STET_KEEP")
	if dir == "" {
		dir = b.TempDir()
	}
	const batches = 2600
	w := evidencetest.New(b, 1)
	s := newLarge(b, w)
	var tree proof.Tree
	for raw := range s.entries(batches) {
		tree.Append(proof.LeafHash(raw))
	}
	note, err := proof.SignCheckpoint(proof.Checkpoint{Origin: evidencetest.Origin, Size: tree.Size(), Root: tree.Root()}, w.Log)
	if err != nil {
		b.Fatal(err)
	}
	c := w.Contents(evidencetest.Everything)
	c.Checkpoint, c.Searched.Last = note, tree.Size()-1
	c.Entries = func(yield func(evidence.Shown, error) bool) {
		seq := uint64(0)
		for raw := range s.entries(batches) {
			if !yield(evidence.Shown{Seq: seq, Raw: raw}, nil) {
				return
			}
			seq++
		}
	}
	path := filepath.Join(dir, "large.zip")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			b.Error(err)
		}
	}()
	if _, err := evidence.Write(f, c); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large.key"), []byte(w.Log.VKey), 0o600); err != nil {
		b.Fatal(err)
	}
	fi, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	var most uint64
	for b.Loop() {
		rep, err := evidence.Verify(b.Context(), f, fi.Size(), evidence.Options{LogKey: w.Log.VKey, Progress: func(done, _ uint64) {
			if done%5120 > 256 {
				return
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse+m.StackInuse)
		}})
		if err != nil || rep.State() != evidence.Verified {
			b.Fatal(rep.Word(), err, rep.Findings)
		}
	}
	b.ReportMetric(float64(fi.Size())/1e6, "file-MB")
	b.ReportMetric(float64(most)/1e6, "most-MB")
	if most > 256<<20 {
		b.Errorf("%d MB of memory were in use", most/1e6)
	}
}

// large makes the entries of one stream, the same ones each time, without keeping them.
type large struct {
	t    testing.TB
	w    *evidencetest.World
	key  evidencetest.Signer
	pre  []byte // an event up to its id, from there to its number, to its text, and to its end
	num  []byte
	text []byte
	end  []byte
	id   string
	via  []byte
}

const largeText = 7000

func newLarge(t testing.TB, w *evidencetest.World) *large {
	s := w.Emitter(10, "billing")
	l := &large{t: t, w: w, key: s.Key, id: "019de9a0-0000-7000-8000-000000000001", via: proof.Via{Kind: proof.ViaSpool}.Append(nil)}
	e := w.Login("user1")
	e.EventID, _ = event.ParseUUID("019de9a0-0000-7000-8000-00000000000f")
	e.StreamID, _ = event.ParseUUID(l.id)
	first, err := proof.ParseEntry(w.Entries[0])
	if err != nil {
		t.Fatal(err)
	}
	if e.Timestamp, err = proof.ParseTime(first.ReceivedAt); err != nil {
		t.Fatal(err)
	}
	e.InteractionID, e.AppID, e.Environment, e.StreamSeq = "i-1", "billing", "production", 7777
	e.Labels = map[string]string{"note": string(bytes.Repeat([]byte{'a'}, largeText))}
	raw, err := (&event.Codec{}).Append(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	var rest []byte
	l.pre, rest, _ = bytes.Cut(raw, []byte("019de9a0-0000-7000-8000-00000000000f"))
	l.num, rest, _ = bytes.Cut(rest, []byte("7777"))
	var found bool
	if l.text, l.end, found = bytes.Cut(rest, bytes.Repeat([]byte{'a'}, largeText)); !found {
		t.Fatalf("the event has another order of members: %s", raw)
	}
	return l
}

// entries yields those of the world, and then batches of 100 events of 7.6 KB. What is yielded is used again.
func (l *large) entries(batches int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		seq := uint64(0)
		at := ""
		for _, raw := range l.w.Entries {
			e, err := proof.ParseEntry(raw)
			if err != nil {
				l.t.Fatal(err)
			}
			if at = e.ReceivedAt; !yield(raw) {
				return
			}
			seq++
		}
		rng := rand.New(rand.NewPCG(1, 2))
		var out, raw []byte
		var prev proof.Hash
		var prevSeq *uint64
		next := uint64(1)
		for range batches {
			var leaves []proof.Hash
			for range 100 {
				raw = append(raw[:0], l.pre...)
				raw = fmt.Appendf(raw, "019de9a0-0000-7000-8000-%012x", seq)
				raw = strconv.AppendUint(append(raw, l.num...), next, 10)
				raw = append(raw, l.text...)
				var random [largeText / 2]byte
				for i := 0; i < len(random); i += 4 {
					n := rng.Uint32()
					copy(random[i:], []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
				}
				raw = append(hex.AppendEncode(raw, random[:]), l.end...)
				leaves = append(leaves, proof.LeafHash(raw))
				out = proof.AppendEventEntry(out[:0], seq, at, l.via, raw)
				if !yield(out) {
					return
				}
				seq, next = seq+1, next+1
			}
			msg, err := proof.SignSeal(proof.Seal{App: "billing", Environment: "production", Key: l.key.VKey, Stream: l.id, First: next - 100, Count: 100,
				Root: proof.RootOf(leaves), Prev: prev, HasPrev: prevSeq != nil, Clock: proof.Clock{State: proof.ClockUnknown}}, l.key)
			if err != nil {
				l.t.Fatal(err)
			}
			out = proof.AppendSealEntry(out[:0], seq, at, l.via, proof.SealEntry{PrevSeq: prevSeq, Note: msg})
			if !yield(out) {
				return
			}
			here := seq
			prev, prevSeq, seq = proof.SealHash(msg), &here, seq+1
		}
	}
}
