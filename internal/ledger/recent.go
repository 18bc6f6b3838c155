package ledger

import (
	"bytes"
	"slices"
	"sync"

	"github.com/stetlog/stet/proof"
)

// recent are the bundles that were read back and hashed last, in plain form, for whoever reads the log right behind its
// publishes. A bundle that grows takes the place of what it was.
type recent struct {
	most int // bytes of memory; 0: nothing is kept

	mu    sync.Mutex
	all   []recentBundle // the oldest first
	bytes int
}

type recentBundle struct {
	tile proof.Tile
	buf  *bytes.Buffer
}

// keep takes a bundle over, and hands the buffers of those that go for it to free.
func (r *recent) keep(t proof.Tile, buf *bytes.Buffer, free func(*bytes.Buffer)) {
	if r.most == 0 {
		free(buf)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	drop := func(i int) {
		r.bytes -= r.all[i].buf.Cap()
		free(r.all[i].buf)
		r.all = slices.Delete(r.all, i, i+1)
	}
	if i := r.find(t.Index); i >= 0 {
		drop(i)
	}
	r.all = append(r.all, recentBundle{t, buf})
	for r.bytes += buf.Cap(); r.bytes > r.most && len(r.all) > 0; {
		drop(0)
	}
}

func (r *recent) find(index uint64) int {
	return slices.IndexFunc(r.all, func(b recentBundle) bool { return b.tile.Index == index })
}

// Recent returns a bundle in plain form, in the memory of dst where that is large enough, if it is one of those that were
// published last: the first t.Width of its entries, as they were read back from storage, and perhaps further ones.
// Options.Recent says how many are kept.
func (l *Ledger) Recent(t proof.Tile, dst []byte) (bundle []byte, width int, ok bool) {
	r := &l.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.find(t.Index)
	if !t.Entries || i < 0 || r.all[i].tile.Width < t.Width {
		return nil, 0, false
	}
	return append(dst[:0], r.all[i].buf.Bytes()...), r.all[i].tile.Width, true
}
