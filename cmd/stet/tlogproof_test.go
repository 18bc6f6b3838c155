package main

import (
	"fmt"
	"testing"

	"github.com/stetlog/stet/proof"
)

// The steps that a person is told lead from every entry to the root.
func TestProofSteps(t *testing.T) {
	var leaves []proof.Hash
	for size := uint64(1); size <= 70; size++ {
		leaves = append(leaves, proof.LeafHash(fmt.Append(nil, size)))
		root := proof.RootOf(leaves)
		for i := range size {
			path, err := proof.ProveInclusion(i, size, proof.HashReaderFunc(func(ids []proof.NodeID) (out []proof.Hash, err error) {
				for _, id := range ids {
					from := id.Index << id.Level
					out = append(out, proof.RootOf(leaves[from:min(from+1<<id.Level, size)]))
				}
				return out, nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			last := leaves[i].Hex()
			steps := proofSteps(i, size, leaves[i], path)
			if len(steps) > 0 {
				last = steps[len(steps)-1].Result
			}
			if last != root.Hex() || len(steps) != len(path) {
				t.Fatalf("entry %d of %d: the %d steps end at %s, the root is %s", i, size, len(steps), last, root.Hex())
			}
		}
	}
}
