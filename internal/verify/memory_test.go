package verify_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// scribbler reads a bundle into the memory of an earlier one, which it fills before, also where it then has nothing to read.
type scribbler struct{ *logread.Dir }

func (s scribbler) FetchInto(ctx context.Context, path string, buf []byte) ([]byte, error) {
	buf = buf[:cap(buf)]
	for i := range buf {
		buf[i] = 'x'
	}
	return s.Dir.FetchInto(ctx, path, buf)
}

// TestNothingRefersToABundleThatWasRead: its memory belongs to the next one, whatever was found in it.
func TestNothingRefersToABundleThatWasRead(t *testing.T) {
	w := newWorld(t, 5)
	w.fill(100)
	events := make([]event.Event, proof.MaxBatch) // more bundles than there is memory for
	for i := range events {
		events[i] = w.login(i)
	}
	w.batch(w.emitter(20, "app1", "production"), events, nil)
	w.fill(100)
	good := buildLog(t, w.leaves(), w.log, false)
	for _, damage := range []struct{ what, from, to string }{
		{"a sound log", "", ""},
		{"other applications", `"app_id":"app1"`, `"app_id":"app2"`},
		{"other streams", `"stream_seq":2`, `"stream_seq":3`},
		{"no events", `"schema":"stet.event/1"`, `"schema":"stet.event/2"`},
		{"bundles that break off", "}}", "}"},
	} {
		files := map[string][]byte{}
		for name, b := range good {
			if tile, err := proof.ParseTilePath(name); err == nil && tile.Entries {
				if tile.Index%2 == 1 && damage.from != "" {
					b = bytes.ReplaceAll(b, []byte(damage.from), []byte(damage.to))
				}
				b = zip(t, b)
			}
			files[name] = b
		}
		log := logread.NewDir(newMemFS(t, files), ".", logread.Compressed)
		var reports [2]verify.Report
		for i, src := range []logread.Source{struct{ logread.Source }{log}, scribbler{log}} {
			var err error
			if reports[i], err = verify.Log(t.Context(), src, verify.Options{LogKey: w.log.vkey, Workers: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(reports[0], reports[1], cmpopts.IgnoreUnexported(verify.Report{})); diff != "" {
			t.Errorf("%s: %s", damage.what, diff)
		}
		if want := damage.from == ""; want != (reports[0].State() == verify.Verified) || reports[0].Entries < 1000 {
			t.Errorf("%s: %v, %d entries", damage.what, reports[0].State(), reports[0].Entries)
		}
	}
}
