package devicetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/internal/verify"
)

// shop records until its disk refuses, draining now and then, and returns what it was told and the first error. It goes on
// for a few tries after an error, as a program would: nothing of what is said to be recorded then may be lost either.
func shop(ctx context.Context, dir, name string) (c told, first error) {
	c.acked = map[string]bool{}
	failed := func(err error) {
		if first == nil {
			first = err
		}
	}
	rec, err := stet.Open(ctx, storeIn(dir), options(dir))
	if err != nil {
		return c, err
	}
	tries := 0
	for i := 0; i < 5000 && tries < 3; i++ {
		id := fmt.Sprintf("%s-%d", name, i)
		if err := rec.Record(ctx, said(id, 400)); err == nil {
			c.acked[id] = true
		} else {
			tries++
			failed(fmt.Errorf("record: %w", err))
		}
		if i%16 == 15 {
			if cp, err := drain(ctx, dir); err == nil {
				c.seen = append(c.seen, cp)
			} else {
				failed(fmt.Errorf("drain: %w", err))
			}
		}
	}
	if err := rec.Close(); err != nil {
		failed(fmt.Errorf("close: %w", err))
	}
	return c, first
}

// readable says what is wrong with a store that nobody can write to: it must be readable, and nothing in it failed.
func readable(dir string) error {
	_, err := os.Stat(filepath.Join(storeIn(dir), "head"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it never came to have a log
	}
	if err != nil {
		return err
	}
	rep, err := look(dir, verify.Options{})
	if err == nil && rep.State() != verify.Verified {
		err = fmt.Errorf("verify: %v", rep.Findings)
	}
	return err
}

// besteffort runs a job whose record cannot be written: it must run, and its loss be told.
func besteffort(ctx context.Context, dir string) error {
	losses := 0
	o := options(dir)
	o.Policy, o.OnLoss = stet.BestEffort, func(error) { losses++ }
	rec, err := stet.Open(ctx, storeIn(dir), o)
	if err != nil {
		return fmt.Errorf("open for best effort: %w", err)
	}
	ran := false
	err = rec.Do(ctx, stet.Job{Name: "nightly", Reason: strings.Repeat("x", 500)}, func(context.Context, *stet.Run) error {
		ran = true
		return nil
	})
	_ = rec.Close() // its disk is full
	if err != nil || !ran {
		return fmt.Errorf("a best-effort job ran: %t, with %w", ran, err)
	}
	if losses == 0 {
		return errors.New("a best-effort job could be recorded on a disk that refused others")
	}
	return nil
}

// TestNothingAcknowledgedIsLostOnAFullDisk: THREATS 8 and 16. A disk with so much space left is filled to its last byte by a
// recorder and its drains, on ext4 and on tmpfs. Who is refused is told so and why, what is there can be read and
// verified meanwhile, a best-effort job runs, and when there is space again everything acknowledged is there and work goes on.
func TestNothingAcknowledgedIsLostOnAFullDisk(t *testing.T) {
	needDevices(t)
	ctx := t.Context()
	images := mountMemory(t, 64<<20)
	d := newDisk(t, images, 12<<20)
	memory := mountMemory(t, 8<<20)
	acked, refused, drains := 0, 0, 0
	for _, where := range []struct{ name, dir string }{{"ext4", d.dir}, {"tmpfs", memory}} {
		for level := range 24 {
			free := int64(level*level) << 10 // from nothing to half a megabyte
			release := ballast(t, where.dir, free)
			at := fmt.Sprintf("%s with %d KiB left", where.name, free>>10)
			c, err := shop(ctx, where.dir, "full")
			switch {
			case err == nil:
				t.Fatalf("%s: %d events were recorded without an end", at, len(c.acked))
			case !errors.Is(err, syscall.ENOSPC):
				t.Errorf("%s: the first error does not say that there is no space: %v", at, err)
			}
			if strings.HasPrefix(err.Error(), "record: ") && !errors.Is(err, stet.ErrNotRecorded) {
				t.Errorf("%s: not ErrNotRecorded: %v", at, err)
			}
			if strings.HasPrefix(err.Error(), "drain: ") {
				drains++
			}
			if err := readable(where.dir); err != nil {
				t.Fatalf("%s, while it is full: %v", at, err)
			}
			if level == 0 {
				if err := besteffort(ctx, where.dir); err != nil {
					t.Errorf("%s: %v", at, err)
				}
			}
			release()
			if _, err := audit(where.dir, c); err != nil {
				t.Fatalf("%s, with space again: %v", at, err)
			}
			rec, err := stet.Open(ctx, storeIn(where.dir), options(where.dir))
			must(t, err)
			must(t, rec.Record(ctx, said("after", 400)))
			must(t, rec.Close())
			c.acked["after"] = true
			if _, err := audit(where.dir, c); err != nil {
				t.Fatalf("%s, after going on: %v", at, err)
			}
			acked, refused = acked+len(c.acked), refused+1
			must(t, os.RemoveAll(storeIn(where.dir)))
			must(t, os.RemoveAll(stateIn(where.dir)))
		}
	}
	t.Logf("%d disks were filled up, in %d of them a drain met it first; %d acknowledged events are all there", refused, drains, acked)
}

// TestNothingAcknowledgedIsLostByAWritebackError: THREATS 2. The disk takes writes into memory, and cannot keep them: its
// image is sparse and lies on a full tmpfs. So fdatasync fails for real, after the write succeeded. What is acknowledged
// nevertheless must be there when the disk is whole again.
func TestNothingAcknowledgedIsLostByAWritebackError(t *testing.T) {
	needDevices(t)
	ctx := t.Context()
	images := mountMemory(t, 48<<20)
	d := newDisk(t, images, 128<<20)
	acked, syncs := 0, 0
	for level := range 24 {
		if level > 0 {
			d.unmount()
			d.format(128 << 20)
			d.mount()
		}
		syscall.Sync()
		release := ballast(t, images, int64(40+level*40)<<10)
		at := fmt.Sprintf("with %d KiB behind the disk", 40+level*40)
		c, err := shop(ctx, d.dir, "writeback")
		if err == nil {
			t.Fatalf("%s: %d events were recorded without an end", at, len(c.acked))
		}
		if strings.Contains(err.Error(), "sync") {
			syncs++
		}
		acked += len(c.acked)
		d.unmount()
		release()
		d.mount()
		if _, err := audit(d.dir, c); err != nil {
			t.Fatalf("%s: %v", at, err)
		}
	}
	if syncs == 0 {
		t.Error("no sync ever failed, so nothing was tested")
	}
	t.Logf("24 disks broke, %d of them in a sync; %d acknowledged events are all there", syncs, acked)
}

// TestWhatIsMissingOfADiskIsNotVerified: a disk whose end is gone gives EIO. What cannot be read is "not checked", and never
// verified or failed.
func TestWhatIsMissingOfADiskIsNotVerified(t *testing.T) {
	needDevices(t)
	ctx := t.Context()
	images := mountMemory(t, 64<<20)
	d := newDisk(t, images, 32<<20)
	c := told{acked: map[string]bool{}}
	rec, err := stet.Open(ctx, storeIn(d.dir), options(d.dir))
	must(t, err)
	for i := range 600 {
		id := fmt.Sprint("read-", i)
		must(t, rec.Record(ctx, said(id, 900)))
		c.acked[id] = true
		if i%100 == 0 {
			_, err := drain(ctx, d.dir)
			must(t, err)
		}
	}
	must(t, rec.Close())
	_, err = drain(ctx, d.dir)
	must(t, err)
	d.unmount()
	whole := filepath.Join(images, "whole")
	unread := 0
	for size := int64(32 << 20); size > 1<<20; size -= 1 << 20 {
		must(t, os.WriteFile(whole, nil, 0o600))
		d.run("cp", "--sparse=always", d.image, whole)
		d.mount()
		must(t, os.Truncate(d.image, size))
		errs := readErrors(storeIn(d.dir))
		rep, err := look(d.dir, verify.Options{})
		switch {
		case err != nil: // it could not even be looked at
		case errs > 0 && rep.State() != verify.NotChecked:
			t.Errorf("%d MiB of 32 are left, %d files cannot be read, and verify says %v: %v", size>>20, errs, rep.State(), rep.Findings)
		case errs == 0 && rep.State() != verify.Verified:
			t.Errorf("%d MiB of 32 are left, all can be read, and verify says %v: %v", size>>20, rep.State(), rep.Findings)
		}
		if errs > 0 || err != nil {
			unread++
		}
		d.unmount()
		must(t, os.Rename(whole, d.image))
	}
	if unread == 0 {
		t.Error("everything could be read all the time, so nothing was tested")
	}
	d.mount()
	if _, err := audit(d.dir, c); err != nil {
		t.Errorf("with the whole disk: %v", err)
	}
	t.Logf("of 31 lengths of the disk, %d had files that could not be read: none was verified", unread)
}

// readErrors counts what cannot be read below dir.
func readErrors(dir string) (n int) {
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			_, err = os.ReadFile(path)
		}
		if err != nil {
			n++
		}
		return nil
	})
	if err != nil {
		n++
	}
	return n
}
