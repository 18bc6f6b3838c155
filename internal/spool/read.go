package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/segment"
)

// Report says what Read found.
type Report struct {
	Meta     Meta
	Segments int
	Next     uint64 // the stream_seq behind the last whole batch; 0 where there was none
	Torn     bool
	Damaged  []Damage
}

// Damage is a segment that could not be read to its end.
type Damage struct {
	Segment  string
	Offset   int64
	Reason   string
	AfterSeq uint64
}

// ReadMeta reads who writes a spool.
func ReadMeta(fsys fsx.FS, dir, stream string) (Meta, error) {
	spool := path.Join(dir, stream)
	numbers, err := segments(fsys, spool)
	if err != nil {
		return Meta{}, err
	}
	for _, n := range numbers {
		f, err := fsys.Open(path.Join(spool, segmentName(n)))
		if err != nil {
			continue
		}
		h, err := segment.ReadHeader(f, segmentName(n), Kind)
		_ = f.Close()
		if err == nil {
			return parseMeta(h.Meta)
		}
	}
	return Meta{}, fmt.Errorf("spool %s has no readable segment", spool)
}

// Read streams whole batches.
func Read(fsys fsx.FS, dir, stream string, from uint64, fn func(Batch) error) (Report, error) {
	var rep Report
	spool := path.Join(dir, stream)
	numbers, err := segments(fsys, spool)
	if err != nil {
		return rep, err
	}
	for i, n := range numbers {
		if err := readSegment(fsys, path.Join(spool, segmentName(n)), i == len(numbers)-1, from, fn, &rep); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return rep, err
		}
		rep.Segments++
	}
	return rep, nil
}

func readSegment(fsys fsx.FS, name string, last bool, from uint64, fn func(Batch) error, rep *Report) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	damage := func(off int64, reason string) {
		rep.Damaged = append(rep.Damaged, Damage{path.Base(name), off, reason, max(rep.Next, 1) - 1})
	}
	r, err := segment.NewReader(f, name, Kind)
	var corrupt *segment.CorruptError
	switch {
	case errors.Is(err, segment.ErrNoHeader):
		return nil
	case errors.As(err, &corrupt):
		damage(corrupt.Offset, corrupt.Reason)
		return nil
	case err != nil:
		return err
	}
	if rep.Meta, err = parseMeta(r.Header().Meta); err != nil {
		damage(0, err.Error())
		return nil
	}
	for {
		fr, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			if r.Torn() && !last {
				damage(r.Offset(), "it is torn and not the last")
			}
			rep.Torn = rep.Torn || r.Torn()
			return nil
		case errors.As(err, &corrupt):
			damage(corrupt.Offset, corrupt.Reason)
			if r.Skip() {
				continue
			}
			return nil
		case err != nil:
			return err
		}
		b, err := parseBatch(fr.Key, fr.Payload, nil)
		if err != nil {
			damage(fr.Offset, err.Error())
			continue
		}
		rep.Next = b.Next()
		if b.Next() < from || b.Next() == from && len(b.Events) > 0 {
			continue
		}
		if err := fn(b); err != nil {
			return err
		}
	}
}

// Remove deletes a drained spool.
func Remove(fsys fsx.FS, dir, stream string) error {
	spool := path.Join(dir, stream)
	numbers, err := segments(fsys, spool)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if err := fsys.Remove(path.Join(spool, segmentName(n))); err != nil {
			return err
		}
	}
	for _, name := range []string{path.Join(spool, lockName), spool} {
		if err := fsys.Remove(name); err != nil {
			return err
		}
	}
	return fsys.SyncDir(dir)
}

// Quarantine keeps a damaged segment.
func Quarantine(fsys fsx.FS, dir, stream, seg string) error {
	if err := fsx.MkdirAll(fsys, "quarantine", 0o700); err != nil {
		return err
	}
	if err := fsys.Rename(path.Join(dir, stream, seg), "quarantine/"+stream+"-"+seg); err != nil {
		return err
	}
	return errors.Join(fsys.SyncDir("quarantine"), fsys.SyncDir(path.Join(dir, stream)))
}
