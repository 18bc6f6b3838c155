package verify_test

import (
	"context"
	"maps"
	"testing"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/verify"
)

// checkLog verifies the files of a log as a store keeps it.
func checkLog(t testing.TB, files map[string][]byte, o verify.Options) verify.Report {
	t.Helper()
	return checkLayout(t, files, true, o)
}

func checkLayout(t testing.TB, files map[string][]byte, compressed bool, o verify.Options) verify.Report {
	t.Helper()
	layout := logread.Plain
	if compressed {
		layout = logread.Compressed
	}
	rep, err := verify.Log(context.Background(), logread.NewDir(newMemFS(t, files), ".", layout), o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func mustBe(t testing.TB, rep verify.Report, want verify.State, what string) {
	t.Helper()
	if rep.State() == want {
		return
	}
	t.Errorf("%s: %s, want %s", what, rep.State(), want)
	for _, f := range rep.Findings[:min(5, len(rep.Findings))] {
		t.Log(f)
	}
}

// mustFail requires that the report fails and says where.
func mustFail(t testing.TB, rep verify.Report, what string) {
	t.Helper()
	mustBe(t, rep, verify.Failed, what)
	if f, ok := rep.First(); ok && !f.HasSeq && f.File == "" && f.What == "" {
		t.Errorf("%s: the failure names neither seq nor file: %s", what, f)
	}
}

func TestSoundLogs(t *testing.T) {
	for seed := range uint64(12) {
		w := newWorld(t, seed)
		w.fill(int(seed) * 9)
		entries := w.leaves()
		var earlier []uint64
		for size := uint64(2); size < uint64(len(entries)); size += 1 + w.rng.Uint64N(40) {
			earlier = append(earlier, size)
		}
		files := buildLog(t, entries, w.log, true, earlier...)
		rep := checkLog(t, files, verify.Options{LogKey: w.log.vkey})
		mustBe(t, rep, verify.Verified, "a sound log")
		if rep.Entries != uint64(len(entries)) || rep.Size != rep.Entries || rep.StoreKey != w.store.vkey || rep.LogKeyFrom != verify.KeyPinned {
			t.Errorf("%d entries under %d, store key %s, %s; %d entries were made", rep.Entries, rep.Size, rep.StoreKey, rep.LogKeyFrom, len(entries))
		}
		if len(rep.Findings) > 0 {
			t.Errorf("findings in a sound log: %v", rep.Findings)
		}
	}
}

// TestPlainLayout: an exported log reads the same, whatever its first entry's length spells.
func TestPlainLayout(t *testing.T) {
	w := newWorld(t, 1)
	w.fill(60)
	files := buildLog(t, w.leaves(), w.log, false)
	rep, err := verify.Log(context.Background(), logread.NewDir(newMemFS(t, files), ".", logread.Plain), verify.Options{LogKey: w.log.vkey})
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, rep, verify.Verified, "an exported log")
}

func TestWithoutAKeyTheSignatureIsNotChecked(t *testing.T) {
	w := newWorld(t, 1)
	mustBe(t, checkLog(t, buildLog(t, w.leaves(), w.log, true), verify.Options{}), verify.NotChecked, "no key")
}

// TestKnownCheckpoints: what somebody saw signed must still be there.
func TestKnownCheckpoints(t *testing.T) {
	w := newWorld(t, 5)
	w.fill(14)
	entries := w.leaves()
	size := len(entries)
	key := verify.Options{LogKey: w.log.vkey}
	files := buildLog(t, entries, w.log, true)
	for n := 1; n <= size; n++ {
		o := key
		o.Known = []verify.Known{{Checkpoint: checkpoint(t, entries[:n], w.log), From: "this computer"}}
		rep := checkLog(t, files, o)
		mustBe(t, rep, verify.Verified, "an older checkpoint")
		if rep.Known != 1 {
			t.Fatalf("%d known checkpoints compared at size %d of %d, want 1", rep.Known, n, size)
		}
		// The same log, grown from other entries: a fork that the same key signed.
		forked := append([][]byte{}, entries[:n]...)
		forked[n-1] = []byte("another entry")
		o.Known[0].Checkpoint = checkpoint(t, forked, w.log)
		mustFail(t, checkLog(t, files, o), "a fork")
	}
	longer := append(append([][]byte{}, entries...), []byte("one more"))
	key.Known = []verify.Known{{Checkpoint: checkpoint(t, longer, w.log), From: "this computer"}}
	mustFail(t, checkLog(t, files, key), "a log that was cut")
	thief := newIdentity(t, origin, 99)
	key.Known = []verify.Known{{Checkpoint: checkpoint(t, entries, thief), From: "this computer"}}
	mustFail(t, checkLog(t, files, key), "the log's key was replaced")
	key.Known = []verify.Known{{Checkpoint: []byte("rubbish"), From: "this computer"}}
	mustBe(t, checkLog(t, files, key), verify.NotChecked, "a known checkpoint that cannot be read")
	other := newIdentity(t, "stet.local/other", 98)
	key.Known = []verify.Known{{Checkpoint: checkpoint(t, longer, other), From: "this computer"}}
	mustBe(t, checkLog(t, files, key), verify.Verified, "another log's checkpoint")
}

// TestEveryByte flips every byte of every file of a log. Only where the compressed form changes and the content does
// not may it go unnoticed.
func TestEveryByte(t *testing.T) {
	w := newWorld(t, 3)
	w.fill(6)
	entries := w.leaves()
	files := buildLog(t, entries, w.log, true, 2, 5)
	flips, harmless := 0, 0
	for name, good := range files {
		for i := range good {
			if !long() && i%11 != 0 {
				continue
			}
			bad := maps.Clone(files)
			b := append([]byte(nil), good...)
			b[i] ^= 1 << (i % 8)
			bad[name] = b
			rep := checkLog(t, bad, verify.Options{LogKey: w.log.vkey, Workers: 1})
			flips++
			if rep.State() == verify.Verified && sameContent(t, name, good, b) {
				harmless++
				continue
			}
			mustFail(t, rep, "a flipped byte in "+name)
		}
	}
	t.Logf("%d flips, of which %d change no content", flips, harmless)
}

// sameContent says whether two stored files mean the same.
func sameContent(t testing.TB, name string, a, b []byte) bool {
	t.Helper()
	read := func(b []byte) ([]byte, error) {
		return logread.NewDir(newMemFS(t, map[string][]byte{name: b}), ".", logread.Compressed).Stored(context.Background(), name)
	}
	was, err := read(a)
	if err != nil {
		t.Fatal(err)
	}
	is, err := read(b)
	return err == nil && string(was) == string(is)
}

// TestEveryFile: one that is missing has failed, one that cannot be read was not checked.
func TestEveryFile(t *testing.T) {
	w := newWorld(t, 4)
	w.fill(150)
	entries := w.leaves()
	files := buildLog(t, entries, w.log, true, 3, 200, 300)
	current := buildLog(t, entries, w.log, true)
	for name := range files {
		gone := maps.Clone(files)
		delete(gone, name)
		rep := checkLog(t, gone, verify.Options{LogKey: w.log.vkey})
		if _, needed := current[name]; needed {
			mustFail(t, rep, name+" is missing")
		} else {
			mustBe(t, rep, verify.Verified, "an old partial is gone: "+name)
		}
		fsys := newMemFS(t, files)
		fsys.bad[name] = true
		rep, err := verify.Log(context.Background(), logread.NewDir(fsys, ".", logread.Compressed), verify.Options{LogKey: w.log.vkey})
		if err != nil {
			t.Fatal(err)
		}
		mustBe(t, rep, verify.NotChecked, name+" cannot be read")
	}
	files["tile/0/readme.txt"] = []byte("hello")
	mustBe(t, checkLog(t, files, verify.Options{LogKey: w.log.vkey}), verify.NotChecked, "a file that does not belong here")
}
