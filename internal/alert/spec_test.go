package alert

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSpecs(t *testing.T) {
	good := func() Spec { return Spec{Name: "ghosts", Query: "is:ghost", URL: "https://hook.example/a/b?c=d"} }
	for name, tt := range map[string]struct {
		change func(*Spec)
		why    string // "": it is good
	}{
		"as it is":               {func(*Spec) {}, ""},
		"everything":             {func(s *Spec) { s.Query = "" }, ""},
		"a longest name":         {func(s *Spec) { s.Name = strings.Repeat("a", 64) }, ""},
		"a second":               {func(s *Spec) { s.Window = time.Second }, ""},
		"a day":                  {func(s *Spec) { s.Window = 24 * time.Hour }, ""},
		"an address in brackets": {func(s *Spec) { s.URL = "http://[2606:4700::1]:8080" }, ""},
		"its own secret":         {func(s *Spec) { s.Secret = knownSecret }, ""},

		"no name":             {func(s *Spec) { s.Name = "" }, "name"},
		"a name too long":     {func(s *Spec) { s.Name = strings.Repeat("a", 65) }, "name"},
		"a name with a slash": {func(s *Spec) { s.Name = "a/b" }, "name"},
		"a hidden name":       {func(s *Spec) { s.Name = ".a" }, "name"},
		"no query":            {func(s *Spec) { s.Query = "evnt:x" }, "evnt"},
		"a query of now":      {func(s *Spec) { s.Query = "event:x OR -(since:2h app:y)" }, "since"},
		"a query too long":    {func(s *Spec) { s.Query = strings.Repeat("a", 5000) }, "query"},
		"no address":          {func(s *Spec) { s.URL = "" }, "URL"},
		"a file":              {func(s *Spec) { s.URL = "file:///etc/passwd" }, "URL"},
		"another scheme":      {func(s *Spec) { s.URL = "ftp://hidden.example/x" }, "http"},
		"no host":             {func(s *Spec) { s.URL = "https:///hidden" }, "URL"},
		"a password":          {func(s *Spec) { s.URL = "https://hidden:hidden@hook.example/" }, "password"},
		"a fragment":          {func(s *Spec) { s.URL = "https://hook.example/#hidden" }, "fragment"},
		"a line end":          {func(s *Spec) { s.URL = "https://hook.example/\nhidden" }, "URL"},
		"too long an address": {func(s *Spec) { s.URL = "https://hook.example/" + strings.Repeat("hidden", 400) }, "2048"},
		"too short a window":  {func(s *Spec) { s.Window = time.Second - 1 }, "window"},
		"too long a window":   {func(s *Spec) { s.Window = 25 * time.Hour }, "window"},
		"no such secret":      {func(s *Spec) { s.Secret = "hidden" }, "secret"},
	} {
		s := good()
		tt.change(&s)
		_, err := s.check()
		switch {
		case tt.why == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.why == "" && s.Window == 0:
			t.Errorf("%s: no window", name)
		case tt.why != "" && (!errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), tt.why)):
			t.Errorf("%s: %v, want it to speak of %q", name, err, tt.why)
		case tt.why != "" && strings.Contains(err.Error(), "hidden"):
			t.Errorf("%s: the error repeats what may be a secret: %v", name, err)
		}
	}
	for url, want := range map[string]string{"https://hook.example": "https://hook.example", "https://hook.example/": "https://hook.example",
		"https://hook.example:8443/T0/B0/hidden?x=y": "https://hook.example:8443/…", "https://hook.example?hidden": "https://hook.example/…", "nonsense": ""} {
		if got := Target(url); got != want {
			t.Errorf("of %s is told %q, want %q", url, got, want)
		}
	}
}
