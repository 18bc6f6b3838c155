package generate

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// batchSize is how many events of a stream are sealed together.
const batchSize = 100

// Store writes the events as the log of a store directory, which must be empty: entries, tiles and checkpoint, signed by
// keys that anybody can make: each application has one, and that of Server is the store's. Entries were received when the last event of their batch was made, so that the log spans the
// time that its events do. It is for reading, searching and measuring: the emitters' keys are not enrolled, and a server
// has no key to go on with. Nothing is flushed to the disk.
func Store(ctx context.Context, fsys fsx.FS, c Config) (err error) {
	log, logKey, err := signer("generated.example/log")
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(logKey)
	if err != nil {
		return err
	}
	var now atomic.Int64
	l, err := ledger.Open(ctx, ledger.Options{FS: Unsynced{FS: fsys}, Origin: log.Name(), Signer: log, Verifier: verifier,
		Now: func() time.Time { return time.Unix(0, now.Load()) }, PublishBusy: time.Second})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var codec event.Codec
	open := map[event.UUID]*stream{}
	var order []*stream
	place := func(s *stream) error {
		now.Store(s.last.UnixNano())
		return s.place(ctx, l)
	}
	if err := Events(c, func(e *event.Event) error {
		s := open[e.StreamID]
		if s == nil {
			emitter, key, err := emitterOf(e.AppID)
			if err != nil {
				return err
			}
			s = &stream{signer: emitter, seal: proof.Seal{App: e.AppID, Environment: e.Environment, Key: key, Stream: e.StreamID.String(), First: 1,
				Clock: proof.Clock{State: proof.ClockUnknown}}}
			open[e.StreamID], order = s, append(order, s)
		}
		b, err := codec.Append(nil, e)
		if err != nil {
			return err
		}
		s.items, s.leaves, s.last = append(s.items, ledger.Item{Event: b}), append(s.leaves, proof.LeafHash(b)), e.Timestamp
		if len(s.items) == batchSize {
			return place(s)
		}
		return ctx.Err()
	}); err != nil {
		return err
	}
	slices.SortStableFunc(order, func(a, b *stream) int { return a.last.Compare(b.last) })
	for _, s := range order {
		if len(s.items) > 0 {
			if err := place(s); err != nil {
				return err
			}
		}
	}
	if _, err := l.Publish(ctx); err != nil {
		return err
	}
	_, storeKey, err := emitterOf(Server)
	if err != nil {
		return err
	}
	return fsx.Replace(Unsynced{FS: fsys}, logread.Marker, store.Marker{Origin: log.Name(), LogKey: logKey, StoreKey: storeKey}.Append(nil), 0o600)
}

// emitterOf is who seals the events of an application; those of Server, the store itself.
func emitterOf(app string) (note.Signer, string, error) { return signer("generated.example/" + app) }

// signer makes the same key for the same name.
func signer(name string) (note.Signer, string, error) {
	seed := sha256.Sum256([]byte(name))
	return proof.NewSigner(name, ed25519.NewKeyFromSeed(seed[:]))
}

// A stream is one emitter process's.
type stream struct {
	signer note.Signer
	seal   proof.Seal
	items  []ledger.Item
	leaves []proof.Hash
	last   time.Time
}

// place seals what has come and appends it.
func (s *stream) place(ctx context.Context, l *ledger.Ledger) error {
	s.seal.Count, s.seal.Root = len(s.items), proof.RootOf(s.leaves)
	msg, err := proof.SignSeal(s.seal, s.signer)
	if err != nil {
		return err
	}
	if _, err := l.Append(ctx, ledger.Batch{Via: proof.Via{Kind: proof.ViaStore}.Append(nil), Items: s.items, Seal: msg}); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	s.seal.First, s.seal.Prev, s.seal.HasPrev = s.seal.Next(), proof.SealHash(msg), true
	s.items, s.leaves = s.items[:0], s.leaves[:0]
	return nil
}
