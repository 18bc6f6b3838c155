package main

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// teller reads stories out of a log: it finds out which interactions are meant by looking at the ids of all events, and keeps
// the events of those alone.
type teller struct {
	e    *env
	log  *store.Reading
	told map[string]*story.Story
	gone error // entries that could not be read
}

// lacks says what could not be read of the log: a *logread.UnreadError.
func (t *teller) lacks() error { return t.gone }

// match is an interaction that is meant, and the job of it; "" where it is all of them, or several.
type match struct {
	interaction string
	job         string
	byJob       bool // the job was named by its own id
}

// minPrefix is the shortest beginning of an id that is taken for one, in bytes: a short word is a job's name, and one such
// as "feed" or "b2" may well be what some id begins with.
const minPrefix = 8

// wanted is what a person means by one word.
type wanted struct {
	word  string
	id    event.UUID // where it is one
	seq   uint64     // where it is a number
	isSeq bool
	plain bool // it stands in the bytes of an event as it is
}

func wantedBy(word string) wanted {
	w := wanted{word: word}
	w.id, _ = event.ParseUUID(word) // zero is nobody's id
	n, err := strconv.ParseUint(word, 10, 64)
	w.seq, w.isSeq = n, err == nil && strconv.FormatUint(n, 10) == word
	w.plain = !strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\\&<>`, r) })
	return w
}

func (w wanted) begins(id []byte) bool {
	return string(id) == w.word || len(w.word) >= minPrefix && bytes.HasPrefix(id, []byte(w.word))
}

// How a word fits an event, the better the higher.
const (
	noFit = iota
	fitsSeq
	fitsName
	fitsRun
	fitsJob
	fitsEvent
	fitsInteraction
)

func (w wanted) fit(seq uint64, r event.Ref, raw []byte) int {
	switch {
	case w.word == "":
		if r.JobID != nil {
			return fitsInteraction
		}
	case w.begins(r.InteractionID):
		return fitsInteraction
	case !w.id.IsZero() && r.EventID == w.id:
		return fitsEvent
	case r.JobID != nil && w.begins(r.JobID):
		return fitsJob
	case r.RunID != nil && w.begins(r.RunID):
		return fitsRun
	case r.JobID != nil && (!w.plain || bytes.Contains(raw, []byte(w.word))) && w.named(raw):
		return fitsName
	case w.isSeq && seq == w.seq:
		return fitsSeq
	}
	return noFit
}

func (w wanted) named(raw []byte) bool {
	e, err := event.Parse(raw)
	return err == nil && e.Job != nil && e.Job.Name == w.word
}

// look finds the interactions that a word means, in the order of their first events that say so; "" means all that have
// jobs. What the word fits best counts alone: an entry's number is meant only where no job has that name.
func (t *teller) look(word string) (found []match, err error) {
	w := wantedBy(word)
	if !w.id.IsZero() { // an interaction's, most likely: then one pass is enough
		err := t.keep(w.word)
		if err != nil || t.told[w.word] != nil {
			return []match{{interaction: w.word}}, err
		}
	}
	var m matches
	err = t.refs(func(seq uint64, r event.Ref, raw []byte) error {
		m.add(w.fit(seq, r, raw), r)
		return nil
	})
	return m.found, err
}

// matches collects what fits a word best.
type matches struct {
	best  int
	found []match // in the order of the first events that fit
	at    map[string]int
}

func (m *matches) add(fit int, r event.Ref) {
	if fit == noFit || fit < m.best {
		return
	}
	if fit > m.best || m.at == nil {
		m.best, m.found, m.at = fit, nil, make(map[string]int)
	}
	i, known := m.at[string(r.InteractionID)]
	if !known {
		i = len(m.found)
		one := match{interaction: string(r.InteractionID), byJob: fit == fitsJob}
		if fit != fitsInteraction {
			one.job = string(r.JobID)
		}
		m.found, m.at[one.interaction] = append(m.found, one), i
	}
	if m.found[i].job != string(r.JobID) {
		m.found[i].job, m.found[i].byJob = "", false
	}
}

// refs calls fn for every event of the log. fn may end that with errFound.
func (t *teller) refs(fn func(seq uint64, r event.Ref, raw []byte) error) error {
	var codec event.Codec
	err := t.log.Partial().Entries(t.e.ctx, func(seq uint64, raw []byte) error {
		entry, err := proof.ParseEntry(raw)
		if err == nil && entry.Event == nil {
			return nil
		}
		var r event.Ref
		if err == nil {
			r, err = codec.Check(entry.Event)
		}
		if err != nil {
			return &ledger.IntegrityError{Seq: seq, HasSeq: true, File: logread.StoreLog, Reason: "the entry cannot be read", Err: err}
		}
		return fn(seq, r, entry.Event)
	})
	if errors.Is(err, errFound) {
		return nil
	}
	return t.partial(err)
}

// partial notes an error that only says that some entries could not be read.
func (t *teller) partial(err error) error {
	lacks, err := lacking(err)
	if lacks != nil {
		t.gone = lacks
	}
	return err
}

// tell folds one interaction.
func (t *teller) tell(id string) (*story.Story, error) {
	all, err := t.tellAll([]string{id})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// tellAll folds interactions of the log, which has events of each.
func (t *teller) tellAll(ids []string) ([]*story.Story, error) {
	if err := t.keep(ids...); err != nil {
		return nil, err
	}
	out := make([]*story.Story, 0, len(ids))
	for _, id := range ids {
		s := t.told[id]
		if s == nil {
			return nil, errors.New("the log was changed while it was read")
		}
		out = append(out, s)
	}
	return out, nil
}

// keep folds interactions into t.told, those that the log has.
func (t *teller) keep(ids ...string) error {
	if t.told == nil {
		t.told = make(map[string]*story.Story)
	}
	want := make(map[string]bool)
	for _, id := range ids {
		if t.told[id] == nil {
			want[id] = true
		}
	}
	if len(want) == 0 {
		return nil
	}
	var f story.Fold
	if err := t.partial(t.log.Partial().Items(t.e.ctx, &f, func(r event.Ref) bool { return want[string(r.InteractionID)] })); err != nil {
		return err
	}
	for id := range want {
		if s, ok := f.Story(id); ok {
			t.told[id] = &s
		}
	}
	return nil
}

// find is a story.Finder over the whole log.
func (t *teller) find(c story.Cause) (*story.Story, error) {
	id := ""
	err := t.refs(func(_ uint64, r event.Ref, _ []byte) error {
		if c.How == story.ByParent && string(r.JobID) == c.JobID || c.How != story.ByParent && r.EventID == c.Event {
			id = string(r.InteractionID)
			return errFound
		}
		return nil
	})
	if err != nil || id == "" {
		return nil, err
	}
	return t.tell(id)
}
