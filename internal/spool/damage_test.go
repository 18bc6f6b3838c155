package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/segment"
)

// three is a spool of three segments and six batches, and its segments' bytes.
func three(t testing.TB) (batches []Batch, files [][]byte) {
	t.Helper()
	batches = continued(30, 2, 1, 3, 1, 2, 2)
	m := fsxtest.New()
	fillSegments(t, m, batches[:2], batches[2:4], batches[4:])
	for n := range 3 {
		b, err := fsx.ReadFile(m, segPath(n), 1<<20)
		must(t, err)
		files = append(files, b)
	}
	return batches, files
}

func segPath(n int) string { return Dir + "/" + stream + "/" + segmentName(uint64(n+1)) }

// disk makes a spool of a dead owner out of bytes; nil leaves a segment out.
func disk(t testing.TB, files ...[]byte) *fsxtest.Mem {
	t.Helper()
	m := fsxtest.New()
	must(t, fsx.MkdirAll(m, Dir+"/"+stream, 0o700))
	for n, b := range files {
		if b == nil {
			continue
		}
		f, err := m.Create(segPath(n), 0o600)
		must(t, err)
		_, err = f.WriteAt(b, 0)
		must(t, err)
		must(t, f.Close())
	}
	return m
}

// audit holds what was read against what was written: nothing altered, and everything that is missing is either named by
// a Damage, or at the end, where a torn tail says so.
func audit(batches, got []Batch, r Report) error {
	i := 0
	damaged := slices.Clone(r.Damaged)
	for _, b := range batches {
		if i < len(got) && got[i].First == b.First {
			if d := cmp.Diff(b, got[i], byBytes); d != "" {
				return errors.New("altered: " + d)
			}
			i++
			continue
		}
		named := slices.ContainsFunc(damaged, func(d Damage) bool {
			return d.AfterSeq < b.First && (d.BeforeSeq == 0 || b.Next() <= d.BeforeSeq)
		})
		if !named && (!r.Torn || i < len(got)) {
			return fmt.Errorf("batch %d is missing, and nothing says so: %+v", b.First, r)
		}
	}
	if i < len(got) {
		return fmt.Errorf("batch %d came out of nowhere", got[i].First)
	}
	return nil
}

// drain does what a store does with the spool of a dead owner, loss and all. It returns what it took.
func drain(fsys fsx.FS) ([]Batch, error) {
	got, r, err := collect(fsys, 1)
	if err != nil {
		return nil, err
	}
	for _, d := range r.Damaged {
		if err := Quarantine(fsys, Dir, stream, d.Segment); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return got, Remove(fsys, Dir, stream)
}

// THREATS 11 and 19b: whatever one bit does, the spool is read, the loss is bounded and named, and the stream goes on.
func TestFlipEveryBit(t *testing.T) {
	batches, files := three(t)
	for n := range files {
		for bit := range len(files[n]) * 8 {
			flipped := slices.Clone(files)
			flipped[n] = slices.Clone(files[n])
			flipped[n][bit/8] ^= 1 << (bit % 8)
			m := disk(t, flipped...)
			got, r, err := collect(m, 1)
			if err != nil {
				t.Fatalf("bit %d of segment %d: %v", bit, n+1, err)
			}
			if err := audit(batches, got, r); err != nil {
				t.Fatalf("bit %d of segment %d: %v", bit, n+1, err)
			}
			lost := len(batches) - len(got)
			inHeader := bit/8 < 64+len(mustMeta(t))
			if want := 1; lost != want && !inHeader || inHeader && lost != 2 {
				t.Fatalf("bit %d of segment %d: %d batches lost", bit, n+1, lost)
			}
			if torn := n == 2 && len(r.Damaged) == 0; torn != r.Torn || !torn && (len(r.Damaged) != 1 || r.Damaged[0].Segment != segmentName(uint64(n+1))) {
				t.Fatalf("bit %d of segment %d: %+v", bit, n+1, r)
			}
			if bit%97 == 0 { // the same for all of a segment: take the damaged spool away, and nothing of it is deleted
				if !r.Torn {
					if err := Remove(m, Dir, stream); !errors.As(err, new(*segment.CorruptError)) {
						t.Fatalf("bit %d of segment %d: removed in spite of its damage: %v", bit, n+1, err)
					}
				}
				if _, err := drain(m); err != nil {
					t.Fatalf("bit %d of segment %d: %v", bit, n+1, err)
				}
				if _, err := m.Stat(QuarantineDir + "/" + stream + "-" + segmentName(uint64(n+1))); (err == nil) == r.Torn {
					t.Fatalf("bit %d of segment %d: torn %v, quarantined: %v", bit, n+1, r.Torn, err)
				}
			}
		}
	}
}

func mustMeta(t testing.TB) []byte {
	t.Helper()
	b, err := meta().encode()
	must(t, err)
	return b
}

func TestCutEverySegmentAtEveryByte(t *testing.T) {
	batches, files := three(t)
	for n := range files {
		for length := range files[n] {
			cut := slices.Clone(files)
			cut[n] = files[n][:length]
			got, r, err := collect(disk(t, cut...), 1)
			if err != nil {
				t.Fatalf("segment %d cut at %d: %v", n+1, length, err)
			}
			// A cut between two batches of the last segment shows nothing: that much the spool alone cannot know.
			if n == 2 && len(r.Damaged) == 0 {
				r.Torn = true
			}
			if err := audit(batches, got, r); err != nil {
				t.Fatalf("segment %d cut at %d: %v", n+1, length, err)
			}
		}
	}
}

func TestSegmentsMissingSwappedOrForeign(t *testing.T) {
	batches, files := three(t)
	m := fsxtest.New()
	other := meta()
	other.Host = "else"
	w, err := Create(m, Dir, other, salts())
	must(t, err)
	must(t, w.rotate())
	must(t, w.rotate())
	must(t, w.seg.Add(8, appendBatch(nil, batches[4]))) // it would fit, but for who writes it
	must(t, w.Commit())
	must(t, w.Close())
	foreign, err := fsx.ReadFile(m, segPath(2), 1<<20)
	must(t, err)
	for name, c := range map[string]struct {
		files   [][]byte
		damaged []string
		firsts  []uint64
	}{
		"middle missing":    {[][]byte{files[0], nil, files[2]}, []string{"000002.seg"}, []uint64{1, 3, 8, 10}},
		"first missing":     {[][]byte{nil, files[1], files[2]}, []string{"000002.seg"}, []uint64{4, 7, 8, 10}},
		"swapped":           {[][]byte{files[1], files[0], files[2]}, []string{"000001.seg", "000002.seg"}, []uint64{8, 10}},
		"twice":             {[][]byte{files[0], files[0], files[2]}, []string{"000002.seg"}, []uint64{1, 3, 8, 10}},
		"another's":         {[][]byte{files[0], files[1], foreign}, []string{"000003.seg"}, []uint64{1, 3, 4, 7}},
		"header of zeros":   {[][]byte{files[0], make([]byte, 100), files[2]}, []string{"000002.seg"}, []uint64{1, 3, 8, 10}},
		"unfinished middle": {[][]byte{files[0], append(slices.Clone(files[1]), 'x'), files[2]}, []string{"000002.seg"}, []uint64{1, 3, 4, 7, 8, 10}},
	} {
		m := disk(t, c.files...)
		got, r, err := collect(m, 1)
		must(t, err)
		var damaged []string
		for _, d := range r.Damaged {
			damaged = append(damaged, d.Segment)
		}
		if !slices.Equal(firsts(got), c.firsts) || !slices.Equal(damaged, c.damaged) {
			t.Errorf("%s: batches %d, damage %+v", name, firsts(got), r.Damaged)
		}
		if err := audit(batches, got, r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// Once the ledger has gone past it, only what is still there and damaged is of interest.
		_, r, err = collect(m, 8)
		must(t, err)
		if slices.ContainsFunc(r.Damaged, func(d Damage) bool { _, err := m.Stat(Dir + "/" + stream + "/" + d.Segment); return err != nil }) {
			t.Errorf("%s: read from 8: %+v", name, r.Damaged)
		}
	}
}

// What stands in a frame may be wrong though its checksum is right.
func TestFramesThatAreNoBatches(t *testing.T) {
	good := continued(20, 1, 1, 1)
	for name, c := range map[string]struct {
		key     uint64
		payload []byte
	}{
		"rest behind the seal": {2, append(appendBatch(nil, good[1]), 'x')},
		"cut":                  {2, appendBatch(nil, good[1])[:9]},
		"no seal":              {2, appendBatch(nil, Batch{First: 2, Events: good[1].Events})},
		"too many events":      {2, []byte{0xff, 0xff, 0xff, 0xff, 0, 1, 'x'}},
		"number 0":             {0, appendBatch(nil, good[1])},
		"an old number":        {1, appendBatch(nil, good[1])},
	} {
		m := fsxtest.New()
		w := open(t, m)
		commit(t, w, good[0])
		must(t, w.seg.Add(c.key, c.payload))
		w.next = 3
		commit(t, w, good[2])
		must(t, w.Close())
		got, r, err := collect(m, 1)
		must(t, err)
		if !slices.Equal(firsts(got), []uint64{1, 3}) || len(r.Damaged) != 1 || r.Damaged[0].AfterSeq != 1 || r.Damaged[0].BeforeSeq != 3 {
			t.Errorf("%s: batches %d, damage %+v", name, firsts(got), r.Damaged)
		}
		if err := Remove(m, Dir, stream); name != "an old number" && !errors.As(err, new(*segment.CorruptError)) {
			t.Errorf("%s: removed: %v", name, err)
		}
	}
}

func TestABatchBehindTheEndIsDamage(t *testing.T) {
	m := fsxtest.New()
	w := open(t, m)
	commit(t, w, made(1, 1, 10), Batch{First: 2, Seal: []byte("final")})
	w.final = false
	commit(t, w, made(2, 1, 10))
	must(t, w.Close())
	got, r, err := collect(m, 1)
	must(t, err)
	if len(got) != 2 || len(r.Damaged) != 1 {
		t.Errorf("batches %d, damage %+v", firsts(got), r.Damaged)
	}
}

func TestQuarantineKeepsWhatIsThere(t *testing.T) {
	_, files := three(t)
	m := disk(t, files...)
	must(t, Quarantine(m, Dir, stream, "000002.seg"))
	must(t, Quarantine(m, Dir, stream, "000002.seg")) // again, after a crash
	kept, err := fsx.ReadFile(m, QuarantineDir+"/"+stream+"-000002.seg", 1<<20)
	must(t, err)
	if !slices.Equal(kept, files[1]) {
		t.Error("the segment was altered")
	}
	f, err := m.Create(segPath(1), 0o600)
	must(t, err)
	must(t, f.Close())
	if err := Quarantine(m, Dir, stream, "000002.seg"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second one of the same name: %v", err)
	}
	if err := Quarantine(m, Dir, stream, "000009.seg"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("one that is not there: %v", err)
	}
}
