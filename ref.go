package stet

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// refPrefix names the version of a reference.
const refPrefix = "stet1."

// maxRef bounds a reference, in bytes.
const maxRef = 8 << 10

// ref is what a worker must know of a submission that another process recorded. It travels in a queue's metadata, so
// whoever can write to the queue can alter it: it is a claim, and the submission's own event is the record.
type ref struct {
	Interaction string       `json:"i"`
	Job         event.UUID   `json:"j"`
	Name        string       `json:"n"`
	Parent      *event.UUID  `json:"p,omitempty"`
	Root        *event.UUID  `json:"r,omitempty"`
	Submission  event.UUID   `json:"e"` // event_id of job_submitted
	At          time.Time    `json:"t"`
	Trigger     string       `json:"w"`
	Reason      string       `json:"x,omitempty"`
	Reference   string       `json:"y,omitempty"`
	As          *refWho      `json:"a,omitempty"`
	OnBehalf    *refWho      `json:"b,omitempty"`
	Upstream    *refUpstream `json:"c,omitempty"`
	System      string       `json:"s,omitempty"` // target
	Environment string       `json:"v,omitempty"`
	User        string       `json:"u,omitempty"`
}

type refUpstream struct {
	System string `json:"s"`
	Event  string `json:"e"`
	Type   string `json:"t,omitempty"`
}

type refWho struct {
	Type string `json:"t"`
	ID   string `json:"i"`
}

func (r ref) String() string {
	b, err := json.Marshal(r)
	if err != nil {
		return "" // strings, ids and times always have a form
	}
	return refPrefix + base64.RawURLEncoding.EncodeToString(b)
}

func parseRef(s string) (r ref, err error) {
	body, ok := strings.CutPrefix(s, refPrefix)
	if !ok || len(s) > maxRef {
		return r, fmt.Errorf("resume: this is not a reference that Submitted.Ref made (it begins with %q and has at most %d bytes)", refPrefix, maxRef)
	}
	b, err := base64.RawURLEncoding.DecodeString(body)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err == nil && (r.Job.IsZero() || r.Submission.IsZero() || r.Interaction == "" || r.Name == "") {
		err = fmt.Errorf("job, name, interaction or submission are missing")
	}
	if err != nil {
		return r, fmt.Errorf("resume: the reference is damaged: %w", err)
	}
	return r, nil
}
