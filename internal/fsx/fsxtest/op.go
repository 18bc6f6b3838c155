package fsxtest

import (
	"errors"
	"fmt"
	"io/fs"
)

// Kind is what an operation does.
type Kind string

// The operations, as they are numbered and traced.
const (
	OpCreate      Kind = "create"
	OpOpen        Kind = "open"
	OpRename      Kind = "rename"
	OpRemove      Kind = "remove"
	OpMkdir       Kind = "mkdir"
	OpReadDir     Kind = "readdir"
	OpStat        Kind = "stat"
	OpSyncDir     Kind = "syncdir"
	OpLock        Kind = "lock"
	OpUnlock      Kind = "unlock"
	OpSpace       Kind = "space"
	OpRead        Kind = "read"
	OpWrite       Kind = "write"
	OpSize        Kind = "size"
	OpTruncate    Kind = "truncate"
	OpPreallocate Kind = "preallocate"
	OpSync        Kind = "sync"
	OpClose       Kind = "close"
)

// Changes says whether the operation can change what a crash leaves. A crash at any other operation leaves nothing that
// a crash at the next changing one does not leave too.
func (k Kind) Changes() bool {
	switch k {
	case OpCreate, OpRename, OpRemove, OpMkdir, OpSyncDir, OpLock, OpWrite, OpTruncate, OpPreallocate, OpSync:
		return true
	}
	return false
}

// Op is one operation of a trace; the first is number 1.
type Op struct {
	Kind Kind
	Name string
}

func (o Op) String() string { return fmt.Sprintf("%s %s", o.Kind, o.Name) }

// ErrCrashed is what every operation returns from a crash on.
var ErrCrashed = errors.New("the machine has crashed")

// ErrKilled is what every operation of a killed process returns.
var ErrKilled = errors.New("the process was killed")

type fault struct {
	err  error
	mode mode
}

// mode is how a call fails: without its effect, with half of it, or with all of it.
type mode uint8

const (
	failed mode = iota
	partly
	persisted
)

func (m mode) String() string {
	return [...]string{"failed", "failed, partly persisted", "failed, but persisted"}[m]
}

// modes are the ways in which an operation can fail. What only reads has no effect that could persist.
func (k Kind) modes() []mode {
	switch {
	case k == OpWrite || k == OpPreallocate:
		return []mode{failed, partly, persisted}
	case k.Changes() || k == OpUnlock || k == OpClose:
		return []mode{failed, persisted}
	}
	return []mode{failed}
}

// verdict is what becomes of one operation.
type verdict struct {
	op     int
	err    error // what the caller sees; nil: what the operation itself says
	effect bool  // it is carried out
	failed bool  // its sync is to be counted as failed
	half   bool  // the effect is half of what was asked for
}

// begin numbers the operation and decides its fate. The disk is locked.
func (m *Mem) begin(kind Kind, name string) verdict {
	d := m.d
	d.ops++
	d.trace = append(d.trace, Op{kind, name})
	switch {
	case d.crashed:
		return verdict{op: d.ops, err: ErrCrashed}
	case m.p.dead:
		return verdict{op: d.ops, err: ErrKilled}
	case d.ops == m.p.killAt:
		m.kill()
		return verdict{op: d.ops, err: ErrKilled}
	case d.ops == d.crashAt:
		d.crashed = true
		clear(d.locks)
		// In flight: it may have happened or not. A change that nobody synced stands for both; a sync that did not finish
		// leaves what it should have synced in that very state.
		return verdict{op: d.ops, err: ErrCrashed, effect: kind != OpSync && kind != OpSyncDir}
	}
	if f, ok := d.faults[d.ops]; ok {
		return verdict{op: d.ops, err: f.err, effect: f.mode != failed, failed: f.mode == failed, half: f.mode == partly}
	}
	return verdict{op: d.ops, effect: true}
}

// do carries out an operation on a name.
func (m *Mem) do(kind Kind, name string, fn func(verdict) error) error {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	for m.d.hang != nil && m.d.ops+1 >= m.d.hangAt {
		hang := m.d.hang
		m.d.mu.Unlock()
		<-hang
		m.d.mu.Lock()
	}
	v := m.begin(kind, name)
	var err error
	if v.effect || v.failed && (kind == OpSync || kind == OpSyncDir) {
		err = fn(v)
	}
	if v.err != nil {
		err = v.err
	}
	if err != nil {
		return &fs.PathError{Op: string(kind), Path: name, Err: err}
	}
	return nil
}
