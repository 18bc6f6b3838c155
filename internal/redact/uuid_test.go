package redact_test

import (
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/redact"
)

// TestIDsAreNotTakenForBankAccounts: these have the check digits of an IBAN, as one random UUID in ten thousand has. Masked,
// the events of one job would lose each other.
func TestIDsAreNotTakenForBankAccounts(t *testing.T) {
	for _, id := range []string{
		"416c3792-799a-ba24-d05b-9578d5f881bc", "9894cf5d-1017-ba97-b190-ec5fcafe9672", "be63699b-1597-05b1-e7ec-b7ed51c858df",
		"ba77892d-2cae-3e47-63d2-925ba9ac56c4", "BE147B65-859C-5E03-911D-54B355C03C57",
	} {
		if got, finds := redact.Text(id); got != id {
			t.Errorf("%s became %s (%v)", id, got, finds)
		}
		if redact.Look(id) != 0 {
			t.Errorf("%s gets a second look, which costs ten times as much", id)
		}
		if _, finds := redact.Text("be63699b-1597-05b1"); len(finds) == 0 {
			t.Error("an account number that is no UUID is masked no more")
		}
	}
}

// TestDigestsAreNotLookedAtTwice: every event that came from elsewhere has one, and nothing in it was ever masked.
func TestDigestsAreNotLookedAtTwice(t *testing.T) {
	sum := strings.Repeat("0123456789abcdef", 4)
	for text, again := range map[string]bool{
		"sha256:" + sum: false, "sha256:" + sum[1:]: true, "sha256:" + sum + "0": true, "Sha256:" + sum: true,
		"sha256:" + strings.ToUpper(sum): true, "sha256:" + sum[1:] + "g": true, "sha256:" + sum + " password=swordfish1": true,
	} {
		if got := redact.Look(text) != 0; got != again {
			t.Errorf("%s gets a second look: %v", text, got)
		}
	}
}

// TestLookDoesNotAllocate: it sees every text of every event.
func TestLookDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { redact.Look("purge invoices older than thirty days") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
