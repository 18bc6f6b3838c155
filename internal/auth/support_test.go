package auth

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// vkey makes the verifier key of a key that everybody knows.
func vkey(name string) string {
	seed := sha256.Sum256([]byte(name))
	_, v, err := proof.NewSigner(name, ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic(err)
	}
	return v
}

// chance is randomness that is the same each time: SHA-256 of a counter.
type chance struct {
	n    uint64
	left []byte
}

func (c *chance) Read(b []byte) (int, error) {
	if len(c.left) == 0 {
		c.n++
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, c.n))
		c.left = sum[:]
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

// world is an Authority whose clock and randomness the test has in hand.
type world struct {
	t    testing.TB
	fsys fsx.FS
	at   time.Time
	rand io.Reader
	*Authority
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, fsys: fsxtest.New(), at: noon, rand: &chance{}}
	w.reopen(Options{})
	return w
}

// reopen is another process on the same directory.
func (w *world) reopen(o Options) {
	w.t.Helper()
	o.LogKeys, o.Rand, o.Now = []string{vkey("log.example/a")}, w.rand, func() time.Time { return w.at }
	a, err := Open(w.fsys, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Authority = a
}

func (w *world) create(s Spec) string {
	w.t.Helper()
	text, _, err := w.Create(s)
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func (w *world) identity(token string) Identity {
	w.t.Helper()
	id, err := w.Authenticate(token)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// file is what the file of tokens holds; nil: there is none.
func (w *world) file() []byte {
	b, err := fsx.ReadFile(w.fsys, tokensFile, maxFile)
	if err != nil {
		return nil
	}
	return b
}

// scan looks for what must be nowhere: a token, its secret, in any writing.
func scan(t testing.TB, where string, b []byte, tokens ...string) {
	t.Helper()
	for _, token := range tokens {
		secret, _, err := wire.ParseToken(token)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range [][]byte{[]byte(token), []byte(token[:20]), []byte(token[6:49]), secret[:],
			fmt.Appendf(nil, "%x", secret), fmt.Appendf(nil, "%X", secret), fmt.Appendf(nil, "%d", secret[:])} {
			if bytes.Contains(b, form) {
				t.Errorf("%s holds a token's secret", where)
			}
		}
	}
}
