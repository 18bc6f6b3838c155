package proof

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// forgeries is how many mutants a test makes: its share, in percent, of STET_FORGERIES, of which 10,000 are the default and
// `make forgeries` takes a million. What a number mutates into does not change from run to run.
func forgeries(t *testing.T, percent int) int {
	t.Helper()
	total := 10_000
	if s := os.Getenv("STET_FORGERIES"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 100 {
			t.Fatalf("STET_FORGERIES=%q is not a number of 100 or more", s)
		}
		total = n
	}
	return total / 100 * percent
}

// mutate changes b, or puts a part of another valid artefact into it. The result may be what it was.
func mutate(rng *rand.Rand, b, other []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + rng.IntN(3) {
		if len(b) == 0 {
			return b
		}
		at := rng.IntN(len(b))
		switch rng.IntN(8) {
		case 0, 1:
			b[at] ^= 1 << rng.IntN(8)
		case 2:
			b[at] = byte(rng.IntN(256))
		case 3:
			b = b[:at]
		case 4:
			b = slices.Delete(b, at, min(len(b), at+1+rng.IntN(40)))
		case 5:
			b = slices.Insert(b, at, b[rng.IntN(at+1):at+1]...)
		case 6: // the beginning of one and the end of the other, at one place and at two
			if len(other) > 0 {
				b = append(b[:at:at], other[min(at, len(other)):]...)
			}
		case 7: // a line, such as a signature, of the other
			mine, theirs := bytes.SplitAfter(b, []byte("\n")), bytes.SplitAfter(other, []byte("\n"))
			mine[rng.IntN(len(mine))] = theirs[rng.IntN(len(theirs))]
			b = bytes.Join(mine, nil)
		}
	}
	return b
}

// TestForgeriesOfProofs: no mutant of a valid inclusion, consistency or range proof, or of what it is about, is accepted, unless
// what it says of the tree with that root is true, and the proof is the one that there is. A size says nothing of its own: a
// proof binds leaves to a root, and the size to the root is bound by the checkpoint that holds both. (In RFC 6962 a path of
// one shape serves several sizes.)
func TestForgeriesOfProofs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	all := newNaive(64)
	made, same, truths := 0, 0, 0
	// mutateProof changes one of the hashes, their number or their order, or takes those of another proof.
	mutateProof := func(p, other []Hash) []Hash {
		p = slices.Clone(p)
		switch k := rng.IntN(6); {
		case k == 0 && len(p) > 0:
			p[rng.IntN(len(p))][rng.IntN(HashSize)] ^= 1 << rng.IntN(8)
		case k == 1 && len(p) > 0:
			i := rng.IntN(len(p))
			p = slices.Delete(p, i, i+1)
		case k == 2:
			p = slices.Insert(p, rng.IntN(len(p)+1), all[rng.IntN(64)])
		case k == 3 && len(p) > 1:
			i, j := rng.IntN(len(p)), rng.IntN(len(p))
			p[i], p[j] = p[j], p[i]
		case k == 4:
			p = slices.Clone(other)
		case k == 5 && len(p) > 0 && len(other) > 0:
			i := rng.IntN(len(p))
			p = append(p[:i:i], other[min(i, len(other)):]...)
		}
		return p
	}
	number := func(n uint64) uint64 {
		switch rng.IntN(4) {
		case 0:
			return n ^ 1<<rng.IntN(64)
		case 1:
			return n + 1
		case 2:
			return n - 1
		}
		return rng.Uint64N(65)
	}
	var roots [65]Hash
	for n := range roots {
		roots[n] = all[:n].root()
	}
	root := func(n uint64) Hash { return roots[n] }
	sizeOf := func(r Hash) uint64 { return uint64(slices.Index(roots[:], r)) } // of the tree that has this root
	tally := func(unchanged bool) {
		if unchanged {
			same++
		} else {
			truths++
		}
	}
	must := func(p []Hash, err error) []Hash {
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for made < forgeries(t, 70) {
		size := 1 + rng.Uint64N(64)
		a, b := rng.Uint64N(size), 1+rng.Uint64N(size)
		count := 1 + rng.Uint64N(size-a)
		size2 := 1 + rng.Uint64N(64)
		a2 := rng.Uint64N(size2)
		made++
		switch rng.IntN(3) {
		case 0:
			p := mutateProof(must(ProveInclusion(a, size, all[:size])), must(ProveInclusion(a2, size2, all[:size2])))
			i, n, leaf, r := a, size, all[a], root(size)
			switch rng.IntN(5) {
			case 0:
				i = number(i)
			case 1:
				n = number(n)
			case 2:
				leaf = all[rng.IntN(64)]
			case 3:
				r = root(rng.Uint64N(65))
			}
			if VerifyInclusion(i, n, leaf, r, p) != nil {
				continue
			}
			if k := sizeOf(r); i >= k || leaf != all[i] || !slices.Equal(p, must(ProveInclusion(i, k, all[:k]))) {
				t.Fatalf("mutant %d: accepted as leaf %d of %d", made, i, n)
			}
			tally(i == a && n == size)
		case 1:
			p := mutateProof(must(ProveConsistency(b, size, all[:size])), must(ProveConsistency(1+a2, size2, all[:size2])))
			m, n, old, r := b, size, root(b), root(size)
			switch rng.IntN(5) {
			case 0:
				m = number(m)
			case 1:
				n = number(n)
			case 2:
				old = root(rng.Uint64N(65))
			case 3:
				r = root(rng.Uint64N(65))
			}
			if VerifyConsistency(m, n, old, r, p) != nil {
				continue
			}
			if j, k := sizeOf(old), sizeOf(r); j > k || !slices.Equal(p, must(ProveConsistency(j, k, all[:k]))) {
				t.Fatalf("mutant %d: accepted as %d to %d", made, m, n)
			}
			tally(m == b && n == size)
		case 2:
			p := mutateProof(must(ProveRange(a, count, size, all[:size])), must(ProveRange(a2, size2-a2, size2, all[:size2])))
			first, leaves, n, r := a, slices.Clone(all[a:a+count]), size, root(size)
			switch rng.IntN(6) {
			case 0:
				first = number(first)
			case 1:
				n = number(n)
			case 2:
				leaves[rng.Uint64N(count)] = all[rng.IntN(64)]
			case 3:
				leaves = leaves[:rng.Uint64N(count)]
			case 4:
				r = root(rng.Uint64N(65))
			}
			if VerifyRange(first, leaves, n, r, p) != nil {
				continue
			}
			c, k := uint64(len(leaves)), sizeOf(r)
			if first+c > k || !slices.Equal(leaves, all[first:first+c]) || !slices.Equal(p, must(ProveRange(first, c, k, all[:k]))) {
				t.Fatalf("mutant %d: accepted as %d from %d of %d", made, len(leaves), first, n)
			}
			tally(first == a && n == size && c == count)
		}
	}
	t.Logf("%d mutated proofs, none falsely accepted; %d were what they had been, %d another truth", made, same, truths)
}

// TestForgeriesOfNotes: no mutant of a seal or a checkpoint is accepted as anything but what was signed, and no mutant of an entry
// as another entry of the log.
func TestForgeriesOfNotes(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	seals, notes, origin, key := signedNotes(t)
	var entries [][]byte
	var tree naive
	for i, n := range seals {
		e := Entry{Seq: uint64(i), ReceivedAt: "2026-01-02T03:04:05.000000000Z", Via: Via{Kind: ViaSpool}.Append(nil), Seal: &SealEntry{Note: n}}
		entries = append(entries, e.Append(nil))
		tree = append(tree, LeafHash(entries[i]))
	}
	made, same := 0, 0
	for made < forgeries(t, 24) {
		made++
		i, j := rng.IntN(len(seals)), rng.IntN(len(seals))
		switch rng.IntN(3) {
		case 0:
			b := mutate(rng, seals[i], seals[j])
			if _, err := OpenSeal(b); err == nil {
				same++
				if !slices.ContainsFunc(seals, func(s []byte) bool { return bytes.Equal(s, b) }) {
					t.Fatalf("mutant %d is accepted:\n%s", made, b)
				}
			}
		case 1:
			b := mutate(rng, notes[i], notes[j])
			got, err := OpenCheckpoint(b, origin, key)
			if err != nil {
				continue
			}
			same++
			// A line of somebody else's signature may stand below (C2SP signed-note): it says nothing of ours.
			if !slices.ContainsFunc(notes, func(n []byte) bool { c, err := ParseCheckpointText(n); return err == nil && c == got }) {
				t.Fatalf("mutant %d is accepted as %+v:\n%s", made, got, b)
			}
		case 2:
			b := mutate(rng, entries[i], entries[j])
			p, err := ProveInclusion(uint64(i), uint64(len(entries)), tree)
			if err != nil {
				t.Fatal(err)
			}
			if VerifyInclusion(uint64(i), uint64(len(entries)), LeafHash(b), tree.root(), p) == nil {
				same++
				if !bytes.Equal(b, entries[i]) {
					t.Fatalf("mutant %d is accepted:\n%s", made, b)
				}
			}
			if e, err := ParseEntry(b); err == nil && !bytes.Equal(e.Append(nil), b) {
				t.Fatalf("mutant %d reads as another entry:\n%s", made, b)
			}
		}
	}
	t.Logf("%d mutated seals, checkpoints and entries, none falsely accepted; %d said what had been signed", made, same)
}

// signedNotes are seals of several keys and streams, and as many checkpoints of one log.
func signedNotes(t *testing.T) (seals, checkpoints [][]byte, origin string, v note.Verifier) {
	t.Helper()
	origin = "stet.local/forged/1"
	signer, vkey := testSigner(t, 9, origin)
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		s, _ := testSeal(t)
		who, key := testSigner(t, byte(1+i%3), fmt.Sprintf("stet-emitter/host/%d", i%3))
		s.Key, s.First, s.Root = key, uint64(1+10*i), LeafHash([]byte{byte(i)})
		if i%4 == 0 {
			s.Prev, s.HasPrev, s.First = Hash{}, false, 1
		}
		n, err := SignSeal(s, who)
		if err != nil {
			t.Fatal(err)
		}
		seals = append(seals, n)
		c, err := SignCheckpoint(Checkpoint{Origin: origin, Size: uint64(i + 1), Root: LeafHash([]byte{byte(i), 1})}, signer)
		if err != nil {
			t.Fatal(err)
		}
		checkpoints = append(checkpoints, c)
	}
	return seals, checkpoints, origin, v
}
