package webui

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/proof"
)

// pastCaller is an auditor of a site to whom the index says that some emitters were heard of on some of the days before today.
type pastCaller struct {
	Caller
	site  *site
	today time.Time
	days  map[string]int
	as    map[string]string // whose newest event is that of another
	gone  string            // the id of a key that was replaced
}

func (c pastCaller) Ask(_ context.Context, _, target string, _ []byte) ([]byte, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	if u.Path == "/v1/counts" {
		var values []string
		for id, n := range c.days {
			for day := 1; day <= n; day++ {
				if strings.HasSuffix(q.Get("q"), "before:"+c.today.AddDate(0, 0, -day).Format(time.RFC3339)) {
					values = append(values, fmt.Sprintf(`{"value":%q,"count":1}`, id))
				}
			}
		}
		return fmt.Appendf(nil, `{"facet":{"values":[%s]}}`, strings.Join(values, ",")), nil
	}
	replaced := c.gone != "" && strings.HasPrefix(q.Get("q"), "event:key_revoked")
	if replaced {
		q.Set("q", "event:emitter_enrolled")
		q.Set("limit", "1") // that of the door
	}
	for id, other := range c.as {
		if q.Get("q") == "emitter:"+id {
			q.Set("q", "emitter:"+other)
		}
	}
	u.RawQuery = q.Encode()
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+u.String(), nil)
	r.Header.Set("Authorization", "Bearer "+c.site.tokens["auditor"])
	b := c.site.do(r).Body.Bytes()
	if replaced { // the same event, of another type and about that key
		b = bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("emitter_enrolled"), []byte("key_rotated")), []byte(`"id":"`+c.as["door"]+`"`), []byte(`"id":"`+c.gone+`"`))
	}
	return b, nil
}

// An emitter that fell silent is told once: one that seals by its key, not by its token too; one that does not by its token, not
// by the server's key for all of these; and a key that was replaced not at all.
func TestSilent(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	w.found("auditor", "/search")
	v := &visit{r: httptest.NewRequest(http.MethodGet, "/", nil), now: time.Now().UTC().Truncate(time.Second)}
	c := pastCaller{site: w, today: v.now, as: map[string]string{}}
	v.Caller = c
	l, err := v.log()
	if err != nil {
		t.Fatal(err)
	}
	last, err := ask[foundRows](v, link("/v1/events", "q", "emitter:writer", "limit", "1"))
	if err != nil || len(last.Rows) != 1 {
		t.Fatalf("%v, %d rows", err, len(last.Rows))
	}
	sealing, door := proof.KeyID(l.StoreKey), proof.KeyID(last.Rows[0].Key)
	replaced := strings.Repeat("ab", 32)
	name, _, _ := strings.Cut(l.StoreKey, "+")
	c.as, c.gone = map[string]string{"token": sealing, "door": door, replaced: sealing}, replaced
	for what, one := range map[string]struct {
		days map[string]int
		want []string
	}{
		"a key and its token":         {map[string]int{sealing: 6, "token": 6}, []string{name}},
		"a token alone":               {map[string]int{sealing: 2, "token": 6}, []string{"token"}},
		"who seals nothing":           {map[string]int{door: 7, "writer": 7}, []string{"writer"}},
		"a key that was replaced":     {map[string]int{replaced: 7}, nil},
		"heard of now and then":       {map[string]int{sealing: 3, "writer": 3}, nil},
		"all of them":                 {map[string]int{sealing: 4, "token": 4, door: 4, "writer": 4, replaced: 4}, []string{name, "writer"}},
		"nobody was heard of, at all": {nil, nil},
	} {
		c.days = one.days
		v.Caller = c
		var view overviewView
		if err := v.silent(&view); err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, s := range view.Silent {
			got[s.Name] = s.LastHref != ""
		}
		for _, want := range one.want {
			if !got[want] {
				t.Errorf("%s: %s is not told, or not when it was heard last: %+v", what, want, view.Silent)
			}
		}
		if len(view.Silent) != len(one.want) {
			t.Errorf("%s: told are %+v, want %q", what, view.Silent, one.want)
		}
	}
}
