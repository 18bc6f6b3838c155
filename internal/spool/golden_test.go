package spool

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
)

// golden are the batches of testdata/v1, as docs/spec/spool.md lists them. They never change.
var golden = [][]Batch{
	{
		{First: 1, Events: [][]byte{[]byte(`{"n":1}`), []byte(`{"n":2,"text":"grüße"}`)}, Seal: []byte("seal of 1 to 2\n")},
		{First: 3, Events: [][]byte{[]byte(`{"n":3}`)}, Seal: []byte("seal of 3\n")},
	},
	{
		{First: 4, Events: [][]byte{[]byte(`{"n":4}`)}, Seal: []byte("seal of 4\n")},
		{First: 5, Seal: []byte("final seal\n")},
	},
}

const goldenDir = "testdata/v1"

// A spool written by the first version is read for ever; and today's writer writes these very bytes. Where this fails
// the format has changed: give it a new Kind, and keep this fixture readable.
func TestGoldenSpool(t *testing.T) {
	disk, err := fsx.OpenDir(goldenDir)
	must(t, err)
	t.Cleanup(func() { must(t, disk.Close()) })
	got, r, err := collect(disk, 1)
	must(t, err)
	if d := cmp.Diff(append(append([]Batch(nil), golden[0]...), golden[1]...), got, byBytes); d != "" {
		t.Error(d)
	}
	if r.Meta != meta() || r.Next != 5 || r.Torn || len(r.Damaged) > 0 || len(r.Segments) != 2 {
		t.Errorf("report %+v", r)
	}

	now, err := fsx.OpenDir(t.TempDir())
	must(t, err)
	t.Cleanup(func() { must(t, now.Close()) })
	w, err := Create(now, Dir, meta(), salts())
	must(t, err)
	commit(t, w, golden[0]...)
	must(t, w.rotate())
	for _, b := range golden[1] {
		commit(t, w, b)
	}
	must(t, w.Close())
	for _, name := range []string{"000001.seg", "000002.seg"} {
		name = Dir + "/" + stream + "/" + name
		want, err := fsx.ReadFile(disk, name, 1<<16)
		must(t, err)
		got, err := fsx.ReadFile(now, name, 1<<16)
		must(t, err)
		if d := cmp.Diff(hex.Dump(want), hex.Dump(got)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// The vectors in the specification are those of the fixture.
func TestSpecificationShowsTheGoldenSpool(t *testing.T) {
	spec, err := os.ReadFile(filepath.Join("..", "..", "docs", "spec", "spool.md"))
	must(t, err)
	for _, name := range []string{"000001.seg", "000002.seg"} {
		b, err := os.ReadFile(filepath.Join(goldenDir, Dir, stream, name))
		must(t, err)
		frames := hex.EncodeToString(b[64+len(mustMeta(t)):])
		for _, want := range []string{hex.EncodeToString(b[:64]), frames} {
			if !strings.Contains(strings.ReplaceAll(string(spec), "\n", ""), want) {
				t.Errorf("docs/spec/spool.md does not show, of %s:\n%s", name, want)
			}
		}
	}
	if !strings.Contains(string(spec), string(mustMeta(t))) {
		t.Errorf("docs/spec/spool.md does not show the meta\n%s", mustMeta(t))
	}
}
