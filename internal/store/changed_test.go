package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/proof"
)

func TestChangedFitsVia(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, strings.Repeat("p", 200)+fmt.Sprint(i), "same")
	}
	for _, paths := range [][]string{many, slices.Repeat([]string{"same"}, 99), nil} {
		v := proof.Via{Kind: proof.ViaHTTP, Token: strings.Repeat("t", 128), Addr: strings.Repeat("a", 128), Changed: fitChanged(paths)}
		if b := v.Append(nil); len(b) > proof.MaxVia {
			t.Errorf("via is %d bytes", len(b))
		} else if _, err := proof.ParseVia(b); err != nil {
			t.Error(err)
		}
		if len(paths) > 0 && !slices.Contains(v.Changed, "same") && v.Changed[len(v.Changed)-1] != "*" {
			t.Errorf("%q does not say that there is more", v.Changed)
		}
	}
}
