package event_test

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
)

// wide is an event with a text in every place that can hold one.
func wide() *event.Event {
	e := outcome()
	e.StatusReason, e.StatusCode, e.CausationID = "all rows gone", "0", e.EventID
	e.Target = &event.Target{System: "warehouse", Environment: "production"}
	e.Source = &event.Source{DeviceID: "scanner", UserAgent: "curl", ForwardedFor: []string{"192.0.2.9"}}
	e.Principal.Roles, e.Principal.AuthMethod = []string{"admin"}, "password"
	e.Object = &event.Object{Type: "table", ID: "customers"}
	e.Why.Reference = "runbook"
	e.References = []event.Reference{{Kind: "ticket", Value: "OPS one"}}
	e.Before = &event.Snapshot{Summary: "many rows", Object: "customers"}
	e.Derived = map[string]string{"host": "kernel"}
	e.Labels = map[string]string{"team": "payments", "shift": "night"}
	e.Job.Params = map[string]any{"region": "north", "deep": map[string]any{"mode": "dry", "n": 7}, "list": []any{1, map[string]any{"name": "colour", "value": "blue"}}}
	return e
}

// TestSuspicionMissesNothing: what the scanner does not suspect the encoder would not mask, wherever it stands. Every text
// of an event, keys too, is replaced by every kind of secret, and by things that look like one.
func TestSuspicionMissesNothing(t *testing.T) {
	strict := event.Codec{RefuseSecrets: true}
	clean := must(t, wide())
	if _, err := strict.Check([]byte(clean)); err != nil {
		t.Fatal(err)
	}
	refused, accepted := 0, 0
	judge := func(what string, b []byte) {
		var lax event.Codec
		if _, err := lax.Check(b); err != nil {
			return // it does not get as far
		}
		want := strict.Secrets(b)
		_, err := strict.Check(b)
		if (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
			t.Errorf("%s: Check says %v, the encoder %v", what, err, want)
		}
		if want != nil {
			refused++
		} else {
			accepted++
		}
	}
	hostile := []string{"password=hunter2", "hunter2", "password", "db_password", "api_key", "secret", "Bearer abcdefghijkl123456", "AKIA" + "IOSFODNN7EXAMPLE",
		"4111111111111111", "alice@example.com", "DE89370400440532013000", "postgres://u:p4ss@db/x", "kty", "name", "d", "-p", "--token",
		"\\u0070assword=hunter2", "be63699b-1597-05b1-e7ec-b7ed51c858df", "ordinary words", "Tr0ub4dor&3!"}
	for _, at := range regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`).FindAllStringIndex(clean, -1) {
		for _, h := range hostile {
			judge(fmt.Sprintf("%q in place of %s", h, clean[at[0]:at[1]]), []byte(clean[:at[0]]+`"`+h+`"`+clean[at[1]:]))
		}
	}
	mode := regexp.MustCompile(`"mode":"dry"`).FindStringIndex(clean)
	for _, member := range []string{`"argv":["mysql","--password","hunter2"]`, `"argv":["mysql","-phunter2"]`, `"password":4711`, `"pin":[1,2]`, `"n2":4111111111111111`,
		`"env":[{"name":"DB_PASSWORD","value":"x1"}]`, `"env":{"key":"api_token","Value":"x","value":"y"}`, `"jwk":{"kty":"oct","k":"c2VjcmV0"}`, `"password":"changed"`,
		`"p\u0061ssword":"hunter2"`, `"password":"[redacted:password]"`, `"list2":[["--token","abc"]]`, `"when":100000000`} {
		judge(member, []byte(clean[:mode[0]]+member+clean[mode[1]:]))
	}
	if refused < 200 || accepted < 100 {
		t.Errorf("%d refused and %d accepted: the test shows too little", refused, accepted)
	}
}

// TestSuspicionAtRandom is TestSuspicionMissesNothing with more than one thing at a time, and numbers.
func TestSuspicionAtRandom(t *testing.T) {
	strict := event.Codec{RefuseSecrets: true}
	clean := must(t, wide())
	texts := regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`).FindAllStringIndex(clean, -1)
	pieces := []string{"password", "token", "dsn", "key", "name", "ordinary", "x", "=", ":", " ", " is ", "/", ".go:26", ".go", "-", "--", "@", "hunter2", "41111111", "11111111",
		"example.com", "://", "DE89370400440532013000", "[redacted:", "]", "\\u0070", "ü", "A session was created"}
	word := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 5).Draw(t, "pieces"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		last := 0
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(texts)-1), 0, 4, rapid.ID).Draw(t, "places") {
			if at := texts[i]; at[0] >= last {
				b = append(append(b, clean[last:at[0]]...), `"`+word.Draw(t, "text")+`"`...)
				last = at[1]
			}
		}
		b = append(b, clean[last:]...)
		member := fmt.Sprintf(`"params":{%q:%d,`, word.Draw(t, "key"), rapid.OneOf(rapid.Int64Range(-event.MaxInt, event.MaxInt),
			rapid.SampledFrom([]int64{4111111111111111, -4111111111111111, 1767323045000, 99999999, 100000000})).Draw(t, "number"))
		b = bytes.Replace(b, []byte(`"params":{`), []byte(member), 1)
		var lax event.Codec
		if _, err := lax.Check(b); err != nil {
			return // it does not get as far
		}
		want := strict.Secrets(b)
		if _, err := strict.Check(b); (err == nil) != (want == nil) || err != nil && err.Error() != want.Error() {
			t.Errorf("Check says %v, the encoder %v: %s", err, want, b)
		}
	})
}

// TestACleanEventAllocatesNothing in the door that refuses secrets, also where something has to be looked at twice.
func TestACleanEventAllocatesNothing(t *testing.T) {
	e := outcome()
	e.UserID, e.Principal.ID, e.Labels = "u42", "u42", map[string]string{"team": "payments"}
	e.CodeLocation, e.Description = "worker/purge.go:26", "A session was created (by nobody that is known: see runbook 7)"
	e.Job.Params = map[string]any{"since": 1767323045000, "the_name_of_the_table_that_was_purged": "customers"}
	b := []byte(must(t, e))
	strict := event.Codec{RefuseSecrets: true}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := strict.Check(b); err != nil {
			t.Error(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestAClaimOfRedactionHidesNothing: an event that says that a text was masked, and holds it all the same, is refused.
func TestAClaimOfRedactionHidesNothing(t *testing.T) {
	e := wide()
	e.Labels = map[string]string{"password": "hunter2"}
	masked := must(t, e)
	strict := event.Codec{RefuseSecrets: true}
	if _, err := strict.Check([]byte(masked)); err != nil {
		t.Fatal(err)
	}
	plain := strings.Replace(masked, "[redacted:password]", "hunter2", 1)
	if _, err := strict.Check([]byte(plain)); plain == masked || !errors.Is(err, event.ErrSecret) {
		t.Errorf("%v, want %v", err, event.ErrSecret)
	}
}
