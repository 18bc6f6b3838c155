package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// maxSeen bounds the events of log and input together that an import keeps in mind: about 500 MB at worst.
const maxSeen = 8_000_000

var (
	errSeen  = errors.New("already there")
	errOther = errors.New("event_id is that of another event")
	errMany  = fmt.Errorf("log and input have more than %d events together, which is more than an import keeps in mind", maxSeen)
)

// seen knows which events are in the log, and with what content: by the first bytes of the digest of what was brought
// in, which for the log's own events is the event itself.
type seen struct {
	log []seenEvent // sorted by id
	now map[event.UUID]uint64
	max int
}

type seenEvent struct {
	id        event.UUID
	hash, seq uint64
}

func newSeen() *seen { return &seen{now: map[event.UUID]uint64{}, max: maxSeen} }

// readOnly is a store's log to be read, whatever it holds.
func readOnly(fsys *fsx.Dir, path string) (*store.Reading, error) {
	s := store.New(fsys, known.Dir{}, nil)
	s.Path = path
	return s.Reading()
}

// load reads the ids in the log.
func (n *seen) load(e *env, s *store.Reading) error {
	cp, _, err := s.Checkpoint(e.ctx)
	if err != nil {
		return err
	}
	bar := newProgress(e.stderr, "entries of the log")
	defer bar.clear()
	var codec event.Codec
	err = s.Entries(e.ctx, func(seq uint64, raw []byte) error {
		if seq%4096 == 0 {
			bar.set(seq, cp.Size)
		}
		entry, err := proof.ParseEntry(raw)
		if err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		if entry.Event == nil {
			return nil
		}
		ref, err := codec.Check(entry.Event)
		if err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		if len(n.log) >= n.max {
			return errMany
		}
		n.log = append(n.log, seenEvent{ref.EventID, contentOf(entry.Event), seq})
		return nil
	})
	slices.SortFunc(n.log, func(a, b seenEvent) int { return bytes.Compare(a.id[:], b.id[:]) })
	return err
}

// contentOf is what an event in the log was made of.
func contentOf(raw []byte) uint64 {
	sum := sha256.Sum256(raw)
	if !bytes.Contains(raw, []byte(`"`+foreign.Kind+`"`)) {
		return content(nil, sum)
	}
	e, err := event.Parse(raw)
	if err != nil {
		return content(nil, sum)
	}
	return content(e, sum)
}

// content tells events with one id apart: by the digest of the first of them, which an import hands on, so that an event
// that went from log to log is still the same.
func content(e *event.Event, sum foreign.Sum) uint64 {
	if e != nil {
		sum = foreign.First(e, sum)
	}
	return binary.BigEndian.Uint64(sum[:8])
}

// add notes an event that is about to be recorded: errSeen where it is there already, errOther where another one has its
// id.
func (n *seen) add(id event.UUID, hash uint64) error {
	if i, ok := slices.BinarySearchFunc(n.log, id, func(s seenEvent, id event.UUID) int { return bytes.Compare(s.id[:], id[:]) }); ok {
		if n.log[i].hash == hash {
			return errSeen
		}
		return fmt.Errorf("%w: %s is in the log as entry %d, with other content", errOther, id, n.log[i].seq)
	}
	if h, ok := n.now[id]; ok {
		if h == hash {
			return errSeen
		}
		return fmt.Errorf("%w: %s came earlier in the input, with other content", errOther, id)
	}
	if len(n.log)+len(n.now) >= n.max {
		return errMany
	}
	n.now[id] = hash
	return nil
}

// forget takes back an event that was not recorded.
func (n *seen) forget(id event.UUID) { delete(n.now, id) }
