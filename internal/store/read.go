package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// Reading is a log to be read: a store's own, or a server's.
type Reading struct {
	Name   string // where it is, for people
	LogKey string // verifier key of the log: the newest, once the checkpoint was read
	First  string // the one it began with, by which logs are told apart; "" of a server's

	src      logread.Source
	codec    *event.Codec
	storeKey string // "": that of the log's first seal, which is its store's own
	whole    bool   // what is read is held against the checkpoint
	partial  bool   // what cannot be read is left out
	latest   func(context.Context) (proof.Checkpoint, []byte, error)
	signed   func(context.Context) (logread.Signed, error) // latest, and how the log's key came to be; nil of Store.reading
}

// Reading is the store's log, which is trusted as it is: to prove it, verify.
func (s *Store) Reading() (*Reading, error) {
	m, err := ReadMarker(s.FS)
	if err != nil {
		return nil, err
	}
	r := s.reading()
	r.storeKey, r.First = m.StoreKey, m.LogKey
	r.signed = func(ctx context.Context) (logread.Signed, error) {
		if _, _, err := s.Checkpoint(); err != nil {
			return logread.Signed{}, err
		}
		now, err := logread.Checkpoint(ctx, r.src, m.LogKey)
		return now, asIntegrity(logread.StoreLog, err)
	}
	r.LogKey, _, err = NewestLogKey(context.Background(), s.FS, m)
	return r, err
}

// reading is Reading where nobody asks for keys.
func (s *Store) reading() *Reading {
	return &Reading{Name: s.Path, src: s.Source(), codec: s.codec,
		latest: func(context.Context) (proof.Checkpoint, []byte, error) { return s.Checkpoint() }}
}

// ReadingOf is the log of a server that is not trusted: its checkpoint must be signed by logKey and agree with what this
// computer has seen of the log, and who reads all entries learns at the end whether they are those under it. Where another
// key took the place of logKey, the newest to which handovers lead from it must have signed.
func ReadingOf(name string, src logread.Source, logKey string, mem known.Dir) (*Reading, error) {
	if err := proof.CheckVKey(logKey); err != nil {
		return nil, err
	}
	r := &Reading{Name: name, LogKey: logKey, src: src, codec: &event.Codec{}, whole: true}
	r.signed = func(ctx context.Context) (logread.Signed, error) {
		now, err := logread.Checkpoint(ctx, src, logKey)
		if err == nil {
			err = mem.Agrees(known.Checkpoint(now), logread.Hashes(ctx, src, now.Size))
		}
		if err != nil {
			return now, asIntegrity(logread.CheckpointPath, fmt.Errorf("read the checkpoint of %s: %w", name, err))
		}
		r.LogKey = now.VKey
		return now, nil
	}
	r.latest = func(ctx context.Context) (proof.Checkpoint, []byte, error) {
		now, err := r.signed(ctx)
		if err != nil {
			return now.Checkpoint, nil, err
		}
		return now.Checkpoint, now.Note, nil
	}
	return r, nil
}

// asIntegrity makes an integrity failure of what proves that a log is not what it must be; other errors, such as a failed read,
// pass.
func asIntegrity(file string, err error) error {
	for _, bad := range []error{proof.ErrMalformed, proof.ErrSignature, proof.ErrProof, known.ErrContradiction} {
		if errors.Is(err, bad) {
			return &ledger.IntegrityError{File: file, Reason: "it is not what it must be", Err: err}
		}
	}
	return err
}

// Source gives the log's files.
func (r *Reading) Source() logread.Source { return r.src }

// Checkpoint returns the log's current checkpoint and the signed note.
func (r *Reading) Checkpoint(ctx context.Context) (proof.Checkpoint, []byte, error) {
	return r.latest(ctx)
}

// StoreKey returns the verifier key whose word on keys and losses counts, the store's or server's own.
func (r *Reading) StoreKey(ctx context.Context) (string, error) {
	if r.storeKey != "" {
		return r.storeKey, nil
	}
	cp, _, err := r.latest(ctx)
	if err != nil {
		return "", err
	}
	found, key := errors.New("found"), ""
	err = logread.Entries(ctx, r.src, 0, cp.Size, func(seq uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		if err != nil || e.Seal == nil {
			return err
		}
		seal, err := proof.ParseSeal(e.Seal.Note)
		if err != nil {
			return err
		}
		key = seal.Key
		return found
	})
	if errors.Is(err, found) {
		err = nil
	}
	return key, asIntegrity(logread.StoreLog, err)
}

// Entries calls fn for every entry under the checkpoint, in order; entry is valid until fn returns. It stops with a
// *logread.UnreadError where entries cannot be read. Of a server's log an error at the end may say that they were not those under
// the checkpoint: nothing of them counts then.
func (r *Reading) Entries(ctx context.Context, fn func(seq uint64, entry []byte) error) error {
	_, err := r.entries(ctx, fn)
	return err
}

func (r *Reading) entries(ctx context.Context, fn func(seq uint64, entry []byte) error) (proof.Checkpoint, error) {
	cp, _, err := r.latest(ctx)
	if err != nil {
		return cp, err
	}
	var tree proof.Tree
	var gone *logread.UnreadError
	err = logread.Readable(ctx, r.src, 0, cp.Size, func(seq uint64, entry []byte) error {
		if r.whole {
			tree.Append(proof.LeafHash(entry))
		}
		return fn(seq, entry)
	}, func(u *logread.UnreadError) error {
		if !r.partial {
			return u
		}
		gone = gone.Add(u)
		return nil
	})
	switch {
	case err != nil:
		return cp, err
	case gone != nil:
		return cp, gone
	case r.whole && tree.Root() != cp.Root:
		return cp, r.others(cp)
	}
	return cp, nil
}

// Partial is the same log for whoever shows what there is of it: Entries, Items and Each go on behind entries that cannot be read,
// and return at the end a *logread.UnreadError that names them. What is held against the checkpoint is read whole or not at all.
func (r *Reading) Partial() *Reading {
	p := *r
	p.partial = !r.whole
	return &p
}

// Proven is the same log where nothing is trusted: its checkpoint must be signed by the log's key, also a directory's, and who
// reads all entries learns at the end whether they are those under it.
func (r *Reading) Proven() *Reading {
	p := *r
	p.whole = true
	p.latest = func(ctx context.Context) (proof.Checkpoint, []byte, error) {
		now, err := r.signed(ctx)
		return now.Checkpoint, now.Note, err
	}
	return &p
}

// others says that entries are not those of the log.
func (r *Reading) others(cp proof.Checkpoint) error {
	return &ledger.IntegrityError{File: r.Name, Reason: fmt.Sprintf("its entries are not those under its checkpoint of size %d", cp.Size)}
}

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
	return s.reading().Entries(ctx, fn)
}

// Items adds every event that want accepts (nil: all) to a fold, with what its batch's seal says of it, and tells the
// fold which streams have ended. It trusts the store as it is: to prove it, verify.
func (s *Store) Items(ctx context.Context, f *story.Fold, want func(event.Ref) bool) error {
	r, err := s.Reading()
	if err != nil {
		return err
	}
	return r.Items(ctx, f, want)
}

// Items is that of a Store.
func (r *Reading) Items(ctx context.Context, f *story.Fold, want func(event.Ref) bool) error {
	if want == nil {
		want = func(event.Ref) bool { return true }
	}
	_, err := r.Each(ctx, func(ref event.Ref, _ []byte) bool { return want(ref) }, f.Add, f.Ended)
	return err
}

// Each calls add, in the log's order, for every event that want accepts by its place and bytes, with what its batch's seal says of it,
// and ended for every stream of which nothing more will come. It returns the checkpoint up to which it has read. Events whose seal
// cannot be read are left out, and a *logread.UnreadError says how many of those that were wanted.
func (r *Reading) Each(ctx context.Context, want func(ref event.Ref, event []byte) bool, add func(story.Item), ended func(event.UUID)) (proof.Checkpoint, error) {
	storeKey := r.storeKey
	var batch []story.Item                        // events whose seal has not come yet
	next, unsealed := uint64(0), map[uint64]int{} // by the entry behind them
	cp, err := r.entries(ctx, func(seq uint64, raw []byte) error {
		if seq != next { // the seal over the batch cannot be read, and so it is not known whose it is
			unsealed[next], batch = len(batch), batch[:0]
		}
		next = seq + 1
		damaged := func(err error) error {
			return &ledger.IntegrityError{Seq: seq, HasSeq: true, File: logread.StoreLog, Reason: "the entry cannot be read", Err: err}
		}
		e, err := proof.ParseEntry(raw)
		if err != nil {
			return damaged(err)
		}
		switch {
		case e.Event != nil:
			ref, err := r.codec.Check(e.Event)
			if err != nil {
				return damaged(err)
			}
			if !want(ref, e.Event) {
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
			if storeKey == "" {
				storeKey = seal.Key
			}
			for _, item := range batch {
				item.KeyID, item.StoreKey = proof.KeyID(seal.Key), seal.Key == storeKey
				if item.StoreKey && item.Event.EventType == "job_lost" {
					for _, ref := range item.Event.References {
						if id, err := event.ParseUUID(ref.Value); err == nil && ref.Kind == "stream" {
							ended(id)
						}
					}
				}
				add(item)
			}
			batch = batch[:0]
			if id, err := event.ParseUUID(seal.Stream); err == nil && seal.Final && !strings.HasPrefix(seal.Key, proof.DoorKey) {
				ended(id)
			}
		}
		return nil
	})
	if gone := (*logread.UnreadError)(nil); errors.As(err, &gone) {
		unsealed[next] = len(batch)
		for i := range gone.Ranges {
			gone.Ranges[i].Unsealed = unsealed[gone.Ranges[i].From]
		}
	}
	return cp, err
}
