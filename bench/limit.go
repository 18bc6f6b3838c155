package main

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// limit is the least that a durable Merkle log can do: entries appended to one file, with one fdatasync for all who came
// meanwhile, hashed, and the hashes put into a tree in memory. It checks nothing, signs nothing, and writes nothing that
// could be read later but the log itself. What it reaches is what the ledger's rates are divided by.
type limit struct {
	f     fsx.File
	off   int64
	tree  proof.Tree
	queue chan *write
	done  chan struct{}
	err   error // set before done is closed
}

// write is one call of append.
type write struct {
	items  []ledger.Item
	leaves []proof.Hash
	answer chan error
}

func newLimit(fsys fsx.FS) (*limit, error) {
	f, err := fsys.Create("limit.wal", 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Preallocate(1 << 30); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l := &limit{f: f, queue: make(chan *write, 4096), done: make(chan struct{})}
	go l.run()
	return l, nil
}

var writes = sync.Pool{New: func() any { return &write{answer: make(chan error, 1)} }}

// append hashes in the writer's goroutine and returns when the entries are durable.
func (l *limit) append(b ledger.Batch) error {
	w, ok := writes.Get().(*write)
	if !ok {
		return errors.New("the pool holds something else")
	}
	defer writes.Put(w)
	w.items, w.leaves = b.Items, w.leaves[:0]
	for _, i := range b.Items {
		w.leaves = append(w.leaves, proof.LeafHash(i.Event))
	}
	l.queue <- w
	return <-w.answer
}

// run is the one who writes. While it flushes, the group's hashes go into the tree.
func (l *limit) run() {
	defer close(l.done)
	var buf []byte
	var group []*write
	for w := range l.queue {
		buf, group = buf[:0], group[:0]
		for w != nil {
			group = append(group, w)
			for _, i := range w.items {
				buf = binary.BigEndian.AppendUint32(buf, uint32(len(i.Event)))
				buf = append(buf, i.Event...)
			}
			w = nil
			if len(buf) < 8<<20 {
				select {
				case w = <-l.queue:
				default:
				}
			}
		}
		var grown sync.WaitGroup
		grown.Go(func() {
			for _, w := range group {
				l.tree.AppendAll(w.leaves, nil)
			}
		})
		if l.err == nil {
			if _, l.err = l.f.WriteAt(buf, l.off); l.err == nil {
				l.err = l.f.Sync()
			}
			l.off += int64(len(buf))
		}
		grown.Wait() // the hashes are the writer's again when it has its answer
		for _, w := range group {
			w.answer <- l.err
		}
	}
}

// close ends the log; nobody may append any more.
func (l *limit) close() error {
	close(l.queue)
	<-l.done
	l.tree.Root()
	return errors.Join(l.err, l.f.Close())
}
