package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/proof"
)

type expectReportCmd struct {
	storeFlag
	Which string `arg:"" help:"The job, or the id of an expectation."`
	From  string `help:"The first slot: a date, or a time such as 2026-01-31T08:30+01:00; UTC where it says no zone. Otherwise 30 days before --to." placeholder:"TIME"`
	To    string `help:"Before which the slots lie; otherwise now." placeholder:"TIME"`
	Fail  bool   `help:"Exit with 5 where a slot was missed."`
	JSON  bool   `help:"Print JSON."`
}

// Help says what the words mean.
func (expectReportCmd) Help() string {
	return `Each slot is verified: a run came for it, the log had it in time, and how it ended stands beside it; or failed: none did; or not checked,
because its time is not over, or it came and the log does not say how it ended. # is the number of an entry, with the beginning of its hash: stet show NUMBER --proof proves it.

The whole log is read, and held against its signed checkpoint. A run that was never recorded leaves no trace in it.`
}

// searchedReport says what was looked at.
type searchedReport struct {
	Store    string `json:"store"`
	Word     string `json:"word"` // verified: they are the entries under the checkpoint
	Entries  uint64 `json:"entries"`
	RootHash string `json:"root_hash"`
	LogKey   string `json:"log_key"` // id
	Local    bool   `json:"local_only,omitempty"`
}

// expectReport is what expect report prints: stet.expect_report/1.
type expectReport struct {
	Format       string              `json:"format"`
	Job          string              `json:"job"`
	From         string              `json:"from"`
	To           string              `json:"to"`
	Searched     searchedReport      `json:"searched"`
	NotChecked   []string            `json:"not_checked"`
	Expectations []listedExpectation `json:"expectations"`
	Verified     int                 `json:"verified"`
	Failed       int                 `json:"failed"`
	Unchecked    int                 `json:"unchecked"`
	Slots        []expect.SlotReport `json:"slots"`
}

func (c *expectReportCmd) Run(e *env) (err error) {
	now := time.Now()
	r := reporter{which: c.Which, local: !c.remote(), jobs: map[string]bool{}, hashes: map[uint64]proof.Hash{}}
	if r.history.From, r.history.To, err = c.period(now); err != nil {
		return err
	}
	r.history.Which = c.Which
	s, done, err := c.reading(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	proven := s.Proven()
	cp, err := proven.Each(e.ctx, r.want, r.add, r.fold.Ended)
	if err != nil {
		return without("expect report: whether a run came cannot be told from a part of the log", err)
	}
	if len(r.found) == 0 {
		return fmt.Errorf("nothing was ever expected of a job %.130q, and no expectation had that id, in entries 0 to %d of %s", c.Which, cp.Size-1, s.Name)
	}
	slots, err := r.history.Slots(now)
	if errors.Is(err, expect.ErrSlots) {
		return usage("expect report: %v: %d are the most; bring --from and --to closer together", err, expect.MaxSlots)
	}
	if err != nil {
		return err
	}
	out := r.report(slots, now)
	out.Searched = searchedReport{s.Name, expect.Verified, cp.Size, hex.EncodeToString(cp.Root[:]), proof.KeyID(proven.LogKey), r.local}
	if c.JSON {
		err = printJSON(e, out)
	} else {
		err = out.print(e)
	}
	if err == nil && c.Fail && out.Failed > 0 {
		err = exit{code: exitFindings}
	}
	return err
}

// period reads --from and --to.
func (c *expectReportCmd) period(now time.Time) (from, to time.Time, err error) {
	to = now.UTC()
	if c.To != "" {
		if to, err = parseMoment(c.To); err != nil {
			return from, to, usage("expect report: --to %v", err)
		}
	}
	from = to.Add(-30 * 24 * time.Hour)
	if c.From != "" {
		if from, err = parseMoment(c.From); err != nil {
			return from, to, usage("expect report: --from %v", err)
		}
	}
	if !from.Before(to) {
		return from, to, usage("expect report: there is no time from %s to %s", event.FormatTime(from), event.FormatTime(to))
	}
	return from, to, nil
}

// parseMoment reads a date or a time, which is UTC where it says no zone.
func parseMoment(s string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q: say a date such as 2026-01-31, or a time such as 2026-01-31T08:30+01:00", s)
}

// reporter reads a log for what became of a job's slots.
type reporter struct {
	which   string
	local   bool
	history expect.History
	fold    story.Fold
	jobs    map[string]bool // ids of the jobs that may fill a slot; false: too long ago, or too late
	names   [][]byte        // "name":"…" of the jobs, as events hold it
	found   []expect.Active // that are meant, in the order of the log
	defined expect.Defined
	hashes  map[uint64]proof.Hash
}

// want chooses what of the log matters.
func (r *reporter) want(ref event.Ref, raw []byte) bool {
	typ := string(ref.EventType)
	switch typ {
	case "job_heartbeat", "job_snapshot":
		return false
	case "job_started", "job_denied":
		if !slices.ContainsFunc(r.names, func(name []byte) bool { return bytes.Contains(raw, name) }) {
			return false
		}
		r.jobs[string(ref.JobID)] = true // what follows in the same batch is asked about before add is told
		return true
	}
	return expect.Wants(typ) || r.jobs[string(ref.JobID)]
}

// add takes in what is wanted.
func (r *reporter) add(it story.Item) {
	entry := watch.Entry{Seq: it.Seq, ReceivedAt: it.ReceivedAt, StoreKey: it.StoreKey, Event: it.Event}
	if a, ok := r.defined.Apply(entry); ok && it.Event.EventType == expect.Added && (a.Job == r.which || a.ID() == r.which) {
		r.found = append(r.found, a)
		if name, err := json.Marshal(a.Job); err == nil { // names have no character that JSON writes in two ways but < > &
			r.names = append(r.names, []byte(`"name":`+string(unescapeHTML(name))))
		}
	}
	if expect.Wants(it.Event.EventType) {
		r.hashes[it.Seq] = it.EntryHash
		r.history.Add(entry)
	}
	if j := it.Event.Job; j != nil && it.Event.EventType != "job_missed" {
		if it.Event.EventType == "job_started" || it.Event.EventType == "job_denied" {
			r.jobs[j.ID] = r.history.Near(expect.Start(entry))
		}
		if r.jobs[j.ID] {
			r.fold.Add(it)
		}
	}
}

// unescapeHTML takes back what encoding/json does for browsers.
func unescapeHTML(b []byte) []byte {
	for _, x := range [][2]string{{`\u003c`, "<"}, {`\u003e`, ">"}, {`\u0026`, "&"}} {
		b = bytes.ReplaceAll(b, []byte(x[0]), []byte(x[1]))
	}
	return b
}

func (r *reporter) report(slots []expect.Slot, now time.Time) expectReport {
	out := expectReport{Format: "stet.expect_report/1", Job: r.found[0].Job, From: event.FormatTime(r.history.From), To: event.FormatTime(r.history.To),
		Expectations: listExpectations(r.found, now).Expectations, Slots: []expect.SlotReport{}}
	told := expect.NewReporter(r.fold.Stories(), func(seq uint64) proof.Hash { return r.hashes[seq] })
	for _, s := range slots {
		x := told.Report(s)
		switch x.Word {
		case expect.Verified:
			out.Verified++
		case expect.Failed:
			out.Failed++
		default:
			out.Unchecked++
		}
		out.Slots = append(out.Slots, x)
	}
	out.NotChecked = []string{"whether anything ran that was not recorded", "what signs the events: stet verify does that"}
	if first := r.found[0].Since; r.history.From.Before(first) {
		out.NotChecked = append(out.NotChecked, "slots before "+event.FormatTime(first)+", when the job was not expected yet")
	}
	if r.local {
		out.NotChecked = append(out.NotChecked, "whether the owner of this directory made another log: it is local only, unless a checkpoint is known elsewhere")
	}
	return out
}

// print is the report for people.
func (o expectReport) print(e *env) error {
	for _, x := range o.Expectations {
		at := x.Zone
		if strings.HasPrefix(x.Schedule, string(expect.Every)) {
			at = "UTC"
		}
		if _, err := fmt.Fprintf(e.stdout, "%s: %s in %s, within %s; expected since %s, #%d\n", printableText(x.Job), x.Schedule, at, x.Grace, seconds(x.Since), x.Seq); err != nil {
			return err
		}
	}
	for _, s := range o.Slots {
		if _, err := fmt.Fprintf(e.stdout, "%s  %-11s  %s\n", s.Local, s.Word, printableText(slotSentence(s))); err != nil {
			return err
		}
	}
	_, _ = fmt.Fprintf(e.stderr, "stet: %d slots from %s to %s: %d verified, %d failed, %d not checked\n", len(o.Slots), seconds(o.From), seconds(o.To), o.Verified, o.Failed, o.Unchecked)
	_, _ = fmt.Fprintf(e.stderr, "stet: verified: entries 0 to %d of %s are those under its checkpoint, which the key %.16s has signed\n", o.Searched.Entries-1, o.Searched.Store, o.Searched.LogKey)
	for _, what := range o.NotChecked {
		_, _ = fmt.Fprintf(e.stderr, "stet: not checked: %s\n", what)
	}
	return nil
}

// seconds cuts a time of an event to seconds.
func seconds(s string) string {
	t, err := event.ParseTime(s)
	if err != nil {
		return printableText(s)
	}
	return t.Format("2006-01-02 15:04:05Z")
}

// slotSentence is how it went with a slot.
func slotSentence(s expect.SlotReport) string {
	var parts []string
	if s.State == expect.StateMissed {
		parts = append(parts, "missed")
		if s.Missed != nil {
			parts = append(parts, "recorded in "+entrySentence(*s.Missed))
		}
	}
	if s.Why != "" {
		parts = append(parts, s.Why)
	}
	if r := s.Run; r != nil {
		text := string(r.State)
		if r.Late != "" {
			text = "a run came late (" + r.Late + "): " + text
		}
		text += ", began " + seconds(r.Began) + " in " + entrySentence(r.Start)
		if r.End != nil {
			text += ", ended " + seconds(r.Ended) + " in " + entrySentence(*r.End)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// entrySentence is an entry's number and the beginning of its hash.
func entrySentence(e expect.EntryReport) string { return fmt.Sprintf("#%d %.12s", e.Seq, e.Hash) }
