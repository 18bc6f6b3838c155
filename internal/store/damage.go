package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// quarantineDir keeps what could not be taken in, for a person to look at. stet never deletes from it.
const quarantineDir = "quarantine"

func (s *Store) now() time.Time { return s.clock.Now().Wall }

// quarantine keeps bytes; a name that is taken holds the same bytes, from a round that a crash cut short.
func (s *Store) quarantine(name string, b []byte) error {
	if err := fsx.MkdirAll(s.FS, quarantineDir, 0o700); err != nil {
		return err
	}
	path := quarantineDir + "/" + name
	if _, err := s.FS.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return fsx.Replace(s.FS, path, b, 0o600)
}

// damaged records which segments of a dead stream's spool could not be read, and keeps them. The numbers that were in
// them have been declared lost where a later batch showed how far they went; the end of a stream that is lost with its
// last segment leaves no number to count.
func (r *drain) damaged(ctx context.Context, stream string, report spool.Report) error {
	for _, dmg := range report.Damaged {
		subject := stream + "-" + dmg.Segment
		e := r.s.own("spool_quarantined")
		e.InteractionID = stream
		e.Object = &event.Object{Type: "spool_segment", ID: subject}
		e.Action = "quarantine"
		e.Status = event.StatusFailure
		e.StatusReason = fmt.Sprintf("damaged at byte %d, behind event %d of the stream: %s", dmg.Offset, dmg.AfterSeq, dmg.Reason)
		if err := r.act(ctx, actQuarantine, subject, time48(stream), []*event.Event{e}); err != nil {
			return err
		}
		if err := spool.Quarantine(r.s.FS, spool.Dir, stream, dmg.Segment); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// lose declares the numbers that a damaged segment held, once a batch behind them shows how many there were.
func (r *drain) lose(ctx context.Context, stream string, seal proof.Seal, next uint64) error {
	_, err := r.l.AppendLoss(ctx, proof.Via{Kind: proof.ViaStore}.Append(nil), ledger.Loss{Stream: stream, First: next, Last: seal.First - 1,
		Reason: "a segment of the stream's spool was damaged", Owner: ledger.OwnerOf(seal.Key, seal.App, seal.Environment)})
	return err
}
