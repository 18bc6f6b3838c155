package webui

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Each thing that a server looks at about itself has a line, and what is amiss says so, in words and not by its colour alone.
func TestDiagnose(t *testing.T) {
	now := time.Now()
	good := func() (s status) {
		s.Size, s.Indexed, s.Signers = 10, 10, []string{"witness.example/w"}
		s.Verified.State, s.Verified.At, s.Verified.Size = "verified", now.UTC().Format(time.RFC3339), 10
		s.Clock.State, s.Clock.MaxError = "synchronized", 250
		return s
	}
	for name, tc := range map[string]struct {
		change func(*status)
		amiss  string // what
		says   string
	}{
		"nothing":   {func(*status) {}, "", ""},
		"tampering": {func(s *status) { s.Verified.State, s.Verified.Seq = "failed", new(uint64(7)) }, "Log", "FAILED at seq 7"},
		"tail":      {func(s *status) { s.Tail.Entries, s.Tail.Age = 3, 61 }, "Log Publishing", "3 entries are not under a checkpoint yet"},
		"index":     {func(s *status) { s.Indexed = 9 }, "Index", "1 entry cannot be found yet"},
		"clock":     {func(s *status) { s.Clock.State = "unsynchronized" }, "Clock", "does not say that its clock is in step"},
		"no clock":  {func(s *status) { s.Clock.State = "unknown" }, "Clock", "cannot be found out"},
		"gaps":      {func(s *status) { s.Gaps = 2 }, "Streams", "2 streams were refused for missing numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			tc.change(&s)
			var amiss []string
			var says strings.Builder
			for _, d := range (&visit{now: now}).diagnose(s) {
				if d.Tone != "good" {
					amiss = append(amiss, d.What)
					says.WriteString(d.Says + " ")
				}
			}
			if got := strings.Join(amiss, " "); got != tc.amiss || !strings.Contains(says.String(), tc.says) {
				t.Errorf("%q: %s", got, says.String())
			}
		})
	}
}

func TestSetupSaysWhatTheServerFinds(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	a := w.get("reader", "/setup")
	for _, want := range []string{"What this server finds about itself", "Publishing", "Index", "Clock", "Streams", "stet enrol http://"} {
		if !strings.Contains(a.Body.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if a.Code != http.StatusOK {
		t.Error(a.Code)
	}
}
