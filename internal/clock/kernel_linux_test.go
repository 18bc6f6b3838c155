package clock

import (
	"os"
	"strings"
	"testing"
)

func TestBootID(t *testing.T) {
	want, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skipf("no boot id here: %v", err)
	}
	if got, ok := bootID(); !ok || got != strings.TrimSpace(string(want)) {
		t.Errorf("got %q, %v", got, ok)
	}
}

// The id becomes a word of a seal: nothing but a UUID may get there.
func TestBootIDsThatAreNone(t *testing.T) {
	for _, id := range []string{"", "-", "f3b0c3a0-0000-4000-8000-00000000000", "f3b0c3a0-0000-4000-8000-00000000000 ",
		"f3b0c3a0\n0000-4000-8000-000000000001", "F3B0C3A0-0000-4000-8000-000000000001", strings.Repeat("a", 4096)} {
		if plainID(id) {
			t.Errorf("%q was accepted", id)
		}
	}
}
