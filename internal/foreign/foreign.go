// Package foreign makes events of a stream of ours of those that another process wrote: lines that are imported, and what
// is posted to a server. Their place in time and in their own stream becomes a reference, what they do not say is marked
// as not provided rather than guessed, and the digest of the original stays with them, so that the same original is known
// again.
//
// It has no clock and no randomness, and keeps nothing between calls: everything may be used from many goroutines.
package foreign

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// Kind marks the reference by which an event names its original.
const Kind = "imported"

// maxReferences is SCHEMA's limit.
const maxReferences = 16

// Sum is the digest of an original: SHA-256 of its JSON without the white space between tokens.
type Sum [sha256.Size]byte

// An Original is an event as somebody else wrote it.
type Original struct {
	Event *event.Event // as event.ParseDraft reads it, or as Adopt has left it
	Sum   Sum
}

// Parse reads one original. Refusals are *event.Error.
func Parse(raw []byte) (Original, error) {
	e, compacted, err := event.ReadDraft(raw)
	if err != nil {
		return Original{}, err
	}
	return Original{Event: e, Sum: sha256.Sum256(compacted)}, nil
}

// Adopt changes the event so that it may be recorded in a stream of ours: stream, number, timestamp and clock are left for
// the recorder to fill in, and what the event does not say is not known, because this process is not the one that it
// happened in. location is where the original stands, such as FILE:LINE; "" where it has no place.
func (o Original) Adopt(location string) {
	e := o.Event
	// An original that names its schema is in that schema's form, in which hidden characters are escaped already.
	e.Escaped = e.Schema != ""
	original := []string{"sha256:" + hex.EncodeToString(o.Sum[:])}
	if !e.StreamID.IsZero() {
		original = append(original, "stream", e.StreamID.String(), "seq", strconv.FormatUint(e.StreamSeq, 10))
	}
	switch {
	case e.Timestamp.IsZero():
	case e.EventTime.IsZero():
		e.EventTime = e.Timestamp
	default:
		original = append(original, "timestamp", event.FormatTime(e.Timestamp))
	}
	place(e, event.Reference{Kind: Kind, Value: strings.Join(original, " ")})
	if location != "" && e.CodeLocation == "" && e.Absent["code_location"] == "" {
		e.CodeLocation = location
		e.Derived = with(e.Derived, "code_location", "the line that was imported")
	}
	unknown(e)
}

// place takes an event out of the stream that it was in, and has it name where it came from.
func place(e *event.Event, from event.Reference) {
	if len(e.References) < maxReferences {
		e.References = append(e.References, from)
	} else {
		e.Labels = with(e.Labels, from.Kind, from.Value)
	}
	e.StreamID, e.StreamSeq, e.Timestamp, e.Clock = event.UUID{}, 0, time.Time{}, nil
}

// unknown says of what an event does not say that it is not known: this process is not the one that it happened in.
func unknown(e *event.Event) {
	for path, given := range map[string]bool{
		"user_id": e.UserID != "", "source_ip": e.SourceIP != "", "host": e.Host != nil, "principal": e.Principal != nil,
		"entry_point": e.EntryPoint != nil, "app_version": e.AppVersion != "",
	} {
		if !given && e.Absent[path] == "" {
			e.Absent = with(e.Absent, path, event.AbsentNotProvided)
		}
	}
	if e.Derived == nil {
		e.Derived = map[string]string{}
	}
}

// First is the digest of the first original that an adopted event came from, which it hands on from log to log; else sum.
// What an event says of its originals is its sender's word.
func First(e *event.Event, sum Sum) Sum {
	for _, r := range e.References {
		if s, ok := sumIn(r.Value); ok && r.Kind == Kind {
			return s
		}
	}
	if s, ok := sumIn(e.Labels[Kind]); ok {
		return s
	}
	return sum
}

// Last is the digest of the original that e was made of by Adopt. ok is false where e was not adopted.
func Last(e *event.Event) (sum Sum, ok bool) {
	if len(e.References) >= maxReferences {
		if s, ok := sumIn(e.Labels[Kind]); ok {
			return s, true
		}
	}
	if n := len(e.References); n > 0 && e.References[n-1].Kind == Kind {
		return sumIn(e.References[n-1].Value)
	}
	return Sum{}, false
}

// sumIn reads the digest that a reference begins with.
func sumIn(value string) (sum Sum, ok bool) {
	text, ok := strings.CutPrefix(value, "sha256:")
	if !ok || len(text) < 2*len(sum) {
		return Sum{}, false
	}
	_, err := hex.Decode(sum[:], []byte(text[:2*len(sum)]))
	return sum, err == nil
}

func with(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}
