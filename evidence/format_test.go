package evidence_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/evidencetest"
	"github.com/stetlog/stet/proof"
)

var update = flag.Bool("update", false, "make testdata/v1 anew; what is there stands for evidence that people have")

const golden = "testdata/v1"

// TestVersion1 verifies evidence that was made when format 1 was new. It must verify for ever (THREATS 40).
func TestVersion1(t *testing.T) {
	if *update {
		w, file := sample(t)
		key := []byte(w.First + "\n")
		tiny, tinyFile := tinySample(t)
		for name, b := range map[string][]byte{"part.zip": file, "part.key": key, "tiny.zip": tinyFile, "tiny.key": []byte(tiny.First + "\n")} {
			if err := os.WriteFile(filepath.Join(golden, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"part", "tiny"} {
		file, err := os.ReadFile(filepath.Join(golden, name+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		key, err := os.ReadFile(filepath.Join(golden, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		mustBe(t, verify(t, file, string(bytes.TrimSpace(key))), "verified", name)
	}
}

// tinySample is the example of docs/spec/evidence.md: a log of five entries, of which an event of two under one seal is
// shown.
func tinySample(t testing.TB) (*evidencetest.World, []byte) {
	w := evidencetest.New(t, 1)
	s := w.Open(w.Store, "billing")
	w.Batch(s, []event.Event{w.Login("user1"), w.Login("user2")}, nil)
	return w, evidencetest.Pack(t, w.Contents(evidencetest.By("user1")))
}

// TestTheSpecsExample: docs/spec/evidence.md shows what the tiny file has.
func TestTheSpecsExample(t *testing.T) {
	spec, err := os.ReadFile("../docs/spec/evidence.md")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(golden, "tiny.zip"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range evidencetest.Unpack(t, file) {
		if p.Name == "tree.txt" || p.Name == "batches.txt" {
			for line := range bytes.Lines(p.Data) {
				if !bytes.Contains(spec, bytes.TrimSpace(line)) {
					t.Errorf("the spec's example does not have %s of %s", line, p.Name)
				}
			}
		}
	}
	cp, err := proof.ParseCheckpointText(*evidencetest.Forge(t, file).Member("checkpoint"))
	if err != nil || !bytes.Contains(spec, []byte(cp.Root.String())) {
		t.Errorf("the spec's example does not have the root %s, %v", cp.Root, err)
	}
}

// FuzzVerify puts other bytes in the place of one member, and packs, counts and hashes it all again, so that they get as far as
// they can; or, where there is no such member, takes them for a whole file. The verifier neither panics nor takes more memory or
// time than its bounds. What it calls verified other tools unpack, too; and no byte of the entries and their proofs is another.
func FuzzVerify(f *testing.F) {
	w, _ := sample(f)
	var good []*evidencetest.Forgery
	for i, name := range []string{"part", "tiny"} {
		file, err := os.ReadFile(filepath.Join(golden, name+".zip"))
		if err != nil {
			f.Fatal(err)
		}
		good = append(good, evidencetest.Forge(f, file))
		for k, p := range good[i].All {
			f.Add(uint8(i), uint8(k), p.Data)
		}
		f.Add(uint8(i), wholeFile, file)
		f.Add(uint8(i), wholeFile, file[:len(file)/2])
	}
	f.Add(uint8(0), wholeFile, []byte("PK\x05\x06"+string(make([]byte, 18))))
	f.Fuzz(func(t *testing.T, which, member uint8, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		base := good[int(which)%len(good)]
		if int(member) >= len(base.All) {
			if rep := verify(t, b, w.First); rep.State() == evidence.Verified {
				evidencetest.Unpack(t, b)
			}
			return
		}
		again := base.Again(t)
		name := again.All[member].Name
		switch name {
		case "manifest.json":
			again.Text = string(b)
		case "entries.jsonl":
			again.Lines = slices.Collect(strings.Lines(string(b)))
		default:
			again.All[member].Data = b
		}
		rep := verify(t, again.Pack(), w.First)
		proven := name == "entries.jsonl" || name == "tree.txt" || name == "batches.txt" || name == "logkeys"
		if rep.State() == evidence.Verified && proven && !bytes.Equal(b, base.All[member].Data) {
			t.Errorf("%s can be changed: %q", name, b)
		}
		if rep.State() != evidence.Verified && bytes.Equal(b, base.All[member].Data) {
			t.Errorf("%s is what it was, and: %v", name, rep.Findings)
		}
	})
}

// wholeFile is no member of evidence.
const wholeFile = uint8(255)

// BenchmarkVerify verifies evidence of 100,000 events of about 0.8 KB in batches of 100, every second one of them found.
func BenchmarkVerify(b *testing.B) {
	w := evidencetest.New(b, 1)
	s := w.Emitter(10, "billing")
	rng := rand.New(rand.NewPCG(1, 1))
	const batches, size = 2000, 100
	for range batches {
		events := make([]event.Event, size)
		for i := range events {
			events[i] = w.Login(fmt.Sprint("user", i%2))
			events[i].Labels = map[string]string{"note": fmt.Sprintf("%x lorem ipsum %0200d", rng.Uint64(), rng.Uint64())}
		}
		w.Batch(s, events, nil)
	}
	c := w.Contents(evidencetest.By("user1"))
	file := evidencetest.Pack(b, c)
	b.ReportAllocs()
	for b.Loop() {
		rep, err := evidence.Verify(b.Context(), bytes.NewReader(file), int64(len(file)), evidence.Options{LogKey: w.Log.VKey})
		if err != nil || rep.State() != evidence.Verified {
			b.Fatal(rep.Word(), err)
		}
	}
	b.ReportMetric(float64(batches*size/2), "events")
	b.ReportMetric(float64(len(file))/float64(batches*size/2), "bytes/event")
}
