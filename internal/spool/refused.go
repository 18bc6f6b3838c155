package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/stetlog/stet/internal/fsx"
)

// AgainDir is where it is noted which refused events wait to be recorded again, next to the spools' own directory.
const AgainDir = "again"

// Bounds of a quarantine. What would exceed them is ErrQuarantineFull.
const (
	MaxQuarantined      = 4096      // files
	MaxQuarantinedBytes = 256 << 20 // of all of them
)

// ErrQuarantineFull says that a quarantine takes no more: somebody must look at what is in it, and move it away.
var ErrQuarantineFull = errors.New("the quarantine is full: look at what is in it, and move it away")

// Quarantined says how many files are in quarantine beside dir, and how many bytes they have.
func Quarantined(fsys fsx.FS, dir string) (files int, bytes int64, err error) {
	entries, err := fsys.ReadDir(path.Join(path.Dir(dir), QuarantineDir))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	for _, e := range entries {
		fi, ierr := e.Info()
		if errors.Is(ierr, fs.ErrNotExist) {
			continue // somebody moves it away just now
		}
		if ierr != nil {
			return files, bytes, ierr
		}
		files, bytes = files+1, bytes+fi.Size()
	}
	return files, bytes, err
}

// quarantineTakes says whether the quarantine has room for one more file of so many bytes.
func quarantineTakes(fsys fsx.FS, dir string, size int64) error {
	files, used, err := Quarantined(fsys, dir)
	if err == nil && (files >= MaxQuarantined || used+size > MaxQuarantinedBytes) {
		err = ErrQuarantineFull
	}
	return err
}

// KeepRefused puts the exact bytes of an event that a ledger can never store into quarantine, as <stream>-<seq>.json,
// durably. again says that this is the emitter's own quarantine: then it is noted first, once, that the event waits to be
// recorded again. A name that is taken holds the same bytes, from a round that was cut short; they are written again, because
// nobody knows whether they had become durable. ErrQuarantineFull: nothing was written.
func KeepRefused(fsys fsx.FS, dir string, r Refused, event []byte, again bool) error {
	if err := checkStream(r.Stream); err != nil {
		return err
	}
	to := path.Join(path.Dir(dir), QuarantineDir)
	if err := fsx.MkdirAll(fsys, to, 0o700); err != nil {
		return err
	}
	name := path.Join(to, refusedName(r.Stream, r.Seq)+".json")
	if _, err := fsys.Stat(name); err != nil {
		if err := quarantineTakes(fsys, dir, int64(len(event))); err != nil {
			return err
		}
		if again { // only now: where the bytes are there it was noted before, and may have been done since
			if err := noteRefused(fsys, dir, r); err != nil {
				return err
			}
		}
	}
	return fsx.Replace(fsys, name, event, 0o600)
}

func refusedName(stream string, seq uint64) string { return stream + "-" + strconv.FormatUint(seq, 10) }

// Refused notes that an event which is in quarantine waits for its own emitter to record it again, as a new event without
// what was objected to.
type Refused struct {
	Stream string `json:"stream_id"`
	Seq    uint64 `json:"stream_seq"`
	// Of the seal that it came under: nobody else records it again.
	Key         string `json:"key"`
	App         string `json:"app_id"`
	Environment string `json:"environment"`
	// What was objected to, in the words of package event; Path may be "".
	Code string `json:"code"`
	Path string `json:"path"`
}

const maxRefusedNote = 8 << 10 // bytes

// ErrRefusedNote says that a note of a refused event is none.
var ErrRefusedNote = errors.New("not the note of a refused event")

func noteRefused(fsys fsx.FS, dir string, r Refused) error {
	r.Path, r.Code = short(r.Path), short(r.Code)
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	to := path.Join(path.Dir(dir), AgainDir)
	if err := fsx.MkdirAll(fsys, to, 0o700); err != nil {
		return err
	}
	return fsx.Replace(fsys, path.Join(to, refusedName(r.Stream, r.Seq)), append(b, '\n'), 0o600)
}

// short keeps a server's text in bounds.
func short(s string) string { return strings.ToValidUTF8(s[:min(len(s), 1024)], "") }

// ListRefused returns what waits to be recorded again, in the order of streams and numbers as text, at most MaxQuarantined.
// A note that cannot be read is left out: what it was about is in quarantine all the same.
func ListRefused(fsys fsx.FS, dir string) ([]Refused, error) {
	from := path.Join(path.Dir(dir), AgainDir)
	entries, err := fsys.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Refused
	for _, e := range entries[:min(len(entries), MaxQuarantined)] {
		b, err := fsx.ReadFile(fsys, path.Join(from, e.Name()), maxRefusedNote)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fsx.ErrTooLarge) {
				continue
			}
			return all, err
		}
		if r, err := parseRefused(b); err == nil && refusedName(r.Stream, r.Seq) == e.Name() {
			all = append(all, r)
		}
	}
	return all, nil
}

func parseRefused(b []byte) (r Refused, err error) {
	if json.Unmarshal(b, &r) != nil || checkStream(r.Stream) != nil || r.Seq == 0 || r.Seq > MaxSeq {
		return Refused{}, ErrRefusedNote
	}
	again, err := json.Marshal(r)
	if err != nil || !bytes.Equal(append(again, '\n'), b) {
		return Refused{}, ErrRefusedNote
	}
	return r, nil
}

// ReadRefused returns the exact bytes of a refused event; fs.ErrNotExist where they are not there yet, or were moved away.
func ReadRefused(fsys fsx.FS, dir string, r Refused, limit int64) ([]byte, error) {
	return fsx.ReadFile(fsys, path.Join(path.Dir(dir), QuarantineDir, refusedName(r.Stream, r.Seq)+".json"), limit)
}

// DoneRefused takes the note away, durably: the event was recorded again. Its bytes stay in quarantine.
func DoneRefused(fsys fsx.FS, dir string, r Refused) error {
	from := path.Join(path.Dir(dir), AgainDir)
	if err := fsys.Remove(path.Join(from, refusedName(r.Stream, r.Seq))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("note that a refused event was recorded again: %w", err)
	}
	return fsys.SyncDir(from)
}
