package evidencetest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/proof"
)

// A Case is a file of evidence, good or not, and a key to judge it by.
type Case struct {
	Name string
	File []byte
	Key  string // "" is none
	// Torn says that the file's own bytes were changed, and nothing made to fit: which entry is named of it depends on how
	// much of a damaged member can be unpacked.
	Torn bool
}

// logsFor is how many logs many cases are made of.
const logsFor = 12

// Cases makes n cases: about one of eight is good, or is judged good; of the others each has one thing wrong, some two. The
// same seed makes the same cases.
func Cases(t testing.TB, seed uint64, n int) iter.Seq[Case] {
	return func(yield func(Case) bool) {
		rng := rand.New(rand.NewPCG(seed, 7))
		var good []made
		for i := range n {
			if i%(n/logsFor+1) == 0 {
				good = append(good[:0], honest(t, rng)...)
			}
			if !yield(oneCase(t, rng, good)) {
				return
			}
		}
	}
}

// made is evidence that was made of a log.
type made struct {
	name string
	w    *World
	file []byte
}

// honest makes a log and evidence of several parts of it.
func honest(t testing.TB, rng *rand.Rand) (all []made) {
	w := New(t, rng.Uint64())
	for i := range 1 + rng.IntN(3) {
		w.Fill(1 + rng.IntN(6))
		if rng.IntN(4) == 0 {
			w.Rotate(byte(100 + i))
		}
	}
	if rng.IntN(3) == 0 {
		w.Revoke(NewSigner(t, "stet-emitter/host/10", 10))
	}
	last := uint64(len(w.Entries) - 1)
	first := rng.Uint64N(last)
	for name, c := range map[string]evidence.Contents{
		"some":  w.Contents(By("user1")),
		"all":   w.Contents(Everything),
		"whole": w.Contents(By("user2"), 0, last),
		"range": w.Contents(By("user1"), first, first+rng.Uint64N(last-first+1)),
	} {
		all = append(all, made{name, w, Pack(t, c)})
	}
	slices.SortFunc(all, func(a, b made) int { return strings.Compare(a.name, b.name) })
	return all
}

func oneCase(t testing.TB, rng *rand.Rand, good []made) Case {
	m := good[rng.IntN(len(good))]
	if rng.IntN(4) == 0 {
		m = lying(t, rng)
	}
	c := Case{Name: m.name, File: m.file, Key: m.w.Log.VKey}
	switch rng.IntN(12) {
	case 0:
		c.Key = ""
	case 1:
		c.Key = m.w.First
	case 2:
		c.Key = NewSigner(t, Origin, 99).VKey
	}
	switch roll := rng.IntN(10); {
	case roll == 0 || m.name != "some" && m.name != "all" && m.name != "whole" && m.name != "range" && roll < 8:
	case roll == 1:
		c.Name, c.File, c.Torn = c.Name+", torn", torn(rng, m.file), true
	default:
		f := Forge(t, m.file)
		for again := true; again && len(f.Lines) > 0 && len(f.Manifest.Keys) > 0; again = again && rng.IntN(8) == 0 {
			tamper := tampers()[rng.IntN(len(tampers()))]
			c.Name += ", " + tamper.name
			tamper.do(f, rng)
			again = tamper.name != "the members" // the others look for theirs
		}
		c.File = f.Pack()
	}
	return c
}

// torn changes the file as it lies on a disk.
func torn(rng *rand.Rand, file []byte) []byte {
	b := slices.Clone(file)
	at := rng.IntN(len(b))
	switch rng.IntN(5) {
	case 0:
		return b[:at]
	case 1:
		return append(b, "more"[:1+rng.IntN(4)]...)
	case 2:
		return slices.Delete(b, at, at+1)
	case 3:
		return slices.Insert(b, at, byte(rng.IntN(256)))
	}
	b[at] ^= 1 << rng.IntN(8)
	return b
}

// lying makes a log in which somebody with a key has lied, and evidence of it that is as good as can be: only the rules of
// streams, seals and keys are left to find out.
func lying(t testing.TB, rng *rand.Rand) made {
	w := New(t, rng.Uint64())
	w.Fill(rng.IntN(4))
	s := w.Emitter(20, "billing")
	three := func() []event.Event { return []event.Event{w.Login("user1"), w.Login("user2"), w.Login("user1")} }
	batch := func(l Lie) {
		w.Lie = &l
		w.Batch(s, three(), nil)
	}
	w.Batch(s, three(), nil)
	one := rng.IntN(3)
	other := NewSigner(t, "stet-emitter/host/77", 77)
	lies := []struct {
		name string
		tell func()
	}{
		{"no lie", func() {}},
		{"another app in an event", func() {
			batch(Lie{Event: func(i int, e *event.Event) { e.AppID = pick(i == one, "forged", e.AppID) }})
		}},
		{"another environment in all events", func() { batch(Lie{Event: func(_ int, e *event.Event) { e.Environment = "test" }}) }},
		{"another number in an event", func() {
			batch(Lie{Event: func(i int, e *event.Event) { e.StreamSeq += pick[uint64](i == one, 1, 0) }})
		}},
		{"other numbers in all events", func() { batch(Lie{Event: func(_ int, e *event.Event) { e.StreamSeq += 5 }}) }},
		{"another stream in an event", func() {
			id := w.uuid()
			batch(Lie{Event: func(i int, e *event.Event) { e.StreamID = pick(i == one, id, e.StreamID) }})
		}},
		{"a seal of later numbers", func() { batch(Lie{Seal: func(s *proof.Seal) { s.First += 2 }}) }},
		{"a seal of another root", func() { batch(Lie{Seal: func(s *proof.Seal) { s.Root[3]++ }}) }},
		{"a seal of another app", func() { batch(Lie{Seal: func(s *proof.Seal) { s.App = "forged" }}) }},
		{"a seal of another environment", func() { batch(Lie{Seal: func(s *proof.Seal) { s.Environment = "" }}) }},
		{"a seal with another prev", func() { batch(Lie{Seal: func(s *proof.Seal) { s.Prev[0]++ }}) }},
		{"a seal without prev", func() { batch(Lie{Seal: func(s *proof.Seal) { s.HasPrev, s.Prev = false, proof.Hash{} }}) }},
		{"a seal with another signature", func() {
			batch(Lie{Entry: func(i int, e *proof.Entry) {
				if i == 3 {
					at := len(e.Seal.Note) - 10 // of the signature's base64
					e.Seal.Note[at] = pick[byte](e.Seal.Note[at] == 'A', 'B', 'A')
				}
			}})
		}},
		{"another prev_seq", func() {
			batch(Lie{Entry: func(i int, e *proof.Entry) {
				if i == 3 {
					e.Seal.PrevSeq = pick(one == 0, nil, new(uint64))
				}
			}})
		}},
		{"another received_at", func() {
			batch(Lie{Entry: func(i int, e *proof.Entry) {
				if i == rng.IntN(4) {
					e.ReceivedAt = e.ReceivedAt[:20] + "999999999Z"
				}
			}})
		}},
		{"received before", func() {
			batch(Lie{Entry: func(_ int, e *proof.Entry) { e.ReceivedAt = "2025" + e.ReceivedAt[4:] }})
		}},
		{"another via", func() {
			batch(Lie{Entry: func(i int, e *proof.Entry) {
				if i == one {
					e.Via = proof.Via{Kind: proof.ViaHTTP, Addr: "192.0.2.1", Token: "tökén"}.Append(nil)
				}
			}})
		}},
		{"a stranger's key", func() { batch(Lie{Sealer: &other}) }},
		{"a stranger's stream", func() { s = w.Open(other, "billing"); batch(Lie{}) }},
		{"a key that an emitter enrolled", func() {
			e := event.Event{EventType: "emitter_enrolled", Action: "enrol", Object: &event.Object{Type: "emitter_key", ID: proof.KeyID(other.VKey)}}
			w.Batch(s, []event.Event{w.Login("user1"), e}, nil)
			s = w.Open(other, "billing")
			batch(Lie{})
		}},
		{"a revoked key", func() { w.Revoke(s.Key); batch(Lie{}) }},
		{"a revoked key of the store", func() { w.Revoke(w.Store); w.Revoke(other) }},
		{"behind the final seal", func() { w.Batch(s, nil, nil); batch(Lie{}) }},
		{"final, and no lie", func() { w.Batch(s, nil, nil) }},
		{"numbers that are missing", func() { s.next += 3; batch(Lie{}) }},
		{"numbers again", func() { s.next--; batch(Lie{}) }},
		{"a loss, and prev of what was lost", func() {
			w.Lose(s, 2)
			batch(Lie{Seal: func(s *proof.Seal) { s.Prev[0]++ }})
		}},
		{"a loss of numbers that were there", func() { s.next--; w.Lose(s, 3); batch(Lie{}) }},
		{"a loss that leaves numbers out", func() { s.next++; w.Lose(s, 3); batch(Lie{}) }},
		{"a handover that is not finished", func() { w.Tell(other, encode(w.Handover(NewSigner(t, Origin, 88), 1))) }},
		{"two handovers that are not finished", func() {
			w.Tell(other, encode(w.Handover(NewSigner(t, Origin, 88), 1)))
			w.Tell(other, encode(w.Handover(NewSigner(t, Origin, 89), 2)))
		}},
		{"a handover from the future", func() { w.Tell(other, encode(w.Handover(NewSigner(t, Origin, 88), 1_000_000))) }},
		{"a handover that is none", func() { w.Tell(other, encode([]byte("stet/logkey/v1\n"))) }},
		{"a handover that the log does not tell of", func() {
			next := NewSigner(t, Origin, 88)
			w.Chain(w.Handover(next, uint64(len(w.Entries)-1)))
			w.Log = next
		}},
		{"a checkpoint older than its key", func() {
			next := NewSigner(t, Origin, 88)
			w.Chain(w.Handover(next, uint64(len(w.Entries)+100)))
			w.Log = next
		}},
	}
	lie := lies[rng.IntN(len(lies))]
	lie.tell()
	if w.Lie = nil; rng.IntN(2) == 0 {
		w.Batch(s, three(), nil)
	}
	w.Fill(rng.IntN(3))
	last := uint64(len(w.Entries) - 1)
	c := w.Contents(By("user1"))
	switch rng.IntN(3) {
	case 0:
		c = w.Contents(By("user1"), 0, last)
	case 1:
		c = w.Contents(Everything)
	}
	return made{lie.name, w, Pack(t, c)}
}

func pick[T any](is bool, a, b T) T {
	if is {
		return a
	}
	return b
}

// tamper is one change of a file that is packed again.
type tamper struct {
	name string
	do   func(f *Forgery, rng *rand.Rand)
}

func tampers() []tamper {
	return []tamper{
		{"a byte of an entry", func(f *Forgery, rng *rand.Rand) {
			i := rng.IntN(len(f.Lines))
			f.Lines[i] = string(changed(rng, []byte(f.Lines[i])))
		}},
		{"a byte of a seal or stub", func(f *Forgery, rng *rand.Rand) {
			if i := someLine(f, rng, `"event":`, false); i >= 0 {
				f.Lines[i] = string(changed(rng, []byte(f.Lines[i])))
			}
		}},
		{"a byte of an entry's head", func(f *Forgery, rng *rand.Rand) {
			i := rng.IntN(len(f.Lines))
			n := min(95, len(f.Lines[i]))
			f.Lines[i] = string(changed(rng, []byte(f.Lines[i][:n]))) + f.Lines[i][n:]
		}},
		{"another user", func(f *Forgery, rng *rand.Rand) {
			if i := someLine(f, rng, `"user_id":"user1"`, true); i >= 0 {
				f.Lines[i] = strings.Replace(f.Lines[i], `"user_id":"user1"`, `"user_id":"user9"`, 1)
			}
		}},
		{"an entry dropped", func(f *Forgery, rng *rand.Rand) {
			i := rng.IntN(len(f.Lines))
			if seal := strings.Contains(f.Lines[i], `"seal":{`); seal {
				f.Manifest.Counts.Seals--
			} else if !inContext(f, i) {
				f.Manifest.Counts.Found--
			}
			f.Lines = slices.Delete(f.Lines, i, i+1)
		}},
		{"entries dropped at the end", func(f *Forgery, rng *rand.Rand) { f.Lines = f.Lines[:rng.IntN(len(f.Lines))] }},
		{"two entries swapped", func(f *Forgery, rng *rand.Rand) {
			i := rng.IntN(len(f.Lines))
			j := min(i+1+rng.IntN(2), len(f.Lines)-1)
			f.Lines[i], f.Lines[j] = f.Lines[j], f.Lines[i]
		}},
		{"an entry twice", func(f *Forgery, rng *rand.Rand) {
			i := rng.IntN(len(f.Lines))
			f.Lines = slices.Insert(f.Lines, i, f.Lines[i])
		}},
		{"an entry at another number", func(f *Forgery, rng *rand.Rand) {
			i := rng.IntN(len(f.Lines))
			if rest, ok := strings.CutPrefix(f.Lines[i], `{"v":1,"seq":`); ok {
				_, rest, _ = strings.Cut(rest, ",")
				n := []string{strconv.Itoa(rng.IntN(int(f.Manifest.Log.Size))), "00", "9007199254740991", "99999999999999999999", "-1", ""}[rng.IntN(6)]
				f.Lines[i] = `{"v":1,"seq":` + n + "," + rest
			}
		}},
		{"a line that is none", func(f *Forgery, rng *rand.Rand) {
			i := rng.IntN(len(f.Lines) + 1)
			f.Lines = slices.Insert(f.Lines, i, []string{"\n", "{}\n", strings.Repeat("x", 70000) + "\n", "\xff\n", `{"v":1,"seq":3,"received_at":"` + "\n"}[rng.IntN(5)])
		}},
		{"the last line's end cut", func(f *Forgery, _ *rand.Rand) {
			last := len(f.Lines) - 1
			f.Lines[last] = strings.TrimSuffix(f.Lines[last], "\n")
		}},
		{"a seal of another's", func(f *Forgery, rng *rand.Rand) {
			i, j := someLine(f, rng, `"seal":{`, true), someLine(f, rng, `"seal":{`, true)
			if i >= 0 {
				a, _, _ := strings.Cut(f.Lines[i], `"note":`)
				_, b, _ := strings.Cut(f.Lines[j], `"note":`)
				f.Lines[i] = a + `"note":` + b
			}
		}},
		{"a seal signed by another key", func(f *Forgery, rng *rand.Rand) { resign(f, rng, true) }},
		{"a seal that says something else", func(f *Forgery, rng *rand.Rand) { resign(f, rng, false) }},
		{"tree.txt", func(f *Forgery, rng *rand.Rand) { hashes(f, rng, "tree.txt") }},
		{"batches.txt", func(f *Forgery, rng *rand.Rand) { hashes(f, rng, "batches.txt") }},
		{"a byte of the checkpoint", func(f *Forgery, rng *rand.Rand) { *f.Member("checkpoint") = changed(rng, *f.Member("checkpoint")) }},
		{"another checkpoint", checkpoint},
		{"logkeys", func(f *Forgery, rng *rand.Rand) {
			i := slices.IndexFunc(f.All, func(p Packed) bool { return p.Name == "logkeys" })
			switch {
			case i < 0:
				f.All = slices.Insert(f.All, 4, Packed{"logkeys", []byte("stet/logkeys/v1\n\n")})
			case rng.IntN(3) == 0:
				f.All = slices.Delete(f.All, i, i+1)
			case rng.IntN(2) == 0:
				b := f.All[i].Data
				f.All[i].Data = append(b[:len(b):len(b)], b[17:]...)
			default:
				f.All[i].Data = changed(rng, f.All[i].Data)
			}
		}},
		{"a byte of the manifest", func(f *Forgery, rng *rand.Rand) { f.Text = string(changed(rng, f.Spell())) }},
		{"the manifest spelt otherwise", func(f *Forgery, rng *rand.Rand) {
			text := string(f.Spell())
			switch rng.IntN(5) {
			case 0:
				var b bytes.Buffer
				if json.Compact(&b, []byte(text)) == nil {
					text = b.String()
				}
			case 1:
				text += "\n"
			case 2:
				text = strings.Replace(text, "\"format\"", "\"\\u0066ormat\"", 1)
			case 3:
				text = strings.Replace(text, "  \"whole\"", "  \"more\": 1,\n  \"whole\"", 1)
			case 4:
				text = strings.Replace(text, "\"by\": \"", "\"by\": \"\\ud800", 1)
			}
			f.Text = text
		}},
		{"a count", func(f *Forgery, rng *rand.Rand) {
			c := &f.Manifest.Counts
			*[]*uint64{&c.Found, &c.Seals, &c.Hidden}[rng.IntN(3)] += uint64(1 + rng.IntN(2))
		}},
		{"the counts of lines", func(f *Forgery, rng *rand.Rand) {
			_ = f.Pack() // counts what there is
			f.LeftCounts = true
			c := &f.Manifest.Counts
			*[]*uint64{&c.Entries, &c.Tree, &c.Batches}[rng.IntN(3)]++
		}},
		{"the context", func(f *Forgery, rng *rand.Rand) {
			c := &f.Manifest.Context
			if rng.IntN(2) == 0 && len(*c) > 0 {
				i := rng.IntN(len(*c))
				*c = slices.Delete(*c, i, i+1)
				f.Manifest.Counts.Found++
			} else {
				*c = append(*c, rng.Uint64N(f.Manifest.Log.Size))
				slices.Sort(*c)
				f.Manifest.Counts.Found--
			}
		}},
		{"the list of keys", func(f *Forgery, rng *rand.Rand) {
			k := f.Manifest.Keys
			i := rng.IntN(len(k))
			switch rng.IntN(5) {
			case 0:
				k[i].Enrolled += uint64(1 + rng.IntN(3))
			case 1:
				k[i].Revoked = pick(k[i].Revoked == nil, new(uint64), nil)
			case 2:
				k[i].Key = NewSigner(f.t, "stet-emitter/host/78", 78).VKey
			case 3:
				f.Manifest.Keys = slices.Delete(k, i, i+1)
			case 4:
				f.Manifest.Keys = append(k, k[i])
			}
		}},
		{"the whole range", func(f *Forgery, rng *rand.Rand) {
			w := f.Manifest.Whole
			switch {
			case w == nil:
				f.Manifest.Whole = &evidence.Whole{First: rng.Uint64N(3), Last: f.Manifest.Log.Size - 1 - rng.Uint64N(3)}
			case rng.IntN(3) == 0:
				f.Manifest.Whole, f.Manifest.Counts.Hidden = nil, 0
			case rng.IntN(2) == 0:
				w.First += uint64(rng.IntN(4)) - 1
			default:
				w.Last += uint64(rng.IntN(4)) - 1
			}
		}},
		{"what was searched", func(f *Forgery, rng *rand.Rand) {
			s := &f.Manifest.Searched
			switch rng.IntN(4) {
			case 0:
				s.First = rng.Uint64N(f.Manifest.Log.Size)
			case 1:
				s.Last = rng.Uint64N(2 * f.Manifest.Log.Size)
			case 2:
				s.From = f.Entry(0).ReceivedAt
			case 3:
				s.Till = []string{"2027-01-01T00:00:00.000000000Z", "2020-02-29T00:00:00.000000000Z", "2021-02-29T00:00:00.000000000Z", "tomorrow"}[rng.IntN(4)]
			}
		}},
		{"what was asked", func(f *Forgery, rng *rand.Rand) {
			a := &f.Manifest.Asked
			switch rng.IntN(4) {
			case 0:
				a.Query = strings.Repeat("ä", 2040+rng.IntN(20))
			case 1:
				a.By = []string{"somebody else", "a\u2028b", "a\u202eb", "\ufffd", "<b>&\"'\\"}[rng.IntN(5)]
			case 2:
				a.At = ""
			case 3:
				a.Tool = strings.Repeat("x", 127+rng.IntN(3))
			}
		}},
		{"the log", func(f *Forgery, rng *rand.Rand) {
			l := &f.Manifest.Log
			switch rng.IntN(4) {
			case 0:
				l.Size++
			case 1:
				l.Root[0]++
			case 2:
				l.Key = []string{NewSigner(f.t, Origin, 98).VKey, "", "nonsense"}[rng.IntN(3)]
			case 3:
				l.Origin += "x"
			}
		}},
		{"a member for people", func(f *Forgery, rng *rand.Rand) {
			*f.Member("events.csv") = []byte("seq\r\n7\r\n")
			if rng.IntN(2) == 0 {
				_ = f.Pack() // lists it
			}
			*f.Member("stories.html") = changed(rng, *f.Member("stories.html"))
			f.LeftHashes = rng.IntN(2) == 0
		}},
		{"entries, and the hash of the member left", func(f *Forgery, rng *rand.Rand) {
			f.LeftHashes = true
			i := rng.IntN(len(f.Lines))
			f.Lines[i] = strings.Replace(f.Lines[i], `"user_id":"user`, `"user_id":"uzer`, 1)
		}},
		{"the members", func(f *Forgery, rng *rand.Rand) {
			i := rng.IntN(len(f.All) - 1)
			switch rng.IntN(5) {
			case 0:
				f.All = slices.Insert(f.All, i, f.All[i])
			case 1:
				f.All = slices.Insert(f.All, i, Packed{"README", []byte("hello")})
			case 2:
				f.All[i], f.All[i+1] = f.All[i+1], f.All[i]
			case 3:
				f.All = slices.Insert(f.All, len(f.All)-1, Packed{"verify.html", []byte("<!doctype html>" + strings.Repeat(" ", rng.IntN(2)*(5<<20)))})
			case 4:
				f.All[5%len(f.All)].Name = "../" + f.All[5%len(f.All)].Name
			}
		}},
	}
}

// changed changes, drops or adds a byte.
func changed(rng *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	if len(b) == 0 {
		return append(b, 'x')
	}
	at := rng.IntN(len(b))
	switch rng.IntN(4) {
	case 0:
		return slices.Delete(b, at, at+1)
	case 1:
		return slices.Insert(b, at, b[rng.IntN(len(b))])
	case 2:
		b[at] ^= 1 << rng.IntN(8)
	default:
		b[at] = []byte("0189afAFzZ+/=-\"\\\n {}\xff")[rng.IntN(21)]
	}
	return b
}

// someLine is one of the lines that hold a text, or do not; -1 where there is none.
func someLine(f *Forgery, rng *rand.Rand, text string, has bool) int {
	var all []int
	for i, l := range f.Lines {
		if strings.Contains(l, text) == has {
			all = append(all, i)
		}
	}
	if len(all) == 0 {
		return -1
	}
	return all[rng.IntN(len(all))]
}

func inContext(f *Forgery, line int) bool {
	e, err := proof.ParseEntry([]byte(strings.TrimSuffix(f.Lines[line], "\n")))
	return err != nil || slices.Contains(f.Manifest.Context, e.Seq)
}

// resign puts another seal in the place of one: of a key that nobody knows, or by one that the emitters here have.
func resign(f *Forgery, rng *rand.Rand, stranger bool) {
	i := someLine(f, rng, `"seal":{`, true)
	if i < 0 {
		return
	}
	e, err := proof.ParseEntry([]byte(strings.TrimSuffix(f.Lines[i], "\n")))
	if err != nil {
		return // changed before
	}
	s, err := proof.ParseSeal(e.Seal.Note)
	if err != nil {
		return
	}
	name, _, _ := strings.Cut(s.Key, "+")
	n := byte(2) // the store's
	if _, err := fmt.Sscanf(name, "stet-emitter/host/%d", &n); err != nil && name != "stet-store/test" {
		return
	}
	if stranger {
		n = 79
	}
	key := NewSigner(f.t, name, n)
	s.Key = key.VKey
	if !stranger {
		switch rng.IntN(6) {
		case 0:
			s.First++
		case 1:
			s.Count = 1 + rng.IntN(9)
		case 2:
			s.Root[0]++
		case 3:
			s.App = "forged"
		case 4:
			s.Environment = "forged"
		case 5:
			s.Final = !s.Final
		}
	}
	if s.Count == 0 {
		s.Root, s.Final = proof.EmptyRoot(), true
	}
	if s.First == 1 {
		s.HasPrev, s.Prev = false, proof.Hash{}
	}
	msg, err := proof.SignSeal(s, key)
	if err != nil {
		f.t.Fatal(err)
	}
	e.Seal.Note = msg
	f.Lines[i] = string(e.Append(nil)) + "\n"
}

// hashes changes a proof.
func hashes(f *Forgery, rng *rand.Rand, name string) {
	b := f.Member(name)
	lines := slices.Collect(strings.Lines(string(*b)))
	if len(lines) == 0 || rng.IntN(8) == 0 {
		*b = changed(rng, *b)
		return
	}
	i := rng.IntN(len(lines))
	switch rng.IntN(4) {
	case 0:
		lines = slices.Delete(lines, i, i+1)
	case 1:
		lines = slices.Insert(lines, i, lines[rng.IntN(len(lines))])
	case 2:
		lines[i] = proof.LeafHash([]byte(lines[i])).String() + "\n"
	case 3:
		j := rng.IntN(len(lines))
		lines[i], lines[j] = lines[j], lines[i]
	}
	*b = []byte(strings.Join(lines, ""))
}

// checkpoint signs another checkpoint, or changes the signatures of this one.
func checkpoint(f *Forgery, rng *rand.Rand) {
	b := f.Member("checkpoint")
	cp, err := proof.ParseCheckpointText(*b)
	if err != nil {
		return
	}
	stranger := NewSigner(f.t, Origin, 99)
	witness := NewSigner(f.t, "witness.example", 97)
	switch rng.IntN(6) {
	case 0: // of a witness, which is none of ours
		if msg, err := proof.SignCheckpoint(cp, stranger, witness); err == nil {
			lines := strings.Split(string(msg), "\n")
			*b = append(*b, lines[len(lines)-2]+"\n"...)
		}
		return
	case 1:
		f.Manifest.Log.Key = stranger.VKey
	case 2:
		cp.Size++
		f.Manifest.Log.Size++
	case 3:
		cp.Root[0]++
		f.Manifest.Log.Root = cp.Root
	case 4: // the same signature again
		_, sigs, _ := bytes.Cut(*b, []byte("\n\n"))
		*b = append(*b, bytes.Repeat(sigs, 1+rng.IntN(2)*100)...)
		return
	}
	// The logs here begin with key 1; of the changed ones only a stranger's.
	key := pick(rng.IntN(2) == 0, stranger, NewSigner(f.t, Origin, 1))
	msg, err := proof.SignCheckpoint(cp, key)
	if err != nil {
		return
	}
	*b = msg
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
