package verify

import (
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// What an event says to the verifier itself. Everything else in it is for people.
const (
	typeEnrolled = "emitter_enrolled"
	typeRevoked  = "key_revoked"
	objectKey    = "emitter_key" // object.type of an event about a key; object.id is its proof.KeyID
)

// reserved takes an event whose type only the store may use. It counts when its batch's seal is the store's; until
// then nothing is known of who speaks.
func (c *chain) reserved(r *record) {
	a := act{seq: r.seq}
	switch string(r.ref.typ) {
	case typeEnrolled, typeRevoked, typeRotated:
		e, err := event.Parse(r.event)
		if err != nil { // Check has said so already
			return
		}
		if logKeyAct(&a, e) || e.Object == nil || e.Object.Type != objectKey || string(r.ref.typ) == typeRotated {
			break // about something else than an emitter's key; nothing here depends on it
		}
		if string(r.ref.typ) == typeRevoked {
			a.revoke = e.Object.ID
			break
		}
		a.enrol = e.Object.ID // the key itself stands in every seal that it makes
	}
	c.batch.acts = append(c.batch.acts, a)
}

// checkKey decides whether a seal's key may seal, and lets the batch's own acts take effect.
func (c *chain) checkKey(r *record, s *proof.Seal) {
	b := &c.batch
	if b.open && b.seq == 0 {
		c.enrolStore(s)
	}
	k := c.keys[proof.KeyID(s.Key)]
	switch {
	case k == nil && c.unread:
		c.rep.add(Finding{State: NotChecked, Seq: r.seq, HasSeq: true, What: "the sealing key " + shortKey(s.Key) + " is not enrolled by any entry that could be read.", Next: nextSkipped})
	case k == nil && c.part:
		c.rep.failSeq(r.seq, "", "no entry that is here enrols the sealing key %s: nothing says that the store let it in.", shortKey(s.Key))
	case k == nil:
		c.rep.failSeq(r.seq, "", "the sealing key %s was not enrolled by the store: a stranger's batch.", shortKey(s.Key))
	case k.revoked:
		c.rep.failSeq(r.seq, "", "the sealing key %s was revoked at seq %d.", shortKey(s.Key), k.revokedAt)
	}
	if s.Key != c.rep.StoreKey {
		if len(b.acts) > 0 {
			if c.rep.Foreign == 0 {
				c.foreignAt = b.acts[0].seq
			}
			c.rep.Foreign += uint64(len(b.acts))
		}
		return
	}
	for _, a := range b.acts {
		if a.enrol != "" && c.keys[a.enrol] == nil {
			c.keys[a.enrol] = &key{enrolled: a.seq}
		}
		if k := c.keys[a.revoke]; k != nil {
			k.revoked, k.revokedAt = true, a.seq
		}
		if a.hands {
			c.handover(a.seq, a.handover)
		}
		if a.retire != "" {
			c.retired(a.seq, a.retire)
		}
	}
}

// enrolStore takes the first batch, with which the store introduces its own key: sealed by that very key, because
// nobody was there before to vouch for it.
func (c *chain) enrolStore(s *proof.Seal) {
	if c.batch.broken {
		return
	}
	if acts := c.batch.acts; len(acts) == 0 || acts[0].seq != 0 || acts[0].enrol != proof.KeyID(s.Key) {
		c.rep.failSeq(0, "", "the first entry does not enrol the key that seals it, as the first entry of every log does.")
		return
	}
	c.rep.StoreKey = s.Key
	c.keys[proof.KeyID(s.Key)] = &key{}
}
