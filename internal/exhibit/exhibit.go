// Package exhibit makes evidence of a log: it finds what a query asks for, gathers what is needed to check that without the
// log, and writes the file of docs/spec/evidence.md.
//
// It reads the whole log once, from the first entry to the last, and holds it against the checkpoint, so that no server can
// answer one query with one history and the next with another. Then it reads again what is shown. Of what it finds it keeps
// numbers only; the stories of the first [MaxStories] events are told in memory.
//
// What it writes is verified by whoever asked for it before it is handed on: see package evidence.
package exhibit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// Log is what evidence is made of.
type Log struct {
	Source logread.Source
	logread.Signed
}

// Request says what is wanted.
type Request struct {
	Query search.Query
	Now   time.Time // of the asking; the query's own "since" counts from it
	By    string    // who asks, for people: plain text
	Tool  string    // and with what
	Whole bool      // account for every entry that lies within the query's own limits
	// Verifier is a page that verifies the file in a browser; nil leaves it out.
	Verifier []byte
	// Progress is told how many of how many entries were searched; nil is allowed.
	Progress func(done, total uint64)
}

// ErrNothing says that a query's own limits contradict each other, so that there is nothing to account for.
var ErrNothing = errors.New("the query's own limits contradict each other: no entry lies within them")

// Write finds what is asked for, and writes the evidence to w. Damage of the log is a *logread.DamageError.
func Write(ctx context.Context, w io.Writer, l Log, q Request) (evidence.Manifest, error) {
	query := q.Query.Resolve(q.Now)
	s := &selection{q: q, size: l.Size, match: search.NewMatcher(query, q.Now), bounds: query.Bounds(), used: map[string]string{}}
	if l.Size == 0 {
		return evidence.Manifest{}, errors.New("the log is empty: there is nothing to show")
	}
	if s.bounds.Last = min(s.bounds.Last, l.Size-1); q.Whole && (query.Bounds().First > query.Bounds().Last || !s.bounds.Until.IsZero() && !s.bounds.From.Before(s.bounds.Until)) {
		return evidence.Manifest{}, ErrNothing
	}
	if err := s.scan(ctx, l); err != nil {
		return evidence.Manifest{}, err
	}
	keys := s.context()
	shown := &shown{ctx: ctx, src: l.Source, size: l.Size, seqs: s.shown, context: s.contextual}
	c := evidence.Contents{
		Asked:    evidence.Asked{Query: query.String(), By: q.By, At: proof.FormatTime(q.Now), Tool: q.Tool},
		Searched: evidence.Searched{First: s.bounds.First, Last: s.bounds.Last, From: timeText(s.bounds.From), Till: timeText(s.bounds.Until)},
		Context:  s.contextual, Keys: keys,
		Checkpoint: l.Note, LogKey: l.VKey, Chain: l.Chain,
		Entries: shown.all, Tree: tiles(ctx, l), Batch: shown.batch,
		Verifier: q.Verifier,
	}
	if q.Whole {
		c.Whole = &evidence.Whole{First: s.first, Last: s.last}
	}
	c.Table = func(w io.Writer) error { return writeTable(w, shown.found) }
	c.Stories = func(w io.Writer) error { return writeStories(w, c, l, s.storeKey, shown.found) }
	return evidence.Write(w, c)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return proof.FormatTime(t)
}

// maxTiles is how many tiles of hashes are kept for the proofs of neighbouring entries.
const maxTiles = 64

func tiles(ctx context.Context, l Log) proof.HashReader {
	kept := map[string][]byte{}
	return proof.TileHashes{Size: l.Size, Tiles: proof.TileReaderFunc(func(t proof.Tile) ([]byte, error) {
		path := t.Path()
		if b, ok := kept[path]; ok {
			return b, nil
		}
		b, err := l.Source.Fetch(ctx, path)
		if err == nil {
			if len(kept) >= maxTiles {
				clear(kept)
			}
			kept[path] = b
		}
		return b, err
	})}
}

// selection is which entries are shown.
type selection struct {
	q      Request
	size   uint64
	match  *search.Matcher
	bounds search.Bounds

	storeKey    string // of the log's first seal
	shown       []uint64
	contextual  []uint64          // shown, and not found
	used        map[string]string // verifier keys of seals that are shown, by their ids
	acts        []act
	before      batch // the last one before the limits
	first, last uint64
	state       place
}

// place is where in the whole range the scan is.
type place uint8

const (
	ahead place = iota
	inside
	behind
)

// act is an event of the store's about a key.
type act struct {
	seq, seal uint64
	typ, key  string // key: its id
	logKey    bool
}

// batch is some entries and the seal over them; or a loss by itself.
type batch struct {
	entries []proof.Entry
	raws    [][]byte
	end     uint64
	at      time.Time
	seal    *proof.Seal // nil for a loss
}

func (b batch) start() uint64 { return b.entries[0].Seq }

// scan reads the log once.
func (s *selection) scan(ctx context.Context, l Log) error {
	var tree proof.Tree
	var b batch
	s.last = s.size - 1
	err := logread.Entries(ctx, l.Source, 0, s.size, func(seq uint64, raw []byte) error {
		tree.Append(proof.LeafHash(raw))
		e, err := proof.ParseEntry(raw)
		if err == nil && e.Seq != seq {
			err = fmt.Errorf("it says that it is entry %d", e.Seq)
		}
		if err == nil {
			b.entries, b.raws = append(b.entries, e), append(b.raws, raw)
			loss := e.Stub != nil && e.Stub.Code == proof.StubLost
			if e.Seal == nil && !loss {
				if len(b.entries) > proof.MaxBatch {
					return &logread.DamageError{File: fmt.Sprintf("entry %d", b.start()), Reason: "no seal covers it"}
				}
				return nil
			}
			if e.Seal != nil {
				var seal proof.Seal
				seal, err = proof.ParseSeal(e.Seal.Note)
				b.seal = &seal
			}
			if err == nil {
				b.end = seq
				b.at, err = proof.ParseTime(e.ReceivedAt)
			}
			if err == nil {
				err = s.take(b)
			}
			b = batch{}
		}
		if err != nil {
			return &logread.DamageError{File: fmt.Sprintf("entry %d", seq), Reason: err.Error()}
		}
		if s.q.Progress != nil && (seq%256 == 255 || seq == s.size-1) {
			s.q.Progress(seq+1, s.size)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if tree.Root() != l.Root {
		return &logread.DamageError{File: logread.CheckpointPath, Reason: fmt.Sprintf("the entries of the log are not those under its checkpoint of size %d", s.size)}
	}
	if s.q.Whole && s.state == ahead && len(s.before.entries) > 0 { // nothing lies within the limits, nor behind them
		s.first = s.before.start()
		s.all(s.before)
	}
	return nil
}

// take takes the next batch or loss.
func (s *selection) take(b batch) error {
	key := ""
	if b.seal != nil {
		if key = b.seal.Key; s.storeKey == "" {
			s.storeKey = key
		}
	}
	before := b.end < s.bounds.First || b.at.Before(s.bounds.From)
	after := b.start() > s.bounds.Last || !s.bounds.Until.IsZero() && !b.at.Before(s.bounds.Until)
	whole := false
	if s.q.Whole {
		whole = s.within(b, before, after)
	}
	found := false
	for i, e := range b.entries {
		if e.Event != nil && key == s.storeKey {
			if err := s.act(e.Seq, b.end, e.Event); err != nil {
				return err
			}
		}
		if e.Seal != nil || before || after {
			continue
		}
		r, _, err := search.NewRecord(e, key)
		if err != nil {
			return err
		}
		if !s.match.Match(r) {
			continue
		}
		if e.Seq < s.bounds.First || e.Seq > s.bounds.Last {
			continue
		}
		s.shown, found = append(s.shown, b.entries[i].Seq), true
	}
	switch {
	case whole:
		s.all(b)
	case found && b.seal != nil:
		s.sealed(b)
	}
	return nil
}

// sealed shows a seal.
func (s *selection) sealed(b batch) {
	s.shown = append(s.shown, b.end)
	s.used[proof.KeyID(b.seal.Key)] = b.seal.Key
}

// all shows what a whole range shows of a batch whatever was found: its seal and its stubs.
func (s *selection) all(b batch) {
	for _, e := range b.entries {
		if e.Stub != nil {
			s.contextual = append(s.contextual, e.Seq) // those that were found are taken out again
		}
	}
	if b.seal != nil {
		s.sealed(b)
	}
}

// within says whether a batch belongs to the whole range, which reaches one batch beyond the limits on both sides: their
// received_at shows that nothing before and behind them was asked for.
func (s *selection) within(b batch, before, after bool) bool {
	switch {
	case s.state == behind:
		return false
	case s.state == ahead && before:
		s.before = b
		return false
	case s.state == ahead:
		s.state, s.first = inside, b.start()
		if len(s.before.entries) > 0 {
			s.first = s.before.start()
			s.all(s.before)
		}
		s.before = batch{}
	}
	if after {
		s.state, s.last = behind, b.end
	}
	return true
}

// act notes an event of the store's about a key.
func (s *selection) act(seq, seal uint64, raw []byte) error {
	if !bytes.Contains(raw, []byte("emitter_enrolled")) && !bytes.Contains(raw, []byte("key_r")) {
		return nil
	}
	e, err := event.Parse(raw)
	if err != nil {
		return err
	}
	switch e.EventType {
	case "emitter_enrolled", "key_revoked", "key_rotated":
	default:
		return nil
	}
	if o := e.Object; o != nil && (o.Type == "emitter_key" || o.Type == "log_key") {
		s.acts = append(s.acts, act{seq: seq, seal: seal, typ: e.EventType, key: o.ID, logKey: o.Type == "log_key"})
	}
	return nil
}

// context adds what is needed to check what is shown, puts all in order, and lists the keys.
func (s *selection) context() []evidence.Key {
	s.used[proof.KeyID(s.storeKey)] = s.storeKey
	listed := map[string]*evidence.Key{}
	var order []*evidence.Key
	for _, a := range s.acts {
		vkey, used := s.used[a.key]
		k := listed[a.key]
		switch {
		case a.logKey:
		case !used:
			continue
		case a.typ == "emitter_enrolled" && k == nil:
			k = &evidence.Key{Key: vkey, Enrolled: a.seq}
			listed[a.key], order = k, append(order, k)
		case a.typ == "key_revoked" && k != nil:
			k.Revoked = &a.seq
		default:
			continue
		}
		s.contextual = append(s.contextual, a.seq)
		s.shown = append(s.shown, a.seal)
	}
	found := slices.Clone(s.shown)
	slices.Sort(found)
	s.contextual = slices.DeleteFunc(s.contextual, func(seq uint64) bool {
		_, is := slices.BinarySearch(found, seq)
		return is
	})
	slices.Sort(s.contextual)
	s.contextual = slices.Compact(s.contextual)
	s.shown = append(s.shown, s.contextual...)
	slices.Sort(s.shown)
	s.shown = slices.Compact(s.shown)
	keys := make([]evidence.Key, len(order))
	for i, k := range order {
		keys[i] = *k
	}
	return keys
}

// shown reads what is shown, again.
type shown struct {
	ctx     context.Context
	src     logread.Source
	size    uint64
	seqs    []uint64
	context []uint64

	first   uint64 // of the bundle that was read last
	entries [][]byte
}

// entry reads one entry, a bundle at a time.
func (s *shown) entry(seq uint64) ([]byte, error) {
	if at := seq - s.first; s.entries == nil || seq < s.first || at >= uint64(len(s.entries)) {
		t, first := logread.Bundle(seq, s.size)
		s.first, s.entries = first, nil
		if err := logread.Entries(s.ctx, s.src, first, first+uint64(t.Width), func(_ uint64, raw []byte) error {
			s.entries = append(s.entries, raw)
			return nil
		}); err != nil {
			s.entries = nil
			return nil, err
		}
	}
	return s.entries[seq-s.first], nil
}

func (s *shown) all(yield func(evidence.Shown, error) bool) {
	for _, seq := range s.seqs {
		raw, err := s.entry(seq)
		if !yield(evidence.Shown{Seq: seq, Raw: raw}, err) || err != nil {
			return
		}
	}
}

// batch returns the leaf hashes of the events under a seal.
func (s *shown) batch(seal uint64) ([]proof.Hash, error) {
	raw, err := s.entry(seal)
	if err != nil {
		return nil, err
	}
	e, err := proof.ParseEntry(raw)
	if err != nil || e.Seal == nil {
		return nil, fmt.Errorf("entry %d is no seal any more: %w", seal, err)
	}
	parsed, err := proof.ParseSeal(e.Seal.Note)
	if err != nil {
		return nil, err
	}
	leaves := make([]proof.Hash, 0, parsed.Count)
	for seq := seal - uint64(parsed.Count); seq < seal; seq++ {
		if raw, err = s.entry(seq); err == nil {
			e, err = proof.ParseEntry(raw)
		}
		switch {
		case err != nil:
			return nil, err
		case e.Stub != nil:
			leaves = append(leaves, e.Stub.Leaf)
		default:
			leaves = append(leaves, proof.LeafHash(e.Event))
		}
	}
	return leaves, nil
}

// hit is an entry that was found, and the verifier key of the seal over it; "" of a loss.
type hit struct {
	proof.Entry
	raw  []byte
	seal *proof.Seal
}

// found are the entries that were found, in order.
func (s *shown) found() iter.Seq2[hit, error] {
	return func(yield func(hit, error) bool) {
		context := s.context
		var line []hit // whose seal has not come yet
		for _, seq := range s.seqs {
			raw, err := s.entry(seq)
			var h hit
			if err == nil {
				h.raw = raw
				h.Entry, err = proof.ParseEntry(raw)
			}
			if err == nil && h.Seal != nil {
				var seal proof.Seal
				if seal, err = proof.ParseSeal(h.Seal.Note); err == nil {
					for _, one := range line {
						one.seal = &seal
						if !yield(one, nil) {
							return
						}
					}
					line = line[:0]
					continue
				}
			}
			if err != nil {
				yield(h, err)
				return
			}
			if len(context) > 0 && context[0] == seq {
				context = context[1:]
				continue
			}
			if h.Stub != nil && h.Stub.Code == proof.StubLost {
				if !yield(h, nil) {
					return
				}
				continue
			}
			line = append(line, h)
		}
	}
}
