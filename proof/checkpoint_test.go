package proof

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// TestEveryBitOfACheckpoint: no bit of a signed checkpoint can be flipped, in its text or in its signature line.
func TestEveryBitOfACheckpoint(t *testing.T) {
	signer, vkey := testSigner(t, 1, "log.example/a")
	verifier := mustVerifier(t, vkey)
	msg, err := SignCheckpoint(Checkpoint{Origin: "log.example/a", Size: 300, Root: Hash{9}}, signer)
	if err != nil {
		t.Fatal(err)
	}
	for i := range msg {
		for bit := range 8 {
			msg[i] ^= 1 << bit
			if _, err := OpenCheckpoint(msg, "log.example/a", verifier); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrSignature) {
				t.Fatalf("bit %d of byte %d flipped: %v\n%s", bit, i, err, msg)
			}
			msg[i] ^= 1 << bit
		}
		if _, err := OpenCheckpoint(msg[:i], "log.example/a", verifier); err == nil {
			t.Fatalf("cut to %d bytes it was accepted", i)
		}
	}
}

// TestCheckpointSigners walks through who may sign for a log.
func TestCheckpointSigners(t *testing.T) {
	const origin = "log.example/a"
	old, oldKey := testSigner(t, 1, origin)
	next, nextKey := testSigner(t, 2, origin)
	witness, witnessKey := testSigner(t, 3, "witness.example")
	c := Checkpoint{Origin: origin, Size: 5, Root: newNaive(5).root()}
	sign := func(t *testing.T, signers ...note.Signer) []byte {
		t.Helper()
		// Not by SignCheckpoint, which would refuse some of these.
		msg, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	spoilt := []byte(strings.Replace(string(sign(t, next, old)), "— "+origin+" ", "— "+origin+" !!!!", 1))
	for _, tt := range []struct {
		name string
		msg  []byte
		keys []string
		want error
	}{
		{"its key", sign(t, old), []string{oldKey}, nil},
		{"both keys while it rotates, the old one known", sign(t, old, next), []string{oldKey}, nil},
		{"both keys while it rotates, the new one known", sign(t, old, next), []string{nextKey}, nil},
		{"a cosignature beside it", sign(t, witness, old), []string{oldKey}, nil},
		{"a cosignature beside it, the witness known", sign(t, old, witness), []string{oldKey, witnessKey}, nil},
		{"only a witness, who is known", sign(t, witness), []string{oldKey, witnessKey}, ErrSignature},
		{"another key", sign(t, next), []string{oldKey}, ErrSignature},
		{"no key known", sign(t, old), nil, ErrSignature},
		{"an unknown signature that is not base64 of a signature", spoilt, []string{oldKey}, ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var verifiers []note.Verifier
			for _, k := range tt.keys {
				verifiers = append(verifiers, mustVerifier(t, k))
			}
			got, err := OpenCheckpoint(tt.msg, origin, verifiers...)
			if !errors.Is(err, tt.want) || tt.want == nil && got != c {
				t.Errorf("OpenCheckpoint = %+v, %v; want error %v", got, err, tt.want)
			}
		})
	}
	if _, err := OpenCheckpoint(sign(t, old), "log.example/b", mustVerifier(t, oldKey)); !errors.Is(err, ErrSignature) {
		t.Errorf("as another log's: %v", err)
	}
	// What a key of this log signs is not this log's when it says that it is another's.
	c.Origin = "log.example/b"
	if _, err := OpenCheckpoint(sign(t, old), origin, mustVerifier(t, oldKey)); !errors.Is(err, ErrSignature) {
		t.Errorf("of another log, under this one's key: %v", err)
	}
	c.Origin = origin
	if _, err := SignCheckpoint(c, witness); !errors.Is(err, ErrSignature) {
		t.Errorf("signed by a witness alone: %v", err)
	}
	if _, err := SignCheckpoint(c); !errors.Is(err, ErrSignature) {
		t.Errorf("signed by nobody: %v", err)
	}
}

func TestSignCheckpointRefuses(t *testing.T) {
	signer, _ := testSigner(t, 1, "log")
	for name, c := range map[string]Checkpoint{
		"no origin":            {Size: 1},
		"origin of two words":  {Origin: "my log", Size: 1},
		"origin of two lines":  {Origin: "log\n2", Size: 1},
		"size above 2^53 - 1":  {Origin: "log", Size: MaxSize + 1},
		"empty with no root":   {Origin: "log"},
		"empty with some root": {Origin: "log", Root: Hash{1}},
	} {
		if _, err := SignCheckpoint(c, signer); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParseCheckpointTextUnsigned reads the bare text too, for looking before a key is known.
func TestParseCheckpointTextUnsigned(t *testing.T) {
	want := Checkpoint{Origin: "log", Size: 7, Root: Hash{1}}
	if got, err := ParseCheckpointText([]byte(want.Text())); err != nil || got != want {
		t.Errorf("ParseCheckpointText = %+v, %v", got, err)
	}
}
