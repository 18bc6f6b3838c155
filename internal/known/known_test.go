package known

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/proof"
)

const origin = "log.example/test"

// log is a log of made-up leaves.
type log struct {
	leaves []proof.Hash
	signer interface {
		Name() string
		KeyHash() uint32
		Sign([]byte) ([]byte, error)
	}
	vkey string
}

func newLog(keyName string) *log {
	seed := sha256.Sum256([]byte(keyName))
	s, vkey, err := proof.NewSigner(origin, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return &log{signer: s, vkey: vkey}
}

func (l *log) grow(to int, salt string) *log {
	for i := len(l.leaves); i < to; i++ {
		l.leaves = append(l.leaves, proof.LeafHash(fmt.Append(nil, salt, i)))
	}
	return l
}

// at is the signed checkpoint over the first n leaves.
func (l *log) at(t testing.TB, n int) Checkpoint {
	t.Helper()
	cp := proof.Checkpoint{Origin: origin, Size: uint64(n), Root: proof.RootOf(l.leaves[:n])}
	msg, err := proof.SignCheckpoint(cp, l.signer)
	if err != nil {
		t.Fatal(err)
	}
	return Checkpoint{Checkpoint: cp, VKey: l.vkey, Note: msg}
}

// ReadHashes computes each node from the leaves.
func (l *log) ReadHashes(nodes []proof.NodeID) ([]proof.Hash, error) {
	out := make([]proof.Hash, len(nodes))
	for i, n := range nodes {
		width := uint64(1) << n.Level
		out[i] = proof.RootOf(l.leaves[n.Index*width : (n.Index+1)*width])
	}
	return out, nil
}

func TestAgrees(t *testing.T) {
	old := newLog("a").grow(40, "x")
	fork := newLog("a").grow(10, "x").grow(60, "y")
	other := newLog("b").grow(60, "x")
	for _, tt := range []struct {
		name string
		log  *log
		size int
		want error
	}{
		{"the same", old, 20, nil},
		{"grown", old, 40, nil},
		{"smaller", old, 19, ErrContradiction},
		{"empty", old, 0, ErrContradiction},
		{"fork of the same size", fork, 20, ErrContradiction},
		{"fork that has grown", fork, 60, ErrContradiction},
		{"another key", other, 20, ErrContradiction},
		{"another key, grown", other, 60, ErrContradiction},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := fsxtest.New()
			d := Dir{FS: m, Name: "known"}
			if err := d.Advance(old.at(t, 20), old); err != nil {
				t.Fatal(err)
			}
			now := tt.log.at(t, tt.size)
			if err := d.Agrees(now, tt.log); !errors.Is(err, tt.want) {
				t.Errorf("Agrees: %v, want %v", err, tt.want)
			}
			before := m.Hash()
			if err := d.Advance(now, tt.log); !errors.Is(err, tt.want) {
				t.Errorf("Advance: %v, want %v", err, tt.want)
			}
			if tt.want != nil && m.Hash() != before {
				t.Error("a contradiction was remembered")
			}
			last, ok, err := d.Last(origin)
			want := uint64(20)
			if tt.want == nil {
				want = uint64(tt.size)
			}
			if err != nil || !ok || last.Size != want {
				t.Errorf("Last: size %d, %v, %v, want %d", last.Size, ok, err, want)
			}
		})
	}
}

func TestNothingKnown(t *testing.T) {
	l := newLog("a").grow(5, "x")
	d := Dir{FS: fsxtest.New(), Name: "known"}
	if _, ok, err := d.Last(origin); ok || err != nil {
		t.Errorf("Last: %v, %v, want nothing", ok, err)
	}
	if err := d.Agrees(l.at(t, 5), l); err != nil {
		t.Errorf("Agrees: %v", err)
	}
}

// TestOnlyWhatIsSigned: a checkpoint that its own key did not sign is not remembered.
func TestOnlyWhatIsSigned(t *testing.T) {
	l := newLog("a").grow(5, "x")
	good := l.at(t, 5)
	for name, change := range map[string]func(*Checkpoint){
		"another key":  func(c *Checkpoint) { c.VKey = newLog("b").vkey },
		"another size": func(c *Checkpoint) { c.Size++ },
		"another root": func(c *Checkpoint) { c.Root[0]++ },
		"no note":      func(c *Checkpoint) { c.Note = nil },
		"a bent note":  func(c *Checkpoint) { c.Note = bytes.Replace(c.Note, []byte("\n5\n"), []byte("\n6\n"), 1) },
	} {
		m := fsxtest.New()
		c := good
		change(&c)
		if err := (Dir{FS: m, Name: "known"}).Advance(c, l); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", name, err)
		}
		if len(m.Tree()) > 0 {
			t.Errorf("%s: something was written: %s", name, m.Tree())
		}
	}
}

// TestDamagedMemory flips every byte of the file, and cuts it everywhere: never another checkpoint, never no memory.
func TestDamagedMemory(t *testing.T) {
	l := newLog("a").grow(5, "x")
	good := l.at(t, 5).append(nil)
	d := Dir{Name: "known"}
	try := func(what string, b []byte) {
		t.Helper()
		m := fsxtest.New()
		d.FS = m
		if err := errors.Join(fsx.MkdirAll(m, "known", 0o700), fsx.Replace(m, d.file(origin), b, 0o600)); err != nil {
			t.Fatal(err)
		}
		if c, ok, err := d.Last(origin); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, %v, %v, want ErrDamaged", what, c, ok, err)
		}
		if err := d.Agrees(l.at(t, 5), l); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Agrees: %v, want ErrDamaged", what, err)
		}
		if err := d.Advance(l.at(t, 5), l); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: Advance: %v, want ErrDamaged", what, err)
		}
	}
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 1
		try(fmt.Sprint("byte ", i), b)
		try(fmt.Sprint("cut at ", i), good[:i])
	}
	try("longer", append(bytes.Clone(good), 'x'))
	try("too long", append(bytes.Clone(good), make([]byte, maxFile)...))
	try("another log's", bytes.ReplaceAll(good, []byte(origin), []byte("log.example/none")))
}

// TestAdvanceIsAtomic: after a crash at any operation the memory is the old or the new one, and what Advance returned
// is never forgotten.
func TestAdvanceIsAtomic(t *testing.T) {
	l := newLog("a").grow(30, "x")
	checks := []Checkpoint{l.at(t, 10), l.at(t, 20), l.at(t, 20), l.at(t, 30)}
	p := fsxtest.Plan{
		Run: func(m *fsxtest.Mem) any {
			d := Dir{FS: m, Name: "known"}
			size := uint64(0)
			for _, c := range checks {
				if d.Advance(c, l) != nil {
					break
				}
				size = c.Size
			}
			return size
		},
		Check: func(m *fsxtest.Mem, acked any) error {
			d := Dir{FS: m, Name: "known"}
			last, ok, err := d.Last(origin)
			if err != nil {
				return err
			}
			if last.Size < acked.(uint64) || ok != (last.Size > 0) || last.Size%10 != 0 {
				return fmt.Errorf("the memory is at %d, %d was acknowledged", last.Size, acked)
			}
			return d.Advance(checks[3], l) // whatever is left behind does not block it
		},
		MaxStates: 400,
	}
	fsxtest.Explore(t, p)
	fsxtest.Faults(t, p, 30)
}

// TestTwoWriters: while one advances, another does not.
func TestTwoWriters(t *testing.T) {
	l := newLog("a").grow(30, "x")
	m := fsxtest.New()
	d := Dir{FS: m, Name: "known"}
	if err := d.Advance(l.at(t, 10), l); err != nil {
		t.Fatal(err)
	}
	lock, err := m.TryLock(d.file(origin) + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Advance(l.at(t, 20), l); !errors.Is(err, fsx.ErrLocked) {
		t.Errorf("Advance: %v, want ErrLocked", err)
	}
	if last, _, err := d.Last(origin); err != nil || last.Size != 10 {
		t.Errorf("the memory is at %d, %v, want 10", last.Size, err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Advance(l.at(t, 20), l); err != nil {
		t.Error(err)
	}
}

// TestUnreadableTree: a tree that cannot be read is neither agreement nor contradiction.
func TestUnreadableTree(t *testing.T) {
	l := newLog("a").grow(30, "x")
	d := Dir{FS: fsxtest.New(), Name: "known"}
	if err := d.Advance(l.at(t, 10), l); err != nil {
		t.Fatal(err)
	}
	if err := d.Agrees(l.at(t, 30), blind{}); !errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrContradiction) {
		t.Errorf("Agrees: %v, want the reader's error", err)
	}
}

type blind struct{}

func (blind) ReadHashes([]proof.NodeID) ([]proof.Hash, error) { return nil, fs.ErrPermission }

// FuzzParse: what is accepted has one form, and is signed.
func FuzzParse(f *testing.F) {
	l := newLog("a").grow(5, "x")
	f.Add(l.at(f, 5).append(nil))
	f.Add([]byte(header))
	f.Add([]byte(strings.Repeat("\n", 20)))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse(b, origin)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("%v is not ErrDamaged", err)
			}
			return
		}
		if !bytes.Equal(c.append(nil), b) {
			t.Fatalf("%q reads back as %q", b, c.append(nil))
		}
		if c.VKey == l.vkey && c.Checkpoint != l.at(t, 5).Checkpoint {
			t.Fatalf("forged: %v", c)
		}
	})
}

// handover is how one log's key takes the place of another's.
func handover(t testing.TB, from, to *log, size uint64) []byte {
	t.Helper()
	msg, err := proof.SignHandover(proof.Handover{Old: from.vkey, New: to.vkey, Size: size, Time: "2026-03-01T03:00:00.000000000Z"}, from.signer, to.signer)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// TestAnotherKeyNeedsHandovers: another key of the log is believed where handovers lead to it from the one that was seen;
// the history must go on all the same, and who was followed once is not left again.
func TestAnotherKeyNeedsHandovers(t *testing.T) {
	a, b, c, d := newLog("a").grow(60, "x"), newLog("b").grow(60, "x"), newLog("c").grow(60, "x"), newLog("d").grow(60, "x")
	forked := newLog("b").grow(10, "x").grow(60, "y")
	chain := func(notes ...[]byte) (k proof.KeyChain) {
		for _, msg := range notes {
			var err error
			if k, err = k.Add(msg); err != nil {
				t.Fatal(err)
			}
		}
		return k
	}
	ab, bc, ac, ad := handover(t, a, b, 25), handover(t, b, c, 35), handover(t, a, c, 25), handover(t, a, d, 25)
	for _, tt := range []struct {
		name  string
		log   *log
		size  int
		chain proof.KeyChain
		want  error
		then  *log // comes after it, with its own handover from a
	}{
		{"one handover", b, 40, chain(ab), nil, nil},
		{"two", c, 40, chain(ab, bc), nil, nil},
		{"none", b, 40, proof.KeyChain{}, ErrContradiction, nil},
		{"the way ends elsewhere", b, 40, chain(ab, bc), ErrContradiction, nil},
		{"from a key that was never seen", c, 40, chain(bc), ErrContradiction, nil},
		{"to another key", b, 40, chain(ac), ErrContradiction, nil},
		{"a rewritten history", forked, 40, chain(ab), ErrContradiction, nil},
		{"a shorter history", b, 10, chain(ab), ErrContradiction, nil},
		{"a fork of the keys, later", b, 40, chain(ab), nil, d},
		{"back to the old key, later", b, 40, chain(ab), nil, a},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := fsxtest.New()
			dir := Dir{FS: m, Name: "known"}
			if err := dir.Advance(a.at(t, 20), a); err != nil {
				t.Fatal(err)
			}
			now := tt.log.at(t, tt.size)
			now.Chain = tt.chain
			if err := dir.Agrees(now, tt.log); !errors.Is(err, tt.want) {
				t.Errorf("Agrees: %v, want %v", err, tt.want)
			}
			if err := dir.Advance(now, tt.log); !errors.Is(err, tt.want) {
				t.Errorf("Advance: %v, want %v", err, tt.want)
			}
			want := a.vkey
			if tt.want == nil {
				want = tt.log.vkey
			}
			if last, _, err := dir.Last(origin); err != nil || last.VKey != want {
				t.Errorf("the last key seen is %s, %v, want %s", last.VKey, err, want)
			}
			if tt.then == nil {
				return
			}
			later := tt.then.at(t, 50)
			if later.Chain = chain(ad); tt.then == a {
				later.Chain = chain(ab)
			}
			if err := dir.Advance(later, tt.then); !errors.Is(err, ErrContradiction) {
				t.Errorf("then: %v, want ErrContradiction", err)
			}
		})
	}
}
