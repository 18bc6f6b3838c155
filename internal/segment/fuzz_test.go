package segment_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/segment"
)

// FuzzReader reads arbitrary bytes as a segment. Nothing may panic; what is read must fit into the file, in order; and a
// second reading must find the same.
func FuzzReader(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		m := disk(t, "s", data)
		got, r, err := scan(m, "s")
		again, _, err2 := scan(m, "s")
		if d := cmp.Diff(got, again); d != "" || (err == nil) != (err2 == nil) {
			t.Fatalf("read twice: %s, %v and %v", d, err, err2)
		}
		var corrupt *segment.CorruptError
		if err != nil && !errors.As(err, &corrupt) && !errors.Is(err, segment.ErrNoHeader) {
			t.Fatalf("neither damage nor a missing header: %v", err)
		}
		if r == nil {
			return
		}
		size := r.Header().Size()
		for _, fr := range got {
			size += 24 + int64(len(fr.Payload))
		}
		if size != r.Offset() || size > int64(len(data)) {
			t.Fatalf("%d frames end at %d of %d bytes; the reader says %d", len(got), size, len(data), r.Offset())
		}
		if corrupt != nil && (corrupt.Offset != r.Offset() || corrupt.File != "s") {
			t.Fatalf("damage at %d of %s, and the last good frame ends at %d", corrupt.Offset, corrupt.File, r.Offset())
		}
		if err == nil && !r.Torn() && !slices.Equal(data[size:], make([]byte, int64(len(data))-size)) {
			t.Fatal("something stands behind the last frame, and it does not count as torn")
		}
	})
}
