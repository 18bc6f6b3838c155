package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

const streamsDir = "streams"

// streams compares the table of streams with what the entries say. The table decides what the ledger accepts next, so
// a wrong one would let numbers be used twice.
func (v *store) streams(h ledger.Head, rep *Report) {
	c := v.scan.chain
	named := map[string]bool{}
	for _, f := range h.StreamFiles {
		name := fmt.Sprintf("%s/%06d", streamsDir, f.Number)
		named[name] = true
		if fi, err := v.fsys.Stat(name); err == nil && !fi.Mode().IsRegular() {
			rep.skip(name, "it is not a file but a %s.", fi.Mode().Type())
			return
		}
	}
	v.leftovers(named, rep)
	if c.gaps > 0 { // entries are missing, and said to be: nothing can be compared
		return
	}
	seen := make(map[streamID]bool, len(c.streams))
	err := ledger.WalkStreams(v.fsys, h, func(got ledger.Stream) error {
		id, _ := parseStreamID(got.ID)
		st := c.streams[id]
		seen[id] = true
		switch {
		case st == nil:
			rep.fail(ledger.HeadFile, "the table of streams has stream %s, of which the log has nothing.", id)
		case st.changed() >= h.Size: // further on, in the journal
		case st.state() != got.StreamState:
			rep.failSeq(st.changed(), ledger.HeadFile, "the table of streams says of stream %s something else than its entries do.", id)
		}
		return nil
	})
	if err != nil {
		integrity(rep, streamsDir, err)
		return
	}
	for id, st := range c.streams {
		if !seen[id] && st.firstSeq < h.Size {
			rep.failSeq(st.firstSeq, ledger.HeadFile, "the table of streams does not have stream %s.", id)
			return
		}
	}
}

// changed is the seq of the entry that changed the stream last.
func (st *stream) changed() uint64 { return max(st.sealSeq, st.lostSeq) }

// state is how the ledger's table says it.
func (st *stream) state() ledger.StreamState {
	s := ledger.StreamState{
		Next: st.next, Sealed: st.sealed, LastSeal: st.seal, LastSealSeq: st.sealSeq,
		Lossy: st.lost, LastLossSeq: st.lostSeq, AfterLoss: st.lossy, Final: st.final,
	}
	if st.key != "" {
		s.Owner = ledger.OwnerOf(st.key, st.app, st.env)
	}
	if !st.sealed {
		s.LastSeal = proof.Hash{}
	}
	return s
}

// leftovers looks for stream files that no head names: a crash leaves such, and the ledger removes them unread.
func (v *store) leftovers(named map[string]bool, rep *Report) {
	entries, err := v.fsys.ReadDir(streamsDir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			rep.skip(streamsDir, "this directory could not be listed: %v.", err)
			return
		}
		rep.fail(streamsDir, "the directory is missing.")
		return
	}
	for _, e := range entries {
		name := path.Join(streamsDir, e.Name())
		switch {
		case named[name]:
		case fsx.IsTemp(name) || isNumber(e.Name()):
			rep.note(name, "the head does not refer to this file: a crash left it, or a writer is at work.")
		default:
			rep.add(unexpected(name))
		}
	}
}

func isNumber(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}
