package forward

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// Dir is where cursors are in the state directory, each in a directory of its name.
const Dir = "forward"

const (
	cursorFile   = "cursor"
	lockFile     = "lock"
	cursorHeader = "stet/forward/v1\n"
	maxCursor    = 64 << 10 // bytes
	maxName      = 64       // bytes
)

// Why a cursor cannot be used.
var (
	// ErrTaken says that another process forwards by this cursor.
	ErrTaken = errors.New("another process forwards by this cursor")
	// ErrDamaged says that a cursor's file is not what was written.
	ErrDamaged = errors.New("the cursor is damaged")
	// ErrOtherUse says that a cursor is for another destination, format or query.
	ErrOtherUse = errors.New("the cursor is for something else")
	// ErrName says that a text is no name of a cursor.
	ErrName = errors.New("a cursor's name has letters, digits, dots, lines and hyphens only, begins with a letter or digit, and has at most 64 of them")
)

// Use is what a cursor is for, beside its log. A cursor that was made for another is not used.
type Use struct {
	To     string // SHA-256 of the destination's address, in hexadecimal digits: an address may be a secret
	Format string // of the rows
	Query  string // canonical; "" is everything
}

// Place is how far a forwarder is. Its log is bound to it by the root of a checkpoint that it has seen.
type Place struct {
	Log  string     // origin of the log; "" before the first
	Next uint64     // entries before it are safe with the receiver, or not for it
	Size uint64     // of the checkpoint that the last of them were proven under
	Root proof.Hash // of the same
	Rows uint64     // that are safe with the receiver, ever
	// Skipped are rows that the receiver would not take, and that were left out, ever.
	Skipped uint64
}

// Cursor is a durable place that one process at a time moves. It is for one goroutine.
type Cursor struct {
	Place
	fsys fsx.FS
	name string // of its file
	use  Use
	lock io.Closer
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Open takes the cursor of a name in the state directory, or begins one. Its errors wrap ErrName, ErrTaken, ErrDamaged and
// ErrOtherUse. The cursor is free again with Close, or when the process ends.
func Open(fsys fsx.FS, name string, use Use) (*Cursor, error) {
	if len(name) > maxName || !names.MatchString(name) {
		return nil, ErrName
	}
	dir := path.Join(Dir, name)
	if err := fsx.MkdirAll(fsys, dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := fsys.TryLock(path.Join(dir, lockFile))
	if errors.Is(err, fsx.ErrLocked) {
		return nil, fmt.Errorf("%w: %s", ErrTaken, dir)
	}
	if err != nil {
		return nil, err
	}
	c := &Cursor{fsys: fsys, name: path.Join(dir, cursorFile), use: use, lock: lock}
	if err := c.read(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return c, nil
}

// Close gives the cursor free. It saves nothing.
func (c *Cursor) Close() error { return c.lock.Close() }

func (c *Cursor) read() error {
	b, err := fsx.ReadFile(c.fsys, c.name, maxCursor)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fsx.ErrTooLarge):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case err != nil:
		return err
	}
	p, use, err := parseCursor(b)
	if err != nil {
		return fmt.Errorf("%s: %w; without that file everything is sent again", c.name, err)
	}
	for _, x := range []struct{ what, was, now string }{{"destination", use.To, c.use.To}, {"format", use.Format, c.use.Format}, {"query", use.Query, c.use.Query}} {
		if x.was != x.now {
			return fmt.Errorf("%w: its %s was another; use another name for this one", ErrOtherUse, x.what)
		}
	}
	c.Place = p
	return nil
}

// save makes a place durable. Where it fails the old one or the new one counts.
func (c *Cursor) save(p Place) error {
	b, err := encodeCursor(p, c.use)
	if err != nil {
		return err
	}
	if err := fsx.Replace(c.fsys, c.name, b, 0o600); err != nil {
		return err
	}
	c.Place = p
	return nil
}

// cursorLine is the one line of a cursor's file, members in this order.
type cursorLine struct {
	Log     string `json:"log"`
	To      string `json:"to"`
	Format  string `json:"format"`
	Query   string `json:"query"`
	Next    uint64 `json:"next"`
	Size    uint64 `json:"size"`
	Root    string `json:"root"`
	Rows    uint64 `json:"rows"`
	Skipped uint64 `json:"skipped"`
}

// encodeCursor is a cursor's one form: a header, a line of JSON, and the SHA-256 of both.
func encodeCursor(p Place, u Use) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(cursorHeader)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(cursorLine{p.Log, u.To, u.Format, u.Query, p.Next, p.Size, p.Root.Hex(), p.Rows, p.Skipped}); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b.Bytes())
	b.WriteString(hex.EncodeToString(sum[:]) + "\n")
	return b.Bytes(), nil
}

// parseCursor is the strict inverse of encodeCursor. Its errors wrap ErrDamaged.
func parseCursor(b []byte) (p Place, u Use, err error) {
	bad := func(why string) (Place, Use, error) { return Place{}, Use{}, fmt.Errorf("%w: %s", ErrDamaged, why) }
	rest, ok := bytes.CutPrefix(b, []byte(cursorHeader))
	if !ok {
		return bad("it does not begin with stet/forward/v1")
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	var l cursorLine
	if json.Unmarshal(line, &l) != nil {
		return bad("its second line is no JSON object of a cursor")
	}
	root, err := hex.DecodeString(l.Root)
	if err != nil || len(root) != proof.HashSize {
		return bad("its root is none")
	}
	p, u = Place{l.Log, l.Next, l.Size, proof.Hash(root), l.Rows, l.Skipped}, Use{l.To, l.Format, l.Query}
	if p.Next > p.Size || p.Log == "" {
		return bad("its place cannot be")
	}
	if again, err := encodeCursor(p, u); err != nil || !bytes.Equal(again, b) {
		return bad("its checksum is another, or it is not in its one form")
	}
	return p, u, nil
}
