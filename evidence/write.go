package evidence

import (
	"bufio"
	"fmt"
	"io"
	"iter"

	"github.com/stetlog/stet/proof"
)

// Contents is what a file of evidence is made of. Its functions are called one after the other, each as often as its comment
// says; their errors end the writing and are returned wrapped.
type Contents struct {
	Asked    Asked
	Searched Searched
	Whole    *Whole // or nil
	Context  []uint64
	Keys     []Key

	Checkpoint []byte         // the signed note
	LogKey     string         // the newest verifier key of the log, which has signed it
	Chain      proof.KeyChain // how the log's key changed

	// Entries are the entries' exact bytes with their numbers, rising: what was found, the seals over it, and what is needed to
	// check them. Ranged over once.
	Entries iter.Seq2[Shown, error]
	// Tree gives the inner hashes of the log's tree at the checkpoint's size.
	Tree proof.HashReader
	// Batch gives the leaf hashes of all events, and of refused stubs, under the seal at a number. It is called once for each
	// seal that covers something that is shown and something that is not, in their order, and its result not kept.
	Batch func(seal uint64) ([]proof.Hash, error)

	// Table and Stories write the events for people; nil leaves them out. Each is called once.
	Table, Stories func(io.Writer) error
	// Verifier is a page that verifies the file in a browser; nil leaves it out.
	Verifier []byte
}

// Shown is an entry that is shown.
type Shown struct {
	Seq uint64
	Raw []byte // its exact bytes; may be used again when the next one is asked for
}

// Write writes a file of evidence. It proves nothing by itself, and trusts what it is given: Verify tells whether that holds
// together, and whoever makes evidence of a log that he does not trust verifies the file before he hands it on. The same
// contents make the same bytes. Memory grows with the number of entries by 24 bytes each.
func Write(w io.Writer, c Contents) (Manifest, error) {
	cp, err := proof.ParseCheckpointText(c.Checkpoint)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Format: Format, Asked: c.Asked, Searched: c.Searched, Whole: c.Whole, Context: notNil(c.Context), Keys: notNil(c.Keys), Members: []Member{},
		Log: Log{Origin: cp.Origin, Key: c.LogKey, Size: cp.Size, Root: cp.Root}}
	z := &zipWriter{w: bufio.NewWriterSize(w, 64<<10)}
	x := &writer{Contents: c, m: &m}
	add := func(name string, fill func(io.Writer) error) {
		if err != nil || fill == nil {
			return
		}
		var member Member
		if member, err = z.member(name, fill); err != nil {
			err = fmt.Errorf("write %s: %w", name, err)
		}
		m.Members = append(m.Members, member)
	}
	add(entriesName, x.entries)
	add(treeName, x.tree)
	add(batchesName, x.batches)
	add(cpName, bytesOf(c.Checkpoint))
	if c.Chain.Len() > 0 {
		add(keysName, bytesOf(c.Chain.Append(nil)))
	}
	add(tableName, c.Table)
	add(storiesName, c.Stories)
	add(verifierName, bytesOf(c.Verifier))
	if err != nil {
		return Manifest{}, err
	}
	text, err := m.encode()
	if err == nil {
		_, err = parseManifest(text) // what cannot be read is not written
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("write %s: %w", manifestName, err)
	}
	if _, err := z.member(manifestName, bytesOf(text)); err != nil {
		return Manifest{}, err
	}
	return m, z.close()
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func bytesOf(b []byte) func(io.Writer) error {
	if b == nil {
		return nil
	}
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

type writer struct {
	Contents
	m     *Manifest
	shown []uint64     // numbers of all entries that are shown
	seals []shownBatch // that cover something that is shown
}

// shownBatch is a batch of which something is shown: its seal and how many events stand before that.
type shownBatch struct{ seal, count uint64 }

func (x *writer) entries(w io.Writer) error {
	context := 0
	for e, err := range x.Entries {
		if err != nil {
			return err
		}
		if n := len(x.shown); n > 0 && x.shown[n-1] >= e.Seq {
			return fmt.Errorf("entry %d comes behind entry %d", e.Seq, x.shown[n-1])
		}
		parsed, err := proof.ParseEntry(e.Raw)
		if err == nil && parsed.Seq != e.Seq {
			err = fmt.Errorf("it says that it is entry %d", parsed.Seq)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		x.m.Counts.Entries++
		switch {
		case parsed.Seal == nil && context < len(x.Context) && x.Context[context] == e.Seq:
			context++
		case parsed.Seal == nil:
			x.m.Counts.Found++
		default:
			x.m.Counts.Seals++
			seal, err := proof.ParseSeal(parsed.Seal.Note)
			if err != nil {
				return err
			}
			if n := len(x.shown); seal.Count > 0 && n > 0 && x.shown[n-1] >= e.Seq-min(uint64(seal.Count), e.Seq) {
				x.seals = append(x.seals, shownBatch{e.Seq, uint64(seal.Count)})
			}
		}
		x.shown = append(x.shown, e.Seq)
		if _, err := w.Write(e.Raw); err != nil {
			return err
		}
		if _, err := w.Write([]byte{'\n'}); err != nil {
			return err
		}
	}
	return nil
}

// accounted are the leaves that the proof of the tree is of.
func (x *writer) accounted(yield func(proof.Leaf) bool) {
	var hide, behind uint64 // of the whole range: next, and the one behind the last
	if x.Whole != nil {
		hide, behind = x.Whole.First, x.Whole.Last+1
	}
	x.m.Counts.Hidden = 0
	upTo := func(seq uint64) bool {
		for ; hide < min(seq, behind); hide++ {
			x.m.Counts.Hidden++
			if !yield(proof.Leaf{Index: hide, Hidden: true}) {
				return false
			}
		}
		return true
	}
	for _, seq := range x.shown {
		if !upTo(seq) || !yield(proof.Leaf{Index: seq}) {
			return
		}
		if seq >= hide {
			hide = seq + 1
		}
	}
	upTo(behind)
}

func (x *writer) tree(w io.Writer) error {
	return proof.ProveSet(x.m.Log.Size, x.accounted, x.Tree, hashLines(w, &x.m.Counts.Tree))
}

func (x *writer) batches(w io.Writer) error {
	at := 0
	for _, b := range x.seals {
		start := b.seal - b.count
		for x.shown[at] < start {
			at++
		}
		first := at
		for x.shown[at] < b.seal {
			at++
		}
		if uint64(at-first) == b.count {
			continue
		}
		leaves, err := x.Batch(b.seal)
		if err != nil {
			return err
		}
		if uint64(len(leaves)) != b.count {
			return fmt.Errorf("the seal at entry %d is over %d events, not %d", b.seal, b.count, len(leaves))
		}
		set := func(yield func(proof.Leaf) bool) {
			for _, seq := range x.shown[first:at] {
				if !yield(proof.Leaf{Index: seq - start}) {
					return
				}
			}
		}
		if err := proof.ProveSet(b.count, set, hashReader(leaves), hashLines(w, &x.m.Counts.Batches)); err != nil {
			return err
		}
	}
	return nil
}

// hashReader answers from leaves that are all there.
func hashReader(leaves []proof.Hash) proof.HashReader {
	return proof.HashReaderFunc(func(ids []proof.NodeID) ([]proof.Hash, error) {
		out := make([]proof.Hash, len(ids))
		for i, id := range ids {
			out[i] = proof.RootOf(leaves[id.Index<<id.Level : (id.Index+1)<<id.Level])
		}
		return out, nil
	})
}

// hashLines writes hashes in base64, a line each.
func hashLines(w io.Writer, n *uint64) func(proof.Hash) error {
	return func(h proof.Hash) error {
		*n++
		_, err := io.WriteString(w, h.String()+"\n")
		return err
	}
}
