package proof

import (
	"strings"
	"testing"
)

// benchEvent is about as large as a real event: 0.8 KB.
var benchEvent = []byte(`{"schema":"stet.event/1"` + strings.Repeat(`,"some_member":"a value"`, 32) + `}`)

func BenchmarkTree(b *testing.B) {
	leaves := newNaive(1000)
	var tree Tree
	nodes := 0
	b.ReportAllocs()
	for range b.N / len(leaves) {
		tree.AppendAll(leaves, func(NodeID, Hash) { nodes++ })
	}
	_ = nodes
}

func BenchmarkLeafHash(b *testing.B) {
	b.SetBytes(int64(len(benchEvent)))
	b.ReportAllocs()
	for b.Loop() {
		LeafHash(benchEvent)
	}
}

func benchSeal(b *testing.B) []byte {
	s, signer := testSeal(b)
	msg, err := SignSeal(s, signer)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	return msg
}

func BenchmarkSignSeal(b *testing.B) {
	s, signer := testSeal(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := SignSeal(s, signer); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenSeal(b *testing.B) {
	msg := benchSeal(b)
	for b.Loop() {
		if _, err := OpenSeal(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealVerifierOpen(b *testing.B) {
	msg := benchSeal(b)
	var v SealVerifier
	for b.Loop() {
		if _, err := v.Open(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseSeal(b *testing.B) {
	msg := benchSeal(b)
	for b.Loop() {
		if _, err := ParseSeal(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealVerifierParse(b *testing.B) {
	msg := benchSeal(b)
	var v SealVerifier
	for b.Loop() {
		if _, err := v.Parse(msg); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseEntry(b *testing.B) {
	uid := uint32(1000)
	entry := AppendEventEntry(nil, 1234567, testTime, Via{Kind: ViaSpool, UID: &uid, Key: "0123abcd"}.Append(nil), benchEvent)
	b.SetBytes(int64(len(entry)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseEntry(entry); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyRange(b *testing.B) {
	all := newNaive(10_000)
	root := all.root()
	p, err := ProveRange(5000, 100, 10_000, all)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := VerifyRange(5000, all[5000:5100], 10_000, root, p); err != nil {
			b.Fatal(err)
		}
	}
}
