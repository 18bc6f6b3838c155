package ledger_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// A notary is the log's key that remembers everything it was made to sign.
type notary struct {
	note.Signer
	mu     sync.Mutex
	signed []proof.Checkpoint
}

func (n *notary) Sign(msg []byte) ([]byte, error) {
	c, err := proof.ParseCheckpointText(msg)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.signed = append(n.signed, c)
	n.mu.Unlock()
	return n.Signer.Sign(msg)
}

// acked is a batch or a loss that the ledger has acknowledged.
type acked struct {
	batch  ledger.Batch
	loss   *ledger.Loss
	placed ledger.Placed
}

// A claim is what a process may say after working with a ledger.
type claim struct {
	acked  []acked
	signed []proof.Checkpoint // everything that was ever signed, handed out or not
}

func (c claim) String() string {
	last := uint64(0)
	for _, s := range c.signed {
		last = max(last, s.Size)
	}
	return fmt.Sprintf("%d acknowledged, signed up to %d entries", len(c.acked), last)
}

// A worker works with a ledger and keeps its claim. Its methods do nothing once something failed.
type worker struct {
	claim
	fsys   *fsxtest.Mem
	change func(*ledger.Options)
	notary *notary
	l      *ledger.Ledger
	err    error
}

func work(fsys *fsxtest.Mem, change func(*ledger.Options)) *worker {
	signer, _ := key(origin)
	w := &worker{fsys: fsys, change: change, notary: &notary{Signer: signer}}
	w.open()
	return w
}

func (w *worker) open() {
	if w.err != nil {
		return
	}
	o := options(w.fsys)
	o.Signer = w.notary
	w.change(&o)
	w.l, w.err = ledger.Open(background, o)
}

func (w *worker) append(b ledger.Batch) {
	if w.err != nil {
		return
	}
	var p ledger.Placed
	if p, w.err = w.l.Append(background, b); w.err == nil {
		w.acked = append(w.acked, acked{batch: b, placed: p})
	}
}

func (w *worker) lose(loss ledger.Loss) {
	if w.err != nil {
		return
	}
	var p ledger.Placed
	if p, w.err = w.l.AppendLoss(background, viaStore, loss); w.err == nil {
		w.acked = append(w.acked, acked{loss: &loss, placed: p})
	}
}

func (w *worker) publish() {
	if w.err != nil {
		return
	}
	_, w.err = w.l.Publish(background)
}

func (w *worker) close() {
	if w.l != nil {
		w.err = errors.Join(w.err, w.l.Close())
		w.l = nil
	}
}

// carry takes over what was claimed before.
func (w *worker) carry(c claim) {
	w.acked = slices.Clone(c.acked)
	w.notary.mu.Lock()
	defer w.notary.mu.Unlock()
	w.notary.signed = slices.Concat(c.signed, w.notary.signed)
}

// done releases what is left of the ledger and returns the claim.
func (w *worker) done() any {
	if w.l != nil {
		_ = w.l.Close() // its error was expected, or does not matter to the claim
	}
	w.notary.mu.Lock()
	defer w.notary.mu.Unlock()
	w.signed = slices.Clone(w.notary.signed)
	return w.claim
}

// audit opens a disk as a crash left it and holds it against the claim: nothing acknowledged is missing or elsewhere,
// nothing that was signed is undone, every file is exactly what the entries lead to, and work can go on.
func audit(fsys *fsxtest.Mem, c claim, change func(*ledger.Options)) error {
	w := work(fsys, change)
	if w.err != nil {
		return fmt.Errorf("reopen: %w", w.err)
	}
	defer w.done()
	for i, a := range c.acked {
		var p ledger.Placed
		var err error
		if a.loss != nil {
			p, err = w.l.AppendLoss(background, viaStore, *a.loss)
		} else {
			p, err = w.l.Append(background, a.batch)
		}
		a.placed.Again = true
		if err != nil || p != a.placed {
			return fmt.Errorf("acknowledged batch %d stood at %+v, now %+v, %w", i, a.placed, p, orNone(err))
		}
	}
	if err := auditFiles(fsys, c.signed); err != nil {
		return fmt.Errorf("after recovery: %w", err)
	}
	extra := newStream("after", 999)
	var p ledger.Placed
	for again := true; again; again = p.Again { // an earlier audit may have been here
		if p, w.err = w.l.Append(background, extra.next(2, 60)); w.err != nil {
			return fmt.Errorf("go on: %w", w.err)
		}
	}
	if w.close(); w.err != nil {
		return fmt.Errorf("close: %w", w.err)
	}
	all := slices.Concat(c.signed, w.notary.signed)
	if err := auditFiles(fsys, all); err != nil {
		return fmt.Errorf("after going on: %w", err)
	}
	before := len(fsys.Ops())
	if w.open(); w.err != nil {
		return fmt.Errorf("second reopen: %w", w.err)
	}
	for _, op := range fsys.Ops()[before:] {
		if op.Kind.Changes() {
			return fmt.Errorf("the second reopen was not clean: %v", op)
		}
	}
	w.close()
	return w.err
}

func orNone(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// auditFiles reads a ledger at rest with nothing of its own code but the head's parser, derives every file from the
// entries the slow way, and compares.
func auditFiles(fsys fsx.FS, signed []proof.Checkpoint) error {
	head, err := ledger.ReadHead(fsys)
	if err != nil {
		return err
	}
	entries, err := readEntries(fsys, head.Size)
	if err != nil {
		return err
	}
	var leaves []proof.Hash
	for _, e := range entries {
		leaves = append(leaves, proof.LeafHash(e))
	}
	if naive(leaves) != head.Root {
		return fmt.Errorf("the entries do not have the head's root")
	}
	at := func(size uint64) (proof.Hash, error) {
		if size > head.Size {
			return proof.Hash{}, fmt.Errorf("%d entries were signed, the head has %d", size, head.Size)
		}
		return naive(leaves[:size]), nil
	}
	roots := map[uint64]proof.Hash{}
	for _, c := range signed {
		root, ok := roots[c.Size]
		if !ok {
			if root, err = at(c.Size); err != nil {
				return err
			}
			roots[c.Size] = root
		}
		if c.Root != root {
			return fmt.Errorf("a fork: root %s was signed for %d entries, which have %s", c.Root, c.Size, root)
		}
	}
	want := derive(entries, leaves)
	got, err := readFiles(fsys, "log")
	if err != nil {
		return err
	}
	text := proof.Checkpoint{Origin: origin, Size: head.Size, Root: head.Root}.Text()
	if !strings.HasPrefix(string(got["log/checkpoint"]), text) {
		return fmt.Errorf("the checkpoint is %q, the head says %q", got["log/checkpoint"], text)
	}
	delete(got, "log/checkpoint")
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if strings.Contains(name, "/entries/") {
			if got[name], err = gunzip(got[name]); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if w, ok := want[name]; !ok {
			return fmt.Errorf("%s is left over", name)
		} else if !bytes.Equal(w, got[name]) {
			return fmt.Errorf("%s is not what the entries lead to", name)
		}
		delete(want, name)
	}
	for name := range want {
		return fmt.Errorf("%s is missing", name)
	}
	return auditStreams(fsys, head, entries)
}

// auditStreams folds the entries into stream states and compares them with the table.
func auditStreams(fsys fsx.FS, head ledger.Head, entries [][]byte) error {
	want := map[string]ledger.StreamState{}
	at := ""
	for _, b := range entries {
		e, err := proof.ParseEntry(b)
		if err != nil {
			return err
		}
		if e.ReceivedAt < at {
			return fmt.Errorf("entry %d was received before the one in front of it", e.Seq)
		}
		at = e.ReceivedAt
		switch {
		case e.Seal != nil:
			seal, err := proof.ParseSeal(e.Seal.Note)
			if err != nil {
				return err
			}
			s := want[seal.Stream]
			s.Owner, s.Next = ledger.OwnerOf(seal.Key, seal.App, seal.Environment), seal.Next()
			s.Sealed, s.LastSeal, s.LastSealSeq = true, proof.SealHash(e.Seal.Note), e.Seq
			s.AfterLoss, s.Final = false, seal.Final
			want[seal.Stream] = s
		case e.Stub != nil && e.Stub.Code == proof.StubLost:
			s := want[e.Stub.Stream]
			s.Next, s.Lossy, s.LastLossSeq, s.AfterLoss = e.Stub.Last+1, true, e.Seq, true
			want[e.Stub.Stream] = s
		}
	}
	for id, s := range want {
		got, ok, err := ledger.LookupStream(fsys, head, id)
		if err != nil || !ok || got != s {
			return fmt.Errorf("stream %s is %+v in the table (%v, %w), %+v by the entries", id, got, ok, orNone(err), s)
		}
	}
	n := 0
	if err := ledger.WalkStreams(fsys, head, func(ledger.Stream) error { n++; return nil }); err != nil {
		return err
	}
	if n != len(want) {
		return fmt.Errorf("%d streams in the table, %d in the entries", n, len(want))
	}
	files, err := readFiles(fsys, "streams")
	if err != nil {
		return err
	}
	if len(files) != len(head.StreamFiles) {
		return fmt.Errorf("%d stream files, the head names %d", len(files), len(head.StreamFiles))
	}
	return nil
}

// naive is the Merkle tree hash as RFC 6962 section 2.1 defines it.
func naive(leaves []proof.Hash) proof.Hash {
	switch len(leaves) {
	case 0:
		return proof.EmptyRoot()
	case 1:
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	return proof.NodeHash(naive(leaves[:k]), naive(leaves[k:]))
}

// derive makes every file of the log at this size, uncompressed.
func derive(entries [][]byte, leaves []proof.Hash) map[string][]byte {
	files := map[string][]byte{}
	put := func(t proof.Tile, b []byte) { files["log/"+t.Path()] = b }
	for i := 0; i < len(entries); i += proof.TileWidth {
		n := min(proof.TileWidth, len(entries)-i)
		var b []byte
		for _, e := range entries[i : i+n] {
			b = append(b, byte(len(e)>>8), byte(len(e)))
			b = append(b, e...)
		}
		put(proof.Tile{Entries: true, Index: uint64(i) / proof.TileWidth, Width: n}, b)
	}
	for level := uint8(0); len(leaves) > 0; level++ {
		var up []proof.Hash
		for i := 0; i < len(leaves); i += proof.TileWidth {
			n := min(proof.TileWidth, len(leaves)-i)
			var b []byte
			for _, h := range leaves[i : i+n] {
				b = append(b, h[:]...)
			}
			put(proof.Tile{Level: level, Index: uint64(i) / proof.TileWidth, Width: n}, b)
			if n == proof.TileWidth {
				up = append(up, naive(leaves[i:i+n]))
			}
		}
		leaves = up
	}
	return files
}

func readEntries(fsys fsx.FS, size uint64) ([][]byte, error) {
	var entries [][]byte
	for i := uint64(0); i < size; i += proof.TileWidth {
		width := int(min(proof.TileWidth, size-i))
		name := "log/" + proof.EntriesPath(i/proof.TileWidth, width)
		b, err := fsx.ReadFile(fsys, name, proof.MaxBundle)
		if err != nil {
			return nil, err
		}
		if b, err = gunzip(b); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for n := 0; n < width; n++ {
			entry, rest, err := proof.NextBundleEntry(b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			entries, b = append(entries, entry), rest
		}
		if len(b) != 0 {
			return nil, fmt.Errorf("%s has more than %d entries", name, width)
		}
	}
	return entries, nil
}

// gunzip is the standard library's, so that what klauspost's wrote is read by another hand.
func gunzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func readFiles(fsys fsx.FS, dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return files, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			more, err := readFiles(fsys, name)
			if err != nil {
				return nil, err
			}
			if len(more) == 0 && strings.HasSuffix(name, ".p") {
				return nil, fmt.Errorf("%s is empty", name)
			}
			maps.Copy(files, more)
			continue
		}
		if files[name], err = fsx.ReadFile(fsys, name, 1<<28); err != nil {
			return nil, err
		}
	}
	return files, nil
}
