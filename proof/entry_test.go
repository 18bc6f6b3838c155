package proof

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEntryRoundTrip(t *testing.T) {
	uid, prev := uint32(0), uint64(3)
	via := Via{Kind: ViaSpool, UID: &uid, Key: "0123abcd", Addr: `a"b\c`, Changed: []string{"/x", "/y"}}
	at := FormatTime(time.Unix(1700000000, 5))
	for _, want := range []Entry{
		{Seq: 7, ReceivedAt: at, Via: via.Append(nil), Event: []byte(`{"a":[1,{"b":"}\\\""}]}`)},
		{Seq: 7, ReceivedAt: at, Via: via.Append(nil), Seal: &SealEntry{PrevSeq: &prev, Note: []byte("a\n\n— b\\ \"c\"\n")}},
		{Seq: 7, ReceivedAt: at, Via: via.Append(nil), Seal: &SealEntry{Note: []byte("x\n")}},
		{Seq: 7, ReceivedAt: at, Via: via.Append(nil), Stub: &Stub{Stream: "01890a5d-ac96-774b-bcce-b302099a8057", First: 2, Last: 2, Code: StubRefused, Leaf: LeafHash(nil), Reason: `no "x"`}},
		{Seq: 7, ReceivedAt: at, Via: via.Append(nil), Stub: &Stub{Stream: "01890a5d-ac96-774b-bcce-b302099a8057", First: 2, Last: 9, Code: StubLost}},
	} {
		b := want.Append(nil)
		got, err := ParseEntry(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", b, d)
		}
		gotVia, err := ParseVia(got.Via)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(via, gotVia); d != "" {
			t.Error(d)
		}
	}
}
