package proof

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"
)

const testStream = "0192f0c1-7a2b-7c3d-8e4f-0123456789ab"

// testSigner makes a key that depends only on n.
func testSigner(t testing.TB, n byte, name string) (note.Signer, string) {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	s, vkey, err := NewSigner(name, ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

func testSeal(t testing.TB) (Seal, note.Signer) {
	t.Helper()
	signer, vkey := testSigner(t, 1, "stet-emitter/host/0")
	return Seal{
		App: "app", Environment: "test", Key: vkey, Stream: testStream, First: 11, Count: 2,
		Root: RootOf([]Hash{LeafHash([]byte("a")), LeafHash([]byte("b"))}), Prev: Hash{1}, HasPrev: true,
		Clock: Clock{State: ClockSynchronized, OffsetUS: -3, MaxErrorUS: 4000, MonotonicUS: 5, Source: "adjtimex", BootID: "b"},
	}, signer
}

// TestEveryBitOfASeal: no bit of a signed seal can be flipped, in its text or in its signature line.
func TestEveryBitOfASeal(t *testing.T) {
	s, signer := testSeal(t)
	msg, err := SignSeal(s, signer)
	if err != nil {
		t.Fatal(err)
	}
	var v SealVerifier
	for i := range msg {
		for bit := range 8 {
			msg[i] ^= 1 << bit
			if _, err := v.Open(msg); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrSignature) {
				t.Fatalf("bit %d of byte %d flipped: %v\n%s", bit, i, err, msg)
			}
			msg[i] ^= 1 << bit
		}
		if _, err := OpenSeal(msg[:i]); err == nil {
			t.Fatalf("cut to %d bytes it was accepted", i)
		}
	}
	if got, err := OpenSeal(msg); err != nil || got != s {
		t.Errorf("OpenSeal = %+v, %v", got, err)
	}
}

// TestSealRoundTrip: whatever SignSeal signs, OpenSeal, ParseSeal and a SealVerifier read back, and x/mod's note
// accepts as a note; whatever SignSeal refuses is malformed.
func TestSealRoundTrip(t *testing.T) {
	base, signer := testSeal(t)
	verifier := mustVerifier(t, base.Key)
	var cache SealVerifier
	micros := rapid.Int64Range(-1<<54, 1<<54)
	word := rapid.StringMatching(`[A-Za-z0-9._-]{0,66}`)
	rapid.Check(t, func(t *rapid.T) {
		s := base
		s.App = rapid.OneOf(rapid.StringMatching(`[A-Za-z0-9._-]{1,128}`), rapid.String()).Draw(t, "app")
		s.Environment = rapid.OneOf(rapid.SampledFrom([]string{"", "-", "production"}), rapid.StringN(0, 33, 40)).Draw(t, "environment")
		s.First = rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64Range(MaxSize-1002, MaxSize+2)).Draw(t, "first")
		s.Count = rapid.IntRange(-1, 1001).Draw(t, "count")
		s.Final = rapid.Bool().Draw(t, "final")
		s.HasPrev = rapid.Bool().Draw(t, "hasPrev")
		if !s.HasPrev {
			s.Prev = Hash{}
		}
		if s.Count == 0 {
			s.Root = EmptyRoot()
		}
		s.Clock = Clock{
			State:    rapid.SampledFrom([]string{ClockSynchronized, ClockUnsynchronized, ClockUnknown, ""}).Draw(t, "state"),
			OffsetUS: micros.Draw(t, "offset"), MaxErrorUS: micros.Draw(t, "error"), MonotonicUS: micros.Draw(t, "monotonic"),
			Source: word.Draw(t, "source"), BootID: word.Draw(t, "boot"),
		}
		msg, err := SignSeal(s, signer)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("%+v: %v", s, err)
			}
			return
		}
		for name, open := range map[string]func([]byte) (Seal, error){"OpenSeal": OpenSeal, "ParseSeal": ParseSeal, "SealVerifier.Open": cache.Open, "SealVerifier.Parse": cache.Parse} {
			if got, err := open(msg); err != nil || got != s {
				t.Fatalf("%s = %+v, %v; want %+v", name, got, err, s)
			}
		}
		n, err := note.Open(msg, note.VerifierList(verifier))
		if err != nil || n.Text != string(s.AppendText(nil)) || len(n.Sigs) != 1 {
			t.Fatalf("x/mod note: %+v, %v", n, err)
		}
	})
}

// TestSignSealRefuses: SignSeal signs nothing that does not read back as the same seal.
func TestSignSealRefuses(t *testing.T) {
	other, otherKey := testSigner(t, 2, "stet-emitter/host/0")
	for name, c := range map[string]struct {
		change func(*Seal)
		want   error
	}{
		"no app":                {func(s *Seal) { s.App = "" }, ErrMalformed},
		"app too long":          {func(s *Seal) { s.App = strings.Repeat("a", MaxApp+1) }, ErrMalformed},
		"app of two lines":      {func(s *Seal) { s.App = "a\nfirst 1" }, ErrMalformed},
		"environment is -":      {func(s *Seal) { s.Environment = "-" }, ErrMalformed},
		"environment of lines":  {func(s *Seal) { s.Environment = "a\nb" }, ErrMalformed},
		"no key":                {func(s *Seal) { s.Key = "" }, ErrMalformed},
		"no stream":             {func(s *Seal) { s.Stream = "" }, ErrMalformed},
		"count of 1001":         {func(s *Seal) { s.Count = MaxBatch + 1 }, ErrMalformed},
		"no clock state":        {func(s *Seal) { s.Clock.State = "" }, ErrMalformed},
		"source is -":           {func(s *Seal) { s.Clock.Source = "-" }, ErrMalformed},
		"prev but not HasPrev":  {func(s *Seal) { s.HasPrev = false }, ErrMalformed},
		"no events, yet a root": {func(s *Seal) { s.Count, s.Final = 0, true }, ErrMalformed},
		"past the last number":  {func(s *Seal) { s.First = MaxSize }, ErrMalformed},
		"another's key":         {func(s *Seal) { s.Key = otherKey }, ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			s, signer := testSeal(t)
			c.change(&s)
			if _, err := SignSeal(s, signer); !errors.Is(err, c.want) {
				t.Errorf("SignSeal: %v, want %v", err, c.want)
			}
		})
	}
	s, _ := testSeal(t)
	if _, err := SignSeal(s, other); !errors.Is(err, ErrSignature) {
		t.Errorf("signed by another key: %v", err)
	}
}

// TestLargestSeal: every field at its limit together stays within MaxSeal, so that no valid batch cannot be sealed.
func TestLargestSeal(t *testing.T) {
	signer, vkey := testSigner(t, 1, strings.Repeat("n", MaxKeyName))
	long := strings.Repeat("w", maxClockWord)
	s := Seal{App: strings.Repeat("a", MaxApp), Environment: strings.Repeat("e", MaxEnvironment), Key: vkey, Stream: testStream,
		First: MaxSize - MaxBatch + 1, Count: MaxBatch, Root: Hash{1}, HasPrev: true,
		Clock: Clock{State: ClockUnsynchronized, OffsetUS: -MaxSize, MaxErrorUS: MaxSize, MonotonicUS: MaxSize, Source: long, BootID: long}}
	msg, err := SignSeal(s, signer)
	if err != nil {
		t.Fatal(err)
	}
	if len(msg) > MaxSeal/2 {
		t.Errorf("%d bytes; the limit of %d leaves no room to grow", len(msg), MaxSeal)
	}
	if s.Next() != MaxSize+1 {
		t.Errorf("Next = %d", s.Next())
	}
}

// TestSealVerifierIsBounded feeds a SealVerifier more keys than it keeps.
func TestSealVerifierIsBounded(t *testing.T) {
	var v SealVerifier
	s, _ := testSeal(t)
	for i := range maxCachedKeys + 10 {
		var signer note.Signer
		signer, s.Key = testSigner(t, 1, fmt.Sprintf("stet-emitter/host/%d", i))
		text := s.AppendText(nil)
		msg := append(text, fmt.Sprintf("\n— %s %s\n", signer.Name(), strings.Repeat("A", 91)+"=")...)
		if _, err := v.Parse(msg); !errors.Is(err, ErrSignature) {
			t.Fatalf("a signature line of another key hash: %v", err)
		}
	}
	for _, bad := range []string{"", strings.Replace(string(s.AppendText(nil)), s.Key, "no key", 1) + "\n— n " + strings.Repeat("A", 91) + "=\n"} {
		if _, err := v.Parse([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("Parse(%q): %v", bad, err)
		}
	}
	if len(v.keys) > maxCachedKeys {
		t.Errorf("%d keys kept, want at most %d", len(v.keys), maxCachedKeys)
	}
}

// TestStreamIDs: a stream id is a UUIDv7 in lower case, at each of its 36 places.
func TestStreamIDs(t *testing.T) {
	for i := range len(testStream) {
		for _, c := range "-078bcfgFG/:`@ \n" {
			id := testStream[:i] + string(c) + testStream[i+1:]
			want := strings.ContainsRune("078bcf", c)
			switch i {
			case 8, 13, 18, 23:
				want = c == '-'
			case 14:
				want = c == '7'
			case 19:
				want = c == '8' || c == 'b'
			}
			if isUUIDv7(id) != want {
				t.Errorf("%q: accepted is %v", id, !want)
			}
		}
	}
	if isUUIDv7(testStream+"0") || isUUIDv7(testStream[:35]) || isUUIDv7("") {
		t.Error("an id of another length was accepted")
	}
}

// TestWords goes through every byte that an app id, a clock source or a boot id may and may not hold.
func TestWords(t *testing.T) {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	for c := range 256 {
		want := strings.IndexByte(allowed, byte(c)) >= 0
		for _, w := range [][]byte{{byte(c)}, {'a', byte(c)}, {byte(c), 'a'}} {
			if isWord(w, 2) != want {
				t.Errorf("%q: accepted is %v", w, !want)
			}
		}
	}
	if isWord("", 2) || isWord("abc", 2) {
		t.Error("a word of another length was accepted")
	}
}
