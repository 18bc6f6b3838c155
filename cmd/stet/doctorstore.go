package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
)

// whyTampered is why a log that does not fit together matters.
const whyTampered = "somebody or something changed the log"

// log looks at marker, head and checkpoint, and at what this computer remembers of the log.
func (d *doctor) log() {
	failed := func(what string) {
		d.add(diagnosis{"store", sevProblem, what, whyTampered, "stet verify " + shellWord(d.path)})
	}
	m, err := store.ReadMarker(d.store)
	var damage *ledger.IntegrityError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := d.store.Stat(ledger.HeadFile); err == nil {
			failed("the marker of the store is missing beside its log")
		} else {
			d.ok("store", "nothing has been brought into a log yet")
		}
		return
	case errors.As(err, &damage):
		failed(err.Error())
		return
	case err != nil:
		d.unchecked("store", "the store's marker", err)
		return
	}
	d.marker = m
	cp, err := d.checkpoint(m)
	if errors.Is(err, fs.ErrNotExist) {
		d.add(diagnosis{"store", sevWarn, "the log has no checkpoint yet", "a process died before it had signed one", "stet doctor --flush"})
		return
	}
	if err != nil {
		failed("the checkpoint: " + err.Error())
		return
	}
	head, err := ledger.ReadHead(d.store)
	if err == nil {
		d.head = &head
	}
	switch {
	case err != nil:
		failed("the head: " + err.Error())
		return
	case head.Size < cp.Size || head.Size == cp.Size && head.Root != cp.Root:
		failed(fmt.Sprintf("the head is at %d entries, the checkpoint at %d, and they are not of one log", head.Size, cp.Size))
		return
	case head.Size > cp.Size:
		d.add(diagnosis{"store", sevWarn, fmt.Sprintf("entries in the log that are not under its checkpoint yet: %d", head.Size-cp.Size), "a process died before it had signed them", "stet doctor --flush"})
	}
	if _, err := d.store.ReadDir("journal"); err != nil {
		d.unchecked("store", "the journal", err)
	}
	if cp.Size > 0 {
		if _, err := logread.Entry(d.ctx, logread.Store(d.store), cp.Size-1); err != nil {
			failed("the last entry of the log: " + err.Error())
			return
		}
	}
	d.ok("store", "%s has %s under a signed checkpoint", m.Origin, plural(cp.Size, "entry"))
	d.memory(cp)
}

// checkpoint reads the checkpoint and checks its signature, by the newest of the log's keys.
func (d *doctor) checkpoint(m store.Marker) (logread.Signed, error) {
	return logread.Checkpoint(d.ctx, logread.Store(d.store), m.LogKey)
}

// memory compares the log with what this computer has seen of it.
func (d *doctor) memory(cp logread.Signed) {
	dir, err := fsx.OpenDir(d.state)
	if err == nil {
		defer func() { _ = dir.Close() }() // read only
		mem := known.Dir{FS: dir, Name: store.KnownDir}
		var some bool
		if _, some, err = mem.Last(cp.Origin); err == nil && some {
			if err = mem.Agrees(known.Checkpoint(cp), logread.Hashes(d.ctx, logread.Store(d.store), cp.Size)); err == nil {
				d.ok("memory", "the log agrees with the checkpoint that this computer remembers")
				return
			}
		}
	}
	switch {
	case errors.Is(err, known.ErrContradiction):
		d.add(diagnosis{"memory", sevProblem, err.Error(), "the log was cut, forked or restored from an older copy", "stet verify " + shellWord(d.path)})
	case errors.Is(err, known.ErrDamaged):
		d.add(diagnosis{"memory", sevProblem, err.Error(), "a log that was rewritten would not be noticed", "move that file away once you have found out who damaged it"})
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		d.unchecked("memory", "what this computer remembers of the log", err)
	default:
		d.add(diagnosis{"memory", sevWarn, "this computer remembers nothing of the log", "whoever owns its key could have rewritten it", "stet doctor --flush"})
	}
}

// spools looks at what is not in the log yet.
func (d *doctor) spools() {
	streams, err := spool.List(d.store, spool.Dir)
	if err != nil {
		d.unchecked("spool", "the spools", err)
		return
	}
	machine := origin.Detect(os.LookupEnv).Machine.Text
	alive, left := 0, 0
	var fresh waiting
	for _, stream := range streams {
		w, lives := d.spool(stream, machine)
		if !lives {
			left++
			continue
		}
		alive++
		fresh.add(w)
	}
	if alive > 0 {
		d.recording(alive, fresh)
	}
	if left == 0 {
		d.ok("spool", "no process left anything behind")
	}
}

// waiting is what of a spool is not in the log yet.
type waiting struct {
	events int
	oldest time.Time // zero where there is none
}

func (w *waiting) add(other waiting) {
	w.events += other.events
	if w.oldest.IsZero() || !other.oldest.IsZero() && other.oldest.Before(w.oldest) {
		w.oldest = other.oldest
	}
}

func (w waiting) String() string {
	if w.events == 0 {
		return "all events are in the log"
	}
	text := plural(w.events, "event") + " not in the log yet"
	if !w.oldest.IsZero() {
		text += fmt.Sprintf(", the oldest of %v ago", time.Since(w.oldest).Round(time.Second))
	}
	return text
}

// staleAfter is how old an event of a living process may become before nobody seems to bring any into the log.
const staleAfter = time.Hour

// recording says what processes that live have recorded and nobody has brought into the log.
func (d *doctor) recording(alive int, w waiting) {
	what := fmt.Sprintf("%s recording: %v", plural(alive, "process"), w)
	if w.events > 0 && time.Since(w.oldest) > staleAfter {
		d.add(diagnosis{"spool", sevWarn, what, "they are durable and sealed, but nobody sees or verifies them yet", "stet doctor --flush, and have some stet command run now and then"})
		return
	}
	d.ok("spool", "%s", what)
}

// spool looks at one, and says whether its owner lives, and what of it is not in the log. One that is gone meanwhile has
// left nothing, and counts as alive.
func (d *doctor) spool(stream, machine string) (w waiting, alive bool) {
	m, err := spool.ReadMeta(d.store, spool.Dir, stream)
	if errors.Is(err, fs.ErrNotExist) {
		return w, true
	}
	if err == nil && m.MachineID != "" && m.MachineID != machine {
		d.add(diagnosis{"spool", sevWarn, fmt.Sprintf("spool %s belongs to another machine, %s", stream, m.Host), "only there can be told whether its writer lives, so it is not brought in here",
			"on " + m.Host + ": stet doctor --flush --store " + shellWord(d.path)})
		return w, false
	}
	// The lock is only asked for where it is: asking would make it.
	if _, err := d.store.Stat(spool.Dir + "/" + stream + "/lock"); err == nil {
		own, err := spool.Own(d.store, spool.Dir, stream)
		if err == nil {
			err = own.Close()
		}
		alive = errors.Is(err, fsx.ErrLocked)
		if err != nil && !alive && !errors.Is(err, fs.ErrNotExist) {
			d.unchecked("spool", "spool "+stream, err)
			return w, false
		}
	}
	w, report, err := d.spooled(stream)
	if errors.Is(err, fs.ErrNotExist) {
		return w, true
	}
	if err != nil {
		d.unchecked("spool", "spool "+stream, err)
		return w, alive
	}
	if alive {
		return w, true // what it is writing just now may look damaged
	}
	x := diagnosis{"spool", sevWarn, fmt.Sprintf("spool %s of process %d, which is gone: %v", stream, m.PID, w),
		"they are durable and sealed, but nobody sees or verifies them yet", "stet doctor --flush"}
	if w.events == 0 {
		x.Why = "its open jobs are not declared lost yet"
	}
	if len(report.Damaged) > 0 {
		x.Severity, x.What = sevProblem, x.What+fmt.Sprintf("; %s is damaged: %s", report.Damaged[0].Segment, report.Damaged[0].Reason)
		x.Why = "what is damaged will be declared lost, and kept in " + spool.QuarantineDir
	}
	d.add(x)
	return w, false
}

// spooled reads what of a spool the log does not have. Where the log cannot be asked that is all of it.
func (d *doctor) spooled(stream string) (w waiting, report spool.Report, err error) {
	from := uint64(0)
	if d.head != nil {
		state, there, err := ledger.LookupStream(d.store, *d.head, stream)
		if err != nil {
			return w, report, err
		}
		if there {
			from = state.Next
		}
	}
	return d.spooledFrom(stream, from)
}

// spooledFrom reads what of a spool comes from a stream_seq on; 0 is all of it.
func (d *doctor) spooledFrom(stream string, from uint64) (w waiting, report spool.Report, err error) {
	var codec event.Codec
	report, err = spool.Read(d.store, spool.Dir, stream, from, func(b spool.Batch) error {
		events := b.Events
		if b.First < from {
			events = events[min(from-b.First, uint64(len(events))):]
		}
		w.events += len(events)
		if w.oldest.IsZero() && len(events) > 0 {
			if ref, err := codec.Check(events[0]); err == nil {
				w.oldest = ref.Timestamp
			}
		}
		return d.ctx.Err()
	})
	return w, report, err
}

// keys looks at private keys: who could read them can sign in their owner's name.
func (d *doctor) keys() {
	type keyOf struct{ path, signs string }
	all := []keyOf{{d.state + "/emitter.key", "what this user records"}}
	if d.store != nil {
		all = append(all, keyOf{d.path + "/keys/log.key", "checkpoints of the log"}, keyOf{d.path + "/keys/store.key", "the store's own events"})
		door := d.path + "/keys/door.key"
		if _, err := os.Lstat(door); err == nil { // it is there only where a server has needed it
			all = append(all, keyOf{door, "what came unsealed to the server"})
		}
	}
	good := 0
	for _, k := range all {
		_, err := keyfile.Load(k.path)
		why := "whoever has it can forge " + k.signs
		switch {
		case err == nil:
			good++
		case errors.Is(err, fs.ErrNotExist): // it is made when it is needed; the store's own are missed by its marker
			if _, merr := store.ReadMarker(orNone(d.store)); merr == nil && k.path != all[0].path {
				d.add(diagnosis{"keys", sevProblem, k.path + " is missing", "nothing can be brought into the log without it", "bring it back from a backup"})
			}
		case errors.Is(err, keyfile.ErrExposed):
			d.add(diagnosis{"keys", sevProblem, k.path + " can be read or written by others", why, "chmod 600 " + shellWord(k.path) + ", and where somebody may have read it, replace it"})
		case errors.Is(err, keyfile.ErrOwner):
			d.add(diagnosis{"keys", sevProblem, err.Error(), why, "run as its owner, or set STET_STATE to a directory of your own"})
		case errors.Is(err, keyfile.ErrFormat):
			d.add(diagnosis{"keys", sevProblem, err.Error(), "nothing can be signed with it", "bring it back from a backup"})
		default:
			d.unchecked("keys", k.path, err)
		}
	}
	if good > 0 {
		d.ok("keys", "%s there, and only yours", plural(good, "private key"))
	}
	if d.head != nil {
		d.enrolled(all[0].path)
	}
}

// enrolled says whether the log knows the key that this user records with. It comes to know it with the first events.
func (d *doctor) enrolled(path string) {
	key, err := keyfile.Load(path)
	if err != nil {
		return // which was said
	}
	switch there, err := store.Enrolled(d.store, d.marker, *d.head, key.VKey); {
	case err != nil:
		d.unchecked("keys", "whether the log knows "+key.Name, err)
	case there:
		d.ok("keys", "the log knows your key, %s", key.Name)
	default:
		d.ok("keys", "the log does not know your key yet, %s: it comes with the first events that you record here", key.Name)
	}
}

// noFS is the file system of a store that is not there.
type noFS struct{ fsx.FS }

func (noFS) Open(string) (fsx.File, error) { return nil, fs.ErrNotExist }

func orNone(d *fsx.Dir) fsx.FS {
	if d == nil {
		return noFS{}
	}
	return d
}
