package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// receipts are all that the server ever gave, also those that never reached anybody: what it said of a batch once, it must
// keep to. They are rebuilt from the bytes that were sent, and from nothing that the ledger says of itself.
type receipts struct {
	log note.Verifier

	mu      sync.Mutex
	entries map[uint64]proof.Hash // of batches: seq → leaf
	first   map[string]uint64     // stream and first number → seq
	roots   map[uint64]proof.Hash // of checkpoints: size → root
	errs    []error

	placed, again, refused, gone int
	codes                        map[wire.Code]int
}

func newReceipts(log note.Verifier) *receipts {
	return &receipts{log: log, entries: map[uint64]proof.Hash{}, first: map[string]uint64{}, roots: map[uint64]proof.Hash{}, codes: map[wire.Code]int{}}
}

// hear takes down one answer of the server's.
func (r *receipts) hear(req *http.Request, body []byte, resp *http.Response, answer []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusServiceUnavailable {
		r.errs = append(r.errs, fmt.Errorf("%s %s was answered with %s: %s", req.Method, req.URL.Path, resp.Status, answer))
	}
	if resp.StatusCode != http.StatusOK {
		p, _ := wire.ParseProblem(answer)
		r.codes[p.Code]++
		return
	}
	if resp.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(answer))
		if err == nil {
			answer, err = io.ReadAll(z)
		}
		if err != nil {
			r.errs = append(r.errs, err)
			return
		}
	}
	var err error
	switch req.URL.Path {
	case "/checkpoint":
		_, err = r.checkpoint(answer)
	case "/v1/batches":
		err = r.answer(body, answer)
	}
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("the answer to %s %s: %w", req.Method, req.URL.Path, err))
	}
}

// checkpoint checks a signature, and that there are no two roots for one size.
func (r *receipts) checkpoint(signed []byte) (proof.Checkpoint, error) {
	cp, err := proof.OpenCheckpoint(signed, r.log.Name(), r.log)
	if err != nil {
		return cp, err
	}
	if was, ok := r.roots[cp.Size]; ok && was != cp.Root {
		return cp, fmt.Errorf("two roots for size %d: %v and %v", cp.Size, was, cp.Root)
	}
	r.roots[cp.Size] = cp.Root
	return cp, nil
}

func (r *receipts) answer(body, answer []byte) error {
	elements, err := wire.Parse(body)
	if err != nil {
		return err
	}
	a, err := wire.ParseReceipts(answer)
	if err != nil {
		return err
	}
	if len(a.Results) != len(elements) {
		return fmt.Errorf("%d results for %d elements", len(a.Results), len(elements))
	}
	var cp proof.Checkpoint
	if a.Checkpoint != "" {
		if cp, err = r.checkpoint([]byte(a.Checkpoint)); err != nil {
			return err
		}
	}
	for i, res := range a.Results {
		switch e := elements[i]; {
		case e.Loss != nil:
			return fmt.Errorf("numbers %d to %d of stream %s were declared lost", e.Loss.First, e.Loss.Last, e.Loss.Stream)
		case res.Status == wire.Refused:
			r.refused++
			r.codes[res.Code]++
			return fmt.Errorf("what stands at %d of stream %s was refused: %s: %s", res.First, res.Stream, res.Code, res.Detail)
		case e.Gone != nil:
			r.gone++
		default:
			if res.Status == wire.Again {
				r.again++
			} else {
				r.placed++
			}
			if err := r.receipt(e.Batch, res, cp); err != nil {
				return fmt.Errorf("batch %d of stream %s: %w", e.Batch.First, res.Stream, err)
			}
		}
	}
	return nil
}

// receipt rebuilds a batch's entries, and holds them against the proof and against earlier receipts.
func (r *receipts) receipt(b *spool.Batch, res wire.Result, cp proof.Checkpoint) error {
	if res.Seq == nil || res.First != b.First || len(res.Stubs) > 0 || res.Count != len(b.Events)+1 {
		return fmt.Errorf("the receipt is %+v", res)
	}
	var leaves []proof.Hash
	for i, e := range b.Events {
		leaves = append(leaves, proof.LeafHash(proof.AppendEventEntry(nil, *res.Seq+uint64(i), res.ReceivedAt, res.Via, e)))
	}
	leaves = append(leaves, proof.LeafHash(proof.AppendSealEntry(nil, *res.Seq+uint64(len(b.Events)), res.ReceivedAt, res.Via, proof.SealEntry{PrevSeq: res.PrevSeq, Note: b.Seal})))
	if err := proof.VerifyRange(*res.Seq, leaves, cp.Size, cp.Root, res.Proof); err != nil {
		return err
	}
	key := fmt.Sprintf("%s %d", res.Stream, b.First)
	if was, ok := r.first[key]; ok && was != *res.Seq {
		return fmt.Errorf("it was given seq %d once, and %d", was, *res.Seq)
	}
	r.first[key] = *res.Seq
	for i, l := range leaves {
		seq := *res.Seq + uint64(i)
		if was, ok := r.entries[seq]; ok && was != l {
			return fmt.Errorf("seq %d was given to two entries", seq)
		}
		r.entries[seq] = l
	}
	return nil
}

// who is one writer of one life of an emitter, or its jobs.
type who struct {
	life   string
	writer int
}

// chaosLedger is what a judge reads off the ledger.
type chaosLedger struct {
	tree     proof.Tree
	events   map[who][]int     // their numbers, in the ledger's order
	byRun    map[string]string // run → job_started, or its outcome
	lost     int
	streams  map[string]uint64
	problems []error
}

// judgeChaos holds the ledger against what the emitters said and what the server gave: durable is what is in recorded.
func judgeChaos(t *testing.T, x *shop, r *receipts, recorded map[who]int) *chaosLedger {
	t.Helper()
	fsys, err := fsx.OpenDir(x.store)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fsys.Close() }() // only read
	src := logread.Store(fsys)
	signed, err := src.Fetch(t.Context(), "checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	cp, err := r.checkpoint(signed)
	if err != nil {
		t.Fatal(err)
	}
	l := &chaosLedger{events: map[who][]int{}, byRun: map[string]string{}, streams: map[string]uint64{}}
	roots := 0
	err = logread.Entries(t.Context(), src, 0, cp.Size, func(seq uint64, entry []byte) error {
		leaf := proof.LeafHash(entry)
		if given, ok := r.entries[seq]; ok {
			if given != leaf {
				l.problem("entry %d is not the one that its receipt proved: %s", seq, entry)
			}
			delete(r.entries, seq)
		}
		l.tree.Append(leaf)
		if root, ok := r.roots[seq+1]; ok {
			roots++
			if root != l.tree.Root() {
				l.problem("the checkpoint of size %d was signed over another tree", seq+1)
			}
		}
		return l.read(seq, entry)
	})
	if err != nil {
		t.Fatal(err)
	}
	l.judge(recorded)
	if len(r.entries) > 0 || roots != len(r.roots) {
		l.problem("receipts were given for %d entries, and checkpoints for %d sizes, that the ledger does not have", len(r.entries), len(r.roots)-roots)
	}
	for i, err := range append(slices.Clone(r.errs), l.problems...) {
		if i == 20 {
			t.Fatal("and more")
		}
		t.Error(err)
	}
	events := 0
	for _, n := range recorded {
		events += n
	}
	t.Logf("%d records acknowledged; %d entries in %d streams; receipts: %d placed, %d again; %d checkpoints; %d times dead, %d runs lost; refusals: %v",
		events, cp.Size, len(l.streams), r.placed, r.again, roots, r.gone, l.lost, r.codes)
	return l
}

func (l *chaosLedger) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Errorf(format, args...))
}

// read takes one entry.
func (l *chaosLedger) read(seq uint64, raw []byte) error {
	e, err := proof.ParseEntry(raw)
	if err != nil {
		return err
	}
	if e.Stub != nil {
		l.problem("entry %d is a stub: %s", seq, raw)
	}
	if e.Event == nil {
		return nil
	}
	var ev struct {
		Type   string `json:"event_type"`
		Stream string `json:"stream_id"`
		Seq    uint64 `json:"stream_seq"`
		Text   string `json:"description"`
		Job    struct {
			Name string `json:"name"`
			Run  string `json:"run_id"`
		} `json:"job"`
	}
	if err := json.Unmarshal(e.Event, &ev); err != nil {
		return err
	}
	if ev.Seq != l.streams[ev.Stream]+1 {
		l.problem("entry %d is number %d of stream %s, want %d", seq, ev.Seq, ev.Stream, l.streams[ev.Stream]+1)
	}
	l.streams[ev.Stream] = ev.Seq
	var w who
	var n int
	switch ev.Type {
	case "chaos_event":
		if _, err := fmt.Sscanf(ev.Text, "%s %d %d", &w.life, &w.writer, &n); err != nil {
			return err
		}
		l.events[w] = append(l.events[w], n)
	case "job_submitted":
		if _, err := fmt.Sscanf(ev.Job.Name, "%s %d %d", &w.life, &w.writer, &n); err != nil {
			return err
		}
		l.events[w] = append(l.events[w], n)
	case "job_started":
		if was := l.byRun[ev.Job.Run]; was != "" {
			l.problem("entry %d: a run started that had %s", seq, was)
		}
		l.byRun[ev.Job.Run] = ev.Type
	case "job_succeeded", "job_lost":
		if was := l.byRun[ev.Job.Run]; was != "job_started" {
			l.problem("entry %d: the run of %s was %q when %s came", seq, ev.Job.Name, was, ev.Type)
		}
		l.byRun[ev.Job.Run] = ev.Type
		if ev.Type == "job_lost" {
			l.lost++
		}
	}
	return nil
}

// judge: each writer's numbers are in the ledger from 1 on, in its order, each once, as far as it said, and at most the one
// beyond that it was about to say. Every run that started has an outcome.
func (l *chaosLedger) judge(recorded map[who]int) {
	for w, n := range recorded {
		if got := len(l.events[w]); got != n && got != n+1 {
			l.problem("writer %d of %s said that %d are durable, the ledger has %d", w.writer, w.life, n, got)
		}
	}
	for w, all := range l.events {
		for i, n := range all {
			if n != i+1 {
				l.problem("writer %d of %s: number %d stands where %d belongs", w.writer, w.life, n, i+1)
				break
			}
		}
		if len(all) > recorded[w]+1 {
			l.problem("writer %d of %s has %d in the ledger, and said %d", w.writer, w.life, len(all), recorded[w])
		}
	}
	for run, was := range l.byRun {
		if was == "job_started" {
			l.problem("run %s has no outcome", run)
		}
	}
}

// judgeMachine demands that nothing is left on a machine, that nothing was put aside or noted against the server there, and
// that what it remembers of the log is on the way to what the log is.
func judgeMachine(t *testing.T, m *machine, r *receipts) {
	t.Helper()
	for _, pattern := range []string{"servers/*/spool/*", "servers/*/quarantine/*", "servers/*/trouble"} {
		if left, err := filepath.Glob(filepath.Join(m.state, pattern)); err != nil || len(left) > 0 {
			t.Errorf("%s: left are %v (%v)", m.app, left, err)
		}
	}
	fsys, err := fsx.OpenDir(m.state)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fsys.Close() }() // only read
	last, ok, err := known.Dir{FS: fsys, Name: known.DirName}.Last(r.log.Name())
	if err != nil || !ok {
		t.Fatalf("%s knows no checkpoint: %v", m.app, err)
	}
	if err := errors.Join(second(r.checkpoint(last.Note))); err != nil {
		t.Errorf("%s remembers a checkpoint that was never given so: %v", m.app, err)
	}
}

func second[T any](_ T, err error) error { return err }

// logVerifier reads the log's key off the store's marker.
func logVerifier(t *testing.T, x *shop) (note.Verifier, string) {
	t.Helper()
	fsys, err := fsx.OpenDir(x.store)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fsys.Close() }() // only read
	m, err := store.ReadMarker(fsys)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(m.LogKey)
	if err != nil {
		t.Fatal(err)
	}
	return v, m.LogKey
}
