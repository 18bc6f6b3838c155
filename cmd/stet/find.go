package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// found is one entry of a log, whose place under the checkpoint was proven.
type found struct {
	seq   uint64
	raw   []byte
	entry proof.Entry
	leaf  proof.Hash
	path  []proof.Hash
	cp    proof.Checkpoint
	note  []byte // the signed checkpoint
}

// find returns the entry that is named by its number or by its event's id.
func find(e *env, s *store.Reading, which string) (found, error) {
	cp, note, err := s.Checkpoint(e.ctx)
	if err != nil {
		return found{}, err
	}
	f := found{cp: cp, note: note}
	if f.seq, err = strconv.ParseUint(which, 10, 64); err != nil {
		id, uerr := event.ParseUUID(which)
		if uerr != nil {
			return found{}, usage("%.60q is neither the number of an entry nor the id of an event", which)
		}
		if f.seq, err = seqOf(e, s, id); err != nil {
			return found{}, err
		}
	}
	if f.seq >= cp.Size {
		return found{}, fmt.Errorf("there is no entry %d: the log has %d, from 0", f.seq, cp.Size)
	}
	if f.raw, err = logread.Entry(e.ctx, s.Source(), f.seq); err != nil {
		return found{}, err
	}
	f.leaf = proof.LeafHash(f.raw)
	f.path, err = proof.ProveInclusion(f.seq, cp.Size, logread.Hashes(e.ctx, s.Source(), cp.Size))
	if err == nil {
		err = proof.VerifyInclusion(f.seq, cp.Size, f.leaf, cp.Root, f.path)
	}
	if err == nil {
		f.entry, err = proof.ParseEntry(f.raw)
	}
	if err != nil {
		return found{}, exit{exitIntegrity, fmt.Errorf("entry %d is not what the checkpoint says: %w", f.seq, err)}
	}
	return f, nil
}

var errFound = errors.New("found")

// seqOf looks for an event through the whole log: there is no index yet.
func seqOf(e *env, s *store.Reading, id event.UUID) (at uint64, err error) {
	text := []byte(`"event_id":"` + id.String() + `"`)
	err = s.Entries(e.ctx, func(seq uint64, raw []byte) error {
		if !bytes.Contains(raw, text) {
			return nil
		}
		entry, err := proof.ParseEntry(raw)
		if err != nil || entry.Event == nil {
			return err
		}
		ref, err := (&event.Codec{}).Check(entry.Event)
		if err == nil && ref.EventID == id { // others may name it too: what it caused, what corrects it
			at, err = seq, errFound
		}
		return err
	})
	switch {
	case errors.Is(err, errFound):
		return at, nil
	case err == nil:
		err = fmt.Errorf("there is no event %s in %s", id, s.Name)
	}
	return 0, err
}
