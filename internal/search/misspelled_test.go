package search

import "testing"

func TestMisspelled(t *testing.T) {
	types := []string{"job_failed", "job_started", "authn_login_fail"}
	for query, want := range map[string][2]string{
		"":                 {},
		"event:job_failed": {},
		"event:job_fialed": {"job_fialed", "job_failed"},
		"app:x (event:job_failed OR -event:job_startd)": {"job_startd", "job_started"},
		"event:job_failed,authn_login_fails":            {"authn_login_fails", "authn_login_fail"},
		"event:shop_checkout":                           {}, // somebody's own
		"event:job_fial*":                               {},
		"job:job_fialed":                                {},
		"job_fialed":                                    {},
	} {
		q, err := Parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if given, meant := q.Misspelled(types); given != want[0] || meant != want[1] {
			t.Errorf("%s: %q, %q; want %q", query, given, meant, want)
		}
	}
}
