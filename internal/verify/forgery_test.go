package verify_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// forgeries is how many stores a test mutates: its share, in percent, of STET_FORGERIES (10,000; `make forgeries` takes a
// million). What a number mutates into does not change from run to run.
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

// TestForgeriesOfStores mutates a cleanly closed store under its pinned key: bits, bytes, cuts, insertions, and parts and whole
// files of another store by the same keys. None is verified, but for what silent names: another compressed form of the same
// bundle, and the lock, which has no content.
func TestForgeriesOfStores(t *testing.T) {
	w, files := storeFiles(t, 11, 2, true)
	_, others := storeFiles(t, 12, 3, true)
	names := slices.Sorted(maps.Keys(files))
	o := verify.Options{LogKey: w.log.vkey, Workers: 1}
	mustBe(t, checkStore(t, files, o), verify.Verified, "before it is mutated")
	const shards = 2
	var all sync.WaitGroup
	var made, quiet [shards]int
	for shard := range shards {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(3, uint64(shard)))
			for made[shard] < forgeries(t, 6)/shards && !t.Failed() {
				name := names[rng.IntN(len(names))]
				if path.Base(name) == keep || len(files[name]) == 0 {
					continue
				}
				is := mutated(rng, files[name], others[name])
				if bytes.Equal(is, files[name]) {
					continue
				}
				bad := maps.Clone(files)
				bad[name] = is
				made[shard]++
				rep := checkStore(t, bad, o)
				if rep.State() == verify.Verified && silent(t, name, files[name], is) != "" {
					quiet[shard]++
					continue
				}
				if rep.State() == verify.Verified {
					t.Errorf("shard %d, mutant %d of %s is verified: %q", shard, made[shard], name, is)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d mutated stores, none falsely verified; of %d only a compressed form had changed", made[0]+made[1], quiet[0]+quiet[1])
}

func mutated(rng *rand.Rand, b, other []byte) []byte {
	b = bytes.Clone(b)
	at := rng.IntN(len(b))
	switch rng.IntN(7) {
	case 0, 1:
		b[at] ^= 1 << rng.IntN(8)
	case 2:
		b[at] = byte(rng.IntN(256))
	case 3:
		b = b[:at]
	case 4:
		b = slices.Insert(b, at, byte(rng.IntN(256)))
	case 5:
		b = append(b[:at:at], other[min(at, len(other)):]...)
	case 6:
		b = bytes.Clone(other)
	}
	return b
}

// TestNothingIsSmuggledBehindAnEvent: what stands behind an event within its entry makes it no entry, whoever signs it; an
// event that is whole and wrong is another finding.
func TestNothingIsSmuggledBehindAnEvent(t *testing.T) {
	w := tampered(t)
	at := slices.IndexFunc(w.entries, func(e proof.Entry) bool { return e.Event != nil })
	for behind, want := range map[string]string{`,"more":{}`: "this is not an entry", `,"more":1}`: "this is not an entry", `}`: "this is not an entry", `{}`: "this is not an entry",
		"": "not a valid stet.event/1"} {
		entries := slices.Clone(w.entries)
		if entries[at].Event = append(bytes.Clone(entries[at].Event), behind...); behind == "" {
			entries[at].Event = []byte(`{}`)
		}
		rep := checkLog(t, rebuild(t, entries, w.log), verify.Options{LogKey: w.log.vkey, Workers: 1})
		mustFail(t, rep, behind)
		if f, _ := rep.First(); f.Seq != uint64(at) || !strings.Contains(f.What, want) {
			t.Errorf("%q behind an event: %v", behind, f)
		}
	}
}
