package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// Marker is what the file "store" says: which log this is, and which keys it has. It is written once.
type Marker struct {
	Origin   string // name of the log: that of its key
	LogKey   string // verifier key of the log
	StoreKey string // verifier key of the store's own seals
}

const (
	markerFile   = "store"
	markerHeader = "stet/store/v1"
	maxMarker    = 4096 // bytes; two verifier keys and a name are below 1024
)

// Append appends the marker in its one form: four lines.
//
//	stet/store/v1
//	origin <name>
//	log <verifier key>
//	store <verifier key>
func (m Marker) Append(dst []byte) []byte {
	return fmt.Appendf(dst, "%s\norigin %s\nlog %s\nstore %s\n", markerHeader, m.Origin, m.LogKey, m.StoreKey)
}

var errMarker = errors.New("not a marker of a version that this stet knows")

// ParseMarker is the strict inverse of Append: one form, keys that are keys, an origin that is the log key's name.
func ParseMarker(b []byte) (Marker, error) {
	lines := strings.Split(string(b), "\n")
	if len(b) > maxMarker || len(lines) != 5 {
		return Marker{}, errMarker
	}
	m := Marker{
		Origin:   strings.TrimPrefix(lines[1], "origin "),
		LogKey:   strings.TrimPrefix(lines[2], "log "),
		StoreKey: strings.TrimPrefix(lines[3], "store "),
	}
	if !bytes.Equal(m.Append(nil), b) {
		return Marker{}, errMarker
	}
	for _, vkey := range []string{m.LogKey, m.StoreKey} {
		if err := proof.CheckVKey(vkey); err != nil {
			return Marker{}, fmt.Errorf("%w: %w", errMarker, err)
		}
	}
	if name, _, _ := strings.Cut(m.LogKey, "+"); name != m.Origin {
		return Marker{}, fmt.Errorf("%w: its origin is not the name of its log key", errMarker)
	}
	return m, nil
}

// ReadMarker reads the marker of the store in fsys. A missing one is fs.ErrNotExist, a damaged one a
// *ledger.IntegrityError.
func ReadMarker(fsys fsx.FS) (Marker, error) {
	b, err := fsx.ReadFile(fsys, markerFile, maxMarker)
	var m Marker
	if err == nil {
		m, err = ParseMarker(b)
	}
	if errors.Is(err, errMarker) || errors.Is(err, fsx.ErrTooLarge) {
		err = &ledger.IntegrityError{File: markerFile, Reason: "it is damaged", Err: err}
	}
	return m, err
}

// Marker reads the store's marker; see ReadMarker.
func (s *Store) Marker() (Marker, error) { return ReadMarker(s.FS) }
