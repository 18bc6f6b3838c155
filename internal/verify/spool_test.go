package verify_test

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// spooledStore makes a store with one spool of five batches, of which the ledger has the first drained.
func spooledStore(t testing.TB, drained int, change func(i int, b *spool.Batch)) (*world, map[string][]byte) {
	t.Helper()
	return spooledStoreOf(t, drained, 1, change)
}

// spooledStoreOf makes other events in the same stream for another seed.
func spooledStoreOf(t testing.TB, drained int, seed uint64, change func(i int, b *spool.Batch)) (*world, map[string][]byte) {
	t.Helper()
	w := newIdleWorld(t, 31)
	disk := fsxtest.New()
	l, err := w.openStore(disk)
	if err != nil {
		t.Fatal(err)
	}
	w.into(l)
	w.enrol(w.store)
	s := w.emitter(40, "app", "production")
	out, err := spool.Create(disk, spool.Dir, spool.Meta{V: 1, StreamID: s.stream.String(), Key: s.id.vkey, AppID: s.app, Environment: s.env,
		Host: "db1", MachineID: "machine-1", PID: 7, StartedAt: proof.FormatTime(w.now)}, func() ([8]byte, error) { return [8]byte{9}, nil })
	if err != nil {
		t.Fatal(err)
	}
	w.rng = rand.New(rand.NewPCG(seed, 0))
	for i := range 5 {
		w.take = func(b ledger.Batch, _ *ledger.Loss) {
			if i < drained {
				if _, err := l.Append(context.Background(), b); err != nil {
					t.Fatal(err)
				}
			}
			sb := spool.Batch{First: s.next, Seal: b.Seal}
			for _, item := range b.Items {
				sb.Events = append(sb.Events, item.Event)
			}
			if change != nil {
				change(i, &sb)
			}
			if err := out.Add(sb); err != nil {
				t.Fatal(err)
			}
			if err := out.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		w.batch(s, []event.Event{w.login(i), w.login(i)}, nil)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return w, readAll(t, disk, ".")
}

func TestSpools(t *testing.T) {
	for drained := range 6 {
		_, files := spooledStore(t, drained, nil)
		rep := checkStore(t, files, verify.Options{Machine: "machine-1"})
		mustBe(t, rep, verify.Verified, "a spool")
		if rep.Spools != 1 || rep.Undrained != uint64(2*(5-drained)) {
			t.Errorf("%d spools with %d events undrained, want 1 and %d", rep.Spools, rep.Undrained, 2*(5-drained))
		}
	}
	_, files := spooledStore(t, 2, nil)
	mustBe(t, checkStore(t, files, verify.Options{Machine: "machine-2"}), verify.NotChecked, "another machine's spool")
	_, files = spooledStore(t, 2, func(i int, b *spool.Batch) {
		if i == 3 {
			b.Events[0] = bytes.Replace(b.Events[0], []byte("login"), []byte("logic"), 1)
		}
	})
	mustFail(t, checkStore(t, files, verify.Options{}), "an event changed in the spool")
}

// TestSpoolAgainstLedger: ledger and spool hold different batches of one stream, both well sealed.
func TestSpoolAgainstLedger(t *testing.T) {
	for drained := 1; drained <= 5; drained++ {
		_, files := spooledStore(t, drained, nil)
		_, other := spooledStoreOf(t, drained, 99, nil)
		mixed := 0
		for name := range files {
			if strings.HasPrefix(name, "spool/") {
				if other[name] == nil {
					t.Fatalf("the other store has no %s", name)
				}
				files[name] = other[name]
				mixed++
			}
		}
		if mixed == 0 {
			t.Fatal("no spool")
		}
		mustFail(t, checkStore(t, files, verify.Options{}), "another history in the spool")
	}
}

// TestSpoolEveryByte: a flipped byte in the last batch looks like a write that did not finish; any other is damage.
func TestSpoolEveryByte(t *testing.T) {
	_, files := spooledStore(t, 2, nil)
	flips, torn := 0, 0
	for name, was := range files {
		if !strings.HasSuffix(name, ".seg") {
			continue
		}
		for i := range was {
			if !long() && i%7 != 0 {
				continue
			}
			bad := maps.Clone(files)
			is := bytes.Clone(was)
			is[i] ^= 1 << (i % 8)
			bad[name] = is
			rep := checkStore(t, bad, verify.Options{Workers: 1})
			flips++
			if rep.State() == verify.Verified && strings.Contains(rep.Findings[0].What, "unfinished write") {
				torn++
				continue
			}
			mustFail(t, rep, "a flipped byte in "+name)
		}
	}
	t.Logf("%d flips in the spool, %d of them like a torn write", flips, torn)
}
