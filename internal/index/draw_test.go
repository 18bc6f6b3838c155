package index

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/index/indextest"
	"github.com/stetlog/stet/proof"
)

// drawLog draws a log.
func drawLog(t *rapid.T, tb testing.TB) *testLog {
	l := newLog()
	senders := []*sender{newSender(tb, "host-a/1"), newSender(tb, "stet-door/x")}
	pick := func(all ...string) string { return rapid.SampledFrom(all).Draw(t, "pick") }
	some := func() bool { return rapid.Bool().Draw(t, "some") }
	n := 0
	for range rapid.IntRange(1, 12).Draw(t, "batches") {
		if some() {
			l.now = l.now.Add(time.Duration(rapid.Int64Range(1, int64(3*time.Hour)).Draw(t, "later")))
		}
		if rapid.IntRange(0, 7).Draw(t, "loss") == 0 {
			l.lost(event.Sanitize(indextest.Text(t)))
			continue
		}
		var events [][]byte
		for range rapid.IntRange(1, 6).Draw(t, "events") {
			n++
			if rapid.IntRange(0, 15).Draw(t, "stub") == 0 {
				events = append(events, nil)
				continue
			}
			events = append(events, encode(t, indextest.Event(t, n, l.now)))
		}
		s := rapid.SampledFrom(senders).Draw(t, "sender")
		l.batch(tb, s, proof.Via{Kind: pick(proof.ViaHTTP, proof.ViaSpool), Addr: pick("", "198.51.100.9"), Token: pick("", "tok")}, events...)
	}
	return l
}
