package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

const (
	// objectLogKey is the object.type of the store's events about keys of the log.
	objectLogKey = "log_key"
	// labelHandover is the label of a key_rotated that holds the signed handover, in base64.
	labelHandover = "handover"
)

// ErrKeys says that a change of the log's keys cannot be made as asked.
var ErrKeys = errors.New("the log's keys cannot be changed like that")

// RotateLogKey has a new key take the place of the log's, which goes on signing beside it until it is retired. by says on
// whose word. The order of its steps is such that a crash leaves a log that every client can follow:
//
//  1. the new key is durable;
//  2. the handover, which both keys have signed, is recorded in the log, under a checkpoint that the old key signs;
//  3. the present checkpoint is signed by both, durably;
//  4. the handover stands in the chain of keys, durably: from now on the new key is the one that counts.
//
// Whoever opens the store after a crash between 2 and 4 finishes it, from what the log says. After a crash before 2 nothing
// has happened; the new key lies there for the next time.
func (h *Held) RotateLogKey(ctx context.Context, by string) (LogKeys, error) {
	h.turning.Lock()
	defer h.turning.Unlock()
	if err := h.mayTurn(); err != nil {
		return LogKeys{}, err
	}
	log := h.log.Load()
	if log.chain.Len() == proof.MaxHandovers {
		return LogKeys{}, fmt.Errorf("%w: this log's key was rotated %d times, more than any reader takes: begin a new log", ErrKeys, proof.MaxHandovers)
	}
	next, err := h.s.makeLogKey(log.chain.Len()+1, log.now.Name)
	if err != nil {
		return LogKeys{}, fmt.Errorf("make a new key of the log: %w", err)
	}
	if err := h.announce(ctx, log, next, by); err != nil {
		return LogKeys{}, err
	}
	err = h.handOver(ctx)
	return h.LogKeys(), err
}

// mayTurn says why the log's keys cannot be changed now.
func (h *Held) mayTurn() error {
	if h.unsure != nil {
		return fmt.Errorf("%w: what of them is on disk is not known since an earlier error; start anew: %w", ErrKeys, h.unsure)
	}
	return h.Ready()
}

// announce records the handover from the log's key to the next, once: where that was done before, it stays as it was.
func (r *desk) announce(ctx context.Context, log *logKeys, next keyfile.Key, by string) error {
	size, _ := r.l.Head()
	h := proof.Handover{Old: log.now.VKey, New: next.VKey, Size: size, Time: event.FormatTime(r.s.now())}
	from, err := log.now.NoteSigner()
	if err != nil {
		return err
	}
	to, err := next.NoteSigner()
	if err != nil {
		return err
	}
	msg, err := proof.SignHandover(h, from, to)
	if err != nil {
		return err
	}
	if _, err := log.chain.Add(msg); err != nil {
		return err
	}
	e := r.aboutKey("key_rotated", "rotate", log.now.ID(), by)
	e.Object.Type = objectLogKey
	e.References = append(e.References, event.Reference{Kind: "replaced_by", Value: next.ID()})
	e.Labels = map[string]string{labelHandover: base64.StdEncoding.EncodeToString(msg)}
	_, err = r.act(ctx, actHandOver, log.now.ID()+"\n"+next.ID(), [6]byte{}, []*event.Event{e})
	return err
}

// handOver finishes a handover that the log has, and does nothing where it has none.
func (r *desk) handOver(ctx context.Context) error {
	log := r.log.Load()
	n := log.chain.Len() + 1
	next, err := r.s.readLogKey(n)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, state, there, err := r.actStream(ctx, actHandOver, log.now.ID()+"\n"+next.ID(), [6]byte{})
	if err != nil || !there {
		return err
	}
	// Under a checkpoint of the keys that sign now; and in the log as it can be read.
	if _, err := r.l.Publish(ctx); err != nil {
		return err
	}
	msg, err := r.announced(ctx, state)
	if err != nil {
		return err
	}
	turned := &logKeys{first: log.first, now: next, beside: append(slices.Clone(log.beside), oldKey{n - 1, log.now})}
	if turned.chain, err = log.chain.Add(msg); err != nil {
		return &ledger.IntegrityError{Seq: state.LastSealSeq, HasSeq: true, File: logread.StoreLog, Reason: "the handover of the log's key that stands in it is not good", Err: err}
	}
	signers, err := turned.signers()
	if err != nil {
		return err
	}
	// Both sign before anybody can hear of the new key: whoever has heard of it wants its signature.
	signed, err := r.l.Rekey(ctx, signers...)
	if err != nil {
		return err
	}
	if err := fsx.Replace(r.s.FS, chainFile, turned.chain.Append(nil), 0o644); err != nil {
		r.unsure = err
		return err
	}
	r.log.Store(turned)
	_, err = r.s.remember(ctx, turned, signed, true)
	return err
}

// announced reads the handover that an act has recorded.
func (r *desk) announced(ctx context.Context, act ledger.StreamState) ([]byte, error) {
	seq := act.LastSealSeq - 1 // one event, then its seal
	damaged := func(err error) error {
		return &ledger.IntegrityError{Seq: seq, HasSeq: true, File: logread.StoreLog, Reason: "the handover of the log's key cannot be read", Err: err}
	}
	raw, err := logread.Entry(ctx, r.s.Source(), seq)
	if err != nil {
		return nil, err
	}
	entry, err := proof.ParseEntry(raw)
	if err != nil {
		return nil, damaged(err)
	}
	e, err := event.Parse(entry.Event)
	if err != nil {
		return nil, damaged(err)
	}
	msg, err := base64.StdEncoding.DecodeString(e.Labels[labelHandover])
	if err != nil {
		return nil, damaged(err)
	}
	return msg, nil
}

// RetireLogKeys has all keys of the log but the newest sign no more: that is recorded under a checkpoint that they still
// sign, the next one is the newest's alone, and then the private halves are removed, durably. Whoever opens the store after
// a crash finishes it. ErrKeys where no older key signs. Clients that knew an older key follow the chain, as before.
func (h *Held) RetireLogKeys(ctx context.Context, by string) (retired []string, err error) {
	h.turning.Lock()
	defer h.turning.Unlock()
	if err := h.mayTurn(); err != nil {
		return nil, err
	}
	log := h.log.Load()
	if len(log.beside) == 0 {
		return nil, fmt.Errorf("%w: no older key of this log signs any more", ErrKeys)
	}
	for _, old := range log.beside {
		e := h.aboutKey("key_revoked", "retire", old.ID(), by)
		e.Object.Type = objectLogKey
		if _, err := h.act(ctx, actRetire, old.ID(), [6]byte{}, []*event.Event{e}); err != nil {
			return nil, err
		}
		retired = append(retired, old.VKey)
	}
	return retired, h.retire(ctx)
}

// retire finishes the retirement of keys of which the log says that they are retired.
func (r *desk) retire(ctx context.Context) error {
	log := r.log.Load()
	left := *log
	left.beside = nil
	var gone []oldKey
	for _, old := range log.beside {
		_, _, there, err := r.actStream(ctx, actRetire, old.ID(), [6]byte{})
		switch {
		case err != nil:
			return err
		case there:
			gone = append(gone, old)
		default:
			left.beside = append(left.beside, old)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if _, err := r.l.Publish(ctx); err != nil {
		return err
	}
	signers, err := left.signers()
	if err != nil {
		return err
	}
	// The chain that leads to the key that stays must be there when theirs are not; whoever wrote it may have died before its
	// sync.
	if err := fsx.Replace(r.s.FS, chainFile, log.chain.Append(nil), 0o644); err != nil {
		r.unsure = err
		return err
	}
	signed, err := r.l.Rekey(ctx, signers...)
	if err != nil {
		return err
	}
	r.log.Store(&left)
	for _, old := range gone {
		if err := r.s.FS.Remove(logKeyFile(old.n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.unsure = err
			return err
		}
	}
	if err := r.s.FS.SyncDir(keysDir); err != nil {
		r.unsure = err
		return err
	}
	_, err = r.s.remember(ctx, &left, signed, true)
	return err
}

// settleLogKeys finishes what a crash cut short. The caller has just opened the store.
func (r *desk) settleLogKeys(ctx context.Context) error {
	if err := r.handOver(ctx); err != nil {
		return err
	}
	return r.retire(ctx)
}
