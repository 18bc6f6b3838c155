package event

import "github.com/stetlog/stet/internal/redact"

// The scanner looks for secrets on its way, with the encoder's own rules but without
// knowing where personal data may lawfully be: what it finds is a suspicion, and the
// encoder then decides. What it does not suspect the encoder would not mask.

// inspect looks at a text that the encoder would look at.
func (s *scanner) inspect(t text) {
	if !s.look || s.suspect {
		return
	}
	if t.escaped { // rare, and what matters is what it says once decoded
		s.suspect = true
		return
	}
	s.suspect = redact.Finds(t.raw)
}

// promises looks at a key, or at a name that stands for one: whatever is under it may
// have to be masked.
func (s *scanner) promises(key text) {
	if !s.look || s.suspect {
		return
	}
	_, hit := redact.Key(key.raw)
	s.suspect = hit || key.escaped || string(key.raw) == "kty" // of a JSON Web Key, whose members have names of a letter
}

// secrets refuses an event in which the encoder would have masked more: it writes
// the event again and looks at what that redacts.
func (c *Codec) secrets(b []byte) error {
	e, err := c.Parse(b)
	if err != nil {
		return err
	}
	w := &encoder{codec: &Codec{Catalogue: c.Catalogue}, event: *e}
	w.event.Redactions = nil // what an event says of itself decides nothing: a mask is not masked again
	if err := w.encode(); err != nil {
		return err
	}
	if found := w.event.Redactions; w.marksR > 0 || len(found) > 0 {
		refusal := &Error{Code: string(ErrSecret), Detail: "holds a secret or personal data in plaintext", Hint: "redact before sealing: package event does"}
		if len(found) > 0 {
			refusal.Path = found[0].Path
			refusal.Detail += " (rule " + found[0].Rule + ")"
		}
		return refusal
	}
	return nil
}
