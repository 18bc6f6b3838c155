package store

import (
	"context"

	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// Lose places an emitter's declared loss, durably (L1), so that its stream can go on behind numbers that will never come;
// errors are those of ledger.AppendLoss. Whose stream it is, loss.Owner says: a caller that may not add to that stream must
// not declare its numbers lost.
func (h *Held) Lose(ctx context.Context, via proof.Via, loss ledger.Loss) (ledger.Placed, error) {
	if err := h.room.take(proof.MaxReason); err != nil {
		return ledger.Placed{}, err
	}
	return h.l.AppendLoss(ctx, via.Append(nil), loss)
}

// Gone closes the stream of a process that its own machine calls dead: each run that it left without an outcome is
// recorded as lost, once, as Drain does for the machine that the store is on; evidence says, for people, why. Everything
// that the process recorded must have been placed. may is asked with the stream's last seal whether this caller speaks for
// it; nil: yes. It returns how many runs are recorded as lost with the stream, by this call or an earlier one.
// ledger.ErrUnknown: the log has nothing of this stream.
func (h *Held) Gone(ctx context.Context, via proof.Via, stream, evidence string, may func(proof.Seal) error) (lost int, err error) {
	if err := h.room.take(proof.MaxBatchBytes); err != nil {
		return 0, err
	}
	state, ok, err := h.l.Stream(ctx, stream)
	switch {
	case err != nil:
		return 0, err
	case !ok || !state.Sealed:
		return 0, ledger.ErrUnknown
	}
	publish := func(ctx context.Context) error {
		_, err := h.l.Publish(ctx)
		return err
	}
	if may != nil {
		if err := publish(ctx); err != nil {
			return 0, err
		}
		size, _ := h.l.Head()
		seal, _, err := (&bundles{src: h.s.Source(), size: size}).seal(ctx, state.LastSealSeq)
		if err != nil {
			return 0, err
		}
		if err := may(seal); err != nil {
			return 0, err
		}
	}
	if _, err := h.bury(ctx, stream, story.Evidence{Reason: plain(evidence + " (said by " + by(via) + ")")}, publish); err != nil {
		return 0, err
	}
	_, act, there, err := h.actStream(ctx, actClose, stream, time48(stream))
	if err != nil || !there {
		return 0, err
	}
	return int(act.Next - 1), nil
}
