package store

import (
	"context"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// maxRecent is how much of what was published last is kept in memory for whoever follows the log: two publishes of a server
// that takes as much as it can.
const maxRecent = 32 << 20

// Newest is Source, but that what was published last comes from memory, where it is what was read back from the disk. It is for
// whoever follows the log.
func (h *Held) Newest() logread.Source { return newest{h.Source(), h.l} }

type newest struct {
	*logread.Dir
	l *ledger.Ledger
}

// Fetch implements logread.Source.
func (n newest) Fetch(ctx context.Context, path string) ([]byte, error) {
	return n.FetchInto(ctx, path, nil)
}

// FetchInto is that of a directory.
func (n newest) FetchInto(ctx context.Context, path string, buf []byte) ([]byte, error) {
	if t, err := proof.ParseTilePath(path); err == nil && t.Entries {
		if b, width, ok := n.l.Recent(t, buf); ok {
			wide := t
			wide.Width = width
			return logread.Cut(b, wide, t.Width)
		}
	}
	return n.Dir.FetchInto(ctx, path, buf)
}

// Published returns how many entries are under the newest checkpoint, once there are more than seen: for whoever follows
// the log.
func (h *Held) Published(ctx context.Context, seen uint64) (uint64, error) {
	return h.l.Published(ctx, seen)
}

// Everything returns how many entries are under a checkpoint that has all that was taken in before the call.
func (h *Held) Everything(ctx context.Context) (uint64, error) {
	if _, err := h.l.Publish(ctx); err != nil {
		return 0, err
	}
	size, _ := h.l.Head()
	return size, nil
}

// Find records what was found out about the log, durably (L1), under the store's key: once for each type and what it is
// about, also across crashes, because both make the id of its stream. near is a stream that it has to do with, or zero.
// The host and whatever else the store knows of itself is filled in.
func (h *Held) Find(ctx context.Context, about string, near event.UUID, e *event.Event) error {
	if err := h.room.takeReserved(1 << 10); err != nil {
		return err
	}
	h.s.sign(e)
	e.CodeLocation, e.EntryPoint = "internal/watch", &event.EntryPoint{Kind: "function", Name: "watch"}
	_, err := h.act(ctx, actFind, e.EventType+" "+about, near.Time48(), []*event.Event{e})
	return err
}
