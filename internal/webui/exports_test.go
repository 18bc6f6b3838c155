package webui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/evidence"
)

// Evidence is asked for by a form, with no script: the page says how far it is and asks to be loaded again until the file is there.
// The file verifies with the key that the page says, holds what was asked for, and that it was made is in the history.
func TestEvidence(t *testing.T) {
	w := newSite(t)
	seq := w.record(job("a", nil)...)
	w.found("auditor", "/search")
	page := w.get("auditor", fmt.Sprintf("/event?seq=%d", seq)).Body.String()
	for _, want := range []string{fmt.Sprintf(`name="q" value="seq:%d"`, seq), `name="q" value="interaction:&#34;story of a&#34;"`, `action="exports"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of an event lacks %s", want)
		}
	}
	if page = w.get("auditor", "/story?interaction=story+of+a").Body.String(); !strings.Contains(page, `value="interaction:&#34;story of a&#34;"`) {
		t.Error("the page of a story offers no evidence of it")
	}
	for _, what := range []struct {
		fields []string
		found  uint64
		whole  bool
	}{{[]string{"q", fmt.Sprintf("seq:%d", seq)}, 1, false}, {[]string{"q", `interaction:"story of a"`, "complete", "1"}, 3, true}} {
		if a := w.post(w.login("auditor"), "/exports", what.fields...); a.Code != http.StatusSeeOther || a.Header().Get("Location") != "exports" {
			t.Fatalf("%d %s", a.Code, a.Body)
		}
		page := w.made()
		at := regexp.MustCompile(`href="(v1/evidence/[A-Z0-9]+/file)" download="(evidence-[0-9a-f]{12}\.zip)"`).FindStringSubmatch(page)
		key := regexp.MustCompile(`stet verify evidence-\S+ --key ([^<]+)</code>`).FindStringSubmatch(page)
		if at == nil || key == nil {
			t.Fatalf("there is no file: %s", page)
		}
		if strings.Contains(page, `"event?seq=0"`) {
			t.Fatal("the log does not say that it was made")
		}
		a := w.get("auditor", "/"+at[1])
		if a.Code != http.StatusOK || !strings.Contains(a.Header().Get("Content-Disposition"), at[2]) {
			t.Errorf("the file: %d %v", a.Code, a.Header())
		}
		rep, err := evidence.Verify(context.Background(), bytes.NewReader(a.Body.Bytes()), int64(a.Body.Len()), evidence.Options{LogKey: strings.ReplaceAll(key[1], "&#43;", "+")})
		if err != nil || rep.State() != evidence.Verified {
			first, _ := rep.First()
			t.Fatalf("what was given out does not verify: %v %s", err, first)
		}
		if m := rep.Manifest; m.Counts.Found != what.found || (m.Whole != nil) != what.whole || m.Asked.By != "token auditor (auditor)" {
			t.Errorf("asked for %v, the file has %+v %+v", what.fields, m.Counts, m.Asked)
		}
		if a := w.get("reader", "/"+at[1]); a.Code != http.StatusForbidden {
			t.Errorf("a reader is given the file: %d", a.Code)
		}
		w.eventually("/exports", "sha256:"+sha(page))
	}
}

func sha(page string) string {
	return regexp.MustCompile(`SHA-256 <code>([0-9a-f]{64})`).FindStringSubmatch(page)[1]
}

// made waits until nothing is being made any more, as a browser without scripts does.
func (w *site) made() string {
	w.t.Helper()
	for range 3000 {
		page := w.get("auditor", "/exports").Body.String()
		if !strings.Contains(page, `http-equiv="refresh"`) {
			return page
		}
		time.Sleep(10 * time.Millisecond) // another goroutine makes it
	}
	w.t.Fatal("the file is not made")
	return ""
}

// eventually waits until a page says something.
func (w *site) eventually(target, want string) {
	w.t.Helper()
	body := ""
	for range 3000 {
		if body = w.get("auditor", target).Body.String(); strings.Contains(body, want) {
			return
		}
		time.Sleep(10 * time.Millisecond) // the index follows the log
	}
	w.t.Errorf("%s does not say %q: %s", target, want, body)
}

// What cannot be asked for is refused where it is asked: a wrong query with its place, and by whoever may not read the whole log.
func TestEvidenceRefused(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	a := w.post(w.login("auditor"), "/exports", "q", "sttus:failure", "complete", "1")
	if body := a.Body.String(); a.Code != http.StatusBadRequest || !strings.Contains(body, `<pre class="caret">`) || !strings.Contains(body, `value="sttus:failure"`) || !strings.Contains(body, "checked") {
		t.Errorf("a wrong query: %d %s", a.Code, body)
	}
	if a := w.post(w.login("reader"), "/exports", "q", ""); a.Code != http.StatusForbidden {
		t.Errorf("a reader: %d %s", a.Code, a.Body)
	}
	if a := w.post("", "/exports", "q", ""); a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Header().Get("Location"), "login") {
		t.Errorf("nobody: %d %s", a.Code, a.Body)
	}
	page := w.get("reader", "/exports").Body.String()
	if strings.Contains(page, `action="exports"`) || !strings.Contains(page, "takes an auditor’s token") {
		t.Error("a reader is offered what he may not have")
	}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/exports", strings.NewReader(url.Values{"q": {""}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cookie", w.login("auditor"))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := w.do(r); a.Code != http.StatusForbidden {
		t.Errorf("another site's page: %d", a.Code)
	}
	// What is damaged is no evidence, and the page says why.
	w.damage(true, func(b []byte) []byte { return b[:len(b)/2] })
	if a := w.post(w.login("auditor"), "/exports", "q", ""); a.Code != http.StatusSeeOther {
		t.Fatal(a.Code)
	}
	if page := w.made(); !strings.Contains(page, "does not verify, and no evidence is made of it") || strings.Contains(page, "download=") {
		t.Errorf("a damaged log: %s", page)
	}
	var all struct{ Files []evidenceFile }
	if err := json.Unmarshal(w.get("auditor", "/v1/evidence").Body.Bytes(), &all); err != nil || len(all.Files) != 1 || all.Files[0].State != "failed" {
		t.Errorf("%+v, %v", all, err)
	}
}
