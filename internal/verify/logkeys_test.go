package verify_test

import (
	"encoding/base64"
	"maps"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// handover signs that one key takes another's place, by whoever is given.
func handover(t testing.TB, old, next identity, size uint64, by ...identity) []byte {
	t.Helper()
	h := proof.Handover{Old: old.vkey, New: next.vkey, Size: size, Time: "2026-03-01T03:00:00.000000000Z"}
	var signers []note.Signer
	for _, id := range by {
		signers = append(signers, id.signer)
	}
	msg, err := note.Sign(&note.Note{Text: string(h.Append(nil))}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// chainFile is the file beside the checkpoint.
func chainFile(notes ...[]byte) []byte {
	b := []byte("stet/logkeys/v1\n\n")
	for _, msg := range notes {
		b = append(append(b, msg...), '\n')
	}
	return b
}

// says has somebody record a handover.
func (w *world) says(by *source, old identity, msg []byte) {
	w.batch(by, []event.Event{{EventType: "key_rotated", Action: "rotate", Object: &event.Object{Type: "log_key", ID: proof.KeyID(old.vkey)},
		Labels: map[string]string{"handover": base64.StdEncoding.EncodeToString(msg)}}}, nil)
}

// TestLogKeys: who may sign for a log whose key has changed, and what must stand in it about that.
func TestLogKeys(t *testing.T) {
	a, b, c := newIdentity(t, origin, 1), newIdentity(t, origin, 101), newIdentity(t, origin, 102)
	const size = 2 // the first batch
	good := handover(t, a, b, size, a, b)
	for _, tt := range []struct {
		name   string
		record func(w *world)
		chain  []byte
		by     []identity
		pinned identity
		want   verify.State
		say    string // in a finding
	}{
		{"followed from the old key", nil, chainFile(good), []identity{b}, a, verify.Verified, ""},
		{"the new key pinned", nil, chainFile(good), []identity{b}, b, verify.Verified, ""},
		{"both sign", nil, chainFile(good), []identity{a, b}, a, verify.Verified, ""},
		{"cut short: both sign, and no chain", nil, nil, []identity{a, b}, a, verify.Verified, "was not finished"},
		{"another key pinned", nil, chainFile(good), []identity{b}, c, verify.Failed, "no handover leads from"},
		{"the old key alone has signed", nil, chainFile(good), []identity{a}, a, verify.Failed, "not signed by"},
		{"a stranger has signed", nil, chainFile(good), []identity{c}, a, verify.Failed, "not signed by"},
		{"the chain was taken away", nil, nil, []identity{b}, a, verify.Failed, "not signed by"},
		{"the chain is damaged", nil, chainFile(good)[1:], []identity{a, b}, a, verify.Failed, "stet/logkeys/v1"},
		{"the chain is signed by the old key only", nil, chainFile(handover(t, a, b, size, a)), []identity{b}, a, verify.Failed, "cut short"},
		{"the chain leads elsewhere than the log says", nil, chainFile(handover(t, a, c, size, a, c)), []identity{c}, a, verify.Failed, "was not made by the log's store"},
		{"the log says nothing of it", func(*world) {}, chainFile(good), []identity{b}, a, verify.Failed, "was not made by the log's store"},
		{"an emitter says so", func(w *world) { w.says(w.emitter(50, "app", "test"), a, good) }, chainFile(good), []identity{b}, a, verify.Failed, "was not made by the log's store"},
		{"an emitter says so, and no chain does", func(w *world) { w.says(w.emitter(50, "app", "test"), a, good) }, nil, []identity{a}, a, verify.Verified, "foreign claims"},
		{"the log has it without the new key's signature", func(w *world) {
			w.says(w.open(w.store, "stet", ""), a, handover(t, a, b, size, a))
		}, nil, []identity{a}, a, verify.Failed, "in this event is not good"},
		{"the log has it from before its time", func(w *world) {
			w.says(w.open(w.store, "stet", ""), a, handover(t, a, b, 1000, a, b))
		}, nil, []identity{a}, a, verify.Failed, "1000 entries already"},
		{"two of the log's are not in the chain", func(w *world) {
			w.says(w.open(w.store, "stet", ""), a, good)
			w.says(w.open(w.store, "stet", ""), b, handover(t, b, c, size+2, b, c))
		}, nil, []identity{a}, a, verify.Failed, "it was put back"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 5)
			if tt.record == nil {
				w.says(w.open(w.store, "stet", ""), a, good)
			} else {
				tt.record(w)
			}
			w.fill(9)
			files := buildLog(t, w.leaves(), w.log, true)
			cp, err := proof.ParseCheckpointText(files["checkpoint"])
			if err != nil {
				t.Fatal(err)
			}
			var signers []note.Signer
			for _, id := range tt.by {
				signers = append(signers, id.signer)
			}
			if files["checkpoint"], err = proof.SignCheckpoint(cp, signers...); err != nil {
				t.Fatal(err)
			}
			if tt.chain != nil {
				files["logkeys"] = tt.chain
			}
			rep := checkLog(t, files, verify.Options{LogKey: tt.pinned.vkey, Workers: 1})
			mustBe(t, rep, tt.want, tt.name)
			said := ""
			for _, f := range rep.Findings {
				said += f.String() + "\n"
			}
			if !strings.Contains(said, tt.say) || tt.say == "" && said != "" {
				t.Errorf("it says\n%swant %q", said, tt.say)
			}
			if tt.want == verify.Verified && tt.chain != nil && (rep.LogKey != b.vkey || len(rep.LogKeys) != 1 || rep.LogKeys[0].Seq != 2) {
				t.Errorf("the key is %s, changed %+v", rep.LogKey, rep.LogKeys)
			}
		})
	}
}

// TestKnownCheckpointsOfOlderKeys: what somebody saw signed by a key whose place another took is still seen.
func TestKnownCheckpointsOfOlderKeys(t *testing.T) {
	a, b, c := newIdentity(t, origin, 1), newIdentity(t, origin, 101), newIdentity(t, origin, 102)
	w := newWorld(t, 5)
	w.fill(3)
	early := w.leaves()
	size := uint64(len(early))
	msg := handover(t, a, b, size, a, b)
	w.says(w.open(w.store, "stet", ""), a, msg)
	w.fill(9)
	files := buildLog(t, w.leaves(), b, true)
	files["logkeys"] = chainFile(msg)
	forged := maps.Clone(files)
	forged["logkeys"] = chainFile(handover(t, a, c, size, a, c))
	for name, tt := range map[string]struct {
		seen []byte
		on   string // the key that they count on
		want verify.State
	}{
		"by the old key":                        {checkpoint(t, early, a), "", verify.Verified},
		"by the old key, who counts on it":      {checkpoint(t, early, a), a.vkey, verify.Verified},
		"by the old key, who counts on the new": {checkpoint(t, early, a), b.vkey, verify.Verified},
		"by the old key, who counts on another": {checkpoint(t, early, a), c.vkey, verify.Failed},
		"by the new key":                        {checkpoint(t, w.leaves(), b), b.vkey, verify.Verified},
		"by the new key before it was there":    {checkpoint(t, early, b), "", verify.Failed},
		"by a stranger":                         {checkpoint(t, early, c), "", verify.Failed},
		"by the old key, of another history":    {checkpoint(t, early[1:], a), "", verify.Failed},
		"by the old key, of more than there is": {checkpoint(t, append(w.leaves(), early[0]), a), "", verify.Failed},
	} {
		rep := checkLog(t, files, verify.Options{LogKey: a.vkey, Workers: 1, Known: []verify.Known{{Checkpoint: tt.seen, From: "somebody", LogKey: tt.on}}})
		mustBe(t, rep, tt.want, name)
		if tt.want == verify.Verified && rep.Known != 1 {
			t.Errorf("%s: consistent with %d, want 1", name, rep.Known)
		}
	}
	mustFail(t, checkLog(t, forged, verify.Options{LogKey: a.vkey, Workers: 1, Known: []verify.Known{{Checkpoint: checkpoint(t, w.leaves(), b), From: "somebody"}}}), "a fork of the keys")
}
