package verify_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// long says whether the long form of a test was asked for with STET_LONG=1; the short one takes a sample.
func long() bool { return os.Getenv("STET_LONG") != "" }

// rebuild makes all files of a log from changed entries, as a thief does who has the log's key (or not: then he signs
// with another of the same name, or keeps the old checkpoint).
func rebuild(t testing.TB, entries []proof.Entry, key identity) map[string][]byte {
	t.Helper()
	var raw [][]byte
	for _, e := range entries {
		raw = append(raw, e.Append(nil))
	}
	return buildLog(t, raw, key, true)
}

// caughtEvenSigned checks that a changed log fails although the log's own key signed it anew, and that it fails with
// another key and with the old checkpoint, too.
func caughtEvenSigned(t *testing.T, w *world, entries []proof.Entry, what string) {
	t.Helper()
	o := verify.Options{LogKey: w.log.vkey, Workers: 1}
	mustFail(t, checkLog(t, rebuild(t, entries, w.log), o), what+", signed by the log's key")
	files := rebuild(t, entries, newIdentity(t, origin, 66))
	mustFail(t, checkLog(t, files, o), what+", signed by a thief's key")
	files["checkpoint"] = checkpoint(t, w.leaves(), w.log)
	mustFail(t, checkLog(t, files, o), what+", under the old checkpoint")
}

// tampered is a small log to tamper with.
func tampered(t testing.TB) *world {
	t.Helper()
	w := newWorld(t, 21)
	w.fill(7)
	s := w.emitter(30, "app", "production")
	w.batch(s, []event.Event{w.login(0), w.login(1)}, []int{1})
	w.batch(s, []event.Event{w.login(2)}, nil)
	w.sealed(s, []event.Event{w.login(3)}, nil, true)
	mustBe(t, checkLog(t, rebuild(t, w.entries, w.log), verify.Options{LogKey: w.log.vkey}), verify.Verified, "before it is tampered with")
	return w
}

// batches returns where each batch begins and ends; a declared loss is one by itself.
func (w *world) batches() (out [][2]int) {
	from := 0
	for i, e := range w.entries {
		if e.Event == nil && (e.Stub == nil || e.Stub.Code != proof.StubRefused) {
			out = append(out, [2]int{from, i + 1})
			from = i + 1
		}
	}
	return out
}

func (w *world) streamOf(e proof.Entry) string {
	if e.Stub != nil {
		return e.Stub.Stream
	}
	s, err := proof.OpenSeal(e.Seal.Note)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Stream
}

// TestRemoveEveryEntry: with everything rebuilt around the gap. Entries are renumbered, or not.
func TestRemoveEveryEntry(t *testing.T) {
	w := tampered(t)
	for i := range w.entries {
		if slices.Contains(w.batches(), [2]int{i, i + 1}) && w.lastOfStream(i) {
			continue // a loss or an empty final seal, with nothing behind it: see TestRemoveEveryBatch
		}
		rest := slices.Delete(slices.Clone(w.entries), i, i+1)
		caughtEvenSigned(t, w, renumber(rest), fmt.Sprintf("entry %d removed, the rest renumbered", i))
		if i < len(w.entries)-1 {
			caughtEvenSigned(t, w, rest, fmt.Sprintf("entry %d removed", i))
		}
	}
}

// lastOfStream says whether nothing of entry i's stream follows it. Leaving off a stream's end cannot be told from its
// never having been written, but by a checkpoint or the emitter's spool.
func (w *world) lastOfStream(i int) bool {
	id := w.streamOf(w.entries[i])
	for _, e := range w.entries[i+1:] {
		if e.Event == nil && w.streamOf(e) == id {
			return false
		}
	}
	return true
}

// TestRemoveEveryBatch: a batch with its seal. Only a stream's last one leaves no trace in the log itself, and then the
// old checkpoint tells.
func TestRemoveEveryBatch(t *testing.T) {
	w := tampered(t)
	for _, b := range w.batches() {
		rest := renumber(slices.Delete(slices.Clone(w.entries), b[0], b[1]))
		what := fmt.Sprintf("batch %d to %d removed", b[0], b[1]-1)
		if !w.lastOfStream(b[1] - 1) {
			caughtEvenSigned(t, w, rest, what)
			continue
		}
		o := verify.Options{LogKey: w.log.vkey, Known: []verify.Known{{Checkpoint: checkpoint(t, w.leaves(), w.log), From: "this computer"}}}
		mustFail(t, checkLog(t, rebuild(t, rest, w.log), o), what+", where a checkpoint is known")
	}
}

// TestRemoveEveryStream: nothing inside the log may betray that a whole stream is gone (but an enrolment whose key is
// used elsewhere does); every checkpoint from before does.
func TestRemoveEveryStream(t *testing.T) {
	w := tampered(t)
	old := checkpoint(t, w.leaves(), w.log)
	gone := map[string]bool{}
	for _, b := range w.batches() {
		gone[w.streamOf(w.entries[b[1]-1])] = true
	}
	for id := range gone {
		var rest []proof.Entry
		for _, b := range w.batches() {
			if w.streamOf(w.entries[b[1]-1]) != id {
				rest = append(rest, w.entries[b[0]:b[1]]...)
			}
		}
		o := verify.Options{LogKey: w.log.vkey, Known: []verify.Known{{Checkpoint: old, From: "this computer"}}}
		mustFail(t, checkLog(t, rebuild(t, renumber(rest), w.log), o), "stream "+id+" removed")
		files := rebuild(t, renumber(rest), w.log)
		files["checkpoint"] = old
		mustFail(t, checkLog(t, files, verify.Options{LogKey: w.log.vkey}), "stream "+id+" removed under the old checkpoint")
	}
}

// TestSwapEntries swaps any two entries.
func TestSwapEntries(t *testing.T) {
	w := tampered(t)
	tampers := 0
	for i := range w.entries {
		for j := range i {
			if !long() && (i+j)%17 != 0 {
				continue
			}
			swapped := slices.Clone(w.entries)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			caughtEvenSigned(t, w, swapped, fmt.Sprintf("entries %d and %d swapped", j, i))
			if w.entries[i].Event != nil && w.entries[j].Event != nil { // with the numbers put right
				caughtEvenSigned(t, w, renumber(swapped), fmt.Sprintf("events %d and %d swapped", j, i))
			}
			tampers += 3
		}
	}
	t.Logf("%d tampers", tampers)
}

// TestCutLog: at every size, the tiles rebuilt.
func TestCutLog(t *testing.T) {
	w := tampered(t)
	ends := map[int]bool{}
	for _, b := range w.batches() {
		ends[b[1]] = true
	}
	full := checkpoint(t, w.leaves(), w.log)
	for n := 1; n < len(w.entries); n++ {
		what := fmt.Sprintf("cut at %d", n)
		files := rebuild(t, w.entries[:n], w.log)
		o := verify.Options{LogKey: w.log.vkey}
		if ends[n] {
			mustBe(t, checkLog(t, files, o), verify.Verified, what+", a whole log of an earlier time")
		} else {
			mustFail(t, checkLog(t, files, o), what+", inside a batch")
		}
		o.Known = []verify.Known{{Checkpoint: full, From: "this computer"}}
		mustFail(t, checkLog(t, files, o), what+", where a checkpoint is known")
		files["checkpoint"] = full
		mustFail(t, checkLog(t, files, verify.Options{LogKey: w.log.vkey}), what+", under the old checkpoint")
	}
}

// forge appends one batch to a sound log that was written up to its end, and re-signs.
func forge(t *testing.T, what string, want verify.State, fn func(w *world)) {
	t.Helper()
	w := tampered(t)
	fn(w)
	rep := checkLog(t, rebuild(t, w.entries, w.log), verify.Options{LogKey: w.log.vkey})
	if want == verify.Failed {
		mustFail(t, rep, what)
		return
	}
	mustBe(t, rep, want, what)
}

func TestForgeries(t *testing.T) {
	one := func(w *world) []event.Event { return []event.Event{w.login(9)} }
	forge(t, "a stranger's batch", verify.Failed, func(w *world) {
		w.batch(w.open(newIdentity(t, "stet-emitter/stranger", 90), "app", ""), one(w), nil)
	})
	forge(t, "a stranger who enrols himself", verify.Failed, func(w *world) {
		id := newIdentity(t, "stet-emitter/stranger", 90)
		w.batch(w.open(id, "stet", ""), []event.Event{w.enrolment(id)}, nil)
		w.batch(w.open(id, "app", ""), one(w), nil)
	})
	forge(t, "a stranger enrolled by an emitter", verify.Failed, func(w *world) {
		id := newIdentity(t, "stet-emitter/stranger", 90)
		s := w.emitter(30, "app", "production")
		w.batch(s, []event.Event{w.enrolment(id)}, nil)
		w.batch(w.open(id, "app", ""), one(w), nil)
	})
	forge(t, "an emitter that only claims to enrol", verify.Verified, func(w *world) {
		w.batch(w.emitter(30, "app", "production"), []event.Event{w.enrolment(newIdentity(t, "stet-emitter/stranger", 90))}, nil)
	})
	forge(t, "enrolled too late", verify.Failed, func(w *world) {
		id := newIdentity(t, "stet-emitter/late", 91)
		w.batch(w.open(id, "app", ""), one(w), nil)
		w.enrol(id)
	})
	forge(t, "a revoked key", verify.Failed, func(w *world) {
		s := w.emitter(30, "app", "production")
		w.batch(w.open(w.store, "stet", ""), []event.Event{{EventType: "key_revoked", Action: "revoke", Object: &event.Object{Type: "emitter_key", ID: proof.KeyID(s.id.vkey)}}}, nil)
		w.batch(s, one(w), nil)
	})
	forge(t, "another enrolled key takes over a stream", verify.Failed, func(w *world) {
		a, b := w.emitter(30, "app", "production"), w.emitter(31, "app", "production")
		w.batch(a, one(w), nil)
		a.id = b.id
		w.batch(a, one(w), nil)
	})
	forge(t, "a stream changes its application", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.batch(a, one(w), nil)
		a.app = "other"
		w.batch(a, one(w), nil)
	})
	forge(t, "a stream changes its environment", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.batch(a, one(w), nil)
		a.env = "staging"
		w.batch(a, one(w), nil)
	})
	forge(t, "a stream goes on after its end", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.sealed(a, one(w), nil, true)
		w.batch(a, one(w), nil)
	})
	forge(t, "a hole", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.batch(a, one(w), nil)
		a.next += 3
		w.batch(a, one(w), nil)
	})
	forge(t, "numbers used twice", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.batch(a, one(w), nil)
		a.next--
		if a.next == 1 {
			a.sealed, a.prev, a.prevSeq = false, proof.Hash{}, nil
		}
		w.batch(a, one(w), nil)
	})
	forge(t, "a broken seal chain", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.batch(a, one(w), nil)
		a.prev[0] ^= 1
		w.batch(a, one(w), nil)
	})
	forge(t, "a wrong prev_seq", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.batch(a, one(w), nil)
		*a.prevSeq--
		w.batch(a, one(w), nil)
	})
	forge(t, "a loss that hides numbers that are there", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.batch(a, one(w), nil)
		a.next--
		w.lose(a, 1, false)
	})
	forge(t, "time runs backwards", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.now = w.now.AddDate(-1, 0, 0)
		w.batch(a, one(w), nil)
	})
	forge(t, "a batch replayed into another stream", verify.Failed, func(w *world) {
		a, b := w.emitter(30, "app", "production"), w.emitter(30, "app", "production")
		w.batch(a, one(w), nil)
		from := len(w.entries)
		w.batch(b, one(w), nil)
		w.entries[from].Event = w.entries[from-2].Event
	})
	forge(t, "a batch replayed as it is", verify.Failed, func(w *world) {
		w.batch(w.emitter(30, "app", "production"), one(w), nil)
		for _, e := range w.entries[len(w.entries)-2:] {
			w.add(e)
		}
	})
	forge(t, "an event that was never sealed", verify.Failed, func(w *world) {
		a := w.emitter(30, "app", "production")
		w.batch(a, one(w), nil)
		w.entries[len(w.entries)-2].Event = w.encode(a, w.login(7), a.next-1)
	})
	forge(t, "a stub for an event that was never sealed", verify.Failed, func(w *world) {
		w.batch(w.emitter(30, "app", "production"), one(w), []int{0})
		w.entries[len(w.entries)-2].Stub.Leaf[0] ^= 1
	})
	forge(t, "a seal that its key did not sign", verify.Failed, func(w *world) {
		w.batch(w.emitter(30, "app", "production"), one(w), nil)
		note := w.entries[len(w.entries)-1].Seal.Note
		if i := len(note) - 20; note[i] == 'A' { // in the middle of the signature
			note[i] = 'B'
		} else {
			note[i] = 'A'
		}
	})
	forge(t, "an event that is none", verify.Failed, func(w *world) {
		w.batch(w.emitter(30, "app", "production"), one(w), nil)
		w.entries[len(w.entries)-2].Event = []byte(`{"schema":"stet.event/1"}`)
	})
	forge(t, "another via inside a batch", verify.Failed, func(w *world) {
		w.batch(w.emitter(30, "app", "production"), one(w), nil)
		w.entries[len(w.entries)-2].Via = proof.Via{Kind: proof.ViaHTTP}.Append(nil)
	})
	forge(t, "a job declared lost by an emitter", verify.Verified, func(w *world) {
		w.batch(w.emitter(30, "app", "production"), []event.Event{{EventType: "clock_skewed", Action: "x"}}, nil)
	})
}

// TestLogNotBegunByItsStore: the first entry enrols the key that seals it.
func TestLogNotBegunByItsStore(t *testing.T) {
	w := newIdleWorld(t, 1)
	w.batch(w.open(w.store, "stet", ""), []event.Event{w.login(1)}, nil)
	mustFail(t, checkLog(t, rebuild(t, w.entries, w.log), verify.Options{LogKey: w.log.vkey}), "no enrolment first")
	w = newIdleWorld(t, 1)
	w.batch(w.open(w.store, "stet", ""), []event.Event{w.enrolment(newIdentity(t, "stet-emitter/other", 50))}, nil)
	mustFail(t, checkLog(t, rebuild(t, w.entries, w.log), verify.Options{LogKey: w.log.vkey}), "another's enrolment first")
}

// TestRandomTampers changes random bytes, cuts, swaps, duplicates and removes, in logs of many shapes.
func TestRandomTampers(t *testing.T) {
	rounds := 750
	if long() {
		rounds = 20000
	}
	rng := rand.New(rand.NewPCG(7, 7))
	tampers := 0
	for seed := range uint64(8) {
		w := newWorld(t, 100+seed)
		w.fill(1 + int(seed))
		files := buildLog(t, w.leaves(), w.log, seed%2 == 0, 2)
		names := slices.Sorted(maps.Keys(files))
		batches := w.batches()
		for range rounds {
			bad := maps.Clone(files)
			name := names[rng.IntN(len(names))]
			b := bytes.Clone(bad[name])
			at := rng.IntN(len(b))
			what := ""
			switch rng.IntN(6) {
			case 0:
				b[at] ^= byte(1 + rng.IntN(255))
				what = "a byte changed"
			case 1:
				b = b[:at]
				what = "cut"
			case 2:
				b = slices.Insert(b, at, byte(rng.IntN(256)))
				what = "a byte inserted"
			case 3:
				b = slices.Delete(b, at, min(len(b), at+1+rng.IntN(40)))
				what = "bytes deleted"
			case 4:
				other := bad[names[rng.IntN(len(names))]]
				from := rng.IntN(len(other))
				b = append(b[:at:at], other[from:]...)
				what = "the end of another file"
			case 5:
				x, y := batches[rng.IntN(len(batches))], batches[rng.IntN(len(batches))]
				entries := slices.Clone(w.entries)
				copy(entries[x[0]:], w.entries[y[0]:y[1]])
				raw := rebuild(t, renumber(entries[:len(w.entries)]), w.log)
				if seed%2 == 1 || x == y {
					continue
				}
				raw["checkpoint"] = files["checkpoint"]
				mustFail(t, checkLog(t, raw, verify.Options{LogKey: w.log.vkey, Workers: 1}), "a batch copied over another")
				tampers++
				continue
			}
			if bytes.Equal(b, files[name]) {
				continue
			}
			bad[name] = b
			tampers++
			rep := checkLayout(t, bad, seed%2 == 0, verify.Options{LogKey: w.log.vkey, Workers: 1})
			if rep.State() == verify.Verified && seed%2 == 0 && name != "checkpoint" && sameContent(t, name, files[name], b) {
				continue
			}
			mustFail(t, rep, what+" in "+name)
		}
	}
	t.Logf("%d tampers", tampers)
}
