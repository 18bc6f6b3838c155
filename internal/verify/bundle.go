package verify

import (
	"context"
	"errors"
	"io/fs"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

type kind uint8

const (
	kindBad kind = iota // the entry cannot be read as one
	kindEvent
	kindSeal
	kindStub
)

// record is one entry with everything that can be known of it by itself. Slices alias the bundle.
type record struct {
	seq       uint64
	kind      kind
	at        string
	via       []byte
	bad       string // why the entry, its event or its seal is not good; "" is good
	event     []byte
	eventLeaf proof.Hash // RFC 6962 leaf hash of the event's bytes
	ref       ref
	stream    streamID
	seal      *proof.Seal
	sealHash  proof.Hash
	prevSeq   *uint64
	stub      *proof.Stub
}

// ref is what the chain needs of an event.
type ref struct {
	ok       bool
	reserved bool // a type that only the store may use
	num      uint64
	app, env []byte
	typ      []byte
}

// bundle is what one worker makes of one entry bundle and its tile of leaf hashes.
type bundle struct {
	first   uint64
	n       int
	data    []byte // the bundle's bytes: memory that the next one is read into
	records []record
	leaves  []proof.Hash // recomputed from the entries, or, where these are missing, read from the tile
	root    proof.Hash   // over all leaves, when full

	missing  int  // entries from here to n could not be had: n − missing of them
	unread   bool // for want of reading
	treeless bool // the leaves are not known either
	finds    []Finding
	tiles    uint64 // files that were read
}

// checker does the part that needs no order. Its methods are safe for concurrent use.
type checker struct {
	src   logread.Source
	dir   string // where the log lies, for the names of files in findings; "" or ending in a slash
	seals proof.SealVerifier
	event eventCheck
}

// classify turns an error of a Source into a state.
func classify(err error) State {
	var damage *logread.DamageError
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &damage) {
		return Failed
	}
	return NotChecked
}

// lack is the finding for a file that should have been read, holding entries from seq on.
func lack(err error, file string, seq uint64, what string) Finding {
	f := Finding{State: classify(err), Seq: seq, HasSeq: true, File: file, Next: nextFailed}
	var damage *logread.DamageError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.What = what + " is missing."
	case errors.As(err, &damage):
		f.What = what + " is damaged: " + damage.Reason + "."
	default:
		f.What, f.Next = what+" could not be read: "+err.Error()+".", nextUnread(err)
	}
	return f
}

// fetch reads a bundle into the memory of buf where its source can do that: a page less to clear for every four entries.
func (k *checker) fetch(ctx context.Context, path string, buf []byte) ([]byte, error) {
	if src, ok := k.src.(interface {
		FetchInto(ctx context.Context, path string, buf []byte) ([]byte, error)
	}); ok {
		return src.FetchInto(ctx, path, buf)
	}
	return k.src.Fetch(ctx, path)
}

// run reads and checks one bundle and its tile. The result belongs to the caller.
func (k *checker) run(ctx context.Context, b *bundle) {
	last := b.first + uint64(b.n) - 1
	tile := proof.Tile{Index: b.first / proof.TileWidth, Width: b.n}
	hashes, terr := k.src.Fetch(ctx, tile.Path())
	if terr != nil {
		b.finds = append(b.finds, lack(terr, k.dir+tile.Path(), b.first, rangeOf("the tile of hashes", b.first, last)))
	} else {
		b.tiles++
	}
	tile.Entries = true
	path := k.dir + tile.Path()
	data, err := k.fetch(ctx, tile.Path(), b.data)
	if err != nil {
		b.finds = append(b.finds, lack(err, path, b.first, rangeOf("the bundle", b.first, last)))
		b.missing, b.unread = b.n, classify(err) == NotChecked
	} else {
		b.tiles++
		b.data = data
		k.entries(b, path, data)
	}
	have := b.n - b.missing
	for i := 0; terr == nil && i < b.n; i++ {
		stored := proof.Hash(hashes[i*proof.HashSize:])
		switch {
		case i >= have:
			b.leaves = append(b.leaves, stored)
		case b.leaves[i] != stored:
			seq := b.first + uint64(i)
			tile.Entries = false
			b.finds = append(b.finds, Finding{State: Failed, Seq: seq, HasSeq: true, File: path, Next: nextFailed,
				What: "the entry is not the one whose hash is in " + k.dir + tile.Path() + "; one of the two was changed."})
			have = b.n // one finding a bundle: the rest is the same story
			i = b.n
		}
	}
	if b.treeless = len(b.leaves) < b.n; !b.treeless && b.n == proof.TileWidth {
		b.root = proof.RootOf(b.leaves)
	}
}

// entries takes a bundle's bytes apart.
func (k *checker) entries(b *bundle, path string, data []byte) {
	if b.records == nil {
		b.records, b.leaves = make([]record, 0, proof.TileWidth), make([]proof.Hash, 0, proof.TileWidth)
	}
	var envelope proof.EnvelopeParser
	for i := range b.n {
		seq := b.first + uint64(i)
		entry, rest, err := proof.NextBundleEntry(data)
		if err != nil {
			b.finds = append(b.finds, Finding{State: Failed, Seq: seq, HasSeq: true, File: path, What: "the bundle breaks off here: " + err.Error() + ".", Next: nextFailed})
			b.missing = b.n - i
			return
		}
		data = rest
		b.leaves = append(b.leaves, proof.LeafHash(entry))
		b.records = append(b.records, record{seq: seq})
		if why := k.entry(&b.records[i], entry, &envelope); why != "" {
			b.finds = append(b.finds, Finding{State: Failed, Seq: seq, HasSeq: true, File: path, What: why, Next: nextFailed})
		}
	}
	if len(data) > 0 {
		b.finds = append(b.finds, Finding{State: Failed, Seq: b.first, HasSeq: true, File: path, What: "bytes follow the bundle's last entry.", Next: nextFailed})
	}
}

// entry checks one entry by itself, whose position in the log r.seq is. It returns why it is none, or "".
func (k *checker) entry(r *record, b []byte, envelope *proof.EnvelopeParser) string {
	e, err := envelope.Parse(b)
	if err == nil && e.Event != nil {
		if r.ref, r.stream, r.bad = k.event.check(e.Event); r.bad != "" {
			_, err = proof.ParseEntry(b) // its event may not even end where the entry does
		}
	}
	if err != nil {
		return "this is not an entry: " + err.Error() + "."
	}
	if e.Seq != r.seq {
		return "the entry that stands here says that it is another: it belongs at seq " + uintText(e.Seq) + "."
	}
	r.at, r.via = e.ReceivedAt, e.Via
	switch {
	case e.Event != nil:
		r.kind, r.event, r.eventLeaf = kindEvent, e.Event, proof.LeafHash(e.Event)
	case e.Stub != nil:
		r.kind, r.stub = kindStub, e.Stub
		r.stream, _ = parseStreamID(e.Stub.Stream)
	default:
		r.kind, r.prevSeq, r.sealHash = kindSeal, e.Seal.PrevSeq, proof.SealHash(e.Seal.Note)
		s, err := k.seals.Open(e.Seal.Note)
		if err != nil {
			r.bad = err.Error()
			break
		}
		r.seal = &s
		r.stream, _ = parseStreamID(s.Stream)
	}
	return ""
}
