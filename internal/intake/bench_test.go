package intake

import (
	"testing"
)

// BenchmarkDoor is what the Door costs of the processor: one event of a service's usual size, to a log that costs nothing.
func BenchmarkDoor(b *testing.B) {
	event := []byte(`{"event_type":"user_created","interaction_id":"order-4711","user_id":"u-17","source_ip":"192.0.2.7","object":{"type":"user","id":"u-18"},"labels":{"tenant":"t-1","request":"9f3a"}}`)
	d := testDoor(&memoryLog{})
	from := billing()
	b.ReportAllocs()
	for b.Loop() {
		v, err := d.Take(b.Context(), from, [][]byte{event})
		if err != nil || v[0].Status != Accepted {
			b.Fatal(v, err)
		}
		d.o.Log.(*memoryLog).calls = nil
	}
}
