package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
)

// fold is what came since the last message: however much it is, a count and a few numbers. JSON is its form in the file.
type fold struct {
	Count   uint64   `json:"count"`
	First   uint64   `json:"first"` // seq of the first entry, and of the last
	Last    uint64   `json:"last"`
	FirstAt string   `json:"first_at"` // their received_at, as event.FormatTime has it
	LastAt  string   `json:"last_at"`
	Entries []uint64 `json:"entries"` // the first maxEntries of them
}

// add counts an entry in. Entries come in the order of the log.
func (f *fold) add(seq uint64, at time.Time) {
	if f.Count == 0 {
		f.First, f.FirstAt = seq, event.FormatTime(at)
	}
	f.Count++
	f.Last, f.LastAt = seq, event.FormatTime(at)
	if len(f.Entries) < maxEntries {
		f.Entries = append(f.Entries, seq)
	}
}

// check says whether a fold is one that add can make.
func (f *fold) check() bool {
	_, ferr := event.ParseTime(f.FirstAt)
	_, lerr := event.ParseTime(f.LastAt)
	n := len(f.Entries)
	return ferr == nil && lerr == nil && f.Count > 0 && n > 0 && n <= maxEntries && uint64(n) <= f.Count && slices.IsSorted(f.Entries) &&
		f.Entries[0] == f.First && f.Entries[n-1] <= f.Last && f.Last-f.First >= f.Count-1
}

// webhookID is the same for every attempt to deliver a fold, also after a restart, and another for every other fold: the
// entries of an alert's folds do not overlap.
func (f *fold) webhookID(alert string) string {
	h := sha256.Sum256(fmt.Appendf(nil, "stet/alert/v1\n%s\n%d\n%d", alert, f.First, f.Last))
	return "msg_" + hex.EncodeToString(h[:16])
}
