package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/follow"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
)

// placesDir is where, in the state directory, it is noted how far files were followed.
const placesDir = "follow"

// pollEvery is how often files are looked at that have said nothing new.
const pollEvery = 250 * time.Millisecond

// followed is one file that is followed.
type followed struct {
	name     string // shown
	follower *follow.Follower
	reader   *convert.Lines
	of       [sha256.Size]byte // the file that reader has the first row of
}

// follow imports what is in the files and what comes into them, until the import is interrupted, which is no error.
func (in *importer) follow(names []string) (err error) {
	in.bar = newProgress(in.stderr, "bytes")
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(state, placesDir), 0o700); err != nil {
		return err
	}
	dir, err := fsx.OpenDir(filepath.Join(state, placesDir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	var all []*followed
	defer func() {
		for _, f := range all {
			err = errors.Join(err, f.follower.Close())
		}
	}()
	for _, name := range names {
		f, lock, err := in.openFollowed(dir, name)
		if err != nil {
			return err
		}
		defer func() { _ = lock.Close() }() // gone with the process
		all = append(all, f)
	}
	in.report.Files = len(all)
	return in.followAll(all)
}

// openFollowed takes up a file where it was left. The place is that of this file for this log: another log has its own.
func (in *importer) openFollowed(dir *fsx.Dir, name string) (*followed, io.Closer, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, nil, err
	}
	log := in.cmd.name()
	if !in.cmd.remote() {
		if log, err = stet.StorePath(in.cmd.Store); err == nil {
			log, err = filepath.Abs(log)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	sum := sha256.Sum256([]byte(path + "\x00" + log))
	place := hex.EncodeToString(sum[:16])
	lock, err := dir.TryLock(place + ".lock")
	if errors.Is(err, fsx.ErrLocked) {
		err = fmt.Errorf("%s is followed by another process already", name)
	}
	if err != nil {
		return nil, nil, err
	}
	f := &followed{name: name, reader: convert.NewLines(convert.Input(in.cmd.Format), time.Now())}
	o := follow.Options{Note: func(what string) { _, _ = fmt.Fprintf(in.stderr, "stet: %s\n", event.Sanitize(what)) }}
	if convert.Input(in.cmd.Format) == convert.InCSV {
		o.Open = f.reader.Open
	}
	if f.follower, err = follow.New(path, dir, place+".json", o); err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return f, lock, nil
}

// followAll takes what is new in any of the files, in turn.
func (in *importer) followAll(all []*followed) error {
	m := in.foreign.mapping
	if m == nil {
		m = convert.Standard()
	}
	known := false // the log was looked into
	for {
		news := false
		for _, f := range all {
			select {
			case <-in.ctx.Done():
				return nil
			default:
			}
			b, err := f.follower.Poll()
			if err != nil {
				return err
			}
			if len(b.Records) == 0 {
				continue
			}
			news = true
			again := b.Records[0].Again
			if again && !known {
				err := in.know()
				if in.ctx.Err() != nil {
					return nil //nolint:nilerr // told to end, which is no error; nothing of the batch was recorded
				}
				if err != nil {
					return err
				}
				known = true
			}
			if err := in.takeBatch(f, b, m); err != nil {
				return err
			}
			f.follower.Done()
			if !again { // what follows was never given out before
				in.seen, known = newSeen(), false
			}
		}
		if news {
			in.cmd.tryBringIn(in.env)
			continue
		}
		select {
		case <-in.ctx.Done():
			return nil
		case <-time.After(pollEvery):
		}
	}
}

// know reads which events are in the log: after a crash, what was recorded and not noted is among them.
func (in *importer) know() error {
	in.seen = newSeen()
	if in.cmd.remote() {
		return in.loadServer()
	}
	path, err := stet.StorePath(in.cmd.Store)
	if err != nil {
		return err
	}
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return err
	}
	return in.loadStore(path, state)
}

// takeBatch records one batch of one file.
func (in *importer) takeBatch(f *followed, b follow.Batch, m convert.Map) error {
	if f.of != b.File { // another file, whose first row names other columns
		f.reader = convert.NewLines(convert.Input(in.cmd.Format), time.Now())
		f.of = b.File
		if b.Head != nil {
			if _, err := f.reader.Read(b.Head); err != nil {
				return fmt.Errorf("%s: the first row: %w", f.name, err)
			}
		}
	}
	f.reader.At(time.Now())
	for _, r := range b.Records {
		in.foreignRecord(f.name, rawRecord{text: r.Text, at: r.At}, f.reader, b.File, m)
	}
	return in.takeForeign(m)
}

// place says where a record stands: FILE:LINE, or FILE@OFFSET where its line is not known.
func (raw rawRecord) place(file string) string {
	if raw.line > 0 {
		return fmt.Sprintf("%s:%d", file, raw.line)
	}
	return fmt.Sprintf("%s@%d", file, raw.at)
}

// located gives an event the place of its record as its place in the code, as stet import gives its own events, where it has none.
func located(e *event.Event) {
	at, ok := e.Labels[placeLabel]
	if !ok {
		return
	}
	delete(e.Labels, placeLabel)
	if e.CodeLocation != "" {
		return
	}
	delete(e.Absent, "code_location")
	e.CodeLocation = strings.ToValidUTF8(at, "?")
	e.Derived["code_location"] = "the line that was imported"
}
