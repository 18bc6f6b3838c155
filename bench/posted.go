package main

import (
	"encoding/json"
	"fmt"

	"github.com/stetlog/stet/event"
)

// A poster sends unsealed events, one a request, as a service does that has no SDK, with an id each, so that they could come again.
type poster struct {
	sender int // its number, which is in its events' ids
	n      int // events made
	acked  []posted
	body   []byte
}

// posted is an event that was acknowledged: what it was called, and where it stands.
type posted struct {
	id  event.UUID
	seq uint64
}

// next is the body of one more event, which only its sender's id tells from others.
func (p *poster) next() (event.UUID, []byte) {
	id := derived(fmt.Sprint("posted-", p.sender), p.n)
	p.n++
	p.body = fmt.Appendf(p.body[:0], `{"event_id":%q,"event_type":"user_updated","interaction_id":"order-%d","app_version":"1.4","code_location":"users/update.go:%d",`+
		`"entry_point":{"kind":"http","name":"PATCH /v1/users/{id}"},"host":{"name":"web-%d","ip":"10.0.0.7"},"user_id":"u%d","source_ip":"192.0.2.%d",`+
		`"principal":{"type":"user","id":"u%d"},"object":{"type":"user","id":"u%d"},"action":"update",`+
		`"why":{"trigger":"manual","reason":"the address was out of date"},"labels":{"team":"payments","request":"%x"}}`,
		id, p.n, p.n%300, p.sender%8, p.n%5000, p.n%250, p.n%5000, p.n%5000, id[10:])
	return id, p.body
}

// take takes the answer.
func (p *poster) take(id event.UUID, answer []byte) error {
	var a struct {
		Results []struct {
			Status  string `json:"status"`
			Seq     uint64 `json:"seq"`
			EventID string `json:"event_id"`
		} `json:"results"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return err
	}
	if len(a.Results) != 1 || a.Results[0].Status != "accepted" || a.Results[0].EventID != id.String() {
		return fmt.Errorf("event %s: %.300s", id, answer)
	}
	p.acked = append(p.acked, posted{id, a.Results[0].Seq})
	return nil
}
