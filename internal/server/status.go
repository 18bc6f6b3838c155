package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// statusAnswer is what GET /v1/status says: stet.status/1.
type statusAnswer struct {
	Format   string       `json:"format"`
	Origin   string       `json:"origin"`
	Size     uint64       `json:"size"` // entries under the newest checkpoint
	Root     string       `json:"root"`
	Signers  []string     `json:"signers"`  // names of the keys that others have signed it with
	Verified verification `json:"verified"` // by the server itself
	Tail     unpublished  `json:"tail"`
	Indexed  uint64       `json:"indexed"` // entries that can be found
	Gaps     int          `json:"streams_with_gaps"`
	Clock    clockSays    `json:"clock"`
	Ready    bool         `json:"ready"`
	Reasons  []Reason     `json:"reasons"`
}

// verification is what came of the server's last verification of its whole log.
type verification struct {
	State string  `json:"state"`        // verified, failed, not_checked, or pending: none has ended yet
	At    string  `json:"at,omitempty"` // when it began
	TookS float64 `json:"took_s"`
	Size  uint64  `json:"size"`           // of the log that was verified
	Seq   *uint64 `json:"seq,omitempty"`  // the first entry concerned
	What  string  `json:"what,omitempty"` // what is wrong; for who may read the whole log
	Next  string  `json:"next,omitempty"` // what to do about it; the same
}

// unpublished are entries that are durable and not yet under a checkpoint.
type unpublished struct {
	Entries uint64  `json:"entries"`
	AgeS    float64 `json:"age_s"` // of the oldest
}

type clockSays struct {
	State   string `json:"state"`
	ErrorUS int64  `json:"max_error_us"`
}

// getStatus says how the log fares, to whoever may see its checkpoints.
func (s *Server) getStatus(w http.ResponseWriter, r *http.Request, c *Call) error {
	if err := c.may(auth.ReadTree, auth.Subject{}); err != nil {
		return err
	}
	if _, err := readParams(r); err != nil {
		return err
	}
	note := s.log.Checkpoint()
	cp, err := proof.ParseCheckpointText(note)
	if err != nil {
		return err
	}
	state, evidence := s.log.State(), s.clock.Evidence()
	out := statusAnswer{Format: "stet.status/1", Origin: cp.Origin, Size: cp.Size, Root: cp.Root.String(), Signers: signers(note, cp.Origin),
		Verified: verificationOf(s.selfcheck.now(), c.May(auth.ReadLog, auth.Subject{}) == nil), Gaps: s.gaps.count(),
		Clock: clockSays{string(evidence.State), evidence.ErrorUS()}, Reasons: append([]Reason{}, s.Reasons()...)}
	out.Ready = len(out.Reasons) == 0
	if out.Tail.Entries = state.Durable - min(state.Published, state.Durable); !state.Oldest.IsZero() {
		out.Tail.AgeS = max(0, time.Since(state.Oldest).Seconds())
	}
	if s.keeper != nil {
		out.Indexed = s.keeper.indexed()
	}
	return WriteJSON(w, http.StatusOK, out)
}

// signers are the names of the keys but the log's own that a checkpoint is signed with. Whose keys they are is not checked here.
func signers(note []byte, origin string) []string {
	all := []string{}
	_, signatures, _ := strings.Cut(string(note), "\n\n")
	for line := range strings.Lines(signatures) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "\u2014 "), " "); ok && name != origin {
			all = append(all, name)
		}
	}
	return all
}

// verificationOf tells about a verification; all of it says what was found, too, where texts of the log may stand.
func verificationOf(c *checked, all bool) verification {
	if c == nil {
		return verification{State: "pending"}
	}
	v := verification{At: event.FormatTime(c.at), TookS: c.took.Seconds(), Size: c.report.Size, State: "verified"}
	switch c.report.State() {
	case verify.Failed:
		v.State = "failed"
	case verify.NotChecked:
		v.State = "not_checked"
	}
	if f, ok := c.report.First(); ok && v.State != "verified" {
		if f.HasSeq {
			v.Seq = &f.Seq
		}
		if all {
			v.What, v.Next = f.What, f.Next
		}
	}
	return v
}
