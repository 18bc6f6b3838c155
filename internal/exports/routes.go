package exports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/wire"
)

// Path is where evidence is asked for.
const Path = "/v1/evidence"

const (
	fileFormat  = "stet.evidence_file/1"
	filesFormat = "stet.evidence_files/1"
	// maxRequest bounds a request in bytes: a query, and what stands around it.
	maxRequest = 8 << 10
	// pieceTime is how long a reader may take for a piece of a file, some 32 KiB.
	pieceTime = 30 * time.Second
)

// Routes are the desk's, for a server to mount: docs/openapi.yaml.
func (d *Desk) Routes() []server.Route {
	return []server.Route{
		{Method: http.MethodPost, Pattern: Path, Handle: d.post, Intake: true, Types: []string{"application/json"}, Packed: maxRequest, Inflated: maxRequest},
		{Method: http.MethodGet, Pattern: Path, Handle: d.list},
		{Method: http.MethodGet, Pattern: Path + "/{id}", Handle: d.get},
		{Method: http.MethodGet, Pattern: Path + "/{id}/file", Handle: d.fetch, Long: true},
	}
}

// request is what is asked for.
type request struct {
	Query    string `json:"query"`
	Complete bool   `json:"complete"`
}

// answer is stet.evidence_file/1.
type answer struct {
	Format   string   `json:"format,omitempty"`
	ID       string   `json:"id"`
	State    State    `json:"state"`
	Query    string   `json:"query"`    // in its canonical spelling
	Complete bool     `json:"complete"` // every entry between the query's own limits is accounted for
	Asked    string   `json:"asked_at"`
	Until    string   `json:"until,omitempty"` // when it is gone, once it is done
	Done     uint64   `json:"done"`            // of the entries that the state is about
	Total    uint64   `json:"total"`
	Problem  string   `json:"problem,omitempty"` // why it failed
	File     *theFile `json:"file,omitempty"`    // once it is ready
}

// theFile is what was made.
type theFile struct {
	Name    string `json:"name"`
	SHA256  string `json:"sha256"`
	Bytes   int64  `json:"bytes"`
	Entries uint64 `json:"entries"`         // that were found
	Whole   string `json:"whole,omitempty"` // FIRST-LAST, the range that is accounted for
	Hidden  uint64 `json:"hidden"`          // entries of it that are there by their hash alone
	Size    uint64 `json:"size"`            // of the log that it was made of
	Key     string `json:"key"`             // of the log, to verify it with
	Seq     uint64 `json:"seq"`             // of the event that says that it was made
}

// files is stet.evidence_files/1.
type files struct {
	Format string   `json:"format"`
	Files  []answer `json:"files"` // the newest first
}

func (o order) answer() answer {
	a := answer{ID: o.id, State: o.state, Query: o.query.String(), Complete: o.complete, Asked: event.FormatTime(o.asked), Done: o.done, Total: o.total, Problem: o.problem}
	if o.state.done() {
		a.Until = event.FormatTime(o.until)
	}
	if m := o.made; o.state == Ready {
		x := m.Export()
		a.File = &theFile{Name: o.name(), SHA256: m.SHA256, Bytes: m.Bytes, Entries: x.Entries, Whole: x.Whole, Hidden: m.Counts.Hidden, Size: x.Size, Key: m.Log.Key, Seq: o.seq}
	}
	return a
}

// name is what the file is called where it is kept.
func (o order) name() string { return "evidence-" + o.made.SHA256[:12] + ".zip" }

// allowed lets in who may read the whole log.
func allowed(c *server.Call) error {
	if err := c.May(auth.ReadLog, auth.Subject{}); err != nil {
		return server.Refuse(wire.NotAllowed, err.Error())
	}
	return nil
}

func (d *Desk) post(w http.ResponseWriter, _ *http.Request, c *server.Call) error {
	if err := allowed(c); err != nil {
		return err
	}
	var req request
	body := json.NewDecoder(bytes.NewReader(c.Body))
	body.DisallowUnknownFields()
	if body.Decode(&req) != nil || body.More() {
		return server.Refuse(wire.Malformed, "it must be one JSON object with the members of /openapi.yaml")
	}
	q, err := search.Parse(req.Query)
	if err != nil {
		return server.WrongQuery(err)
	}
	o, err := d.ask(c.Identity, c.Peer, q, req.Complete)
	if errors.Is(err, errBusy) {
		return server.Refuse(wire.Overloaded, err.Error())
	}
	if err != nil {
		return err
	}
	return server.WriteJSON(w, http.StatusAccepted, o.answerAs(fileFormat))
}

func (o order) answerAs(format string) answer {
	a := o.answer()
	a.Format = format
	return a
}

func (d *Desk) list(w http.ResponseWriter, _ *http.Request, c *server.Call) error {
	if err := allowed(c); err != nil {
		return err
	}
	out := files{Format: filesFormat, Files: []answer{}}
	for _, o := range d.mine(c.Identity) {
		out.Files = append(out.Files, o.answer())
	}
	return server.WriteJSON(w, http.StatusOK, out)
}

func (d *Desk) get(w http.ResponseWriter, r *http.Request, c *server.Call) error {
	o, release, err := d.mineOf(r, c)
	if err != nil {
		return err
	}
	defer release()
	return server.WriteJSON(w, http.StatusOK, o.answerAs(fileFormat))
}

// mineOf is the order that a request names, for who has asked for it.
func (d *Desk) mineOf(r *http.Request, c *server.Call) (o order, release func(), err error) {
	if err := allowed(c); err != nil {
		return order{}, nil, err
	}
	o, release, ok := d.take(c.Identity, r.PathValue("id"))
	if !ok {
		return order{}, nil, server.Refuse(wire.NotFound, fmt.Sprintf("you have asked for no such file, or it was kept long enough: %v", d.limits.Keep))
	}
	return o, release, nil
}

// fetch gives the file out.
func (d *Desk) fetch(w http.ResponseWriter, r *http.Request, c *server.Call) error {
	o, release, err := d.mineOf(r, c)
	if err != nil {
		return err
	}
	defer release()
	switch o.state {
	case Ready:
	case Failed:
		return server.Refuse(wire.NotFound, "there is no file: "+o.problem)
	default:
		return server.Refuse(wire.NotReady, fmt.Sprintf("it is not made yet: %s, %d of %d entries", o.state, o.done, o.total))
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="`+o.name()+`"`)
	h.Set("Cache-Control", "no-store")
	h.Set("ETag", `"`+o.made.SHA256+`"`)
	http.ServeContent(&slowly{w, http.NewResponseController(w)}, r, "", time.Time{}, io.NewSectionReader(o.file, 0, o.made.Bytes))
	return nil
}

// slowly lets a reader be slow, piece by piece.
type slowly struct {
	http.ResponseWriter
	rc *http.ResponseController
}

func (s *slowly) Write(b []byte) (int, error) {
	if err := s.rc.SetWriteDeadline(time.Now().Add(pieceTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return s.ResponseWriter.Write(b)
}
