package webui

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// askedFor answers the questions of a page by a field that is counted by, and by the query.
type askedFor struct {
	Caller
	facets, queries map[string]string
}

func (a askedFor) Ask(_ context.Context, _, target string, _ []byte) ([]byte, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	if facet := u.Query().Get("facet"); facet != "" {
		return []byte(a.facets[facet]), nil
	}
	return []byte(a.queries[u.Query().Get("q")]), nil
}

// Missed slots are counted by what was expected: two applications may have jobs of one name. Where there are too many to be told
// at once, each is asked for by itself.
func TestMissed(t *testing.T) {
	v := &visit{r: httptest.NewRequest(http.MethodGet, "/ghosts", nil), Caller: askedFor{
		facets: map[string]string{
			"label.expectation": `{"count":12,"facet":{"values":[{"value":"aaaa","count":7},{"value":"bbbb","count":5}],"more":true}}`,
			"job":               `{"count":12,"facet":{"values":[{"value":"nightly","count":12}]}}`,
		},
		queries: map[string]string{"label.expectation:cccc event:job_missed since:30d": `{"count":1}`},
	}}
	missed, err := v.missed()
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"aaaa": "7", "bbbb": "5", "cccc": "1"} {
		if got, err := missed(id); err != nil || got != want {
			t.Errorf("%s missed %s slots, want %s: %v", id, got, want, err)
		}
	}
}
