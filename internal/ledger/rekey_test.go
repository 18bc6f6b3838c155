package ledger_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// secondKey is another key of the same log.
func secondKey() (note.Signer, string) {
	seed := sha256.Sum256([]byte("second"))
	s, vkey, err := proof.NewSigner(origin, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return s, vkey
}

// signedBy says which of the log's two keys have signed a checkpoint.
func signedBy(msg []byte) (first, second bool) {
	_, a := key(origin)
	_, b := secondKey()
	_, err := proof.OpenCheckpoint(msg, origin, verifier(a))
	_, err2 := proof.OpenCheckpoint(msg, origin, verifier(b))
	return err == nil, err2 == nil
}

// TestRekey: the present checkpoint is signed again by other keys, also when the ledger is opened with others than those
// that have signed it.
func TestRekey(t *testing.T) {
	first, _ := key(origin)
	second, secondVKey := secondKey()
	m := fsxtest.New()
	l := open(t, options(m))
	s := newStream("emitter", 1)
	mustAppend(t, l, s.next(2, 100))
	before, err := l.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored := func() []byte {
		t.Helper()
		b, err := fsx.ReadFile(m, "log/checkpoint", proof.MaxCheckpoint)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	is := func(what string, msg []byte, first, second bool) {
		t.Helper()
		if a, b := signedBy(msg); a != first || b != second {
			t.Errorf("%s: signed by the first key %v and by the second %v, want %v and %v", what, a, b, first, second)
		}
		if string(stored()) != string(msg) {
			t.Errorf("%s: the stored checkpoint is another", what)
		}
	}
	is("before", before, true, false)
	both, err := l.Rekey(t.Context(), second, first)
	if err != nil {
		t.Fatal(err)
	}
	is("both", both, true, true)
	is("both, asked for", l.Checkpoint(), true, true)
	mustAppend(t, l, s.next(2, 100))
	if both, err = l.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	is("both, grown", both, true, true)
	if _, err := l.Rekey(t.Context()); err == nil {
		t.Error("a log without a key")
	}
	stranger, _ := key("log.example/other")
	if _, err := l.Rekey(t.Context(), second, stranger); err == nil {
		t.Error("a key of another log")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Rekey(t.Context(), second); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("when closed: %v", err)
	}
	o := options(m)
	o.Signer, o.Verifier = second, verifier(secondVKey)
	o.Beside = []note.Signer{stranger}
	if _, err := ledger.Open(t.Context(), o); err == nil {
		t.Error("opened with a key of another log")
	}
	o.Beside = nil
	l = open(t, o)
	is("opened with the second only", l.Checkpoint(), false, true)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.Beside = []note.Signer{first}
	l = open(t, o)
	is("opened with both", l.Checkpoint(), true, true)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRekeyIsAtomic: after a crash at any operation, or with any call failing, the ledger opens with the key that was
// acknowledged last, and whatever checkpoint was seen is a beginning of it.
func TestRekeyIsAtomic(t *testing.T) {
	first, _ := key(origin)
	second, secondVKey := secondKey()
	type acked struct {
		steps int // Rekeys
		seen  [][]byte
	}
	p := fsxtest.Plan{
		Run: func(m *fsxtest.Mem) any {
			var a acked
			l, err := ledger.Open(t.Context(), options(m))
			if err != nil {
				return a
			}
			s := newStream("emitter", 1)
			for _, signers := range [][]note.Signer{{second, first}, {second}} {
				if _, err := l.Append(t.Context(), s.next(1, 100)); err != nil {
					break
				}
				msg, err := l.Publish(t.Context())
				if err != nil {
					break
				}
				a.seen = append(a.seen[:len(a.seen):len(a.seen)], msg)
				if msg, err = l.Rekey(t.Context(), signers...); err != nil {
					break
				}
				a.seen = append(a.seen[:len(a.seen):len(a.seen)], msg)
				a.steps++
			}
			_ = l.Close()
			return a
		},
		Check: func(m *fsxtest.Mem, got any) error {
			a, _ := got.(acked)
			o := options(m)
			if a.steps > 0 {
				o.Signer, o.Verifier, o.Beside = second, verifier(secondVKey), []note.Signer{first}
			}
			l, err := ledger.Open(t.Context(), o)
			if err != nil {
				return err
			}
			msg, err := l.Publish(t.Context())
			if err != nil {
				return err
			}
			if one, two := signedBy(msg); !one || two != (a.steps > 0) {
				return fmt.Errorf("after %d changes it is signed by %v, %v", a.steps, one, two)
			}
			now, err := proof.ParseCheckpointText(msg)
			if err != nil {
				return err
			}
			for _, old := range a.seen {
				cp, err := proof.ParseCheckpointText(old)
				if err != nil || cp.Size > now.Size || cp.Size == now.Size && cp.Root != now.Root {
					return fmt.Errorf("%d entries were signed with root %s, now there are %d with %s", cp.Size, cp.Root, now.Size, now.Root)
				}
			}
			return l.Close()
		},
		MaxStates: 200,
	}
	fsxtest.Explore(t, p)
	fsxtest.Faults(t, p, 10)
}
