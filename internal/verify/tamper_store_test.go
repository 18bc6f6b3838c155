package verify_test

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// silent says why a change of a store's file may go unnoticed, or "".
func silent(t testing.TB, name string, was, is []byte) string {
	switch {
	case strings.HasPrefix(name, "log/tile/entries/") && sameContent(t, strings.TrimPrefix(name, "log/"), was, is):
		return "the compressed form changed, its content did not"
	case path.Base(name) == "lock":
		return "a lock has no content"
	}
	return ""
}

// TestStoreEveryByte flips every byte of every file of a store that was cleanly closed.
func TestStoreEveryByte(t *testing.T) {
	w, files := storeFiles(t, 11, 8, true)
	flips := 0
	for name, was := range files {
		for i := range was {
			if !long() && i%11 != 0 {
				continue
			}
			bad := maps.Clone(files)
			is := bytes.Clone(was)
			is[i] ^= 1 << (i % 8)
			bad[name] = is
			rep := checkStore(t, bad, verify.Options{LogKey: w.log.vkey, Workers: 1})
			flips++
			if rep.State() != verify.Failed && silent(t, name, was, is) != "" {
				continue
			}
			mustFail(t, rep, "a flipped byte in "+name)
		}
	}
	t.Logf("%d flips in %d files", flips, len(files))
}

// TestCrashedStoreEveryByte: in the journal of a store that crashed, a flipped byte of its very last write looks like a
// write that did not finish. Everything else must be noticed.
func TestCrashedStoreEveryByte(t *testing.T) {
	_, files := storeFiles(t, 11, 8, false)
	flips, torn := 0, 0
	for name, was := range files {
		if !strings.HasPrefix(name, "journal/") {
			continue
		}
		for i := range was {
			if !long() && i%61 != 0 {
				continue
			}
			bad := maps.Clone(files)
			is := bytes.Clone(was)
			is[i] ^= 1 << (i % 8)
			bad[name] = is
			rep := checkStore(t, bad, verify.Options{Workers: 1})
			flips++
			if rep.State() == verify.Verified && len(rep.Findings) > 1 {
				torn++
				continue
			}
			mustFail(t, rep, "a flipped byte in "+name)
		}
	}
	t.Logf("%d flips in the journal, %d of them like a torn write", flips, torn)
}

// TestTrimmedJournal: a crash kept the journal's files from being removed after the log had taken them in.
func TestTrimmedJournal(t *testing.T) {
	_, clean := storeFiles(t, 11, 8, true)
	_, crashed := storeFiles(t, 11, 8, false)
	for name, b := range crashed {
		if strings.HasSuffix(name, ".j") {
			clean[name] = b
		}
	}
	mustBe(t, checkStore(t, clean, verify.Options{}), verify.Verified, "the journal is still there")
	flips, torn := 0, 0
	for name, was := range clean {
		if !strings.HasSuffix(name, ".j") {
			continue
		}
		for i := range was {
			if !long() && i%61 != 0 {
				continue
			}
			bad := maps.Clone(clean)
			is := bytes.Clone(was)
			is[i] ^= 1 << (i % 8)
			bad[name] = is
			rep := checkStore(t, bad, verify.Options{Workers: 1})
			flips++
			if rep.State() == verify.Verified && len(rep.Findings) > 0 {
				torn++
				continue
			}
			mustFail(t, rep, "a flipped byte in "+name)
		}
	}
	t.Logf("%d flips in the journal, %d of them like a torn write", flips, torn)
}

// TestStoreEveryFile: a missing file has failed; one that cannot be read was not checked.
func TestStoreEveryFile(t *testing.T) {
	for _, clean := range []bool{true, false} {
		w, files := storeFiles(t, 12, 40, clean)
		for name := range files {
			if path.Base(name) == keep || path.Base(name) == "lock" {
				continue
			}
			gone := maps.Clone(files)
			delete(gone, name)
			rep := checkStore(t, gone, verify.Options{})
			switch {
			case clean:
				mustFail(t, rep, name+" is missing")
			case strings.HasPrefix(name, "log/tile/"): // may be a partial that a crash left and nobody needs
			case name == lastJournal(files): // as if it had never been made; what was acknowledged in it is in the spools still
			default:
				mustFail(t, rep, name+" is missing")
			}
			fsys := newMemFS(t, files)
			fsys.bad[name] = true
			rep, err := verify.Store(context.Background(), fsys, verify.Options{LogKey: w.log.vkey})
			if err != nil {
				t.Fatal(err)
			}
			mustBe(t, rep, verify.NotChecked, name+" cannot be read")
		}
	}
}

// TestSwapFiles: no file can stand for another.
func TestSwapFiles(t *testing.T) {
	_, files := storeFiles(t, 13, 30, true)
	for a, x := range files {
		for b, y := range files {
			if a >= b || bytes.Equal(x, y) {
				continue
			}
			bad := maps.Clone(files)
			bad[a], bad[b] = y, x
			mustFail(t, checkStore(t, bad, verify.Options{}), "swapped "+a+" and "+b)
		}
	}
}

// TestCutFiles cuts every file at many sizes.
func TestCutFiles(t *testing.T) {
	_, files := storeFiles(t, 14, 20, true)
	rng := rand.New(rand.NewPCG(1, 1))
	for name, was := range files {
		for range 8 {
			if len(was) == 0 {
				continue
			}
			bad := maps.Clone(files)
			bad[name] = was[:rng.IntN(len(was))]
			mustFail(t, checkStore(t, bad, verify.Options{}), "cut "+name)
			bad[name] = append(bytes.Clone(was), 0)
			mustFail(t, checkStore(t, bad, verify.Options{}), "a byte behind "+name)
		}
	}
}

// TestOlderHead: head, checkpoint or both from an earlier moment of the same store.
func TestOlderHead(t *testing.T) {
	_, old := storeFiles(t, 15, 12, true)
	_, now := storeFiles(t, 15, 30, true)
	for _, names := range [][]string{{"head"}, {"log/checkpoint"}} {
		bad := maps.Clone(now)
		for _, name := range names {
			bad[name] = old[name]
		}
		mustFail(t, checkStore(t, bad, verify.Options{}), strings.Join(names, " and ")+" put back")
	}
	bad := maps.Clone(now)
	bad["head"], bad["log/checkpoint"] = old["head"], old["log/checkpoint"]
	mustFail(t, checkStore(t, bad, verify.Options{}), "head and checkpoint put back, the rest kept")
	known := []verify.Known{{Checkpoint: now["log/checkpoint"], From: "this computer"}}
	mustBe(t, checkStore(t, old, verify.Options{}), verify.Verified, "an older copy of the store, which nothing betrays")
	mustFail(t, checkStore(t, old, verify.Options{Known: known}), "an older copy, where this computer has seen more")
	mustBe(t, checkStore(t, now, verify.Options{Known: []verify.Known{{Checkpoint: old["log/checkpoint"], From: "this computer"}}}), verify.Verified, "grown since")
}

// TestReplacedKeys: a key that is not the one it was.
func TestReplacedKeys(t *testing.T) {
	w, files := storeFiles(t, 16, 10, true)
	thief := newIdentity(t, origin, 77)
	strange := newIdentity(t, "stet-store/thief", 78)
	bad := maps.Clone(files)
	bad["keys/log.key"] = thief.file
	mustFail(t, checkStore(t, bad, verify.Options{}), "the log's key replaced")
	bad["store"] = bytes.ReplaceAll(files["store"], []byte(w.log.vkey), []byte(thief.vkey))
	mustFail(t, checkStore(t, bad, verify.Options{}), "the log's key and the marker replaced")
	cp, err := proof.ParseCheckpointText(files["log/checkpoint"])
	if err != nil {
		t.Fatal(err)
	}
	if bad["log/checkpoint"], err = proof.SignCheckpoint(cp, thief.signer); err != nil {
		t.Fatal(err)
	}
	mustBe(t, checkStore(t, bad, verify.Options{}), verify.Verified, "all of it replaced, which nothing inside betrays")
	mustFail(t, checkStore(t, bad, verify.Options{LogKey: w.log.vkey}), "all of it replaced, the key pinned")
	known := []verify.Known{{Checkpoint: files["log/checkpoint"], From: "this computer"}}
	mustFail(t, checkStore(t, bad, verify.Options{Known: known}), "all of it replaced, a checkpoint known")
	bad = maps.Clone(files)
	bad["keys/store.key"] = strange.file
	mustFail(t, checkStore(t, bad, verify.Options{}), "the store's key replaced")
	bad["store"] = bytes.ReplaceAll(files["store"], []byte(w.store.vkey), []byte(strange.vkey))
	mustFail(t, checkStore(t, bad, verify.Options{}), "the store's key and the marker replaced")
	fsys := newMemFS(t, files)
	fsys.modes["keys/log.key"] = 0o644
	rep, err := verify.Store(context.Background(), fsys, verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustBe(t, rep, verify.NotChecked, "a key that everybody can read")
}

// TestStrayFiles: what does not belong to a store was not looked at, and that is said.
func TestStrayFiles(t *testing.T) {
	_, files := storeFiles(t, 17, 10, true)
	for name, want := range map[string]verify.State{
		"log/notes.txt": verify.NotChecked, "log/tile/0/x001/readme": verify.NotChecked, "streams/copy": verify.NotChecked,
		"journal/copy": verify.Failed, "log/tile/3/000": verify.Failed, "log/tile/0/001": verify.Failed,
		"log/checkpoint.tmp": verify.Verified, "head.tmp": verify.Verified, "streams/000099.tmp": verify.Verified,
	} {
		bad := maps.Clone(files)
		bad[name] = make([]byte, 8192)
		mustBe(t, checkStore(t, bad, verify.Options{}), want, name)
	}
	if _, err := logread.IsStore(newMemFS(t, files)); err != nil {
		t.Error(err)
	}
}

// TestEarlierPartials: a partial tile of an earlier size, which a crash may leave, was handed out once; it is held against
// what became of it.
func TestEarlierPartials(t *testing.T) {
	_, files := storeFiles(t, 17, 10, true)
	const earlier = "log/tile/0/000.p/3"
	for name, b := range files {
		if strings.HasPrefix(name, path.Dir(earlier)) {
			files[earlier] = bytes.Clone(b[:3*proof.HashSize])
			break
		}
	}
	mustBe(t, checkStore(t, files, verify.Options{}), verify.Verified, "an earlier partial")
	for i := 0; i < 3*proof.HashSize; i += 7 {
		bad := maps.Clone(files)
		bad[earlier] = bytes.Clone(files[earlier])
		bad[earlier][i] ^= 1
		mustFail(t, checkStore(t, bad, verify.Options{}), "an earlier partial that was changed")
	}
}

func lastJournal(files map[string][]byte) (last string) {
	for name := range files {
		if strings.HasSuffix(name, ".j") {
			last = max(last, name)
		}
	}
	return last
}
