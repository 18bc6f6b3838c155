package fsxtest

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stetlog/stet/internal/fsx"
)

// Mem is one process's view of a disk in memory. It implements fsx.FS and is safe for concurrent use. Views made with
// Process share the disk, its operation numbers and its faults; each can be killed alone.
type Mem struct {
	d      *disk
	p      *process
	origin func() string // how a state came about; nil for a new disk
}

var _ fsx.FS = (*Mem)(nil)

// disk is what the processes of one machine share.
type disk struct {
	mu      sync.Mutex
	root    *inode
	nodes   int
	touched []*inode // files with unsynced changes, in the order of the first
	namings []*naming
	locks   map[*inode]*process

	ops     int
	trace   []Op
	crashAt int
	crashed bool
	faults  map[int]fault
	hangAt  int
	hang    chan struct{} // nil: the disk answers

	journalled  bool  // a failed sync of a directory is not forgotten: the next that succeeds counts for both
	limit, used int64 // bytes of space; limit 0: without end
}

type process struct {
	dead   bool
	killAt int
}

// New returns an empty disk, with one process that sees it.
func New() *Mem {
	d := &disk{locks: map[*inode]*process{}, faults: map[int]fault{}}
	d.root = d.inode(fs.ModeDir | 0o700)
	return &Mem{d: d, p: &process{}}
}

func (d *disk) inode(mode fs.FileMode) *inode {
	d.nodes++
	n := &inode{id: d.nodes, mode: mode}
	if n.dir() {
		n.names, n.namesDisk = map[string]*inode{}, map[string]*inode{}
	}
	return n
}

// Process returns the view of another process on the same machine.
func (m *Mem) Process() *Mem { return &Mem{d: m.d, p: &process{}, origin: m.origin} }

// Kill ends this process: its locks are released, every further call through it or its files fails with ErrKilled. The
// machine goes on, so nothing that was written is lost; it is only not durable yet.
func (m *Mem) Kill() {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.kill()
}

func (m *Mem) kill() {
	m.p.dead = true
	maps.DeleteFunc(m.d.locks, func(_ *inode, p *process) bool { return p == m.p })
}

// Crash stops the machine: every further call through any view fails with ErrCrashed. See States.
func (m *Mem) Crash() {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.d.crashed = true
	clear(m.d.locks)
}

// CrashAt stops the machine at operation number op, counted from 1 over all views of the disk. Whether that very
// operation still happened is left open, as with everything unsynced.
func (m *Mem) CrashAt(op int) {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.d.crashAt = op
}

// KillAt kills this process just before operation number op of the disk, if it is this process's.
func (m *Mem) KillAt(op int) {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.p.killAt = op
}

// FailAt makes operation number op return err, having done its work (persist) or not. A sync that did not do its work
// leaves what it should have synced readable but in doubt for ever: a later sync does not help it. May be called for
// several operations.
func (m *Mem) FailAt(op int, err error, persist bool) {
	how := failed
	if persist {
		how = persisted
	}
	m.failAt(op, fault{err, how})
}

// FailPartlyAt makes operation number op return err having done half of its work, as a full disk does: a write stores
// half of its bytes, a reservation grows the file half of the way. Other operations do all of it or nothing and are left
// to FailAt.
func (m *Mem) FailPartlyAt(op int, err error) { m.failAt(op, fault{err, partly}) }

func (m *Mem) failAt(op int, f fault) {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.d.faults[op] = f
}

// HangAt makes the disk stop answering: operation number op and all later ones, through any view, wait until release is
// called, and are numbered and carried out then. The wait is one that testing/synctest knows as idle.
func (m *Mem) HangAt(op int) (release func()) {
	hang := make(chan struct{})
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.d.hangAt, m.d.hang = op, hang
	return sync.OnceFunc(func() {
		m.d.mu.Lock()
		defer m.d.mu.Unlock()
		if m.d.hang == hang {
			m.d.hang = nil
		}
		close(hang)
	})
}

func (m *Mem) clearFaults() {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	clear(m.d.faults)
}

// Limit sets the size of the disk in bytes of file data; what goes beyond fails with ENOSPC, a write after the part of
// it that still had room. 0 removes the limit. Bytes reserved by Preallocate are taken at once.
func (m *Mem) Limit(size int64) {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.d.limit = size
}

// Used is how many bytes of file data the disk holds, reserved ones included.
func (m *Mem) Used() int64 {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	return m.d.used
}

// Ops lists the operations so far; the one at index i has number i+1.
func (m *Mem) Ops() []Op {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	return slices.Clone(m.d.trace)
}

// count is how many operations there were so far.
func (m *Mem) count() int {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	return m.d.ops
}

// revive takes a Crash back, as if it had been thought of only.
func (m *Mem) revive() {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	m.d.crashed = false
}

// Origin says which unsynced changes this disk, one of a crash's States, kept. It is "" for another disk.
func (m *Mem) Origin() string {
	if m.origin == nil {
		return ""
	}
	return m.origin()
}

// lookup finds what name stands for.
func (d *disk) lookup(name string) (*inode, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	n := d.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if !n.dir() {
			return nil, syscall.ENOTDIR
		}
		if n = n.names[part]; n == nil {
			return nil, syscall.ENOENT
		}
	}
	return n, nil
}

// parent finds the directory that name is or would be in.
func (d *disk) parent(name string) (*inode, error) {
	if name == "." || !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	n, err := d.lookup(path.Dir(name))
	if err == nil && !n.dir() {
		err = syscall.ENOTDIR
	}
	return n, err
}

// named records a change of names, of which no part is durable yet.
func (d *disk) named(c *naming) {
	c.apply(func(n *inode) map[string]*inode { return n.names })
	for _, dir := range []*inode{c.from, c.to} {
		if dir != nil && !slices.Contains(c.waits, dir) {
			c.waits = append(c.waits, dir)
		}
	}
	d.namings = append(d.namings, c)
}

// gone accounts for a file that lost its name.
func (d *disk) gone(n *inode) {
	n.linked = false
	d.used -= n.alloc
	n.alloc = 0
}

// make creates a file or directory.
func (d *disk) make(v verdict, kind Kind, name string, mode fs.FileMode) (*inode, error) {
	dir, err := d.parent(name)
	if err != nil {
		return nil, err
	}
	if dir.names[path.Base(name)] != nil {
		return nil, syscall.EEXIST
	}
	n := d.inode(mode)
	n.linked = true
	d.named(&naming{op: v.op, kind: kind, node: n, to: dir, new: path.Base(name)})
	return n, nil
}

// Create implements fsx.FS.
func (m *Mem) Create(name string, perm fs.FileMode) (fsx.File, error) {
	var n *inode
	err := m.do(OpCreate, name, func(v verdict) (err error) {
		n, err = m.d.make(v, OpCreate, name, perm.Perm())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &file{m: m, name: name, n: n, write: true}, nil
}

// Open implements fsx.FS.
func (m *Mem) Open(name string) (fsx.File, error) {
	var n *inode
	err := m.do(OpOpen, name, func(verdict) (err error) {
		if n, err = m.d.lookup(name); err == nil && n.dir() {
			return syscall.EISDIR
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &file{m: m, name: name, n: n}, nil
}

// Rename implements fsx.FS. A rename between two directories is atomic, and durable once both are synced.
func (m *Mem) Rename(oldname, newname string) error {
	return m.do(OpRename, oldname, func(v verdict) error {
		d := m.d
		from, err := d.parent(oldname)
		if err != nil {
			return err
		}
		to, err := d.parent(newname)
		if err != nil {
			return err
		}
		n := from.names[path.Base(oldname)]
		if n == nil {
			return syscall.ENOENT
		}
		if n.dir() && (newname == oldname || strings.HasPrefix(newname, oldname+"/")) {
			return syscall.EINVAL
		}
		switch over := to.names[path.Base(newname)]; {
		case over == n:
			return nil
		case over == nil:
		case over.dir() != n.dir():
			return syscall.EEXIST
		case len(over.names) > 0:
			return syscall.ENOTEMPTY
		default:
			d.gone(over)
		}
		d.named(&naming{op: v.op, kind: OpRename, node: n, from: from, to: to, old: path.Base(oldname), new: path.Base(newname)})
		return nil
	})
}

// Remove implements fsx.FS.
func (m *Mem) Remove(name string) error {
	return m.do(OpRemove, name, func(v verdict) error {
		dir, err := m.d.parent(name)
		if err != nil {
			return err
		}
		n := dir.names[path.Base(name)]
		if n == nil {
			return syscall.ENOENT
		}
		if len(n.names) > 0 {
			return syscall.ENOTEMPTY
		}
		m.d.gone(n)
		m.d.named(&naming{op: v.op, kind: OpRemove, node: n, from: dir, old: path.Base(name)})
		return nil
	})
}

// Mkdir implements fsx.FS.
func (m *Mem) Mkdir(name string, perm fs.FileMode) error {
	return m.do(OpMkdir, name, func(v verdict) error {
		_, err := m.d.make(v, OpMkdir, name, perm.Perm()|fs.ModeDir)
		return err
	})
}

// ReadDir implements fsx.FS.
func (m *Mem) ReadDir(name string) ([]fs.DirEntry, error) {
	var entries []fs.DirEntry
	err := m.do(OpReadDir, name, func(verdict) error {
		n, err := m.d.lookup(name)
		if err != nil {
			return err
		}
		if !n.dir() {
			return syscall.ENOTDIR
		}
		for _, k := range slices.Sorted(maps.Keys(n.names)) {
			entries = append(entries, fs.FileInfoToDirEntry(describe(k, n.names[k])))
		}
		return nil
	})
	return entries, err
}

// Stat implements fsx.FS.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	var fi fs.FileInfo
	err := m.do(OpStat, name, func(verdict) error {
		n, err := m.d.lookup(name)
		if err != nil {
			return err
		}
		fi = describe(path.Base(name), n)
		return nil
	})
	return fi, err
}

// SyncDir implements fsx.FS.
func (m *Mem) SyncDir(name string) error {
	return m.do(OpSyncDir, name, func(v verdict) error {
		n, err := m.d.lookup(name)
		if err != nil {
			return err
		}
		if !n.dir() {
			return syscall.ENOTDIR
		}
		for _, c := range m.d.namings {
			if c.state != dirty || !slices.Contains(c.waits, n) {
				continue
			}
			if v.failed {
				if !m.d.journalled {
					c.state = lost
				}
				continue
			}
			if c.waits = slices.DeleteFunc(c.waits, func(w *inode) bool { return w == n }); len(c.waits) == 0 {
				c.state = synced
			}
		}
		for len(m.d.namings) > 0 && m.d.namings[0].state == synced {
			m.d.namings[0].apply(func(n *inode) map[string]*inode { return n.namesDisk })
			m.d.namings = m.d.namings[1:]
		}
		return nil
	})
}

// TryLock implements fsx.FS. A crash, or the end of the process, releases the lock.
func (m *Mem) TryLock(name string) (io.Closer, error) {
	l := &held{m: m, name: name}
	err := m.do(OpLock, name, func(v verdict) (err error) {
		if l.n, err = m.d.lookup(name); errors.Is(err, syscall.ENOENT) {
			l.n, err = m.d.make(v, OpLock, name, 0o600)
		}
		if err != nil {
			return err
		}
		if l.n.dir() {
			return syscall.EISDIR
		}
		if m.d.locks[l.n] != nil {
			return fsx.ErrLocked
		}
		if v.err == nil {
			m.d.locks[l.n] = m.p
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Space implements fsx.FS. A disk without a limit has a PiB.
func (m *Mem) Space() (fsx.Space, error) {
	var s fsx.Space
	err := m.do(OpSpace, ".", func(verdict) error {
		if s.Size = m.d.limit; s.Size == 0 {
			s.Size = 1 << 50
		}
		s.Free = max(0, s.Size-m.d.used)
		return nil
	})
	return s, err
}

// held is a lock that its process may hold still.
type held struct {
	m    *Mem
	name string
	n    *inode
}

func (l *held) Close() error {
	return l.m.do(OpUnlock, l.name, func(verdict) error {
		if l.n == nil {
			return fs.ErrClosed
		}
		if l.m.d.locks[l.n] == l.m.p {
			delete(l.m.d.locks, l.n)
		}
		l.n = nil
		return nil
	})
}

// info describes a file as it was when asked for. There is no clock here, so times are zero.
type info struct {
	name string
	size int64
	mode fs.FileMode
	node *inode // tells files apart
}

var _ fs.FileInfo = info{}

func describe(name string, n *inode) info { return info{name, n.live.size, n.mode, n} }

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return i.node }
