package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// Checkpoint returns the log's current checkpoint and the signed note. A store that has no log yet is ErrNoStore.
func (s *Store) Checkpoint() (proof.Checkpoint, []byte, error) {
	msg, err := fsx.ReadFile(s.FS, logread.StoreLog+"/checkpoint", proof.MaxCheckpoint)
	if errors.Is(err, fs.ErrNotExist) {
		return proof.Checkpoint{}, nil, fmt.Errorf("%w: %s has no log yet", ErrNoStore, s.Path)
	}
	if err != nil {
		return proof.Checkpoint{}, nil, err
	}
	cp, err := proof.ParseCheckpointText(msg)
	if err != nil {
		return cp, nil, &ledger.IntegrityError{File: logread.StoreLog + "/checkpoint", Reason: "the checkpoint is damaged", Err: err}
	}
	return cp, msg, nil
}

// Entries calls fn for every entry under the checkpoint, in order; entry is valid until fn returns.
func (s *Store) Entries(ctx context.Context, fn func(seq uint64, entry []byte) error) error {
	cp, _, err := s.Checkpoint()
	if err != nil {
		return err
	}
	return logread.Entries(ctx, s.Source(), 0, cp.Size, fn)
}

// Items adds every event that want accepts (nil: all) to a fold, with what its batch's seal says of it, and tells the
// fold which streams have ended. It trusts the store as it is: to prove it, verify.
func (s *Store) Items(ctx context.Context, f *story.Fold, want func(event.Ref) bool) error {
	m, err := ReadMarker(s.FS)
	if err != nil {
		return err
	}
	var batch []story.Item // events whose seal has not come yet
	err = s.Entries(ctx, func(seq uint64, raw []byte) error {
		damaged := func(err error) error {
			return &ledger.IntegrityError{Seq: seq, HasSeq: true, File: logread.StoreLog, Reason: "the entry cannot be read", Err: err}
		}
		e, err := proof.ParseEntry(raw)
		if err != nil {
			return damaged(err)
		}
		switch {
		case e.Event != nil:
			ref, err := s.codec.Check(e.Event)
			if err != nil {
				return damaged(err)
			}
			if want != nil && !want(ref) {
				return nil
			}
			item := story.Item{Seq: seq, HasSeq: true, EntryHash: proof.LeafHash(raw),
				EventHash: proof.LeafHash(e.Event), Raw: append([]byte(nil), e.Event...)}
			if item.Event, err = event.Parse(e.Event); err != nil {
				return damaged(err)
			}
			if item.ReceivedAt, err = event.ParseTime(e.ReceivedAt); err != nil {
				return damaged(err)
			}
			if item.Via, err = proof.ParseVia(e.Via); err != nil {
				return damaged(err)
			}
			batch = append(batch, item)
		case e.Seal != nil:
			seal, err := proof.ParseSeal(e.Seal.Note)
			if err != nil {
				return damaged(err)
			}
			for _, item := range batch {
				item.KeyID, item.StoreKey = proof.KeyID(seal.Key), seal.Key == m.StoreKey
				if item.StoreKey && item.Event.EventType == "job_lost" {
					for _, ref := range item.Event.References {
						if id, err := event.ParseUUID(ref.Value); err == nil && ref.Kind == "stream" {
							f.Ended(id)
						}
					}
				}
				f.Add(item)
			}
			batch = batch[:0]
			if id, err := event.ParseUUID(seal.Stream); err == nil && seal.Final {
				f.Ended(id)
			}
		}
		return nil
	})
	return err
}
