package proof_test

import (
	"crypto/ed25519"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/proof"
)

// exampleKey is a key for examples only: everybody knows its seed.
func exampleKey(name string) (note.Signer, string) {
	signer, vkey, err := proof.NewSigner(name, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		panic(err)
	}
	return signer, vkey
}

// leavesOf is a HashReader over a few leaves, for which nothing needs to be stored.
func leavesOf(leaves []proof.Hash) proof.HashReader {
	return proof.HashReaderFunc(func(ids []proof.NodeID) ([]proof.Hash, error) {
		var out []proof.Hash
		for _, id := range ids {
			out = append(out, proof.RootOf(leaves[id.Index<<id.Level:(id.Index+1)<<id.Level]))
		}
		return out, nil
	})
}

// A log of five entries, and the proof that the third is one of them.
func ExampleVerifyInclusion() {
	var leaves []proof.Hash
	for _, entry := range []string{"one", "two", "three", "four", "five"} {
		leaves = append(leaves, proof.LeafHash([]byte(entry)))
	}
	root := proof.RootOf(leaves)
	path, err := proof.ProveInclusion(2, 5, leavesOf(leaves))
	if err != nil {
		panic(err)
	}
	fmt.Println(len(path), "hashes:", proof.VerifyInclusion(2, 5, proof.LeafHash([]byte("three")), root, path))
	fmt.Println(proof.VerifyInclusion(2, 5, proof.LeafHash([]byte("drei")), root, path) != nil)
	// Output:
	// 3 hashes: <nil>
	// true
}

// A batch of consecutive entries takes one proof, whose length does not grow with the batch.
func ExampleVerifyRange() {
	var tree proof.Tree
	var leaves []proof.Hash
	for i := range 1000 {
		leaves = append(leaves, proof.LeafHash(fmt.Append(nil, i)))
	}
	tree.AppendAll(leaves, nil)
	p, err := proof.ProveRange(100, 500, tree.Size(), leavesOf(leaves))
	if err != nil {
		panic(err)
	}
	fmt.Println(len(p), "hashes:", proof.VerifyRange(100, leaves[100:600], tree.Size(), tree.Root(), p))
	// Output: 7 hashes: <nil>
}

func ExampleSignSeal() {
	signer, vkey := exampleKey("stet-emitter/example/1000")
	events := [][]byte{[]byte(`{"n":1}`), []byte(`{"n":2}`)}
	var leaves []proof.Hash
	for _, e := range events {
		leaves = append(leaves, proof.LeafHash(e))
	}
	sealed, err := proof.SignSeal(proof.Seal{
		App: "billing", Environment: "production", Key: vkey, Stream: "0192f0c1-7a2b-7c3d-8e4f-0123456789ab",
		First: 1, Count: len(events), Root: proof.RootOf(leaves), Clock: proof.Clock{State: proof.ClockUnknown},
	}, signer)
	if err != nil {
		panic(err)
	}
	seal, err := proof.OpenSeal(sealed)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(seal.AppendText(nil)))
	// Output:
	// stet/seal/v1
	// app billing
	// environment production
	// key stet-emitter/example/1000+de77af98+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop
	// stream 0192f0c1-7a2b-7c3d-8e4f-0123456789ab
	// first 1
	// count 2
	// root dO+aU3TNHb6ltFGsMUHSuzgLRsU+pBLN8TmQC09+FCI=
	// prev -
	// clock unknown 0 0 0 - -
	// final false
}

func ExampleParseEntry() {
	via := proof.Via{Kind: proof.ViaStore}.Append(nil)
	b := proof.AppendEventEntry(nil, 41, "2026-11-22T03:02:33.123456789Z", via, []byte(`{"event_type":"job_started"}`))
	entry, err := proof.ParseEntry(b)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(b))
	fmt.Println(entry.Seq, string(entry.Event))
	// Output:
	// {"v":1,"seq":41,"received_at":"2026-11-22T03:02:33.123456789Z","via":{"kind":"store"},"event":{"event_type":"job_started"}}
	// 41 {"event_type":"job_started"}
}

// One text that proves an entry to be in a log, for whoever knows the log's key.
func ExampleTlogProof_Verify() {
	signer, vkey := exampleKey("log.example/audit")
	leaves := []proof.Hash{proof.LeafHash([]byte("one")), proof.LeafHash([]byte("two"))}
	checkpoint, err := proof.SignCheckpoint(proof.Checkpoint{Origin: "log.example/audit", Size: 2, Root: proof.RootOf(leaves)}, signer)
	if err != nil {
		panic(err)
	}
	path, err := proof.ProveInclusion(1, 2, leavesOf(leaves))
	if err != nil {
		panic(err)
	}
	text := proof.AppendTlogProof(nil, proof.TlogProof{Index: 1, Path: path, Checkpoint: checkpoint})

	p, err := proof.ParseTlogProof(text)
	if err != nil {
		panic(err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		panic(err)
	}
	c, err := p.Verify(proof.LeafHash([]byte("two")), "log.example/audit", verifier)
	fmt.Println(c.Size, err)
	// Output: 2 <nil>
}

func ExampleTilePath() {
	fmt.Println(proof.TilePath(0, 1234067, proof.TileWidth))
	fmt.Println(proof.EntriesPath(3, 17))
	// Output:
	// tile/0/x001/x234/067
	// tile/entries/003.p/17
}
