package proof

import (
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// TestHandoverVectors: what the vectors call good is made of its parts, byte for byte, and read back as them; what they
// call bad is refused for that reason.
func TestHandoverVectors(t *testing.T) {
	var v struct {
		About string
		Valid []struct {
			Name  string
			Steps []struct {
				OldSeed string `json:"old_seed"`
				NewSeed string `json:"new_seed"`
				Old     string
				New     string
				Size    uint64
				Time    string
				Note    string
			}
			Chain string
		}
		Invalid []struct{ Name, Error, Chain string }
	}
	loadVectors(t, "handovers.json", &v)
	for _, x := range v.Valid {
		t.Run(x.Name, func(t *testing.T) {
			var c KeyChain
			for i, s := range x.Steps {
				h := Handover{Old: s.Old, New: s.New, Size: s.Size, Time: s.Time}
				signer := func(seed, vkey string) note.Signer {
					k, got := seedSigner(t, seed, h.Origin())
					if got != vkey {
						t.Fatalf("step %d: seed %s makes %s", i, seed, got)
					}
					return k
				}
				msg, err := SignHandover(h, signer(s.OldSeed, s.Old), signer(s.NewSeed, s.New))
				if err != nil || string(msg) != s.Note {
					t.Fatalf("step %d is signed as\n%s%v", i, msg, err)
				}
				if got, err := OpenHandover(msg); err != nil || got != h {
					t.Errorf("step %d reads back as %+v, %v", i, got, err)
				}
				if c, err = c.Add(msg); err != nil {
					t.Fatal(err)
				}
			}
			if got := string(c.Append(nil)); got != x.Chain {
				t.Errorf("the chain is\n%s", got)
			}
			if got, err := ParseKeyChain([]byte(x.Chain)); err != nil || !got.Continues(c) || got.Len() != c.Len() {
				t.Errorf("the chain reads back with %d handovers, %v", got.Len(), err)
			}
		})
	}
	for _, x := range v.Invalid {
		want := map[string]error{"malformed": ErrMalformed, "signature": ErrSignature}[x.Error]
		if _, err := ParseKeyChain([]byte(x.Chain)); want == nil || !errors.Is(err, want) {
			t.Errorf("%s: %v, want %s", x.Name, err, x.Error)
		}
	}
}
