package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// getReceipt answers with the receipt of one batch: one result in the form of postBatches. Whoever may not see it is told
// that there is none, because which streams there are is told to nobody.
func (s *Server) getReceipt(w http.ResponseWriter, r *http.Request, c *Call) error {
	none := Refuse(wire.NotFound, "there is no such batch, or not for you")
	stream, text := r.PathValue("stream"), r.PathValue("first")
	first, err := strconv.ParseUint(text, 10, 53)
	if err != nil || strconv.FormatUint(first, 10) != text {
		return none
	}
	rec, err := s.log.Receipt(r.Context(), stream, first)
	switch {
	case errors.Is(err, ledger.ErrUnknown), errors.Is(err, ledger.ErrInvalid):
		return none
	case err != nil:
		return s.stopped(err)
	}
	seal, err := s.sealAt(r.Context(), rec.First+uint64(rec.Count)-1)
	if err != nil {
		return err
	}
	if c.May(auth.ReadReceipt, auth.Subject{App: seal.App, Environment: seal.Environment, Key: seal.Key}) != nil {
		return none
	}
	res := wire.Result{Status: wire.Again, Stream: stream, First: first}
	fill(&res, rec)
	return writeReceipts(w, wire.Receipts{Checkpoint: string(rec.Checkpoint), Results: []wire.Result{res}})
}

// sealAt is the seal that an entry holds.
func (s *Server) sealAt(ctx context.Context, seq uint64) (proof.Seal, error) {
	raw, err := logread.Entry(ctx, s.source, seq)
	if err != nil {
		return proof.Seal{}, err
	}
	e, err := proof.ParseEntry(raw)
	if err == nil && e.Seal == nil {
		err = fmt.Errorf("entry %d is no seal", seq)
	}
	if err != nil {
		return proof.Seal{}, err
	}
	return proof.ParseSeal(e.Seal.Note)
}

func writeReceipts(w http.ResponseWriter, answer wire.Receipts) error {
	b, err := answer.Append(nil)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", cacheNever)
	_, err = w.Write(b)
	return err
}
