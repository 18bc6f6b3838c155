package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// A server's log is read like a store's, and nothing of it is believed: entries that are not those under the checkpoint, a
// checkpoint of another key, and a log that is shorter than this computer has seen it are integrity failures.
func TestAServersLogIsNotTrusted(t *testing.T) {
	disk := fsxtest.New()
	s := storeOn(disk)
	p := begin(disk, 1)
	p.start("a")
	p.end("a")
	p.close()
	if _, err := s.Drain(t.Context()); err != nil || p.err != nil {
		t.Fatal(err, p.err)
	}
	mem := known.Dir{FS: disk, Name: "memory"}
	read := func(src logread.Source, vkey string) (int, error) {
		r, err := ReadingOf("https://log.example", src, vkey, mem)
		if err != nil {
			return 0, err
		}
		var f story.Fold
		err = r.Items(t.Context(), &f, nil)
		n := 0
		for _, x := range f.Stories() {
			n += len(x.Jobs)
		}
		return n, err
	}
	if n, err := read(s.Source(), key(logName).VKey); err != nil || n != 1 {
		t.Errorf("%d jobs, %v", n, err)
	}
	altered := logread.NewRemote(func(ctx context.Context, path string) ([]byte, error) {
		b, err := s.Source().Fetch(ctx, path)
		return bytes.ReplaceAll(b, []byte("something happened"), []byte("nothing  happened.")), err
	})
	var bad *ledger.IntegrityError
	if _, err := read(altered, key(logName).VKey); !errors.As(err, &bad) {
		t.Errorf("altered entries: %v", err)
	}
	for name, src := range map[string]logread.Source{"as it is": s.Source(), "altered": altered} {
		r, err := ReadingOf("https://log.example", src, key(logName).VKey, mem)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		_, err = r.ExportTlog(t.Context(), dir, nil)
		_, there := os.Stat(filepath.Join(dir, logread.CheckpointPath))
		if good := name == "as it is"; good != (err == nil) || good != (there == nil) || !good && !errors.As(err, &bad) {
			t.Errorf("exported %s: %v; the checkpoint: %v", name, err, there)
		}
	}
	// A directory's log is believed, but where it is to be proven.
	r, err := s.Reading()
	if err != nil {
		t.Fatal(err)
	}
	every := func(r *Reading) error {
		_, err := r.Each(t.Context(), func(event.Ref, []byte) bool { return true }, func(story.Item) {}, func(event.UUID) {})
		return err
	}
	if err := every(r.Proven()); err != nil {
		t.Errorf("a directory's, as it is: %v", err)
	}
	r.src = altered
	if err := every(r); err != nil {
		t.Errorf("a directory's, altered and not to be proven: %v", err)
	}
	if err := every(r.Proven()); !errors.As(err, &bad) {
		t.Errorf("a directory's, altered: %v", err)
	}
	if _, err := read(s.Source(), key("another").VKey); !errors.As(err, &bad) {
		t.Errorf("another key: %v", err)
	}
	cp, note, err := s.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	now := known.Checkpoint{Checkpoint: cp, VKey: key(logName).VKey, Note: note}
	if err := mem.Advance(now, logread.Hashes(t.Context(), s.Source(), cp.Size)); err != nil {
		t.Fatal(err)
	}
	fresh := fsxtest.New()
	if _, err := storeOn(fresh).Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := read(storeOn(fresh).Source(), key(logName).VKey); !errors.As(err, &bad) {
		t.Errorf("a log that is shorter than it was: %v", err)
	}
}

// A server closes the streams that it seals for others, when it ends or has too many: whoever sent to it may go on.
func TestTheEndOfADoorsStream(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	e := unsealed("job_started")
	e.Job = &event.Job{ID: "long", RunID: "run", Name: "work", Phase: "execution", Attempt: 1}
	e.Why = &event.Why{Trigger: "manual"}
	if out, err := h.RecordFor(t.Context(), viaHTTP, "shop", "test", []*event.Event{e}); err != nil || out[0].Err != nil {
		t.Fatal(out, err)
	}
	closeHeld(t, h)
	var f story.Fold
	if err := storeOn(m).Items(t.Context(), &f, nil); err != nil {
		t.Fatal(err)
	}
	s, ok := f.Story(e.InteractionID)
	if !ok || len(s.Jobs) != 1 {
		t.Fatalf("%+v", s)
	}
	if r := s.Jobs[0].Runs[0]; r.Outcome.Missing != story.NotYet {
		t.Errorf("its outcome is %s, the run %v", r.Outcome.Missing, r.State())
	}
}

// Who shows what there is of a log is given what can be read, and told what cannot: an event of which the seal cannot be read is
// no part of it, and never under the seal that comes next. Who does not ask for a part stops there, and so does what is proven.
func TestPartOfALog(t *testing.T) {
	last := map[bool]bool{} // whether the entry before the gap was an event
	for streams := range 2 {
		disk := fsxtest.New()
		s := storeOn(disk)
		for n := range streams + 1 { // a stream more is an odd number of entries more: an event, its seal, and the last seal
			p := begin(disk, n+1)
			for range 1 + 300*n + 300*(1-streams) {
				p.note()
			}
			p.close()
			if _, err := s.Drain(t.Context()); err != nil || p.err != nil {
				t.Fatal(err, p.err)
			}
		}
		r, err := s.Reading()
		if err != nil {
			t.Fatal(err)
		}
		seqs := func(r *Reading) (all []uint64, err error) {
			_, err = r.Each(t.Context(), func(event.Ref, []byte) bool { return true }, func(it story.Item) {
				if it.KeyID == "" {
					t.Errorf("entry %d is under no seal", it.Seq)
				}
				all = append(all, it.Seq)
			}, func(event.UUID) {})
			return all, err
		}
		whole, err := seqs(r)
		if err != nil {
			t.Fatal(err)
		}
		r.src = logread.NewRemote(func(ctx context.Context, path string) ([]byte, error) {
			if tile, err := proof.ParseTilePath(path); err == nil && tile.Entries && tile.Index == 1 {
				return nil, fs.ErrNotExist
			}
			return s.Source().Fetch(ctx, path)
		})
		unsealed := slices.Contains(whole, 255)
		last[unsealed] = true
		want := slices.DeleteFunc(slices.Clone(whole), func(seq uint64) bool { return seq >= 255 && seq < 512 })
		got, err := seqs(r.Partial())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("without 256 to 511 (-want +got):\n%s", diff)
		}
		lack := logread.Unread{From: 256, To: 512, Why: "a file of the log is missing"}
		if unsealed {
			lack.Unsealed = 1
		}
		var gone *logread.UnreadError
		if !errors.As(err, &gone) || !cmp.Equal(gone.Ranges, []logread.Unread{lack}) {
			t.Errorf("it says that this is lacking: %v", err)
		}
		for name, r := range map[string]*Reading{"whole": r, "proven": r.Proven().Partial()} {
			if got, err := seqs(r); !errors.As(err, &gone) || got[len(got)-1] > 255 {
				t.Errorf("%s: it goes on to %d: %v", name, got[len(got)-1], err)
			}
		}
	}
	if len(last) != 2 {
		t.Error("in no log, or in each, the seal of the entry before the gap was in it")
	}
}
