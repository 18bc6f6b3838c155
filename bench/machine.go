package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/stetlog/stet/internal/fsx"
)

// What DESIGN's figures were taken with, for one core of the machine of that day.
const (
	designVerify = 39 * time.Microsecond
	designSHA256 = 500 * time.Nanosecond // of an event of 0.8 KB
)

// bare is what the machine does with nothing of stet's around it.
type bare struct {
	sync         time.Duration // median fdatasync of a growing, preallocated file
	sign, verify time.Duration // Ed25519, of 600 bytes
	sha          time.Duration // SHA-256 of 0.8 KB
}

// slower is how much slower this core is, in this minute, than the one of DESIGN's figures.
func (b bare) slower() float64 {
	return (float64(b.verify)/float64(designVerify) + float64(b.sha)/float64(designSHA256)) / 2
}

func measure(c config) (b bare, err error) {
	if b.sync, err = syncs(c.dir, 200); err != nil {
		return b, err
	}
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public, ok := private.Public().(ed25519.PublicKey)
	if !ok {
		return b, errors.New("an Ed25519 key without its public half")
	}
	msg, page := make([]byte, 600), make([]byte, 800)
	sig := ed25519.Sign(private, msg)
	short := min(c.duration/4, time.Second)
	if b.sign, err = each(short, func() error { ed25519.Sign(private, msg); return nil }); err != nil {
		return b, err
	}
	if b.verify, err = each(short, func() error {
		if !ed25519.Verify(public, msg, sig) {
			return errors.New("a good signature was refused")
		}
		return nil
	}); err != nil {
		return b, err
	}
	b.sha, err = each(short, func() error { sha256.Sum256(page); return nil })
	return b, err
}

// syncs is the median of n writes of 1 KB with an fdatasync each.
func syncs(dir string, n int) (_ time.Duration, err error) {
	fsys, err := fsx.OpenDir(dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	f, err := fsys.Create("syncs", 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(filepath.Join(dir, "syncs"))) }()
	b := make([]byte, 1024)
	times := make([]time.Duration, n)
	for i := range times {
		start := time.Now()
		if _, err := f.WriteAt(b, int64(i*len(b))); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		times[i] = time.Since(start)
	}
	return median(times), nil
}

func machine(_ context.Context, c config, t *table) error {
	b, err := measure(c)
	if err != nil {
		return err
	}
	t.row("one write and fdatasync, p50", micros(b.sync), "")
	t.row("Ed25519 sign, verify", micros(b.sign), "%s", micros(b.verify))
	t.row("SHA-256 of 0.8 KB", micros(b.sha), "")
	t.row("slower than the core of DESIGN's figures", factor(b.slower()), "mean of verify and SHA-256")
	return nil
}
