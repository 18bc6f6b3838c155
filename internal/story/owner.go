package story

import "github.com/stetlog/stet/event"

// owner is whose word counts: the sender of one event.
type owner struct {
	stream      event.UUID
	key         string
	token       string
	app         string
	environment string
}

func ownerOf(it Item) owner {
	return owner{it.Event.StreamID, it.KeyID, it.Via.Token, it.Event.AppID, it.Event.Environment}
}

// owns implements SCHEMA "Only its own": the same stream, or the same application in the same environment under the
// same key, which is what a run that was resumed by another process has. A claimed app_id alone is worth nothing:
// anybody can write it. Unsealed events have no key, so there only the same stream through the same token counts.
func (o owner) owns(it Item) bool {
	p := ownerOf(it)
	if p.key != o.key {
		return false
	}
	if p.stream == o.stream && !p.stream.IsZero() && p.token == o.token {
		return true
	}
	return o.key != "" && p.app == o.app && p.environment == o.environment
}
