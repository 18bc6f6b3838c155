package server

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// overHTTP reads a log from a server, as a verifier does.
type overHTTP struct{ w *world }

func (o overHTTP) Fetch(_ context.Context, path string) ([]byte, error) {
	r := o.w.do("auditor", "GET", "/"+path, nil)
	if r.status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d: %s", path, r.status, r.body)
	}
	return []byte(r.body), nil
}

// Whoever reads the log over HTTP reads what is in the store, at every width of every tile, compressed or not; and nothing
// beyond what is signed.
func TestLogOverHTTP(t *testing.T) {
	w := newWorld(t, nil)
	s := newSender(t, "shop")
	for _, n := range []int{300, 7} {
		receipts(t, w.post("writer", s.say(n)))
	}
	size := w.held.State().Published
	ctx := context.Background()
	var over, in [][]byte
	for _, x := range []struct {
		src logread.Source
		to  *[][]byte
	}{{overHTTP{w}, &over}, {w.held.Source(), &in}} {
		if err := logread.Entries(ctx, x.src, 0, size, func(_ uint64, e []byte) error {
			*x.to = append(*x.to, bytes.Clone(e))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if len(over) != len(in) || uint64(len(in)) != size {
		t.Fatalf("%d entries over HTTP, %d in the store, %d signed", len(over), len(in), size)
	}
	for i := range in {
		if !bytes.Equal(in[i], over[i]) {
			t.Errorf("entry %d differs", i)
		}
	}
	last := proof.Tile{Index: size / proof.TileWidth}
	for width := 1; width <= proof.TileWidth; width++ {
		for _, entries := range []bool{false, true} {
			tile := last
			tile.Entries, tile.Width = entries, width
			path := "/" + tile.Path()
			r := w.do("auditor", "GET", path, nil)
			if uint64(width) > size%proof.TileWidth {
				wantRefusal(t, r, wire.NotFound)
				continue
			}
			want, err := w.held.Source().Fetch(ctx, tile.Path())
			if err != nil || r.status != http.StatusOK || r.body != string(want) {
				t.Errorf("%s: status %d, %d bytes, want %d (%v)", path, r.status, len(r.body), len(want), err)
			}
			z := w.do("auditor", "GET", path, nil, "Accept-Encoding", "br, gzip;q=0.5")
			if z.header.Get("Content-Encoding") == "gzip" {
				z.body = unpacked(t, z.body)
			}
			if z.body != string(want) {
				t.Errorf("%s, compressed: %d bytes, want %d", path, len(z.body), len(want))
			}
		}
	}
	if z := w.do("auditor", "GET", "/tile/entries/000", nil, "Accept-Encoding", "gzip"); z.header.Get("Content-Encoding") != "gzip" || len(z.body) > len(unpacked(t, z.body))/2 {
		t.Error("a full bundle is not sent as it lies")
	}
	if z := w.do("auditor", "GET", "/tile/entries/000", nil, "Accept-Encoding", "gzip;q=0"); z.header.Get("Content-Encoding") != "" {
		t.Error("gzip was sent to whom refuses it")
	}
}

func unpacked(t testing.TB, s string) string {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// One entry comes with all that is needed to verify it, byte for byte as it is hashed.
func TestEntryIsProven(t *testing.T) {
	w := newWorld(t, nil)
	receipts(t, w.post("writer", newSender(t, "shop").say(5)))
	size := w.held.State().Published
	for seq := range size {
		var got struct {
			Format, Leaf, Checkpoint string
			Seq, Size                uint64
			Entry                    json.RawMessage
			Proof                    []proof.Hash
		}
		r := w.do("auditor", "GET", fmt.Sprintf("/v1/entries/%d", seq), nil)
		if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != http.StatusOK {
			t.Fatalf("entry %d: status %d, %v", seq, r.status, err)
		}
		cp, err := proof.ParseCheckpointText([]byte(got.Checkpoint))
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.VerifyInclusion(seq, cp.Size, proof.LeafHash(got.Entry), cp.Root, got.Proof); err != nil || got.Leaf != proof.LeafHash(got.Entry).Hex() {
			t.Errorf("entry %d: %v", seq, err)
		}
		text := w.do("auditor", "GET", fmt.Sprintf("/v1/entries/%d/proof", seq), nil).body
		p, err := proof.ParseTlogProof([]byte(text))
		if err != nil || p.Index != seq || !bytes.Equal(p.Extra, got.Entry) {
			t.Errorf("entry %d: %v, %q", seq, err, text)
		}
		asked := w.do("auditor", "GET", fmt.Sprintf("/v1/entries/%d/proof", seq), nil, "Accept", "text/html, application/json;q=0.9")
		if asked.header.Get("Content-Type") != "application/json" || asked.body != r.body {
			t.Errorf("entry %d as JSON: %s", seq, asked.body)
		}
	}
}

// A reader sees the entries of its own application, their seals too, and no other's: neither an event nor that a receipt is
// there.
func TestReadersSeeTheirOwn(t *testing.T) {
	w := newWorld(t, nil)
	shop, bank := newSender(t, "shop"), newSender(t, "bank")
	mine := receipts(t, w.post("writer", shop.say(2))).Results[0]
	theirs := receipts(t, w.post("other", bank.say(2))).Results[0]
	for i := range uint64(3) {
		if r := w.do("reader", "GET", fmt.Sprintf("/v1/entries/%d", *mine.Seq+i), nil); r.status != http.StatusOK {
			t.Errorf("entry %d of its own: status %d", i, r.status)
		}
		wantRefusal(t, w.do("reader", "GET", fmt.Sprintf("/v1/entries/%d", *theirs.Seq+i), nil), wire.NotAllowed)
		wantRefusal(t, w.do("writer", "GET", fmt.Sprintf("/v1/entries/%d", *mine.Seq+i), nil), wire.NotAllowed)
	}
	wantRefusal(t, w.do("reader", "GET", "/v1/entries/0", nil), wire.NotAllowed)
	for _, tc := range []struct {
		token string
		of    *sender
		want  int
	}{
		{"reader", shop, 200}, {"reader", bank, 404}, {"otherReader", bank, 200}, {"writer", shop, 200}, {"writer", bank, 404}, {"other", shop, 404},
		{"auditor", shop, 200}, {"admin", bank, 200},
	} {
		if r := w.do(tc.token, "GET", "/v1/receipts/"+tc.of.stream.String()+"/1", nil); r.status != tc.want {
			t.Errorf("the receipt of %s for %s: status %d, want %d", tc.of.app, tc.token, r.status, tc.want)
		}
	}
	there, not := w.do("reader", "GET", "/v1/receipts/"+bank.stream.String()+"/1", nil), w.do("reader", "GET", "/v1/receipts/"+newSender(t, "shop").stream.String()+"/1", nil)
	if there.body != not.body {
		t.Errorf("a receipt of others and none are told apart: %s, %s", there.body, not.body)
	}
}

// A declared loss belongs to whoever could have sent what is lost. It is proven as a batch is, and nobody but those who read
// everything sees it, for it stands under no seal.
func TestLossIsPlacedAndProven(t *testing.T) {
	w := newWorld(t, nil)
	s := newSender(t, "shop")
	receipts(t, w.post("writer", s.say(1)))
	loss := wire.Element{Loss: &wire.Loss{Stream: s.stream.String(), First: 2, Last: 4, Reason: "the disk lost it", Key: s.key.VKey, App: "shop", Environment: "test"}}
	wantLoss := func(token, status string) wire.Result {
		t.Helper()
		got := receipts(t, w.post(token, loss))
		r := got.Results[0]
		if r.Status != status {
			t.Fatalf("%s: %+v, want %s", token, r, status)
		}
		if status == wire.Refused {
			return r
		}
		cp, err := proof.ParseCheckpointText([]byte(got.Checkpoint))
		if err != nil {
			t.Fatal(err)
		}
		raw, err := logread.Entry(context.Background(), w.held.Source(), *r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		e, err := proof.ParseEntry(raw)
		if err != nil || e.Stub == nil || e.Stub.First != 2 || e.Stub.Last != 4 || string(e.Via) != string(r.Via) || e.ReceivedAt != r.ReceivedAt {
			t.Errorf("the entry is %s, the receipt %+v", raw, r)
		}
		if err := proof.VerifyRange(*r.Seq, []proof.Hash{proof.LeafHash(raw)}, cp.Size, cp.Root, r.Proof); err != nil {
			t.Error(err)
		}
		return r
	}
	if r := wantLoss("other", wire.Refused); r.Code != wire.NotAllowed {
		t.Errorf("got %+v", r)
	}
	first := wantLoss("writer", wire.Placed)
	again := wantLoss("writer", wire.Again)
	if *first.Seq != *again.Seq {
		t.Errorf("it stands at %d and at %d", *first.Seq, *again.Seq)
	}
	at := fmt.Sprintf("/v1/entries/%d", *first.Seq)
	wantRefusal(t, w.do("reader", "GET", at, nil), wire.NotAllowed)
	if r := w.do("auditor", "GET", at, nil); r.status != http.StatusOK {
		t.Errorf("status %d", r.status)
	}
}
