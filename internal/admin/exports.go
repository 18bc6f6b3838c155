package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/proof"
)

// ExportsPath is where whoever has made a file of the log's entries says so.
const ExportsPath = "/v1/exports"

const exportFormat = "stet.export/1"

// Export is a file that was made of a log's entries. What it says is the word of whoever made it; that he read the entries the
// server has recorded itself.
type Export struct {
	File    string // its digest, sha256: and 64 hexadecimal digits
	Query   string // what was asked for, at most 4 KiB; "" is everything
	Entries uint64 // that were found
	Size    uint64 // of the log it was made of
	Whole   string // the range that is accounted for, FIRST-LAST; "" where none is
	As      string // the format, such as csv; "" is evidence
}

// Event is the export as an event; who made it is for the caller to fill in.
func (x Export) Event() event.Event {
	query := x.Query
	if len(query) > maxExportLabel {
		query = strings.ToValidUTF8(query[:maxExportLabel], "") + "…"
	}
	labels := map[string]string{"query": query, "entries": strconv.FormatUint(x.Entries, 10), "size": strconv.FormatUint(x.Size, 10)}
	if x.Whole != "" {
		labels["complete"] = x.Whole
	}
	if x.As != "" {
		labels["format"] = x.As
	}
	return event.Event{EventType: "log_exported", Action: "export", Object: &event.Object{Type: x.object(), ID: x.File}, Labels: labels}
}

// object is what sort of thing was made.
func (x Export) object() string {
	if x.As == "" {
		return "evidence"
	}
	return "export"
}

// maxExportLabel bounds the query in the event, in bytes.
const maxExportLabel = 1024

func (x Export) check() error {
	digest, ok := strings.CutPrefix(x.File, "sha256:")
	if !ok || len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "" {
		return fmt.Errorf("%w: file is not sha256: and 64 hexadecimal digits", ErrRequest)
	}
	if x.Entries > proof.MaxSize || x.Size > proof.MaxSize || len(x.Query) > 4<<10 || len(x.Whole) > 40 || len(x.As) > 16 {
		return fmt.Errorf("%w: it has a number or a text that no export has", ErrRequest)
	}
	return nil
}

// RecordExport records an export, and returns the number of its event.
func (o *Office) RecordExport(ctx context.Context, by By, x Export) (seq uint64, err error) {
	if err := x.check(); err != nil {
		return 0, err
	}
	e := by.event("log_exported", "export", x.object(), x.File)
	e.Labels = x.Event().Labels
	seqs, err := o.Log.Record(ctx, e)
	if err != nil {
		return 0, err
	}
	return seqs[0], nil
}

// ExportedBy is RecordExport for what a server itself made for a caller.
func (o *Office) ExportedBy(ctx context.Context, id auth.Identity, peer server.Peer, x Export) (seq uint64, err error) {
	return o.RecordExport(ctx, callerOf(id, peer), x)
}

// exportRequest says that a file was made.
type exportRequest struct {
	File    string `json:"file"`
	Query   string `json:"query"`
	Entries uint64 `json:"entries"`
	Size    uint64 `json:"size"`
	Whole   string `json:"whole,omitempty"`
	As      string `json:"as,omitempty"`
}

// exportAnswer is where the log says so.
type exportAnswer struct {
	Format string `json:"format"`
	Seq    uint64 `json:"seq"`
}

func (o *Office) postExport(ctx context.Context, by By, _ *http.Request, body []byte) (any, error) {
	var req exportRequest
	if err := decode(body, &req); err != nil {
		return nil, err
	}
	seq, err := o.RecordExport(ctx, by, Export(req))
	return exportAnswer{exportFormat, seq}, err
}

// RecordExport tells a server of an export, and returns the number of its event.
func (c Client) RecordExport(ctx context.Context, x Export) (seq uint64, err error) {
	body, err := json.Marshal(exportRequest(x))
	if err != nil {
		return 0, err
	}
	if len(body) > maxRequest { // what is long here is the query, which the log would shorten
		return 0, errors.New("the query is too long to be recorded")
	}
	var a exportAnswer
	if err := c.ask(ctx, http.MethodPost, ExportsPath, exportRequest(x), &a); err != nil {
		return 0, err
	}
	if a.Format != exportFormat {
		return 0, errAnswer
	}
	return a.Seq, nil
}
