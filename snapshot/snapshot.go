package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/stetlog/stet/event"
)

// What a caller may want to tell apart. A context's own error is passed on as it is.
var (
	// ErrGuessable: the value could be found by trying, and there is neither a Key nor the word that it is Public.
	ErrGuessable = errors.New("a plain digest would give away what can be guessed")
	// ErrUnsupported: a value has a type, or a form, that has no encoding.
	ErrUnsupported = errors.New("cannot be encoded without doubt")
	// ErrTooLarge: a bound was met. There is no digest of a part.
	ErrTooLarge = errors.New("more than is allowed")
)

// domain begins the input of every digest, so that none of them is the digest of anything else.
const domain = "stet/snapshot/v1"

// MinKey is the least length of a Key in bytes.
const MinKey = 16

// Limits of event.Snapshot's texts in bytes (SCHEMA).
const (
	maxSummary = 2048
	maxObject  = 512
)

// Options say what a snapshot is of, and how its digest is protected.
type Options struct {
	// Object is what it is of, for people: "table accounts". At most 512 bytes are kept.
	Object string
	// Key makes the digest an HMAC-SHA-256 under it: at least MinKey bytes, random and secret, the same before and after.
	Key []byte
	// Public says that anyone who reads the log may find out by trying what the data was. The digest is then a plain
	// SHA-256, which everybody can check. With a Key it means nothing.
	Public bool
}

// guarded demands a Key, or the word that none is needed.
func (o Options) guarded() error {
	if len(o.Key) == 0 && !o.Public {
		return fmt.Errorf("snapshot: %w: give a Key, or say that the data is Public", ErrGuessable)
	}
	return o.check()
}

func (o Options) check() error {
	if n := len(o.Key); n > 0 && n < MinKey {
		return fmt.Errorf("snapshot: the Key has %d bytes; it needs at least %d, random and secret", n, MinKey)
	}
	return nil
}

// snapshot closes a digest.
func (o Options) snapshot(h hash.Hash, summary string, count *int64) *event.Snapshot {
	digest := "sha256:" + hex.EncodeToString(h.Sum(nil))
	if len(o.Key) > 0 {
		digest = event.HMAC(o.Key, domain+" "+digest)
	}
	return &event.Snapshot{Digest: digest, Summary: clip(summary, maxSummary), Object: clip(o.Object, maxObject), Count: count}
}

// begin opens the digest of one kind of thing.
func begin(kind string) hash.Hash {
	h := sha256.New()
	_, _ = h.Write([]byte(domain + "\n" + kind + "\n")) // a hash.Hash never fails
	return h
}

// Join makes one snapshot of several, such as of three directories. The digest is over the objects and digests in their
// order; one that could not be taken (no digest) counts as such. Counts are added up where all have one. Only o.Object and
// o.Key are used, Object being the list of objects where it is empty. No parts at all are nil.
func Join(o Options, parts ...*event.Snapshot) (*event.Snapshot, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if len(parts) == 0 {
		return nil, nil //nolint:nilnil // nil is event's own word for no snapshot
	}
	if len(parts) == 1 && len(o.Key) == 0 {
		one := *parts[0]
		if o.Object != "" {
			one.Object = clip(o.Object, maxObject)
		}
		return &one, nil
	}
	h := begin("list")
	e := encoder{w: h}
	e.open(tagList, len(parts))
	var objects, summaries []string
	total, counted := int64(0), true
	for _, p := range parts {
		e.open(tagList, 2)
		e.text(p.Object)
		if p.Digest == "" {
			e.null()
		} else {
			e.text(p.Digest)
		}
		objects = append(objects, p.Object)
		summaries = append(summaries, strings.TrimPrefix(p.Object+": "+p.Summary, ": "))
		if counted = counted && p.Count != nil; counted {
			total += *p.Count
		}
	}
	if o.Object == "" {
		o.Object = strings.Join(objects, ", ")
	}
	var count *int64
	if counted {
		count = &total
	}
	return o.snapshot(h, strings.Join(summaries, "; "), count), nil
}

// clip cuts a text to most bytes at the start of a character, and shows that it did.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const more = "…"
	most -= len(more)
	for most > 0 && s[most]&0xC0 == 0x80 {
		most--
	}
	return s[:most] + more
}

// many is "1 file", "2 files", "1,000 files".
func many(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String() + " " + more
}

// size is "3.4 MB".
func size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.95 && unit < len("kMGTP")-1 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", f, "kMGTP"[unit])
}
