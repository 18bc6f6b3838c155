// Package lost keeps notes of records that were lost where not even a spool could be written, until a recorder can
// declare them in the log.
//
// A note is one small file, named by the loss, in a directory that is the user's own:
//
//	<id>.json    what was lost; written whole or not at all
//	<id>.lock    held (flock) by the recorder that lost it, while it lives: it will declare the loss itself, if it can
//
// Whoever finds the lock free declares the loss as an event whose id is derived from the note's, makes that durable, and
// only then removes the note. So a crash in between leaves two events with one id, never none.
//
// Form, limits and places are in docs/spec/lost.md. Nothing here trusts a note: it is a claim of its user.
package lost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
)

// Note is what its file says: compact JSON with its members in this order, and a line end.
type Note struct {
	V      int    `json:"v"`       // 1
	ID     string `json:"id"`      // of the loss: a UUID in lower case; also the file's name
	AppID  string `json:"app_id"`  // of the recorder that lost; at most 128 bytes
	PID    int    `json:"pid"`     // of its process
	BootID string `json:"boot_id"` // "" where unknown; at most 64 bytes
	First  string `json:"first"`   // when the first record was lost: RFC 3339, UTC, nine fraction digits, Z
	Last   string `json:"last"`    // and the last
	Lost   int64  `json:"lost"`    // records that were certainly not made, as far as the note knows
	Doubt  int64  `json:"in_doubt"`
	Why    string `json:"why"` // the last failure, at most 512 bytes, without secrets
	// Open says that the recorder was still at work when it wrote this, so there may have been more.
	Open bool `json:"open"`
}

const (
	maxFile = 8 << 10 // bytes
	maxWhy  = 512
)

// Times returns First and Last.
func (n Note) Times() (first, last time.Time) {
	first, _ = event.ParseTime(n.First) // checked
	last, _ = event.ParseTime(n.Last)
	return first, last
}

func (n Note) check() error {
	if n.V != 1 {
		return fmt.Errorf("version %d, 1 is expected", n.V)
	}
	if id, err := event.ParseUUID(n.ID); err != nil || id.String() != n.ID {
		return fmt.Errorf("id is %.40q; a lower-case UUID is expected", n.ID)
	}
	for _, f := range []struct {
		name, value string
		most        int
	}{{"app_id", n.AppID, 128}, {"boot_id", n.BootID, 64}, {"why", n.Why, maxWhy}} {
		if len(f.value) > f.most || !utf8.ValidString(f.value) {
			return fmt.Errorf("%s has %d bytes, allowed are %d of UTF-8", f.name, len(f.value), f.most)
		}
	}
	for _, t := range []string{n.First, n.Last} {
		if at, err := event.ParseTime(t); err != nil || event.FormatTime(at) != t {
			return fmt.Errorf("%.40q is no time as the schema has it", t)
		}
	}
	for _, c := range []int64{n.Lost, n.Doubt, int64(n.PID)} {
		if c < 0 || c > event.MaxInt {
			return fmt.Errorf("%d is no count", c)
		}
	}
	return nil
}

// encode returns the one form that a Note has.
func (n Note) encode() ([]byte, error) {
	if err := n.check(); err != nil {
		return nil, fmt.Errorf("note of a loss: %w", err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(n); err != nil {
		return nil, fmt.Errorf("note of a loss: %w", err)
	}
	return b.Bytes(), nil
}

// parse accepts exactly what encode returns.
func parse(data []byte) (Note, error) {
	var n Note
	if err := json.Unmarshal(data, &n); err != nil {
		return Note{}, fmt.Errorf("note of a loss: %w", err)
	}
	again, err := n.encode()
	if err != nil {
		return Note{}, err
	}
	if !bytes.Equal(again, data) {
		return Note{}, errors.New("note of a loss: not in its one form: compact JSON, each member once, in order")
	}
	return n, nil
}
