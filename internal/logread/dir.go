package logread

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"sync"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// Layout is how a directory keeps its entry bundles. The bytes of a bundle cannot say it: its first two are a length,
// and any length is possible, also the one that gzip's magic spells.
type Layout int

const (
	// Plain is the layout of C2SP tlog-tiles itself, as `stet export --tlog` writes it.
	Plain Layout = iota
	// Compressed is the layout of a store: bundles in the gzip format, everything else as in Plain.
	Compressed
)

const (
	// Marker is the file that makes a directory a store.
	Marker = "store"
	// StoreLog is where a store keeps its log.
	StoreLog = "log"
)

// Dir is a log in a directory. It never writes. It is safe for concurrent use.
type Dir struct {
	fsys     fsx.FS
	prefix   string
	layout   Layout
	inflater inflater
}

// NewDir reads the log below prefix ("." for the whole of fsys), which lies in the given layout.
func NewDir(fsys fsx.FS, prefix string, layout Layout) *Dir {
	return &Dir{fsys: fsys, prefix: prefix, layout: layout, inflater: inflater{pool: &sync.Pool{}}}
}

// Store reads the log of a store directory.
func Store(fsys fsx.FS) *Dir { return NewDir(fsys, StoreLog, Compressed) }

// ErrNoLog says that a directory is neither a store nor an exported log.
var ErrNoLog = errors.New("no log here: neither a store (a file named store, a directory named log) nor an exported log (a file named checkpoint)")

// IsStore decides whether fsys is a store directory (true) or an exported log (false). Either sign of a store will do,
// so that a store whose marker was removed is still looked at as one, and found wanting.
func IsStore(fsys fsx.FS) (bool, error) {
	for _, name := range []string{Marker, StoreLog} {
		if _, err := fsys.Stat(name); err == nil {
			return true, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	if _, err := fsys.Stat(CheckpointPath); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, ErrNoLog
		}
		return false, err
	}
	return false, nil
}

// Fetch implements Source.
func (d *Dir) Fetch(ctx context.Context, name string) ([]byte, error) {
	return d.FetchInto(ctx, name, nil)
}

// FetchInto is Fetch into the memory of buf, where that is large enough for a bundle: for whoever reads many.
func (d *Dir) FetchInto(ctx context.Context, name string, buf []byte) ([]byte, error) {
	b, err := d.stored(ctx, name, buf)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	t, perr := proof.ParseTilePath(name)
	if perr != nil || t.Width == proof.TileWidth {
		return nil, err
	}
	// Each publish puts a wider one in the place of the widest, and then takes that away: what was just seen may be gone.
	for range looks {
		wide, werr := d.widest(t)
		if werr != nil {
			return nil, fmt.Errorf("%s: look for a wider one: %w", name, werr)
		}
		if wide.Width <= t.Width {
			continue
		}
		if b, err = d.stored(ctx, wide.Path(), buf); err == nil {
			return Cut(b, wide, t.Width)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, err
}

// looks bounds how often a tile is looked for while publishes take it away: more than can come between.
const looks = 8

// widest finds the widest stored version of a tile; width 0 when there is none, or when all that were there went meanwhile.
func (d *Dir) widest(t proof.Tile) (proof.Tile, error) {
	t.Width = proof.TileWidth
	full := path.Join(d.prefix, t.Path())
	if _, err := d.fsys.Stat(full); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	t.Width = 0
	names, err := d.fsys.ReadDir(full + ".p")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return t, err
	}
	for _, e := range names {
		if w, err := strconv.Atoi(e.Name()); err == nil && w < proof.TileWidth && strconv.Itoa(w) == e.Name() {
			t.Width = max(t.Width, w)
		}
	}
	return t, nil
}

// Cut shortens the bytes of a tile or bundle to its first width hashes or entries.
func Cut(b []byte, t proof.Tile, width int) ([]byte, error) {
	if !t.Entries {
		if len(b) < width*proof.HashSize {
			return nil, damaged(t.Path(), "%d bytes do not hold %d hashes", len(b), width)
		}
		return b[:width*proof.HashSize], nil
	}
	rest := b
	for i := range width {
		var err error
		if _, rest, err = proof.NextBundleEntry(rest); err != nil {
			return nil, damaged(t.Path(), "entry %d of it: %v", i, err)
		}
	}
	return b[:len(b)-len(rest)], nil
}

// Stored is Fetch without looking for a wider version: the very file, for whoever has to check each one. Its size is
// checked before anything is read, and a tile of hashes has the length that its width asks for.
func (d *Dir) Stored(ctx context.Context, name string) ([]byte, error) {
	return d.stored(ctx, name, nil)
}

func (d *Dir) stored(ctx context.Context, name string, buf []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if name == CheckpointPath {
		return d.read(name, proof.MaxCheckpoint)
	}
	if name == proof.KeyChainPath {
		return d.read(name, int64(proof.MaxKeyChain))
	}
	t, err := proof.ParseTilePath(name)
	if err != nil {
		return nil, err
	}
	switch {
	case !t.Entries:
		b, err := d.read(name, proof.TileBytes)
		if err == nil && len(b) != t.Width*proof.HashSize {
			return nil, damaged(name, "%d bytes, %d hashes have %d", len(b), t.Width, t.Width*proof.HashSize)
		}
		return b, err
	case d.layout == Plain:
		return d.read(name, proof.MaxBundle)
	default:
		b, err := d.read(name, maxCompressed)
		if err != nil {
			return nil, err
		}
		if b, err = d.inflater.inflate(buf, b); err != nil {
			return nil, damaged(name, "%v", err)
		}
		return b, nil
	}
}

// Packed returns the very file of an entry bundle in its compressed form, for whoever hands it on compressed. It is not looked
// into. Where bundles are kept plain, or only a wider one is there, it is fs.ErrNotExist: ask Fetch.
func (d *Dir) Packed(ctx context.Context, t proof.Tile) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.layout != Compressed || !t.Entries {
		return nil, fs.ErrNotExist
	}
	return d.read(t.Path(), maxCompressed)
}

// Front returns the first n entries of an entry bundle, in plain form, and further ones while more says so of the last; more may
// be nil. It is for whoever looks at a few of them and proves them: of a compressed bundle it
// unpacks no more, and so does not look at the checksum. Where Packed has nothing it is fs.ErrNotExist, too; a bundle that cannot
// be unpacked so far is a *DamageError.
func (d *Dir) Front(ctx context.Context, t proof.Tile, n int, more func(entry []byte) bool) ([]byte, error) {
	b, err := d.Packed(ctx, t)
	if err != nil {
		return nil, err
	}
	if b, err = d.inflater.front(b, n, t.Width, more); err != nil {
		return nil, damaged(t.Path(), "%v", err)
	}
	return b, nil
}

// read reads one whole regular file. It looks before it opens: opening a pipe would wait for ever.
func (d *Dir) read(name string, limit int64) ([]byte, error) {
	full := path.Join(d.prefix, name)
	fi, err := d.fsys.Stat(full)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file (%s)", name, fi.Mode().Type())
	}
	b, err := fsx.ReadFile(d.fsys, full, limit)
	if errors.Is(err, fsx.ErrTooLarge) {
		return nil, damaged(name, "%d bytes, at most %d can be right", fi.Size(), limit)
	}
	return b, err
}

// maxDepth bounds List: tile, level, and at most five groups of three digits and a width stand below one another.
const maxDepth = 10

// List calls fn for every file of the log's directory, by path below it, in the order of their names a directory at a
// time. ok is false where the path is none of a tlog-tiles log. A directory that cannot be listed is handed to fn with
// its error, and the rest still visited.
func (d *Dir) List(ctx context.Context, fn func(name string, ok bool, err error) error) error {
	return d.list(ctx, ".", 0, fn)
}

func (d *Dir) list(ctx context.Context, dir string, depth int, fn func(string, bool, error) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := d.fsys.ReadDir(path.Join(d.prefix, dir))
	if err != nil {
		return fn(dir, false, err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		_, perr := proof.ParseTilePath(name)
		if e.IsDir() && perr != nil && depth < maxDepth {
			if err := d.list(ctx, name, depth+1, fn); err != nil {
				return err
			}
			continue
		}
		if err := fn(name, e.Type().IsRegular() && (perr == nil || name == CheckpointPath || name == proof.KeyChainPath), nil); err != nil {
			return err
		}
	}
	return nil
}
