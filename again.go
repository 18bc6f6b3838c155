package stet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

const (
	// againMost bounds how many refused events one look records again; the next look does the rest.
	againMost = 256
	// againLock keeps two processes from recording the same one.
	againLock = spool.AgainDir + "/lock"
)

// recordAgain records anew what a log has refused of this application and key: what stands as a stub in the log, and in
// quarantine here. What was objected to is masked, and the new event names the stub. Where nothing can be masked so that the
// event may stand, its loss is declared instead, which names the stub, too. It is once for each stub: the note goes when the
// new event is durable, and a crash between the two records an event of the same id again, which is the same event.
//
// What is refused of these in turn is not tried a third time.
func (r *Recorder) recordAgain(ctx context.Context) error {
	r.mu.Lock()
	p := r.streams.place
	r.mu.Unlock()
	if p == nil {
		return nil
	}
	waiting, err := spool.ListRefused(p.fsys, spool.Dir)
	if err != nil || len(waiting) == 0 {
		return err
	}
	lock, err := p.fsys.TryLock(againLock)
	if errors.Is(err, fsx.ErrLocked) {
		return nil // somebody does it
	}
	if err != nil {
		return err
	}
	var errs []error
	done := 0
	for _, w := range waiting {
		if w.Key != p.key.VKey || w.App != r.base.AppID || w.Environment != r.base.Environment || done == againMost || ctx.Err() != nil {
			continue
		}
		err := r.recordRefused(ctx, p.fsys, w)
		if err == nil {
			err = spool.DoneRefused(p.fsys, spool.Dir, w)
			done++
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // its bytes are not there yet, or were moved away
			errs = append(errs, fmt.Errorf("record again what was refused under number %d of stream %s: %w", w.Seq, w.Stream, err))
		}
	}
	return errors.Join(append(errs, lock.Close())...)
}

func (r *Recorder) recordRefused(ctx context.Context, fsys fsx.FS, w spool.Refused) error {
	raw, err := spool.ReadRefused(fsys, spool.Dir, w, event.MaxBytes)
	if err != nil {
		return err
	}
	was, err := event.Parse(raw)
	if err == nil && foreign.Again(was) {
		if was.EventType == typeLoss {
			return nil // of which the log has the stub, and the quarantine all the rest
		}
		return r.declareRefused(ctx, w, raw, "what was recorded again of it was refused, too")
	}
	var ready *event.Event
	_, err = foreign.Mend(raw, w.Path, stubRef(w, raw), func(e *event.Event) *event.Error {
		e.EventID, e.AppID, e.Environment = againID(w), "", ""
		var no *event.Error
		var perr error
		switch ready, _, perr = r.prepare(ctx, *e, "stet.Recorder"); {
		case perr == nil:
			return nil
		case errors.As(perr, &no):
			return no
		}
		return &event.Error{Code: string(event.ErrValue), Detail: say(perr)}
	})
	if err != nil {
		return r.declareRefused(ctx, w, raw, say(err))
	}
	return r.emitInherited(ctx, ready)
}

// declareRefused declares an event lost that the log has refused and that cannot be mended.
func (r *Recorder) declareRefused(ctx context.Context, w spool.Refused, raw []byte, why string) error {
	now := r.clock.Now().Wall
	ev := r.lossEvent(now, now, 1, 0)
	ev.EventID = againID(w)
	ev.StatusReason = clip(fmt.Sprintf("number %d of stream %s was refused, and is in quarantine: %s", w.Seq, w.Stream, why), 512)
	ev.References = []event.Reference{{Kind: foreign.KindStub, Value: stubRef(w, raw)}}
	return r.emitInherited(ctx, ev)
}

// againID is the id of what is recorded in place of a refused event, the same whoever does it.
func againID(w spool.Refused) event.UUID {
	id, err := event.ParseUUID(w.Stream)
	if err != nil {
		return event.UUID{} // which a note never has
	}
	return event.DeriveUUID("again", fmt.Sprintf("%s-%d", w.Stream, w.Seq), id.Time48())
}

// stubRef names a stub by what stands in it: stream, number, and the leaf hash of what was refused.
func stubRef(w spool.Refused, raw []byte) string {
	return fmt.Sprintf("stream %s seq %d leaf sha256:%s", w.Stream, w.Seq, proof.LeafHash(raw).Hex())
}
