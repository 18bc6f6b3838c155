package evidence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// Format names the format and its version.
const Format = "stet.evidence/1"

// MaxManifest is the size limit of a manifest in bytes.
const MaxManifest = 16 << 20

// MaxContext is how many numbers Manifest.Context may list, and how many keys Manifest.Keys.
const MaxContext = 1 << 18

// A Manifest says what a file of evidence is. Only what Verify holds against the entries is proven of it: who asked, when and
// for what is the word of whoever made the file. Texts are plain: no code points of Cc, Cf, Zl and Zp, as event.Sanitize
// leaves them.
type Manifest struct {
	Format   string   `json:"format"`
	Asked    Asked    `json:"asked"`
	Log      Log      `json:"log"`
	Searched Searched `json:"searched"`
	Whole    *Whole   `json:"whole"` // null: what the query does not find is not accounted for
	Counts   Counts   `json:"counts"`
	Context  []uint64 `json:"context"` // events and stubs that are here only to check others, rising
	Keys     []Key    `json:"keys"`    // of the seals that are here, in the order of their enrolment
	Members  []Member `json:"members"` // all others, in their order
}

// Asked is what was asked for, by whom and when.
type Asked struct {
	Query string `json:"query"` // in the query language, docs/spec/search.md; "" is everything
	By    string `json:"by"`    // at most 512 bytes
	At    string `json:"at"`    // as entries write times
	Tool  string `json:"tool"`  // that made the file, at most 128 bytes
}

// Log is the log as its checkpoint states it.
type Log struct {
	Origin string     `json:"origin"`
	Key    string     `json:"key"` // its newest verifier key
	Size   uint64     `json:"size"`
	Root   proof.Hash `json:"root"` // base64
}

// Searched is the part of the ledger that the query itself is limited to. An entry belongs to it by its number and by when
// it was received: From ≤ received_at < Till, where "" is no limit.
type Searched struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"` // included
	From  string `json:"from"`
	Till  string `json:"till"`
}

// Whole is the range of the ledger of which every entry is accounted for: it is here, or its hash is in the proof, in its
// place, and a seal that is here says of which stream, application, environment and key it is an event.
type Whole struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"` // included
}

// Counts are what there is.
type Counts struct {
	Entries uint64 `json:"entries"` // lines of entries.jsonl
	Found   uint64 `json:"found"`   // events and stubs that the query finds
	Seals   uint64 `json:"seals"`
	Hidden  uint64 `json:"hidden"` // entries of the whole range that are shown by their hash alone
	Tree    uint64 `json:"tree"`   // lines of tree.txt
	Batches uint64 `json:"batches"`
}

// unlike says in which of their numbers c and what there is differ.
func (c Counts) unlike(got Counts) string {
	var all []string
	for _, n := range []struct {
		name   string
		c, got uint64
	}{{"entries", c.Entries, got.Entries}, {"found", c.Found, got.Found}, {"seals", c.Seals, got.Seals}, {"hidden", c.Hidden, got.Hidden}, {"tree", c.Tree, got.Tree}, {"batches", c.Batches, got.Batches}} {
		if n.c != n.got {
			all = append(all, fmt.Sprintf("it counts %d for %s, and there is %d", n.c, n.name, n.got))
		}
	}
	return strings.Join(all, "; ")
}

// Key is a key that sealed, and the entries that enrolled it and revoked it.
type Key struct {
	Key      string  `json:"key"` // verifier key
	Enrolled uint64  `json:"enrolled"`
	Revoked  *uint64 `json:"revoked"` // null: no entry that is here
}

// Member is a file within the zip.
type Member struct {
	Name   string `json:"name"`
	Bytes  uint64 `json:"bytes"`
	SHA256 string `json:"sha256"` // 64 lower-case hexadecimal digits
}

// encode writes the one spelling of a manifest: what JSON.stringify(manifest, null, 2) writes in a browser, and a line feed.
func (m Manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(m); err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	if b.Len() > MaxManifest {
		return nil, fmt.Errorf("the manifest would have %d bytes, at most %d are allowed: ask for less", b.Len(), MaxManifest)
	}
	return b.Bytes(), nil
}

// parseManifest accepts what encode writes of a manifest that check accepts, and nothing else.
func parseManifest(b []byte) (m Manifest, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("it is not the JSON of %s: %w", Format, err)
	}
	if m.Format != Format {
		return Manifest{}, fmt.Errorf("its format is %.40q, this verifier knows %s", m.Format, Format)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Manifest{}, errors.New("something follows it")
	}
	if err := m.check(); err != nil {
		return Manifest{}, err
	}
	if again, err := m.encode(); err != nil || !bytes.Equal(again, b) {
		return Manifest{}, errors.New("it is not written as manifests are")
	}
	return m, nil
}

func (m Manifest) check() error {
	for _, t := range []struct {
		name, text string
		limit      int
	}{{"query", m.Asked.Query, 4 << 10}, {"by", m.Asked.By, 512}, {"tool", m.Asked.Tool, 128}, {"origin", m.Log.Origin, 255}, {"key", m.Log.Key, 512}} {
		if len(t.text) > t.limit || !plain(t.text) {
			return fmt.Errorf("its %s is longer than %d bytes, or no plain text", t.name, t.limit)
		}
	}
	for _, at := range []string{m.Asked.At, m.Searched.From, m.Searched.Till} {
		if _, err := proof.ParseTime(at); at != "" && err != nil {
			return err
		}
	}
	switch {
	case m.Asked.At == "":
		return errors.New("it does not say when it was asked for")
	case m.Log.Size == 0 || m.Log.Size > proof.MaxSize:
		return fmt.Errorf("its log has %d entries", m.Log.Size)
	case m.Searched.First > proof.MaxSize || m.Searched.Last > proof.MaxSize:
		return errors.New("what it searched is beyond any log")
	case m.Whole != nil && (m.Whole.First > m.Whole.Last || m.Whole.Last >= m.Log.Size):
		return errors.New("its whole range is not one of its log")
	case proof.CheckVKey(m.Log.Key) != nil:
		return fmt.Errorf("the log's key is no verifier key: %w", proof.CheckVKey(m.Log.Key))
	case m.Context == nil || m.Keys == nil || m.Members == nil:
		return errors.New("a list is missing")
	case len(m.Context) > MaxContext || len(m.Keys) > MaxContext:
		return fmt.Errorf("it lists more than %d entries or keys", MaxContext)
	}
	for i, seq := range m.Context {
		if i > 0 && seq <= m.Context[i-1] || seq >= m.Log.Size {
			return fmt.Errorf("its context does not rise at entry %d, or leaves the log", seq)
		}
	}
	seen := make(map[string]bool, len(m.Keys))
	for _, k := range m.Keys {
		if err := proof.CheckVKey(k.Key); err != nil {
			return err
		}
		if seen[proof.KeyID(k.Key)] {
			return fmt.Errorf("it lists the key %s twice", k.Key)
		}
		seen[proof.KeyID(k.Key)] = true
		if k.Enrolled > proof.MaxSize || k.Revoked != nil && *k.Revoked > proof.MaxSize {
			return fmt.Errorf("the key %s is enrolled or revoked beyond any log", k.Key)
		}
	}
	// A number that another tool would round is none.
	if c := m.Counts; max(c.Entries, c.Found, c.Seals, c.Hidden, c.Tree, c.Batches) > proof.MaxSize {
		return errors.New("it counts beyond any log")
	}
	return m.checkMembers()
}

// checkMembers demands the members in their order.
func (m Manifest) checkMembers() error {
	next := 0
	for _, want := range members {
		if next < len(m.Members) && m.Members[next].Name == want.name {
			if sum, err := hex.DecodeString(m.Members[next].SHA256); err != nil || len(sum) != 32 || hex.EncodeToString(sum) != m.Members[next].SHA256 {
				return fmt.Errorf("the hash of %s is not 64 lower-case hexadecimal digits", want.name)
			}
			if m.Members[next].Bytes > want.limit {
				return fmt.Errorf("%s has %d bytes, at most %d are allowed", want.name, m.Members[next].Bytes, want.limit)
			}
			next++
		} else if !want.optional {
			return fmt.Errorf("%s is not among its members, or not in its place", want.name)
		}
	}
	if next < len(m.Members) {
		return fmt.Errorf("%.40q is not a member that evidence has, or not in its place", m.Members[next].Name)
	}
	return nil
}

// plain says whether a text is one that event.Sanitize would leave but for its backslashes.
func plain(s string) bool {
	for _, r := range s {
		if event.Hidden(r) || r == '\uFFFD' {
			return false
		}
	}
	return true
}
