package interop

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"

	stet "github.com/stetlog/stet/proof"
)

func TestMain(m *testing.M) {
	// Fsck reports through klog; what matters comes back as an error.
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	flag.Parse()
	os.Exit(m.Run())
}

// buildLog writes a log of n entries, sealed batches of seven events each, with nothing but package proof.
func buildLog(t *testing.T, n int) tlogDir {
	t.Helper()
	logKey, logVKey := key(t, 1, "log.example/stet")
	d := tlogDir{path: t.TempDir(), origin: "log.example/stet", vkey: logVKey}
	entries := makeEntries(t, n)
	files := map[string][]byte{}
	add := func(tile stet.Tile, data []byte) {
		full := tile
		full.Width = stet.TileWidth
		files[full.Path()] = append(files[full.Path()], data...)
	}
	var tree stet.Tree
	for i, e := range entries {
		framed, err := stet.AppendBundleEntry(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		add(stet.Tile{Entries: true, Index: uint64(i) / stet.TileWidth}, framed)
		tree.AppendAll([]stet.Hash{stet.LeafHash(e)}, func(id stet.NodeID, h stet.Hash) {
			if id.Level%stet.TileHeight == 0 {
				add(stet.Tile{Level: id.Level / stet.TileHeight, Index: id.Index / stet.TileWidth}, h[:])
			}
		})
	}
	for path, data := range files {
		tile, err := stet.ParseTilePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if full, width := stet.TilesFor(uint64(n), tile.Level); tile.Index == full {
			tile.Width = width
		}
		write(t, filepath.Join(d.path, tile.Path()), data)
	}
	checkpoint, err := stet.SignCheckpoint(stet.Checkpoint{Origin: d.origin, Size: tree.Size(), Root: tree.Root()}, logKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(d.path, "checkpoint"), checkpoint)
	return d
}

// makeEntries makes n entries as a ledger does: events, and after every seven of them their seal.
func makeEntries(t *testing.T, n int) [][]byte {
	t.Helper()
	emitter, vkey := key(t, 2, "stet-emitter/example/1000")
	uid := uint32(1000)
	via := stet.Via{Kind: stet.ViaSpool, UID: &uid}.Append(nil)
	at := stet.FormatTime(time.Date(2026, 11, 22, 3, 2, 33, 123456789, time.UTC))
	seal := stet.Seal{App: "interop", Key: vkey, Stream: "0192f0c1-7a2b-7c3d-8e4f-0123456789ab", First: 1, Clock: stet.Clock{State: stet.ClockUnknown}}
	var out [][]byte
	var batch []stet.Hash
	var prevSeq *uint64
	for len(out) < n {
		seq := uint64(len(out))
		if len(batch) < 7 {
			event := fmt.Appendf(nil, `{"schema":"stet.event/1","stream_seq":%d,"description":"entry %d"}`, seal.First+uint64(len(batch)), seq)
			batch = append(batch, stet.LeafHash(event))
			out = append(out, stet.AppendEventEntry(nil, seq, at, via, event))
			continue
		}
		seal.Count, seal.Root = len(batch), stet.RootOf(batch)
		sealed, err := stet.SignSeal(seal, emitter)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, stet.AppendSealEntry(nil, seq, at, via, stet.SealEntry{PrevSeq: prevSeq, Note: sealed}))
		seal.First, seal.Prev, seal.HasPrev, prevSeq, batch = seal.Next(), stet.SealHash(sealed), true, &seq, nil
	}
	for _, e := range out {
		if _, err := stet.ParseEntry(e); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestGoodLogs: every independent check accepts logs of all shapes.
func TestGoodLogs(t *testing.T) {
	for _, n := range []int{1, 2, 255, 256, 257, 600} {
		t.Run(fmt.Sprint(n), func(t *testing.T) { accept(t, buildLog(t, n).log()) })
	}
}

// TestThreeLevels has fsck check a log with tiles on three levels. Proving each of its leaves would take too long here.
func TestThreeLevels(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), checkTime)
	defer cancel()
	if err := checkFsck(ctx, buildLog(t, 66_000).log()); err != nil {
		t.Error(err)
	}
}

// TestCorruptedLogs: every independent check refuses every corrupted copy.
func TestCorruptedLogs(t *testing.T) { refuseCorrupted(t, buildLog(t, 600)) }

// TestWrongKey: a good log under another key than the one we hold is refused, and under another origin.
func TestWrongKey(t *testing.T) {
	d := buildLog(t, 9)
	other := d
	_, other.vkey = key(t, 3, d.origin)
	refuse(t, other.log())
	other = d
	other.origin = "log.example/other"
	refuse(t, other.log())
}

// accept fails the test unless every check accepts d.
func accept(t *testing.T, d tlog) {
	t.Helper()
	for name, check := range checks {
		ctx, cancel := context.WithTimeout(t.Context(), checkTime)
		if err := check(ctx, d); err != nil {
			t.Errorf("%s refuses a good log: %v", name, err)
		}
		cancel()
	}
}

// refuse fails the test unless every check refuses d, and does so by itself: running out of time is no verdict.
func refuse(t *testing.T, d tlog) {
	t.Helper()
	for name, check := range checks {
		ctx, cancel := context.WithTimeout(t.Context(), checkTime)
		switch err := check(ctx, d); {
		case err == nil:
			t.Errorf("%s accepts it", name)
		case errors.Is(err, context.DeadlineExceeded):
			t.Errorf("%s came to no verdict in %v", name, checkTime)
		}
		cancel()
	}
}

// refuseCorrupted corrupts every file of a copy of d in several ways, one at a time, and wants each refused.
func refuseCorrupted(t *testing.T, d tlogDir) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(d.path, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 3 {
		t.Fatalf("%d files in %s are no log", len(files), d.path)
	}
	flip := func(at func(size int) int) func([]byte) []byte {
		return func(b []byte) []byte { b[at(len(b))] ^= 1; return b }
	}
	changes := map[string]func([]byte) []byte{
		"first byte flipped":  flip(func(int) int { return 0 }),
		"middle byte flipped": flip(func(n int) int { return n / 2 }),
		"late byte flipped":   flip(func(n int) int { return n - 2 }),
		"cut":                 func(b []byte) []byte { return b[:len(b)-40] },
		"removed":             nil,
	}
	for _, path := range files {
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(d.path, path)
		if err != nil {
			t.Fatal(err)
		}
		for what, change := range changes {
			if what == "cut" && len(good) <= 40 {
				continue // one hash: removed is the same
			}
			t.Run(name+" "+what, func(t *testing.T) {
				if err := os.Remove(path); err != nil { // files of a log are read-only
					t.Fatal(err)
				}
				if change != nil {
					write(t, path, change(bytes.Clone(good)))
				}
				refuse(t, d.log())
				if change != nil {
					if err := os.Remove(path); err != nil {
						t.Fatal(err)
					}
				}
				write(t, path, good)
				if err := os.Chmod(path, info.Mode()); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	accept(t, d.log()) // all is as it was, so the corruption was what was refused
}

func key(t *testing.T, n byte, name string) (signer note.Signer, vkey string) {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	signer, vkey, err := stet.NewSigner(name, ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return signer, vkey
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
