package ledger_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/segment"
	"github.com/stetlog/stet/proof"
)

// A sample is a store as a crash left it: full and partial tiles, a stream file, and a journal of which the first batches
// are under the head and the others are not.
type sample struct {
	disk    *fsxtest.Mem
	batches []ledger.Batch // in order of the ledger
	placed  []ledger.Placed
	head    ledger.Head
	size    uint64 // with the journal
}

func newSample(t testing.TB) *sample {
	t.Helper()
	s := &sample{disk: fsxtest.New()}
	o := options(s.disk)
	o.HeadStreams = 4
	l := open(t, o)
	add := func(b ledger.Batch) {
		s.batches = append(s.batches, b)
		p := mustAppend(t, l, b)
		s.placed = append(s.placed, p)
		s.size = p.First + uint64(p.Count)
	}
	for i := range 6 {
		add(newStream("emitter", i).next(45, 30))
	}
	mustPublish(t, l)
	mustClose(t, l)
	l = open(t, o)
	s5 := newStream("emitter", 20)
	add(s5.next(2, 30))
	mustPublish(t, l)
	for range 3 {
		add(s5.next(2, 30))
	}
	s.disk.Crash()
	_ = l.Close() // the machine is gone
	for m := range s.disk.States(1, 0) {
		s.disk = m
	}
	var err error
	if s.head, err = ledger.ReadHead(s.disk); err != nil {
		t.Fatal(err)
	}
	if len(s.head.StreamFiles) == 0 || s.head.Size <= proof.TileWidth || s.head.Size == s.size || s.head.JournalFirst > s.head.JournalLast {
		t.Fatalf("the sample does not have what it is for: %+v", s.head)
	}
	return s
}

// copy makes an independent disk with some files replaced; nil removes one.
func (s *sample) copy(t testing.TB, change map[string][]byte) *fsxtest.Mem {
	t.Helper()
	for m := range s.disk.States(1, 0) {
		for name, data := range change {
			if err := m.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			if data == nil {
				continue
			}
			if err := fsx.Replace(m, name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	panic("a disk without a state")
}

// sound opens a disk and asks for everything that was ever acknowledged. Each answer must be the one given first, or say
// that the store is damaged. lost is the number of batches at the end that may be missing altogether.
func (s *sample) sound(t testing.TB, m *fsxtest.Mem, lost int) (damaged bool, err error) {
	t.Helper()
	o := options(m)
	o.HeadStreams = 4
	l, err := ledger.Open(t.Context(), o)
	if isDamage(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("open: %w", err)
	}
	defer func() { _ = l.Close() }() // may fail on a damaged store
	for i, b := range s.batches {
		want := s.placed[i]
		want.Again = true
		seal, err := proof.ParseSeal(b.Seal)
		if err != nil {
			return false, err
		}
		r, err := l.Receipt(t.Context(), seal.Stream, seal.First)
		if errors.Is(err, ledger.ErrUnknown) && i >= len(s.batches)-lost {
			return false, nil // and so for the rest: whether it is placed anew is for the emitter to see
		}
		if isDamage(err) {
			damaged = true
			continue
		}
		if err != nil {
			return false, fmt.Errorf("batch %d: %w", i, err)
		}
		if r.Placed != s.placed[i] {
			return false, fmt.Errorf("batch %d stood at %+v, now %+v", i, s.placed[i], r.Placed)
		}
		if p, err := l.Append(t.Context(), b); isDamage(err) {
			damaged = true
		} else if err != nil || p != want {
			return false, fmt.Errorf("batch %d again: %+v, %w", i, p, orNone(err))
		}
	}
	if damaged {
		return true, nil
	}
	if err := l.Close(); err != nil {
		return isDamage(err), fmt.Errorf("close: %w", err)
	}
	entries, err := readEntries(m, s.size)
	if err != nil {
		return false, err
	}
	for i, b := range s.batches {
		for j, item := range b.Items {
			if !bytes.Contains(entries[s.placed[i].First+uint64(j)], item.Event) {
				return false, fmt.Errorf("entry %d does not hold its event", s.placed[i].First+uint64(j))
			}
		}
	}
	return false, nil
}

func isDamage(err error) bool {
	var e *ledger.IntegrityError
	return errors.As(err, &e)
}

func TestSampleIsSound(t *testing.T) {
	s := newSample(t)
	if damaged, err := s.sound(t, s.copy(t, nil), 0); damaged || err != nil {
		t.Fatalf("damaged %v, %v", damaged, err)
	}
}

// TestFlippedBits: a bit that flips anywhere in the store is found, or changes nothing that anybody can see. The head is
// tried bit by bit, other files as far as there is time.
func TestFlippedBits(t *testing.T) {
	s := newSample(t)
	files, err := readFiles(s.disk, ".")
	if err != nil {
		t.Fatal(err)
	}
	most := 60
	if long() {
		most = 1 << 20
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		data := files[name]
		t.Run(name, func(t *testing.T) {
			lost := 0
			if strings.HasPrefix(name, "journal/") {
				lost = 1 // the very last frame: damage to it cannot be told from a torn write
			}
			step, found, n := 1, 0, 0
			if name != "head" {
				step = max(8*len(data)/most|1, 1) // odd, so that it meets every bit of a byte
			}
			for bit := 0; bit < 8*len(data); bit += step {
				n++
				damaged, err := s.sound(t, s.copy(t, map[string][]byte{name: flip(data, bit)}), lost)
				if err != nil {
					t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
				}
				if damaged {
					found++
				}
			}
			t.Logf("%d of %d flips found", found, n)
		})
	}
}

func flip(b []byte, bit int) []byte {
	b = bytes.Clone(b)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

// scanned is what a scan of the journal gave: the entries' hashes, or damage.
func (s *sample) scanned(t testing.TB, m fsx.FS) (batches []string, rep ledger.JournalReport, damaged bool) {
	t.Helper()
	rep, err := ledger.ScanJournal(m, s.head, func(_ uint64, entries [][]byte) error {
		batches = append(batches, string(bytes.Join(entries, nil)))
		return nil
	})
	if err != nil && !isDamage(err) {
		t.Fatal(err)
	}
	return batches, rep, err != nil
}

// TestEveryFlippedBitOfAJournal: a scan gives what was written, or less of the very last group, or damage.
func TestEveryFlippedBitOfAJournal(t *testing.T) {
	s := newSample(t)
	name := fmt.Sprintf("journal/%06d.j", s.head.JournalLast)
	data := mustRead(t, s.disk, name)
	whole, _, _ := s.scanned(t, s.disk)
	step := 5
	if long() {
		step = 1
	}
	for bit := 0; bit < 8*len(data); bit += step {
		got, _, damaged := s.scanned(t, s.copy(t, map[string][]byte{name: flip(data, bit)}))
		if !damaged && !slices.Equal(got, whole) && !slices.Equal(got, whole[:len(whole)-1]) {
			t.Fatalf("bit %d of byte %d: %d batches, not those that were written", bit%8, bit/8, len(got))
		}
	}
}

// TestCutJournal cuts the journal at every byte. Above the head the batches whose frames are whole stay; below it a clean
// end is accepted, because what the head covers is in the bundles, and a torn one is damage. What a scan says of a cut,
// opening makes true.
func TestCutJournal(t *testing.T) {
	s := newSample(t)
	name := fmt.Sprintf("journal/%06d.j", s.head.JournalLast)
	data := mustRead(t, s.disk, name)
	whole, _, _ := s.scanned(t, s.disk)
	sizes := map[uint64]bool{}
	for n := range len(data) {
		m := s.copy(t, map[string][]byte{name: data[:n]})
		got, rep, damaged := s.scanned(t, m)
		if damaged {
			if rep.Next >= s.head.Size && rep.Segments > 0 && n > 200 {
				t.Fatalf("cut to %d bytes, above the head: damaged", n)
			}
		} else if !slices.Equal(got, whole[:len(got)]) {
			t.Fatalf("cut to %d bytes: other batches", n)
		}
		if !damaged && rep.Torn && rep.Segments > 0 && n > 200 && rep.Next < s.head.Size {
			t.Fatalf("cut to %d bytes: torn at entry %d, below the head's %d, and nobody minds", n, rep.Next, s.head.Size)
		}
		edge := !damaged && !rep.Torn // the cut is where a frame ends
		if !edge && n%41 != 0 {
			continue // opening every one of them would take long, and tell no more
		}
		o := options(m)
		o.HeadStreams = 4
		l, err := ledger.Open(t.Context(), o)
		if isDamage(err) != damaged {
			t.Fatalf("cut to %d bytes: damaged is %v, open says %v", n, damaged, err)
		}
		if damaged {
			continue
		}
		if err != nil {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		size, _ := l.Head()
		if want := max(rep.Next, s.head.Size); size != want {
			t.Fatalf("cut to %d bytes: opened with %d entries, want %d", n, size, want)
		}
		sizes[size] = true
		mustClose(t, l)
		if err := auditFiles(m, nil); err != nil {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	if len(sizes) != 3 { // the head's, and one and two of the three batches behind it
		t.Errorf("cuts led to sizes %v", slices.Sorted(maps.Keys(sizes)))
	}
}

// TestMissingAndForeignFiles removes every file in turn, and puts in others.
func TestMissingAndForeignFiles(t *testing.T) {
	s := newSample(t)
	files, err := readFiles(s.disk, ".")
	if err != nil {
		t.Fatal(err)
	}
	for name := range files {
		m := s.copy(t, map[string][]byte{name: nil})
		damaged, err := s.sound(t, m, 0)
		if err != nil {
			t.Errorf("without %s: %v", name, err)
		}
		leftover := strings.HasSuffix(name, ".p/20") // the head has 23 entries there
		if want := name != "log/checkpoint" && !leftover; damaged != want {
			t.Errorf("without %s: damaged is %v", name, damaged)
		}
	}
	for _, name := range []string{
		"journal/notes.txt", "journal/000009.j", "journal/1.j", "streams/x", "log/tile/0/001.p/x", "log/tile/0/001.p/256", "log/tile/entries/001.p/07",
	} {
		if damaged, err := s.sound(t, s.copy(t, map[string][]byte{name: []byte("x")}), 0); !damaged || err != nil {
			t.Errorf("with %s: damaged is %v, %v", name, damaged, err)
		}
	}
	for _, name := range []string{"streams/000099", "streams/000099.tmp", "log/tile/0/001.p/255", "log/tile/entries/001.p/9.tmp", "head.tmp", "log/checkpoint.tmp"} {
		m := s.copy(t, map[string][]byte{name: []byte("x")})
		if damaged, err := s.sound(t, m, 0); damaged || err != nil {
			t.Errorf("with %s, which a crash leaves: damaged is %v, %v", name, damaged, err)
		}
		if _, err := m.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}

// TestOpenChecksTheRightEdge: what the next entries will be built on is checked before anything is.
func TestOpenChecksTheRightEdge(t *testing.T) {
	s := newSample(t)
	for _, name := range []string{"log/tile/0/001.p/23", "log/tile/1/000.p/1"} {
		data := mustRead(t, s.disk, name)
		for bit := 0; bit < 8*len(data); bit += 13 {
			// Without a checkpoint, which would tell too.
			m := s.copy(t, map[string][]byte{name: flip(data, bit), "log/checkpoint": nil})
			if _, err := ledger.Open(t.Context(), options(m)); !isDamage(err) {
				t.Fatalf("%s, bit %d flipped: %v", name, bit, err)
			}
		}
	}
	var e *ledger.IntegrityError
	name := "log/tile/entries/001.p/23"
	data := mustRead(t, s.disk, name)
	for bit := range 8 * 8 { // of what stands behind the compressed data, under no hash
		m := s.copy(t, map[string][]byte{name: flip(data, 8*(len(data)-8)+bit)})
		if _, err := ledger.Open(t.Context(), options(m)); !isDamage(err) {
			t.Errorf("bit %d of the checksum and length of the last bundle flipped: %v", bit, err)
		}
	}
	for entry := range 23 {
		b := alterEntry(t, mustRead(t, s.disk, name), entry)
		_, err := ledger.Open(t.Context(), options(s.copy(t, map[string][]byte{name: b})))
		if !errors.As(err, &e) || !e.HasSeq || e.Seq != uint64(256+entry) || e.File != name {
			t.Errorf("entry %d of the last bundle altered: %v", entry, err)
		}
	}
}

// alterEntry changes one byte inside an entry of a bundle and compresses it again, as whoever wants to change what an
// entry says would.
func alterEntry(t testing.TB, bundle []byte, entry int) []byte {
	t.Helper()
	b, err := gunzip(bundle)
	if err != nil {
		t.Fatal(err)
	}
	at := b
	for range entry {
		if _, at, err = proof.NextBundleEntry(at); err != nil {
			t.Fatal(err)
		}
	}
	at[100] ^= 1
	return zip(t, b)
}

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed) // the header of a bundle
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestOpenComparesJournalAndBundles: a full bundle is not read at opening, unless the journal still holds its entries.
func TestOpenComparesJournalAndBundles(t *testing.T) {
	m := fsxtest.New()
	l := open(t, options(m))
	s := newStream("a", 1)
	for range 9 {
		mustAppend(t, l, s.next(40, 40))
	}
	mustPublish(t, l)
	m.Crash()
	_ = l.Close() // the machine is gone
	sample := &sample{}
	for sample.disk = range m.States(1, 0) {
	}
	name := "log/tile/entries/000"
	bundle := mustRead(t, sample.disk, name)
	for _, entry := range []int{0, 40, 255} {
		m := sample.copy(t, map[string][]byte{name: alterEntry(t, bundle, entry)})
		_, err := ledger.Open(t.Context(), options(m))
		var e *ledger.IntegrityError
		if !errors.As(err, &e) || !e.HasSeq || e.Seq != uint64(entry) || e.File != name {
			t.Errorf("entry %d altered: %v", entry, err)
		}
	}
}

// TestJournalIsHeldToTheRules writes frames whose checksums are right and whose content no ledger would have taken.
func TestJournalIsHeldToTheRules(t *testing.T) {
	const at, earlier = "2026-03-01T12:00:00.000000000Z", "2026-03-01T11:00:00.000000000Z"
	// frame makes the entries of a batch, from seq on.
	frame := func(seq uint64, at string, prev *uint64, b ledger.Batch) (entries [][]byte) {
		for i, item := range b.Items {
			e := proof.Entry{Seq: seq + uint64(i), ReceivedAt: at, Via: viaStore, Event: item.Event}
			entries = append(entries, e.Append(nil))
		}
		e := proof.Entry{Seq: seq + uint64(len(b.Items)), ReceivedAt: at, Via: viaStore, Seal: &proof.SealEntry{PrevSeq: prev, Note: b.Seal}}
		return append(entries, e.Append(nil))
	}
	stub := func(seq uint64, s proof.Stub) []byte {
		return proof.Entry{Seq: seq, ReceivedAt: at, Via: viaStore, Stub: &s}.Append(nil)
	}
	s := newStream("a", 1)
	one, two := s.next(2, 40), s.next(1, 40)
	other := newStream("a", 2).next(2, 40)
	seq := func(n uint64) *uint64 { return &n }
	unsigned := one
	unsigned.Seal = bytes.Clone(one.Seal)
	unsigned.Seal[len(unsigned.Seal)-10] ^= 1
	swapped := one
	swapped.Items = []ledger.Item{one.Items[1], one.Items[0]}
	first := frame(0, at, nil, one)
	lost := proof.Stub{Stream: s.id, First: 1, Last: 4, Code: proof.StubLost}
	refused := proof.Stub{Stream: s.id, First: 1, Last: 1, Code: proof.StubRefused, Leaf: proof.LeafHash(one.Items[0].Event)}
	elsewhere, wrong := refused, refused
	elsewhere.Stream, wrong.First, wrong.Last = newStream("a", 2).id, 2, 2
	for name, c := range map[string]struct {
		frames [][][]byte
		good   bool
	}{
		"two batches":                  {[][][]byte{first, frame(3, at, seq(2), two)}, true},
		"a loss":                       {[][][]byte{{stub(0, lost)}}, true},
		"a refused event":              {[][][]byte{{stub(0, refused), first[1], first[2]}}, true},
		"nothing":                      {nil, true},
		"time goes back":               {[][][]byte{first, frame(3, earlier, seq(2), two)}, false},
		"prev_seq is missing":          {[][][]byte{first, frame(3, at, nil, two)}, false},
		"prev_seq is another":          {[][][]byte{first, frame(3, at, seq(1), two)}, false},
		"prev_seq of nothing":          {[][][]byte{frame(0, at, nil, other), frame(3, at, seq(2), one)}, false},
		"a gap in the frames":          {[][][]byte{first, frame(4, at, seq(2), two)}, false},
		"a batch twice":                {[][][]byte{first, frame(3, at, seq(2), one)}, false},
		"a hole in the stream":         {[][][]byte{frame(0, at, nil, two)}, false},
		"a seal that is not signed":    {[][][]byte{frame(0, at, nil, unsigned)}, false},
		"events in another order":      {[][][]byte{frame(0, at, nil, swapped)}, false},
		"an event is missing":          {[][][]byte{append(frame(0, at, nil, ledger.Batch{Items: one.Items[:1], Seal: one.Seal}), nil)[:2]}, false},
		"no seal":                      {[][][]byte{first[:2]}, false},
		"two batches in a frame":       {[][][]byte{append(frame(0, at, nil, one), frame(3, at, seq(2), two)...)}, false},
		"a loss in a batch":            {[][][]byte{{stub(0, lost), first[1], first[2]}}, false},
		"a loss behind a loss":         {[][][]byte{{stub(0, lost), stub(1, lost)}}, false},
		"a loss twice":                 {[][][]byte{{stub(0, lost)}, {stub(1, lost)}}, false},
		"a stub of another stream":     {[][][]byte{{stub(0, elsewhere), first[1], first[2]}}, false},
		"a stub of another number":     {[][][]byte{{stub(0, wrong), first[1], first[2]}}, false},
		"a stub alone":                 {[][][]byte{{stub(0, refused)}}, false},
		"entries of different times":   {[][][]byte{{first[0], first[1], frame(0, earlier, nil, one)[2]}}, false},
		"an entry that is none":        {[][][]byte{{[]byte("{}")}}, false},
		"an entry with another number": {[][][]byte{{first[1], first[1], first[2]}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := fsxtest.New()
			mustClose(t, open(t, options(fsys)))
			h := segment.Header{Kind: ledger.JournalKind, Number: 1, Meta: []byte(`{"origin":"` + origin + `","first":0}`)}
			w, err := segment.Create(fsys, "journal/000001.j", h, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, entries := range c.frames {
				var payload []byte
				for _, e := range entries {
					if payload, err = proof.AppendBundleEntry(payload, e); err != nil {
						t.Fatal(err)
					}
				}
				e, err := proof.ParseEntry(entries[0])
				if err != nil {
					e.Seq = 0
				}
				if err := w.Add(e.Seq, payload); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(w.Commit(), w.Close()); err != nil {
				t.Fatal(err)
			}
			l, err := ledger.Open(t.Context(), options(fsys))
			if c.good && err == nil {
				mustClose(t, l)
				err = auditFiles(fsys, nil)
			}
			if c.good != (err == nil) || !c.good && !isDamage(err) {
				t.Errorf("opening gives %v", err)
			}
		})
	}
}

// TestRecoveryInLots: a long journal is published lot by lot, each while the next is read. What comes of it does not
// depend on where one lot ends, and damage in a later lot is reported as such.
func TestRecoveryInLots(t *testing.T) {
	for _, most := range []int{1, 3000, 20_000, 1 << 30} {
		for _, damage := range []bool{false, true} {
			disk := fsxtest.New()
			process := disk.Process()
			l := open(t, options(process))
			a, b := newStream("a", 1), newStream("b", 2)
			size := 0
			for i := range 30 {
				for _, s := range []*stream{a, b} {
					size = int(mustAppend(t, l, s.next(1+i*7%40, 30+i)).First) + 2 + i*7%40
				}
			}
			process.Kill()
			if err := l.Close(); err == nil {
				t.Fatal("a dead process closed its ledger")
			}
			if damage {
				name := "journal/000001.j"
				data, err := fsx.ReadFile(disk, name, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if err := fsx.Replace(disk, name, flip(data, 4*len(data)), 0o600); err != nil { // in the middle
					t.Fatal(err)
				}
			}
			err := ledger.RecoverInLots(t.Context(), options(disk), most)
			if damage {
				if !isDamage(err) {
					t.Errorf("lots of %d bytes, a damaged frame: %v", most, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("lots of %d bytes: %v", most, err)
			}
			h, err := ledger.ReadHead(disk)
			if err != nil || h.Size != uint64(size) {
				t.Errorf("lots of %d bytes: %d entries of %d, %v", most, h.Size, size, err)
			}
			if err := auditFiles(disk, nil); err != nil {
				t.Errorf("lots of %d bytes: %v", most, err)
			}
		}
	}
}

// TestReplacedHeadsAndCheckpoints plays whoever has an old copy, or another key, or the log's own key.
func TestReplacedHeadsAndCheckpoints(t *testing.T) {
	s := newSample(t)
	m := s.copy(t, nil)
	old, err := fsx.ReadFile(m, "head", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, options(m))
	mustClose(t, l)
	later, err := fsx.ReadFile(m, "log/checkpoint", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	own, _ := key(origin)
	sign := func(size uint64, root proof.Hash) []byte {
		b, err := proof.SignCheckpoint(proof.Checkpoint{Origin: origin, Size: size, Root: root}, own)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, change := range map[string]map[string][]byte{
		"a checkpoint ahead of the head":             {"log/checkpoint": later},
		"another root for the head's size":           {"log/checkpoint": sign(s.head.Size, proof.LeafHash(nil))},
		"another root for an earlier size":           {"log/checkpoint": sign(200, proof.LeafHash(nil))},
		"a checkpoint of another log":                {"log/checkpoint": bytes.ReplaceAll(sign(0, proof.EmptyRoot()), []byte(origin), []byte("log.example/tesu"))},
		"a checkpoint of nobody":                     {"log/checkpoint": []byte("x")},
		"a checkpoint that is too long":              {"log/checkpoint": make([]byte, proof.MaxCheckpoint+1)},
		"a head that is too long":                    {"head": make([]byte, 1<<24)},
		"an empty head":                              {"head": {}},
		"no head, only tiles and a journal":          {"head": nil},
		"a segment of another name":                  {"journal/000003.j": mustRead(t, s.disk, "journal/000002.j")},
		"a bundle in place of another":               {"log/tile/entries/001.p/23": mustRead(t, s.disk, "log/tile/entries/000")},
		"a bundle that inflates to more than it may": {"log/tile/entries/001.p/23": bomb(t)},
	} {
		if damaged, err := s.sound(t, s.copy(t, change), 0); !damaged || err != nil {
			t.Errorf("%s: damaged is %v, %v", name, damaged, err)
		}
	}
	if err := fsx.Replace(m, "head", old, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Open(t.Context(), options(m)); !isDamage(err) {
		t.Errorf("an older head under a newer checkpoint: %v", err)
	}
	o := options(s.copy(t, nil))
	o.Origin = "log.example/other"
	signer, vkey := key(o.Origin)
	o.Signer, o.Verifier = signer, verifier(vkey)
	if _, err := ledger.Open(t.Context(), o); !isDamage(err) {
		t.Errorf("the key of another log: %v", err)
	}
}

func mustRead(t testing.TB, fsys fsx.FS, name string) []byte {
	t.Helper()
	b, err := fsx.ReadFile(fsys, name, 1<<24)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSomebodyElseCommits: a head that changes under a running ledger ends it, before it writes a tile or signs anything.
func TestSomebodyElseCommits(t *testing.T) {
	m := newSample(t).disk
	signer, _ := key(origin)
	n := &notary{Signer: signer}
	o := options(m)
	o.Signer = n
	l := open(t, o)
	other := open(t, options(m)) // the lock did not hold
	mustAppend(t, other, newStream("b", 51).next(1, 50))
	mustClose(t, other)
	signed := len(n.signed)
	mustAppend(t, l, newStream("a", 50).next(1, 50))
	if _, err := l.Publish(t.Context()); !errors.Is(err, ledger.ErrFailed) || !isDamage(err) {
		t.Errorf("publish: %v", err)
	}
	if len(n.signed) != signed {
		t.Errorf("it signed %v", n.signed[signed:])
	}
	if err := l.Close(); !errors.Is(err, ledger.ErrFailed) {
		t.Errorf("close: %v", err)
	}
	if err := auditFiles(m, []proof.Checkpoint{opened(t, other.Checkpoint())}); err != nil {
		t.Errorf("the other's ledger: %v", err)
	}
}

// flipper changes every file that is written under a prefix: a disk, a controller or a memory that lies (THREATS 17).
type flipper struct {
	fsx.FS
	prefix string
	flip   func([]byte) []byte
}

type flippedFile struct {
	fsx.File
	flip func([]byte) []byte
}

func (f flipper) Create(name string, perm fs.FileMode) (fsx.File, error) {
	file, err := f.FS.Create(name, perm)
	if err == nil && strings.HasPrefix(name, f.prefix) {
		return flippedFile{file, f.flip}, nil
	}
	return file, err
}

func (f flippedFile) WriteAt(b []byte, off int64) (int, error) {
	return f.File.WriteAt(f.flip(b), off)
}

func TestFlippedBetweenHashAndSign(t *testing.T) {
	middle := func(b []byte) []byte { return flip(b, 4*len(b)) }
	for name, f := range map[string]flipper{
		"tile":                            {prefix: "log/tile/0", flip: middle},
		"bundle":                          {prefix: "log/tile/entries", flip: middle},
		"bundle before it was compressed": {prefix: "log/tile/entries", flip: func(b []byte) []byte { return alterEntry(t, b, 1) }},
	} {
		m := fsxtest.New()
		signer, _ := key(origin)
		n := &notary{Signer: signer}
		f.FS = m
		o := options(f)
		o.Signer = n
		l := open(t, o)
		mustAppend(t, l, newStream("a", 1).next(3, 50))
		if _, err := l.Publish(t.Context()); !isDamage(err) {
			t.Errorf("%s: publish: %v", name, err)
		}
		if size, _ := l.Head(); size != 0 || len(n.signed) != 1 {
			t.Errorf("%s: the head is at %d, %v was signed", name, size, n.signed)
		}
		if err := l.Close(); !errors.Is(err, ledger.ErrFailed) {
			t.Errorf("%s: close: %v", name, err)
		}
		l = open(t, options(m)) // on a disk that does not lie all is well again
		if size, _ := l.Head(); size != 4 {
			t.Errorf("%s: %d entries after reopening", name, size)
		}
		mustClose(t, l)
	}
}

// bomb is a small file that inflates to more than a bundle can hold.
func bomb(t testing.TB) []byte { t.Helper(); return zip(t, make([]byte, 64<<20)) }
