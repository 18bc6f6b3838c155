package webui

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
)

// evidencePath is where the API makes files of evidence.
const evidencePath = "/v1/evidence"

// evidenceFile is stet.evidence_file/1.
type evidenceFile struct {
	ID, State, Query string
	Complete         bool
	Asked            string `json:"asked_at"`
	Until            string
	Done, Total      uint64
	Problem          string
	File             *struct {
		Name, SHA256, Key    string
		Bytes                int64
		Entries, Hidden, Seq uint64
		Whole                string
	}
}

// makeView is where files of evidence are asked for, and those that were.
type makeView struct {
	Query    string
	Complete bool
	Wrong    *wire.Problem // what is wrong with what was asked for
	May      bool          // else it takes another token
	Files    filesView
}

// filesView are the files that somebody has asked for, the newest first.
type filesView struct {
	Files []fileView
	Poll  bool // something is being made: it is looked again
}

type fileView struct {
	evidenceFile
	Asked, Until moment
	Words        string // of its state
	Tone         string
	Working      bool
	Href, Event  string // addresses: the file, and the event that says that it was made
	Size         string
}

// mayExport says whether somebody may have evidence.
func (v *visit) mayExport() bool { return v.May(auth.ReadLog, auth.Subject{}) == nil }

// making is the form, filled in with what an address or a form says, and what was asked for with it.
func (v *visit) making(in url.Values, wrong *wire.Problem) (*makeView, error) {
	out := &makeView{Query: in.Get("q"), Complete: in.Get("complete") != "", Wrong: wrong, May: v.mayExport()}
	var err error
	if out.May {
		out.Files, err = v.files()
	}
	return out, err
}

// files asks for what was asked for.
func (v *visit) files() (out filesView, err error) {
	all, err := ask[struct{ Files []evidenceFile }](v, evidencePath)
	if err != nil {
		return out, err
	}
	for _, f := range all.Files {
		one := fileView{evidenceFile: f, Asked: v.atText(f.Asked), Until: v.atText(f.Until), Working: true, Tone: "live"}
		switch f.State {
		case "waiting":
			one.Words = "Waiting for others before it"
		case "searching":
			one.Words = "The log is searched"
		case "checking":
			one.Words = "The file is verified"
		case "ready":
			one.Words, one.Tone, one.Working = "Ready", "good", false
			one.Href, one.Event, one.Size = "v1/evidence/"+segment(f.ID)+"/file", eventLink(f.File.Seq), bytesOf(f.File.Bytes)
		default:
			one.Words, one.Tone, one.Working = "Failed", "bad", false
		}
		out.Poll = out.Poll || one.Working
		out.Files = append(out.Files, one)
	}
	return out, nil
}

// getMaking answers with the files alone, for a swap.
func (u *UI) getMaking(v *visit) error {
	files, err := v.files()
	if err != nil {
		return err
	}
	return u.part(v, exports.page, "files", files)
}

// postExports asks for a file of evidence; the page says how far it is.
func (u *UI) postExports(v *visit) error {
	if v.who.Role == "" && !v.who.Own {
		return v.to(link("login", "back", exports.page))
	}
	in, err := v.fields()
	if err != nil {
		return err
	}
	body, err := json.Marshal(map[string]any{"query": in.Get("q"), "complete": in.Get("complete") != ""})
	if err != nil {
		return err
	}
	_, err = v.Ask(v.r.Context(), http.MethodPost, evidencePath, body)
	if p, ok := problemOf(err); ok && p.Code == wire.InvalidQuery {
		v.r.URL.RawQuery = in.Encode()
		return u.showTrail(v, exports, p.Status, p)
	}
	if err != nil {
		return err
	}
	return v.to(exports.page)
}

// bytesOf is a size for people.
func bytesOf(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", (n+1023)>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
