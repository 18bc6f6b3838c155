package logread_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// pack compresses a bundle as a ledger does.
func pack(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func entry(i int) []byte { return fmt.Appendf(nil, "entry %d", i) }

func bundle(t testing.TB, from, to int) []byte {
	t.Helper()
	var b []byte
	for i := from; i < to; i++ {
		var err error
		if b, err = proof.AppendBundleEntry(b, entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func open(t testing.TB, files map[string][]byte) *fsx.Dir {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := fsx.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// log is 300 entries, in the layout asked for.
func log(t testing.TB, layout logread.Layout) map[string][]byte {
	full, rest := bundle(t, 0, 256), bundle(t, 256, 300)
	if layout == logread.Compressed {
		full, rest = pack(t, full), pack(t, rest)
	}
	hashes := func(from, to int) (b []byte) {
		for i := from; i < to; i++ {
			h := proof.LeafHash(entry(i))
			b = append(b, h[:]...)
		}
		return b
	}
	var leaves []proof.Hash
	for i := range 256 {
		leaves = append(leaves, proof.LeafHash(entry(i)))
	}
	root := proof.RootOf(leaves)
	return map[string][]byte{
		"checkpoint": []byte("c"), "tile/entries/000": full, "tile/entries/001.p/44": rest,
		"tile/0/000": hashes(0, 256), "tile/0/001.p/44": hashes(256, 300), "tile/1/000.p/1": root[:],
	}
}

func TestEntries(t *testing.T) {
	ctx := context.Background()
	for _, layout := range []logread.Layout{logread.Plain, logread.Compressed} {
		src := logread.NewDir(open(t, log(t, layout)), ".", layout)
		for _, r := range [][2]uint64{{0, 300}, {0, 0}, {5, 6}, {250, 260}, {255, 257}, {256, 299}, {299, 300}} {
			next := r[0]
			err := logread.Entries(ctx, src, r[0], r[1], func(seq uint64, b []byte) error {
				if seq != next || !bytes.Equal(b, entry(int(seq))) {
					t.Errorf("%d is %q, want %d", seq, b, next)
				}
				next++
				return nil
			})
			if err != nil || next != r[1] {
				t.Errorf("entries %v: up to %d, %v", r, next, err)
			}
		}
		for _, seq := range []uint64{0, 255, 256, 299} {
			if b, err := logread.Entry(ctx, src, seq); err != nil || !bytes.Equal(b, entry(int(seq))) {
				t.Errorf("entry %d is %q, %v", seq, b, err)
			}
		}
		if _, err := logread.Entry(ctx, src, 300); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an entry beyond the end: %v, want fs.ErrNotExist", err)
		}
		stop := errors.New("enough")
		if err := logread.Entries(ctx, src, 0, 300, func(uint64, []byte) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("stopped with %v", err)
		}
		// A proof made of the tiles holds.
		var tree proof.Tree
		for i := range 300 {
			tree.Append(proof.LeafHash(entry(i)))
		}
		p, err := proof.ProveInclusion(270, 300, logread.Hashes(ctx, src, 300))
		if err == nil {
			err = proof.VerifyInclusion(270, 300, proof.LeafHash(entry(270)), tree.Root(), p)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// TestNarrower: every width up to what is stored can be had, of tiles and of bundles.
func TestNarrower(t *testing.T) {
	ctx := context.Background()
	for _, layout := range []logread.Layout{logread.Plain, logread.Compressed} {
		src := logread.NewDir(open(t, log(t, layout)), ".", layout)
		for width := 1; width < 256; width++ {
			for index, stored := range []int{256, 44} {
				want := bundle(t, index*256, index*256+min(width, stored))
				b, err := src.Fetch(ctx, proof.EntriesPath(uint64(index), width))
				if width > stored {
					if !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("width %d of bundle %d: %v", width, index, err)
					}
					continue
				}
				if err != nil || !bytes.Equal(b, want) {
					t.Errorf("width %d of bundle %d: %d bytes, %v", width, index, len(b), err)
				}
				if b, err = src.Fetch(ctx, proof.TilePath(0, uint64(index), width)); err != nil || len(b) != 32*width {
					t.Errorf("width %d of tile %d: %d bytes, %v", width, index, len(b), err)
				}
			}
		}
	}
}

// TestFront: the first entries of a bundle are those of the whole one, and what is not stored as asked for is not there.
func TestFront(t *testing.T) {
	ctx := context.Background()
	src := logread.NewDir(open(t, log(t, logread.Compressed)), ".", logread.Compressed)
	for _, tile := range []proof.Tile{{Entries: true, Width: 256}, {Entries: true, Index: 1, Width: 44}} {
		for n := 1; n <= tile.Width; n++ {
			first := int(tile.Index) * 256
			if b, err := src.Front(ctx, tile, n, nil); err != nil || !bytes.Equal(b, bundle(t, first, first+n)) {
				t.Fatalf("the first %d of bundle %d: %d bytes, %v", n, tile.Index, len(b), err)
			}
		}
		for _, upTo := range []int{1, 7, tile.Width - 1, tile.Width, 1000} {
			first, seen := int(tile.Index)*256, 4
			b, err := src.Front(ctx, tile, 5, func(entry []byte) bool {
				if want := bundle(t, first+seen, first+seen+1)[2:]; !bytes.Equal(entry, want) {
					t.Errorf("asked about %q, want entry %d of bundle %d", entry, seen, tile.Index)
				}
				seen++
				return seen < upTo
			})
			if want := min(max(5, upTo), tile.Width); err != nil || !bytes.Equal(b, bundle(t, first, first+want)) {
				t.Errorf("as far as entry %d of bundle %d: %d bytes, %v", upTo, tile.Index, len(b), err)
			}
		}
		var damage *logread.DamageError
		if _, err := src.Front(ctx, tile, tile.Width+1, nil); !errors.As(err, &damage) {
			t.Errorf("more than there are: %v", err)
		}
	}
	if _, err := src.Front(ctx, proof.Tile{Entries: true, Index: 1, Width: 43}, 1, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("narrower than it is stored: %v", err)
	}
	plain := logread.NewDir(open(t, log(t, logread.Plain)), ".", logread.Plain)
	if _, err := plain.Front(ctx, proof.Tile{Entries: true, Width: 256}, 1, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a plain log: %v", err)
	}
}

// TestThreeAnswers: missing, damaged and unreadable are told apart.
func TestThreeAnswers(t *testing.T) {
	ctx := context.Background()
	files := log(t, logread.Compressed)
	files["tile/2/000"] = []byte("too short for a tile")
	files["tile/entries/003"] = []byte("this is not gzip, not at all")
	files["tile/entries/004"] = append(pack(t, bundle(t, 0, 3)), 0)
	files["tile/entries/005/x"] = nil
	files["tile/3/000"] = make([]byte, proof.TileBytes+1)
	src := logread.NewDir(open(t, files), ".", logread.Compressed)
	var damage *logread.DamageError
	for name, want := range map[string]func(error) bool{
		"tile/7/000":       func(err error) bool { return errors.Is(err, fs.ErrNotExist) },
		"tile/2/000":       func(err error) bool { return errors.As(err, &damage) },
		"tile/3/000":       func(err error) bool { return errors.As(err, &damage) },
		"tile/entries/003": func(err error) bool { return errors.As(err, &damage) },
		"tile/entries/004": func(err error) bool { return errors.As(err, &damage) },
		"tile/entries/005": func(err error) bool {
			return err != nil && !errors.As(err, &damage) && !errors.Is(err, fs.ErrNotExist)
		},
		"../secret":      func(err error) bool { return errors.Is(err, proof.ErrMalformed) },
		"tile/0/../0":    func(err error) bool { return errors.Is(err, proof.ErrMalformed) },
		"tile/0/0":       func(err error) bool { return errors.Is(err, proof.ErrMalformed) },
		"tile/entries/0": func(err error) bool { return errors.Is(err, proof.ErrMalformed) },
	} {
		if _, err := src.Fetch(ctx, name); !want(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := src.Fetch(stopped, "checkpoint"); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// TestAmbiguousLength: a plain bundle whose first entry has 0x1f8b bytes begins like gzip, and is none.
func TestAmbiguousLength(t *testing.T) {
	long := bytes.Repeat([]byte{8}, 0x1f8b)
	b, err := proof.AppendBundleEntry(nil, long)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	plain := logread.NewDir(open(t, map[string][]byte{"tile/entries/000.p/1": b}), ".", logread.Plain)
	if got, err := logread.Entry(ctx, plain, 0); err != nil || !bytes.Equal(got, long) {
		t.Errorf("plain: %d bytes, %v", len(got), err)
	}
	packed := logread.NewDir(open(t, map[string][]byte{"tile/entries/000.p/1": pack(t, b)}), ".", logread.Compressed)
	if got, err := logread.Entry(ctx, packed, 0); err != nil || !bytes.Equal(got, long) {
		t.Errorf("compressed: %d bytes, %v", len(got), err)
	}
}

// TestBombs: what a bundle says it unpacks to is never believed beyond what it can and may hold.
func TestBombs(t *testing.T) {
	bomb := pack(t, make([]byte, proof.MaxBundle+1))
	lying := pack(t, bundle(t, 0, 3))
	binary.LittleEndian.PutUint32(lying[len(lying)-4:], 1<<31)
	short := pack(t, bundle(t, 0, 30))
	binary.LittleEndian.PutUint32(short[len(short)-4:], 10)
	for what, b := range map[string][]byte{"too large": bomb, "a lying length": lying, "more than it says": short} {
		src := logread.NewDir(open(t, map[string][]byte{"tile/entries/000": b}), ".", logread.Compressed)
		var damage *logread.DamageError
		if _, err := src.Fetch(context.Background(), "tile/entries/000"); !errors.As(err, &damage) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestIsStore(t *testing.T) {
	for _, c := range []struct {
		file  string
		store bool
		err   error
	}{{"store", true, nil}, {"log/checkpoint", true, nil}, {"checkpoint", false, nil}, {"readme", false, logread.ErrNoLog}} {
		got, err := logread.IsStore(open(t, map[string][]byte{c.file: nil}))
		if got != c.store || !errors.Is(err, c.err) {
			t.Errorf("with %s: %v, %v", c.file, got, err)
		}
	}
}

// FuzzBundle: whatever stands in a compressed bundle's file, reading it ends, within its limits, in the one content that
// its checksum covers, or in a damage.
func FuzzBundle(f *testing.F) {
	f.Add(pack(f, bundle(f, 0, 3)))
	f.Add(pack(f, nil))
	f.Add(append(pack(f, bundle(f, 0, 1)), pack(f, bundle(f, 1, 2))...))
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		src := logread.NewDir(one{b: b}, ".", logread.Compressed)
		got, err := src.Fetch(context.Background(), "tile/entries/000")
		if err != nil {
			var damage *logread.DamageError
			if !errors.As(err, &damage) {
				t.Fatalf("not a damage: %v", err)
			}
			return
		}
		if len(got) > proof.MaxBundle || len(got) > 1032*len(b) {
			t.Fatalf("%d bytes from %d", len(got), len(b))
		}
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("another reader refuses it: %v", err)
		}
		var out bytes.Buffer
		if _, err := out.ReadFrom(r); err != nil || !bytes.Equal(out.Bytes(), got) {
			t.Fatalf("another reader reads %d bytes, not these %d: %v", out.Len(), len(got), err)
		}
		// Taking it apart never runs over.
		n := 0
		for rest := got; len(rest) > 0; n++ {
			entry, more, err := proof.NextBundleEntry(rest)
			if err != nil {
				return
			}
			if len(entry)+len(more)+2 != len(rest) {
				t.Fatal("bytes were lost")
			}
			rest = more
		}
		for width := 1; width <= min(n, proof.TileWidth); width++ {
			if _, err := logread.Cut(got, proof.Tile{Entries: true, Width: proof.TileWidth}, width); err != nil {
				t.Fatal(err)
			}
		}
	})
}
