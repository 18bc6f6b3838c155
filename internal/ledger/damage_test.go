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

// TestSomebodyElseCommits: a head that changes under a running ledger ends it before it signs anything.
func TestSomebodyElseCommits(t *testing.T) {
	s := newSample(t)
	m := s.copy(t, nil)
	signer, _ := key(origin)
	n := &notary{Signer: signer}
	o := options(m)
	o.Signer = n
	l := open(t, o)
	other := open(t, options(m)) // a lock that did not hold
	mustAppend(t, other, newStream("b", 51).next(1, 50))
	mustPublish(t, other)
	signed := len(n.signed)
	if _, err := l.Append(t.Context(), newStream("a", 50).next(1, 50)); err == nil {
		_, err = l.Publish(t.Context())
		if !errors.Is(err, ledger.ErrFailed) || !isDamage(err) {
			t.Fatalf("publish: %v", err)
		}
	} else if !errors.Is(err, ledger.ErrFailed) {
		t.Fatal(err)
	}
	if len(n.signed) != signed {
		t.Errorf("it signed %v", n.signed[signed:])
	}
	if err := l.Close(); !errors.Is(err, ledger.ErrFailed) {
		t.Errorf("close: %v", err)
	}
	mustClose(t, other)
}

// flipper flips a bit in every file that is written under a prefix: a disk or a controller that lies (THREATS 17).
type flipper struct {
	fsx.FS
	prefix string
}

type flippedFile struct{ fsx.File }

func (f flipper) Create(name string, perm fs.FileMode) (fsx.File, error) {
	file, err := f.FS.Create(name, perm)
	if err == nil && strings.HasPrefix(name, f.prefix) {
		return flippedFile{file}, nil
	}
	return file, err
}

func (f flippedFile) WriteAt(b []byte, off int64) (int, error) {
	b = bytes.Clone(b)
	b[len(b)/2] ^= 4
	return f.File.WriteAt(b, off)
}

func TestFlippedBetweenHashAndSign(t *testing.T) {
	for _, prefix := range []string{"log/tile/0", "log/tile/entries"} {
		m := fsxtest.New()
		signer, _ := key(origin)
		n := &notary{Signer: signer}
		o := options(flipper{m, prefix})
		o.Signer = n
		l := open(t, o)
		mustAppend(t, l, newStream("a", 1).next(3, 50))
		if _, err := l.Publish(t.Context()); !isDamage(err) {
			t.Errorf("%s: publish: %v", prefix, err)
		}
		if size, _ := l.Head(); size != 0 || len(n.signed) != 1 {
			t.Errorf("%s: the head is at %d, %v was signed", prefix, size, n.signed)
		}
		if err := l.Close(); !errors.Is(err, ledger.ErrFailed) {
			t.Errorf("%s: close: %v", prefix, err)
		}
		l = open(t, options(m)) // on a disk that does not lie all is well again
		if size, _ := l.Head(); size != 4 {
			t.Errorf("%s: %d entries after reopening", prefix, size)
		}
		mustClose(t, l)
	}
}

// bomb is a small file that inflates to more than a bundle can hold.
func bomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed) // the header of a bundle
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
