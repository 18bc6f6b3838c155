package intake

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/redact"
)

// TypeNotStored is the event that says, once a source and hour, how many of its records were not stored.
const TypeNotStored = "records_not_stored"

// Bounds of the tally. What exceeds them is counted together as others.
const (
	maxSources = 256 // in one hour
	maxKinds   = 30  // of one source and hour; an event has at most 32
	maxKind    = 48  // bytes of one
	others     = "others"
)

// tallyFile holds the counts that no event has said yet, so that they outlive the process: at most a minute of them is lost with it.
const (
	tallyFile    = "intake-counts.json"
	maxTallyFile = 4 << 20 // bytes
)

// source is who sends what.
type source struct {
	Kind   Kind
	Sender string
}

// hour is what was not stored of one source in one hour.
type hour struct {
	Source source
	Start  time.Time
	Counts map[string]int64 // by what became of a record, and what it is: ignored.debug, refused.format
	First  time.Time
	Last   time.Time
}

func (h *hour) sum() (n int64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// tally counts what is not stored. It is safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	hours   map[hourKey]*hour
	changed bool // since it was saved
}

type hourKey struct {
	source
	start int64 // Unix seconds
}

// add counts one record.
func (t *tally) add(of source, what string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	start := now.UTC().Truncate(time.Hour)
	key := hourKey{of, start.Unix()}
	h := t.hours[key]
	if h == nil && len(t.hours) >= maxSources {
		key.source = source{of.Kind, others}
		h = t.hours[key]
	}
	if h == nil {
		h = &hour{Source: key.source, Start: start, Counts: map[string]int64{}, First: now.UTC()}
		t.hours[key] = h
	}
	if _, known := h.Counts[what]; !known && len(h.Counts) >= maxKinds {
		what = others
	}
	h.Counts[what]++
	h.Last = now.UTC()
	t.changed = true
}

// over are the hours that have ended, in their order. They stay until done.
func (t *tally) over(now time.Time) (all []*hour) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.hours {
		if !now.Before(h.Start.Add(time.Hour)) {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b *hour) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Source.Kind, b.Source.Kind), cmp.Compare(a.Source.Sender, b.Source.Sender))
	})
	return all
}

// done forgets an hour that an event has said.
func (t *tally) done(h *hour) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.hours, hourKey{h.Source, h.Start.Unix()})
	t.changed = true
}

// save writes the counts down, where they have changed since.
func (t *tally) save(fsys fsx.FS) error {
	t.mu.Lock()
	if !t.changed || fsys == nil {
		t.mu.Unlock()
		return nil
	}
	t.changed = false
	b, err := json.Marshal(slices.Collect(maps.Values(t.hours)))
	t.mu.Unlock()
	if err == nil {
		err = fsx.Replace(fsys, tallyFile, b, 0o600)
	}
	if err != nil {
		t.mu.Lock()
		t.changed = true
		t.mu.Unlock()
	}
	return err
}

// load reads what an earlier process has counted. A file that cannot be read is no reason to take nothing: the error says so, and the
// counts begin anew.
func (t *tally) load(fsys fsx.FS) error {
	t.hours = map[hourKey]*hour{}
	if fsys == nil {
		return nil
	}
	b, err := fsx.ReadFile(fsys, tallyFile, maxTallyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var all []*hour
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		return fmt.Errorf("%s: the counts of records that were not stored are lost: %w", tallyFile, err)
	}
	for _, h := range all[:min(len(all), maxSources+8)] {
		if h != nil && len(h.Counts) > 0 && len(h.Counts) <= maxKinds+1 {
			t.hours[hourKey{h.Source, h.Start.Unix()}] = h
		}
	}
	return nil
}

// event says what was not stored in an hour. Its id is derived from source and hour: where the process ends between the event and the
// end of the counts, it is the same one that is recorded again.
func (h *hour) event() *event.Event {
	n := h.sum()
	severity := event.SeverityInfo
	for what := range h.Counts {
		if !isIgnored(what) {
			severity = event.SeverityWarning
		}
	}
	of := string(h.Source.Kind) + " " + h.Source.Sender
	// Who redacts takes what stands behind the word token for one; the name of a token is none.
	sender := strings.TrimPrefix(h.Source.Sender, "token ")
	shown := string(h.Source.Kind) + " " + sender
	return &event.Event{
		EventType: TypeNotStored, Severity: &severity, EventTime: h.Last, Action: "count",
		EventID:       event.DeriveUUID("intake", of+"\n"+h.Start.Format(time.RFC3339), time48(h.Start)),
		InteractionID: "intake " + h.Start.Format("2006-01-02T15Z"),
		Description:   fmt.Sprintf("%d records of %s were not stored", n, shown),
		Object:        &event.Object{Type: "source", ID: shown},
		Impact:        &event.Impact{Summary: fmt.Sprintf("%d records were counted and not stored in the hour from %s", n, h.Start.Format(time.RFC3339)), Counts: maps.Clone(h.Counts)},
		Repeat:        &event.Repeat{Count: uint64(n), First: h.First, Last: h.Last},
		Labels:        map[string]string{"source": string(h.Source.Kind), "sender": sender},
		Absent:        map[string]string{"user_id": event.AbsentNotApplicable, "source_ip": event.AbsentNotApplicable},
		CodeLocation:  "internal/intake", EntryPoint: &event.EntryPoint{Kind: "function", Name: "intake"},
	}
}

const ignoredPrefix = Ignored + "."

func isIgnored(what string) bool {
	return len(what) > len(ignoredPrefix) && what[:len(ignoredPrefix)] == ignoredPrefix
}

// noiseOf names the kind of a record that is no event: by its own type, else by its severity.
func noiseOf(m convert.Map, r *Record) string {
	if l, ok := m.Value(&r.Fields, "event_type"); ok {
		safe, _ := redact.Text(l.Text)
		name := convert.TypeName(safe)
		return name[:min(len(name), maxKind)]
	}
	if l, ok := m.Value(&r.Fields, "severity"); ok {
		if s, standard := convert.SeverityOf(l); standard {
			return s.String()
		}
	}
	return "unknown"
}

// tallyEvery is how often it is looked whether an hour is over, and how much of the counts may be lost with the process.
const tallyEvery = time.Minute

// Run has the log say what was not stored, an event a source and hour when the hour is over, until ctx ends. What no event has said by
// then is written down, and said by the next process.
func (d *Door) Run(ctx context.Context) {
	tick := time.NewTicker(tallyEvery)
	defer tick.Stop()
	for {
		d.round(ctx)
		select {
		case <-ctx.Done():
			d.logged(errors.Join(d.tally.save(d.o.FS), d.kept.end()))
			return
		case <-tick.C:
		}
	}
}

// round says what there is to say, and writes the rest down.
func (d *Door) round(ctx context.Context) {
	for _, h := range d.tally.over(d.o.Now()) {
		if d.o.Record == nil {
			break
		}
		if _, err := d.o.Record(ctx, h.event()); err != nil {
			d.logged(err)
			break
		}
		d.tally.done(h)
	}
	d.logged(d.tally.save(d.o.FS))
}

func (d *Door) logged(err error) {
	if err != nil && d.o.Logger != nil {
		d.o.Logger.Error("records that were not stored could not be counted in the log; it is tried again", slog.Any("error", err))
	}
}
