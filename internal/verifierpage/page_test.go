package verifierpage_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/verifierpage"
)

// TestOnePage: the page holds all that it needs, and names nothing that a browser could fetch.
func TestOnePage(t *testing.T) {
	page := string(verifierpage.HTML())
	if !bytes.Equal(verifierpage.HTML(), []byte(page)) || len(page) > 4<<20 {
		t.Errorf("the page has %d bytes, or not always the same ones", len(page))
	}
	for _, word := range []string{"SCRIPT", "STYLE"} {
		if strings.Contains(page, word) {
			t.Errorf("the page still has %s in it", word)
		}
	}
	if n := strings.Count(page, "<script"); n != 1 || strings.Count(page, "</script") != 1 || strings.Count(page, "</style") != 1 {
		t.Errorf("%d scripts, or one that ends within", n)
	}
	_, script, _ := strings.Cut(page, `<script type="module">`)
	script, _, _ = strings.Cut(script, "</script>")
	_, style, _ := strings.Cut(page, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	policy := fmt.Sprintf(`content="default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'"`, sum(script), sum(style))
	if !strings.Contains(page, policy) {
		t.Errorf("the page's policy is not the one that lets its own script run, and nothing out: %s", policy)
	}
	if found := regexp.MustCompile(`https?://|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|\bimport\b[^a-z]|localStorage|innerHTML|\beval\(`).FindAllString(page, -1); len(found) > 0 {
		t.Errorf("the page has %q", found)
	}
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(h[:])
}
