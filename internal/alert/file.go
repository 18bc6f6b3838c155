package alert

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
)

// The files in a store: the definitions with their secrets, and how far each is. docs/spec/alerts.md describes them.
const (
	dir         = "alerts"
	rulesFile   = dir + "/rules"
	rulesHeader = "stet/alerts/v1\n"
	placeFile   = dir + "/places"
	placeHeader = "stet/alertplaces/v1\n"
	maxFile     = 4 << 20 // bytes of each
)

// ErrDamaged says that a file of alerts is not what was written.
var ErrDamaged = errors.New("a file of alerts is damaged")

// rule is a definition as the file has it.
type rule struct {
	Name    string `json:"name"`
	ID      string `json:"id"` // 32 hexadecimal digits; an alert of the same name that is made anew has another
	Query   string `json:"query"`
	URL     string `json:"url"`
	Window  int64  `json:"window_ms"`
	Private bool   `json:"allow_private,omitempty"`
	Secret  string `json:"secret"`
	Created string `json:"created"`
	From    uint64 `json:"from"`          // the first entry that it looks at
	Off     string `json:"off,omitempty"` // why it was turned off
	// Half: it is being made or removed, and does nothing. Who finds it so later finishes its removal.
	Half bool `json:"half,omitempty"`
}

func (r rule) check() error {
	s := Spec{Name: r.Name, Query: r.Query, URL: r.URL, Secret: r.Secret, Window: time.Duration(r.Window) * time.Millisecond, AllowPrivate: r.Private}
	if r.Window < int64(MinWindow/time.Millisecond) || r.Window > int64(MaxWindow/time.Millisecond) {
		return errors.New("its window is out of bounds")
	}
	if _, err := s.check(); err != nil {
		return err
	}
	if r.Secret == "" || len(r.ID) != 32 || strings.Trim(r.ID, "0123456789abcdef") != "" {
		return errors.New("its id or its secret is not in its one form")
	}
	if t, err := event.ParseTime(r.Created); err != nil || event.FormatTime(t) != r.Created {
		return errors.New("its time is not in its one form")
	}
	return nil
}

// place is how far an alert is.
type place struct {
	ID   string `json:"id"`   // of the alert
	Next uint64 `json:"next"` // entries before it are counted, or do not match
	// Waiting is what came since the last message was made, Sending the message that is on its way.
	Waiting *fold `json:"waiting,omitempty"`
	Sending *fold `json:"sending,omitempty"`
	Last    *last `json:"last,omitempty"`
}

// last is the last delivery.
type last struct {
	Began   string `json:"began"` // when its first attempt was made
	At      string `json:"at"`    // of its last attempt
	OK      bool   `json:"ok"`
	Tries   int    `json:"tries"`
	Outcome string `json:"outcome"` // webhook.Answer.String, at most maxOutcome bytes
}

const maxOutcome = 256

func (p place) check() error {
	for _, f := range []*fold{p.Waiting, p.Sending} {
		if f != nil && (!f.check() || f.Last >= p.Next) {
			return errors.New("it counts what cannot be")
		}
	}
	if l := p.Last; l != nil {
		_, berr := event.ParseTime(l.Began)
		_, aerr := event.ParseTime(l.At)
		if berr != nil || aerr != nil || l.Tries < 1 || len(l.Outcome) > maxOutcome {
			return errors.New("its last delivery cannot be")
		}
	}
	return nil
}

// places is the other file: how far the log was looked at for all, and each alert.
type places struct {
	Next uint64
	All  []place
}

type nextLine struct {
	Next uint64 `json:"next"`
}

func encodeRules(all []rule) ([]byte, error) { return encode(rulesHeader, all) }

func encodePlaces(p places) ([]byte, error) {
	b, err := encode(placeHeader, []nextLine{{p.Next}})
	if err != nil {
		return nil, err
	}
	rest, err := encode("", p.All)
	return append(b, rest...), err
}

// encode is the one form of a file: a header, then a line of JSON each.
func encode[T any](header string, all []T) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(header)
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, r := range all {
		if err := e.Encode(r); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func damaged(file string, line int, why string) error {
	return fmt.Errorf("%w: %s, line %d: %s", ErrDamaged, file, line, why)
}

// lines splits a file behind its header.
func lines(file, header string, b []byte, most int) ([][]byte, error) {
	rest, ok := bytes.CutPrefix(b, []byte(header))
	if !ok {
		return nil, damaged(file, 1, "it does not begin with "+strings.TrimSpace(header))
	}
	all := bytes.SplitAfter(rest, []byte("\n"))
	if len(all[len(all)-1]) != 0 || len(all)-1 > most {
		return nil, damaged(file, len(all), fmt.Sprintf("there are more than %d lines, or the last is not whole", most))
	}
	return all[:len(all)-1], nil
}

// parseRules accepts what encodeRules makes of sound rules with a name and id each, and nothing else. Its errors repeat
// nothing of the file.
func parseRules(b []byte) ([]rule, error) {
	all, err := lines(rulesFile, rulesHeader, b, MaxAlerts)
	if err != nil {
		return nil, err
	}
	var rules []rule
	seen := map[string]bool{}
	for i, line := range all {
		var r rule
		if json.Unmarshal(line, &r) != nil {
			return nil, damaged(rulesFile, i+2, "it is no JSON object of an alert")
		}
		if err := r.check(); err != nil {
			return nil, damaged(rulesFile, i+2, err.Error())
		}
		if seen[r.Name] || seen["\n"+r.ID] {
			return nil, damaged(rulesFile, i+2, "its name or id is there twice")
		}
		seen[r.Name], seen["\n"+r.ID] = true, true
		rules = append(rules, r)
	}
	if again, err := encodeRules(rules); err != nil || !bytes.Equal(again, b) {
		return nil, damaged(rulesFile, 1, "it is not in its one form")
	}
	return rules, nil
}

// parsePlaces is the strict inverse of encodePlaces.
func parsePlaces(b []byte) (p places, err error) {
	all, err := lines(placeFile, placeHeader, b, MaxAlerts+1)
	if err != nil {
		return p, err
	}
	var head nextLine
	if len(all) == 0 || json.Unmarshal(all[0], &head) != nil {
		return p, damaged(placeFile, 2, "it does not say how far the log was looked at")
	}
	p.Next = head.Next
	seen := map[string]bool{}
	for i, line := range all[1:] {
		var at place
		if json.Unmarshal(line, &at) != nil || seen[at.ID] {
			return places{}, damaged(placeFile, i+3, "it is no place of an alert, or there twice")
		}
		if err := at.check(); err != nil {
			return places{}, damaged(placeFile, i+3, err.Error())
		}
		seen[at.ID] = true
		p.All = append(p.All, at)
	}
	if again, err := encodePlaces(p); err != nil || !bytes.Equal(again, b) {
		return places{}, damaged(placeFile, 1, "it is not in its one form")
	}
	return p, nil
}

// readFile reads one of the files; nil where there is none.
func readFile(fsys fsx.FS, name string) ([]byte, error) {
	b, err := fsx.ReadFile(fsys, name, maxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, fsx.ErrTooLarge):
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return b, err
}

func writeFile(fsys fsx.FS, name string, b []byte) error {
	if err := fsx.MkdirAll(fsys, dir, 0o700); err != nil {
		return err
	}
	return fsx.Replace(fsys, name, b, 0o600)
}
