package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

type adminIndexCmd struct {
	Rebuild indexRebuildCmd `cmd:"" help:"Make the index anew from the log."`
}

type indexRebuildCmd struct {
	storeFlag
	JSON bool `help:"Print JSON."`
}

// Help says what the index is worth.
func (indexRebuildCmd) Help() string {
	return `The index of a store is derived from its log: it may be deleted at any time, and what it finds is checked against the log. It takes
about a tenth of the room of the events as JSON, in the store's directory index.`
}

// indexed is what index rebuild prints: stet.index/1.
type indexed struct {
	Format  string `json:"format"`
	Entries uint64 `json:"entries"` // of the log, from 0
	Bytes   int64  `json:"bytes"`
	Seconds int64  `json:"seconds"`
}

func (c *indexRebuildCmd) Run(e *env) (err error) {
	s, err := c.open(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	log, err := s.Reading()
	if err != nil {
		return err
	}
	x, err := index.Open(s.FS, log.First)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	for _, fault := range x.Faults {
		_, _ = fmt.Fprintf(e.stderr, "stet: of the old index: %s\n", fault)
	}
	bar := newProgress(e.stderr, "entries")
	start := time.Now()
	err = x.Rebuild(e.ctx, readLog{log}, bar.set)
	bar.clear()
	if errors.Is(err, index.ErrBusy) {
		return fmt.Errorf("%w: stet serve keeps the index of its store by itself, and makes it anew where its files are deleted; another command is done soon", err)
	}
	if err != nil {
		return without("index rebuild: the index is left as it was", err)
	}
	out := indexed{Format: "stet.index/1", Entries: x.Indexed(), Bytes: x.Bytes(), Seconds: int64(time.Since(start).Seconds())}
	if c.JSON {
		return printJSON(e, out)
	}
	_, err = fmt.Fprintf(e.stdout, "indexed %d entries of the log; the index has %d bytes\n", out.Entries, out.Bytes)
	return err
}

// readLog is a log as the index reads it.
type readLog struct{ *store.Reading }

// Head implements index.Log.
func (l readLog) Head(ctx context.Context) (proof.Checkpoint, error) {
	cp, _, err := l.Checkpoint(ctx)
	return cp, err
}
