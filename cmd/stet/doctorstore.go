package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
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
	cp, err := d.checkpoint(m)
	if errors.Is(err, fs.ErrNotExist) {
		d.add(diagnosis{"store", sevWarn, "the log has no checkpoint yet", "a process died before it had signed one", "stet doctor --flush"})
		return
	}
	if err != nil {
		failed("the checkpoint: " + err.Error())
		return
	}
	switch head, err := ledger.ReadHead(d.store); {
	case err != nil:
		failed("the head: " + err.Error())
		return
	case head.Size < cp.Size || head.Size == cp.Size && head.Root != cp.Root:
		failed(fmt.Sprintf("the head is at %d entries, the checkpoint at %d, and they are not of one log", head.Size, cp.Size))
		return
	case head.Size > cp.Size:
		d.add(diagnosis{"store", sevWarn, fmt.Sprintf("%d entries are in the log and not under its checkpoint yet", head.Size-cp.Size), "a process died before it had signed them", "stet doctor --flush"})
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
	d.ok("store", "%s has %d entries under a signed checkpoint", m.Origin, cp.Size)
	d.memory(m, cp)
}

// checkpoint reads the checkpoint and checks its signature.
func (d *doctor) checkpoint(m store.Marker) (proof.Checkpoint, error) {
	msg, err := fsx.ReadFile(d.store, logread.StoreLog+"/"+logread.CheckpointPath, proof.MaxCheckpoint)
	if err != nil {
		return proof.Checkpoint{}, err
	}
	v, err := note.NewVerifier(m.LogKey)
	if err != nil {
		return proof.Checkpoint{}, err
	}
	return proof.OpenCheckpoint(msg, m.Origin, v)
}

// memory compares the log with what this computer has seen of it.
func (d *doctor) memory(m store.Marker, cp proof.Checkpoint) {
	dir, err := fsx.OpenDir(d.state)
	if err == nil {
		defer func() { _ = dir.Close() }() // read only
		mem := known.Dir{FS: dir, Name: store.KnownDir}
		var some bool
		if _, some, err = mem.Last(cp.Origin); err == nil && some {
			if err = mem.Agrees(known.Checkpoint{Checkpoint: cp, VKey: m.LogKey}, logread.Hashes(d.ctx, logread.Store(d.store), cp.Size)); err == nil {
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
	alive, waiting := 0, 0
	for _, stream := range streams {
		if d.spool(stream, machine) {
			alive++
		} else {
			waiting++
		}
	}
	if waiting == 0 {
		d.ok("spool", "nothing is left behind; %d processes are recording", alive)
	}
}

// spool looks at one, and says whether its owner lives.
func (d *doctor) spool(stream, machine string) (alive bool) {
	m, err := spool.ReadMeta(d.store, spool.Dir, stream)
	if errors.Is(err, fs.ErrNotExist) {
		return true // gone since it was listed
	}
	if err == nil && m.MachineID != "" && m.MachineID != machine {
		d.add(diagnosis{"spool", sevWarn, fmt.Sprintf("spool %s belongs to another machine, %s", stream, m.Host), "only there can be told whether its writer lives, so it is not brought in here",
			"on " + m.Host + ": stet doctor --flush --store " + shellWord(d.path)})
		return false
	}
	// The lock is only asked for where it is: asking would make it.
	if _, err := d.store.Stat(spool.Dir + "/" + stream + "/lock"); err == nil {
		own, err := spool.Own(d.store, spool.Dir, stream)
		if errors.Is(err, fsx.ErrLocked) {
			return true
		}
		if err == nil {
			err = own.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.unchecked("spool", "spool "+stream, err)
			return false
		}
	}
	events, oldest := 0, time.Time{}
	var codec event.Codec
	report, err := spool.Read(d.store, spool.Dir, stream, 0, func(b spool.Batch) error {
		events += len(b.Events)
		if oldest.IsZero() && len(b.Events) > 0 {
			if ref, err := codec.Check(b.Events[0]); err == nil {
				oldest = ref.Timestamp
			}
		}
		return d.ctx.Err()
	})
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		d.unchecked("spool", "spool "+stream, err)
		return false
	}
	what := fmt.Sprintf("spool %s of process %d, which is gone, holds %d events", stream, m.PID, events)
	if !oldest.IsZero() {
		what += fmt.Sprintf(", the oldest of %s ago", time.Since(oldest).Round(time.Second))
	}
	x := diagnosis{"spool", sevWarn, what, "they are durable and sealed, but nobody sees or verifies them yet", "stet doctor --flush"}
	if len(report.Damaged) > 0 {
		x.Severity, x.What = sevProblem, x.What+fmt.Sprintf("; %s is damaged: %s", report.Damaged[0].Segment, report.Damaged[0].Reason)
		x.Why = "what is damaged will be declared lost, and kept in " + spool.QuarantineDir
	}
	d.add(x)
	return false
}

// quarantine looks at what could not be taken in.
func (d *doctor) quarantine() {
	files, err := d.store.ReadDir(spool.QuarantineDir)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && len(files) == 0:
	case err != nil:
		d.unchecked("quarantine", spool.QuarantineDir, err)
	default:
		d.add(diagnosis{"quarantine", sevWarn, fmt.Sprintf("%d files could not be taken in, the first is %s", len(files), files[0].Name()),
			"they are evidence: the log says of each why", "stet export --json | grep -e event_refused -e spool_quarantined"})
	}
}

// keys looks at private keys: who could read them can sign in their owner's name.
func (d *doctor) keys() {
	type keyOf struct{ path, signs string }
	all := []keyOf{{d.state + "/emitter.key", "what this user records"}}
	if d.store != nil {
		all = append(all, keyOf{d.path + "/keys/log.key", "checkpoints of the log"}, keyOf{d.path + "/keys/store.key", "the store's own events"})
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
		d.ok("keys", "%d private keys are there, and only yours", good)
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
