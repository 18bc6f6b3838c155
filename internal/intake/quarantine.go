package intake

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/redact"
	"github.com/stetlog/stet/internal/spool"
)

// Bounds of what is kept of refused records, within those of the store's quarantine.
const (
	MaxKeptFiles = 256      // each of at most keptFile bytes
	MaxKeptBytes = 32 << 20 // of all of them
	keptFile     = 1 << 20
	keptRecord   = 64 << 10 // of one record, as JSON
)

// keptFormat is the format member of each line.
const keptFormat = "stet.refused/1"

// kept is one refused record: a line of JSON in the store's quarantine. Nothing secret is in it.
type kept struct {
	Format   string          `json:"format"`
	At       time.Time       `json:"at"`
	Source   Kind            `json:"source"`
	Sender   string          `json:"sender"`
	Code     string          `json:"code"`
	Path     string          `json:"path,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	Digest   string          `json:"digest"`             // of the original, with what was masked here
	Original json.RawMessage `json:"original,omitempty"` // its values by their paths
	Text     string          `json:"text,omitempty"`     // itself, where it has no values
	Cut      bool            `json:"cut,omitempty"`      // not all of it is there
}

// keep makes the line of a refused record.
func keep(at time.Time, kind Kind, sender string, r *Record, v Verdict) kept {
	sum := r.sum()
	k := kept{Format: keptFormat, At: at.UTC(), Source: kind, Sender: sender, Code: v.Code, Path: v.Path, Detail: v.Detail, Digest: "sha256:" + hex.EncodeToString(sum[:])}
	switch {
	case len(r.Fields.Leaves) > 0:
		var safe convert.Record
		size := 0
		for _, l := range r.Fields.Leaves {
			l, _ = masked(l)
			if size += labelLen(l); size > keptRecord {
				k.Cut = true
				break
			}
			safe.Leaves = append(safe.Leaves, l)
		}
		k.Original = safe.Append(nil)
	default:
		raw := r.Raw
		if r.Native != nil {
			raw = r.Native
		}
		text, _ := redact.Text(event.Sanitize(string(raw[:min(len(raw), 2*keptRecord)])))
		k.Text = fit(text, keptRecord)
		k.Cut = k.Text != text || len(raw) > 2*keptRecord
	}
	return k
}

// quarantine keeps refused records in files of the store, durably. Nothing is ever deleted there: where it is full, no more is
// kept. It is safe for concurrent use.
type quarantine struct {
	fs fsx.FS // nil: nothing is kept

	mu    sync.Mutex
	known bool  // what is there was looked at
	files int   // number of the last one
	bytes int64 // of all of them
	file  fsx.File
	size  int64 // of file
}

// keptPrefix begins the names of the files.
const keptPrefix = "intake-"

// add keeps records, all in one write and flush; kept is how many are durable. Where that is not all of them, err says why.
func (q *quarantine) add(all []kept) (n int, err error) {
	if q.fs == nil {
		return 0, errors.New("this server keeps nothing")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.look(); err != nil {
		return 0, err
	}
	for n < len(all) {
		var lines []byte
		from := n
		for n < len(all) && (n == from || len(lines) < keptFile-keptRecord) {
			line, err := json.Marshal(all[n])
			if err != nil {
				return from, err
			}
			lines = append(append(lines, line...), '\n')
			n++
		}
		if err := q.write(lines); err != nil {
			return from, err
		}
	}
	return n, nil
}

// look finds out, once, what is there.
func (q *quarantine) look() error {
	if q.known {
		return nil
	}
	if err := fsx.MkdirAll(q.fs, spool.QuarantineDir, 0o700); err != nil {
		return err
	}
	err := eachKept(q.fs, func(number int, size int64) { q.files, q.bytes = max(q.files, number), q.bytes+size })
	q.known = err == nil
	return err
}

// Kept says how many files of refused records are in a store's quarantine, and how many bytes they have.
func Kept(fsys fsx.FS) (files int, bytes int64, err error) {
	err = eachKept(fsys, func(_ int, size int64) { files, bytes = files+1, bytes+size })
	return files, bytes, err
}

// eachKept calls f with the number and size of each file of refused records. No quarantine is no error.
func eachKept(fsys fsx.FS, f func(number int, size int64)) error {
	entries, err := fsys.ReadDir(spool.QuarantineDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		name, ours := strings.CutPrefix(e.Name(), keptPrefix)
		number, nerr := strconv.Atoi(strings.TrimSuffix(name, ".jsonl"))
		if !ours || nerr != nil {
			continue
		}
		fi, ierr := e.Info()
		if errors.Is(ierr, fs.ErrNotExist) {
			continue // somebody moves it away just now
		}
		if ierr != nil {
			return ierr
		}
		f(number, fi.Size())
	}
	return err
}

// write appends lines to the last file, or to a new one. After an error the file is not used again, because nobody knows what is in it.
func (q *quarantine) write(lines []byte) error {
	if q.file != nil && q.size+int64(len(lines)) > keptFile {
		if err := q.close(); err != nil {
			return err
		}
	}
	files, bytes, err := spool.Quarantined(q.fs, spool.Dir)
	switch {
	case err != nil:
		return err
	case q.bytes+int64(len(lines)) > MaxKeptBytes, q.file == nil && q.files >= MaxKeptFiles,
		bytes+int64(len(lines)) > spool.MaxQuarantinedBytes, q.file == nil && files >= spool.MaxQuarantined:
		return spool.ErrQuarantineFull
	}
	if q.file == nil {
		name := path.Join(spool.QuarantineDir, fmt.Sprintf("%s%06d.jsonl", keptPrefix, q.files+1))
		f, err := q.fs.Create(name, 0o600)
		if err != nil {
			return err
		}
		q.files, q.file, q.size = q.files+1, f, 0
		if err := q.fs.SyncDir(spool.QuarantineDir); err != nil {
			return errors.Join(err, q.close())
		}
	}
	_, err = q.file.WriteAt(lines, q.size)
	if err == nil {
		err = q.file.Sync()
	}
	if err != nil {
		return errors.Join(err, q.close())
	}
	q.size, q.bytes = q.size+int64(len(lines)), q.bytes+int64(len(lines))
	return nil
}

// close ends the last file; the next write begins another.
func (q *quarantine) close() error {
	if q.file == nil {
		return nil
	}
	f := q.file
	q.file = nil
	return f.Close()
}

// end closes what is open, for good.
func (q *quarantine) end() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.close()
}
