package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// How the log's key changed is told twice: by the chain of handovers beside the checkpoint, which a verifier follows from
// the key that it trusts, and by the store's own events in the log. The two must say the same.

const (
	typeRotated   = "key_rotated"
	objectLogKey  = "log_key"
	labelHandover = "handover" // of a key_rotated about the log's key: the signed handover, in base64
)

// LogKeyChange is one handover that stands in the log.
type LogKeyChange struct {
	Seq      uint64 // of its event
	Old, New string // verifier keys
	Time     string // as both keys have signed it; a claim
	Retired  uint64 // seq of the event that says that Old signs no more; 0: it still may

	note []byte
}

// followKeys reads the chain of the log's keys and follows it from the key that is trusted, if any. The newest key is the one
// that must have signed the checkpoint.
func (s *scan) followKeys(ctx context.Context, trusted, from string) {
	rep, file := s.rep, s.check.dir+proof.KeyChainPath
	rep.LogKey, rep.LogKeyFrom, s.trusted = trusted, from, trusted
	chain, err := logread.Keys(ctx, s.src)
	var damage *logread.DamageError
	switch {
	case errors.As(err, &damage):
		rep.fail(file, "%s.", damage.Reason)
		return
	case err != nil:
		rep.add(Finding{State: NotChecked, File: file, What: fmt.Sprintf("whether the log's key was changed could not be read: %v.", err), Next: nextUnread(err)})
		return
	}
	s.keys = chain
	if trusted == "" {
		return
	}
	newest, err := chain.Newest(trusted)
	if err != nil {
		rep.fail(file, "no handover leads from %s (%s) to the key that this log has now: %v.", trusted, from, err)
		s.keys = proof.KeyChain{}
		return
	}
	rep.LogKey = newest
}

// openCheckpoint opens the log's present checkpoint. Where the log's key changes meanwhile, the chain is read once more.
func (s *scan) openCheckpoint(ctx context.Context, msg []byte) error {
	_, _, err := s.keys.OpenCheckpoint(msg, s.trusted)
	if !errors.Is(err, proof.ErrSignature) {
		return err
	}
	again, rerr := logread.Keys(ctx, s.src)
	if rerr != nil || again.Len() <= s.keys.Len() || !again.Continues(s.keys) {
		return err
	}
	_, newest, rerr := again.OpenCheckpoint(msg, s.trusted)
	if rerr != nil {
		return err
	}
	s.keys, s.rep.LogKey = again, newest
	return nil
}

// handover takes what an event of the store's own says about a key of its log.
func (c *chain) handover(seq uint64, text string) {
	msg, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil {
		var h proof.Handover
		if h, err = proof.OpenHandover(msg); err == nil {
			if h.Size > seq {
				c.rep.failSeq(seq, "", "the handover of the log's key says that the log had %d entries already.", h.Size)
			}
			c.rep.LogKeys = append(c.rep.LogKeys, LogKeyChange{Seq: seq, Old: h.Old, New: h.New, Time: h.Time, note: msg})
			return
		}
	}
	c.rep.failSeq(seq, "", "the handover of the log's key in this event is not good: %v.", err)
}

// retired takes the store's word that an old key of its log signs no more. id is its proof.KeyID.
func (c *chain) retired(seq uint64, id string) {
	for i := range c.rep.LogKeys {
		if k := &c.rep.LogKeys[i]; proof.KeyID(k.Old) == id {
			k.Retired = seq
		}
	}
}

// compareKeys holds the chain beside the checkpoint against the handovers that stand in the log. It is called when all of
// it was read.
func (s *scan) compareKeys() {
	s.compareKeysTold(s.chain.gaps > 0)
}

// compareKeysTold is compareKeys; lack says that a handover may stand in entries that were not read.
func (s *scan) compareKeysTold(lack bool) {
	rep, file, told := s.rep, s.check.dir+proof.KeyChainPath, s.rep.LogKeys
	for i := range s.keys.Len() {
		h, msg := s.keys.At(i)
		switch {
		case i < len(told) && string(told[i].note) == string(msg):
		case lack:
			rep.skip(file, "whether the log says that %s took the place of %s could not be checked, for entries are missing.", h.New, h.Old)
			return
		default:
			rep.fail(file, "it says that %s took the place of %s, and the log does not say so: this handover was not made by the log's store.", h.New, h.Old)
			return
		}
	}
	switch more := told[s.keys.Len():]; {
	case len(more) == 0 || lack:
	case len(more) == 1:
		rep.add(Finding{State: Verified, Seq: more[0].Seq, HasSeq: true, What: "from here on " + more[0].New + " is to take the place of the log's key, and that was not finished when this was read; the next command on the store finishes it."})
	default:
		rep.failSeq(more[0].Seq, file, "the log's key was changed %d times, and this file knows of %d: it was put back.", len(told), s.keys.Len())
	}
}

// logKeyAct takes an event about a key of the log; ok is false where it is about something else.
func logKeyAct(a *act, e *event.Event) (ok bool) {
	if e.Object == nil || e.Object.Type != objectLogKey {
		return false
	}
	switch e.EventType {
	case typeRotated:
		a.handover, a.hands = e.Labels[labelHandover], true
	case typeRevoked:
		a.retire = e.Object.ID
	}
	return true
}
