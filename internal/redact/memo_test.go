package redact

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestMemoSaysWhatTextSays: for every text, whatever was asked before, and however often.
func TestMemoSaysWhatTextSays(t *testing.T) {
	texts := rapid.SampledFrom([]string{"kernel: hostname", "job: 1", "job: 2", "password=hunter2", "password=hunter3", "a@example.com", "", "plain",
		"see https://u:hunter2@h/x", strings.Repeat("long: text ", 40), strings.Repeat("x ", 200) + "password=hunter2"})
	rapid.Check(t, func(t *rapid.T) {
		var m Memo
		for _, s := range rapid.SliceOfN(texts, 1, 60).Draw(t, "texts") {
			want, wantFinds := Text(s)
			got, finds := m.Text(s)
			if got != want || !cmp.Equal(finds, wantFinds) {
				t.Fatalf("%q: %q %v, Text says %q %v", s, got, finds, want, wantFinds)
			}
		}
	})
}

// TestMemoRemembers: some texts, never more than its limit, and no secret.
func TestMemoRemembers(t *testing.T) {
	var m Memo
	for range 3 {
		for i := range 300 {
			m.Text(fmt.Sprintf("job: number %d", i))
		}
		m.Text("password=hunter2")
	}
	if n := len(m.clean); n == 0 || n > memoTexts {
		t.Errorf("%d texts are remembered, the limit is %d", n, memoTexts)
	}
	for s := range m.clean {
		if strings.Contains(s, "hunter2") {
			t.Errorf("a secret is remembered: %s", s)
		}
	}
}
