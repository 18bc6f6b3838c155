package verify

import (
	"bytes"

	"github.com/stetlog/stet/event"
)

// eventCheck checks events as strictly as whoever took them in did.
type eventCheck struct{ codec *event.Codec }

func newEventCheck(c *event.Codec) eventCheck {
	if c == nil {
		c = new(event.Codec)
	}
	return eventCheck{c}
}

// check returns what the chain needs of an event, or why it is none.
func (e eventCheck) check(b []byte) (r ref, id streamID, bad string) {
	got, err := e.codec.Check(b)
	if err != nil {
		return r, id, err.Error()
	}
	// Whatever an organisation's catalogue says, who may enrol and revoke keys is not for it to decide.
	reserved := got.Reserved || string(got.EventType) == typeEnrolled || bytes.HasPrefix(got.EventType, []byte("key_"))
	return ref{ok: true, reserved: reserved, num: got.StreamSeq, app: got.AppID, env: got.Environment, typ: got.EventType},
		streamID(got.StreamID), ""
}
