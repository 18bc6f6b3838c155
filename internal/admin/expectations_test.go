package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/expect"
)

const nightly = `{"job":"nightly","app":"billing","schedule":"cron 0 2 * * *","zone":"Europe/Berlin","grace":"1h"}`

// An expectation over HTTP: the log says who wants it and what it is, once; what cannot be is refused with a reason; it
// ends as it began, and can begin anew.
func TestExpectationsOverHTTP(t *testing.T) {
	w := newSite(t)
	w.token("boss", auth.Spec{Role: auth.Admin})
	w.token("auditor", auth.Spec{Role: auth.Auditor})
	ask := func(who, method, target, body string, want int) (l expectationList) {
		t.Helper()
		var b []byte
		if body != "" {
			b = []byte(body)
		}
		status, answer := w.do(who, method, target, jsonType, b)
		if status != want {
			t.Fatalf("%s %s %s: %d, want %d: %s", method, target, body, status, want, answer)
		}
		if status == http.StatusOK {
			if err := json.Unmarshal(answer, &l); err != nil {
				t.Fatal(err)
			}
		}
		return l
	}
	added := ask("boss", http.MethodPost, ExpectationsPath, nightly, http.StatusOK)
	if len(added.Expectations) != 1 {
		t.Fatalf("%+v", added)
	}
	ask("boss", http.MethodPost, ExpectationsPath, nightly, http.StatusConflict)
	if l := ask("auditor", http.MethodGet, ExpectationsPath, "", http.StatusOK); !reflect.DeepEqual(l, added) {
		t.Errorf("%+v was added, and %+v is expected", added, l)
	}
	for _, wrong := range []string{
		strings.Replace(nightly, "cron 0 2", "cron 0 25", 1), strings.Replace(nightly, "1h", "soon", 1), strings.Replace(nightly, "Europe/Berlin", "Local", 1),
		strings.Replace(nightly, `"job":"nightly",`, "", 1), strings.Replace(nightly, `"job"`, `"name"`, 1), `{}`, `[]`,
	} {
		ask("boss", http.MethodPost, ExpectationsPath, wrong, http.StatusBadRequest)
	}
	one := ExpectationsPath + "/" + added.Expectations[0].ID
	if l := ask("boss", http.MethodDelete, one, "", http.StatusOK); !reflect.DeepEqual(l, added) {
		t.Errorf("%+v was added, and %+v ended", added, l)
	}
	ask("boss", http.MethodDelete, one, "", http.StatusNotFound)
	if again := ask("boss", http.MethodPost, ExpectationsPath, nightly, http.StatusOK); again.Expectations[0].Seq == added.Expectations[0].Seq {
		t.Error("it began anew, and the log does not say so")
	}

	// Whoever holds the log next finds what it says.
	r, err := w.held.Expected(t.Context())
	for len(r.All()) == 0 && err == nil { // until it is published
		r, err = w.held.Expected(t.Context())
	}
	if err != nil || len(r.All()) != 1 || r.All()[0].String() != "nightly of billing: cron 0 2 * * * in Europe/Berlin, within 1h" {
		t.Errorf("%v, %v", r.All(), err)
	}
}

// The log is told first: where it cannot be, nothing is expected, and what it holds is asked of it again.
func TestExpectationsAreTheLogs(t *testing.T) {
	w := newWorld(t)
	d, err := expectationRequest{Job: "nightly", Schedule: "cron 0 2 * * *", Zone: "UTC", Grace: "1h"}.definition()
	if err != nil {
		t.Fatal(err)
	}
	list := func() []string {
		t.Helper()
		all, err := w.ListExpectations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, a := range all {
			names = append(names, a.Job)
		}
		return names
	}
	list()
	w.log.fails = errDisk
	if _, err := w.AddExpectation(t.Context(), root(), d); !errors.Is(err, errDisk) {
		t.Errorf("the log failed: %v", err)
	}
	w.log.fails = nil
	if got := list(); len(got) != 0 {
		t.Errorf("%q is expected, and the log does not say so", got)
	}
	a, err := w.AddExpectation(t.Context(), root(), d)
	if err != nil || !slices.Equal(list(), []string{"nightly"}) {
		t.Fatal(err)
	}
	e := w.log.events[len(w.log.events)-1]
	if e.EventType != expect.Added || e.UserID != "uid:0" || e.Object.ID != "nightly" || e.InteractionID != d.ID() {
		t.Errorf("%+v", e)
	}
	if _, err := w.AddExpectation(t.Context(), root(), d); !errors.Is(err, expect.ErrExpected) {
		t.Error(err)
	}
	d.Grace = 0
	if _, err := w.AddExpectation(t.Context(), root(), d); !errors.Is(err, expect.ErrDefinition) {
		t.Error(err)
	}
	w.reopen()
	if _, err := w.RemoveExpectation(t.Context(), root(), a.ID()); err != nil || len(list()) != 0 {
		t.Error(err, list())
	}
	if _, err := w.RemoveExpectation(t.Context(), root(), a.ID()); !errors.Is(err, expect.ErrUnknown) {
		t.Error(err)
	}
	equal(t, "an expectation's life", w.log.told(), expect.Added, expect.Removed)
}
