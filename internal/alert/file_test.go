package alert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/webhook"
)

func someRule() rule {
	return rule{Name: "ghosts", ID: strings.Repeat("0a", 16), Query: "is:ghost label.x:\"<&>\"", URL: "https://hook.example/x?y=z&a=<b>", Window: 60_000,
		Secret: knownSecret, Created: event.FormatTime(time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)), From: 7, Off: "because"}
}

func somePlaces() places {
	at := event.FormatTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	f := fold{Count: 12, First: 3, Last: 40, FirstAt: at, LastAt: at, Entries: []uint64{3, 5, 6, 7, 8, 9, 10, 11, 12, 13}}
	g := fold{Count: 1, First: 2, Last: 2, FirstAt: at, LastAt: at, Entries: []uint64{2}}
	return places{Next: 100, All: []place{{ID: strings.Repeat("0a", 16), Next: 100, Waiting: &f, Sending: &g, Last: &last{Began: at, At: at, OK: true, Tries: 3, Outcome: "HTTP 200"}},
		{ID: strings.Repeat("0b", 16), Next: 3}}}
}

func TestFilesAreReadBack(t *testing.T) {
	r := someRule()
	q, err := search.Parse(r.Query)
	if err != nil {
		t.Fatal(err)
	}
	r.Query = q.String()
	b, err := encodeRules([]rule{r})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseRules(b); err != nil || !slices.Equal(got, []rule{r}) {
		t.Errorf("rules: %+v, %v\n%s", got, err, b)
	}
	p := somePlaces()
	if b, err = encodePlaces(p); err != nil {
		t.Fatal(err)
	}
	if got, err := parsePlaces(b); err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("places: %+v, %v\n%s", got, err, b)
	}
}

func TestDamagedFiles(t *testing.T) {
	rules, err := encodeRules([]rule{func() rule { r := someRule(); r.Query = "is:ghost"; return r }()})
	if err != nil {
		t.Fatal(err)
	}
	at, err := encodePlaces(somePlaces())
	if err != nil {
		t.Fatal(err)
	}
	line := string(bytes.TrimPrefix(rules, []byte(rulesHeader)))
	for name, b := range map[string]string{
		"empty": "", "another header": "stet/alerts/v2\n", "half a line": string(rules[:len(rules)-1]), "a name twice": string(rules) + line,
		"another order of members": strings.Replace(string(rules), `"from":7,"off":"because"`, `"off":"because","from":7`, 1),
		"a member more":            strings.Replace(string(rules), `"from":7`, `"from":7,"x":1`, 1), "no window": strings.Replace(string(rules), "60000", "0", 1),
		"no secret": strings.Replace(string(rules), knownSecret, "", 1), "a query that is none": strings.Replace(string(rules), `"is:ghost"`, `"is:gost"`, 1),
		"another id": strings.Replace(string(rules), "0a0a", "0A0a", 1), "too many": rulesHeader + strings.Repeat(line, MaxAlerts+1),
	} {
		if _, err := parseRules([]byte(b)); !errors.Is(err, ErrDamaged) {
			t.Errorf("rules, %s: %v", name, err)
		} else if strings.Contains(err.Error(), "whsec") || strings.Contains(err.Error(), "y=z") {
			t.Errorf("rules, %s: the error has a secret in it: %v", name, err)
		}
	}
	for name, b := range map[string]string{
		"empty": "", "no first line": placeHeader, "half a line": string(at[:len(at)-1]), "an alert twice": strings.ReplaceAll(string(at), "0b0b", "0a0a"),
		"more entries than counted": strings.Replace(string(at), `"count":12`, `"count":9`, 1), "more counted than there are": strings.Replace(string(at), `"count":12`, `"count":39`, 1),
		"nothing counted": strings.Replace(string(at), `"count":1,`, `"count":0,`, 1), "beyond what was looked at": strings.Replace(string(at), `"next":100,`, `"next":40,`, 1),
		"out of order": strings.Replace(string(at), `[3,5,6`, `[3,6,5`, 1), "another first": strings.Replace(string(at), `"first":3`, `"first":1`, 1),
		"no attempt": strings.Replace(string(at), `"tries":3`, `"tries":0`, 1),
	} {
		if _, err := parsePlaces([]byte(b)); !errors.Is(err, ErrDamaged) {
			t.Errorf("places, %s: %v", name, err)
		}
	}
}

func FuzzRules(f *testing.F) {
	b, err := encodeRules([]rule{func() rule { r := someRule(); r.Query = "is:ghost"; return r }()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(rulesHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parseRules(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			return
		}
		for _, r := range all { // what is taken can be used
			if _, err := newState(r, place{}); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzPlaces(f *testing.F) {
	b, err := encodePlaces(somePlaces())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(placeHeader + "{\"next\":0}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePlaces(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			return
		}
		if again, err := encodePlaces(p); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%q is read, and written as %q, %v", b, again, err)
		}
	})
}

// stillLog is a log that does not change, and records nothing.
type stillLog struct{ checkpoint []byte }

func (l stillLog) Checkpoint() []byte { return l.checkpoint }
func (l stillLog) Record(context.Context, ...*event.Event) ([]uint64, error) {
	return nil, nil
}

const empty = "log.example/a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— log.example/a AAAA\n"

func openOn(fsys fsx.FS) (*Alerts, error) {
	return Open(Options{Log: stillLog{[]byte(empty)}, Source: logread.Store(fsys), FS: fsys, StoreKey: "k"})
}

// Wherever whoever adds and removes alerts is cut off, an alert of which they were told is there, one that they took away is
// not, and one that was half made or half removed is settled: the log hears of its end.
func TestChangesSurviveCrashes(t *testing.T) {
	type claim struct{ added, removed []string }
	p := fsxtest.Plan{
		Run: func(fsys *fsxtest.Mem) any {
			var c claim
			a, err := openOn(fsys)
			if err != nil {
				return c
			}
			for _, name := range []string{"one", "two", "three"} {
				if _, _, err := a.Add(Spec{Name: name, URL: "http://hook.example/", Secret: knownSecret}, func(Info) error { return nil }); err != nil {
					return c
				}
				c.added = append(c.added, name)
			}
			if _, err := a.Remove("two", func(Info) error { return nil }); err != nil {
				return c
			}
			c.removed = append(c.removed, "two")
			if err := a.save(); err != nil {
				return c
			}
			return c
		},
		Check: func(fsys *fsxtest.Mem, acked any) error {
			c := acked.(claim)
			a, err := openOn(fsys)
			if err != nil {
				return err
			}
			if err := a.Settle(func(Info) error { return nil }); err != nil {
				return err
			}
			var there []string
			for _, i := range a.List() {
				there = append(there, i.Name)
			}
			for _, name := range c.added {
				if !slices.Contains(there, name) && !slices.Contains(c.removed, name) && (name != "two" || len(c.added) < 3) {
					return fmt.Errorf("alert %s is lost: %v", name, there)
				}
			}
			for _, name := range c.removed {
				if slices.Contains(there, name) {
					return fmt.Errorf("alert %s is there again", name)
				}
			}
			// Whatever was left behind blocks nothing.
			_, _, err = a.Add(Spec{Name: "four", URL: "http://hook.example/"}, func(Info) error { return nil })
			return err
		},
		MaxStates: 600,
	}
	fsxtest.Explore(t, p)
	fsxtest.Faults(t, p, 20)
}

// A change that the log could not be told of did not happen, where it adds; where it removes it is told of by the next.
func TestUntoldChanges(t *testing.T) {
	disk := fsxtest.New()
	a, err := openOn(disk)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the disk is gone")
	if _, _, err := a.Add(Spec{Name: "one", URL: "http://hook.example/"}, func(Info) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("added: %v", err)
	}
	if l := a.List(); len(l) > 0 {
		t.Errorf("it is there: %+v", l)
	}
	if secret, _, err := a.Add(Spec{Name: "one", URL: "http://hook.example/"}, func(Info) error { return nil }); err != nil || webhook.CheckSecret(secret) != nil {
		t.Fatal(secret, err)
	}
	if _, err := a.Remove("one", func(Info) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("removed: %v", err)
	}
	for range 2 { // once more changes nothing
		if a, err = openOn(disk); err != nil {
			t.Fatal(err)
		}
		told := 0
		if err := a.Settle(func(i Info) error { told++; return nil }); err != nil {
			t.Fatal(err)
		}
		if l := a.List(); len(l) > 0 {
			t.Errorf("it is there: %+v", l)
		}
		t.Logf("settled: %d", told)
	}
	fi, err := disk.Stat(rulesFile)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the file with secrets: %v, %v", fi, err)
	}
}

// There are no more alerts than there may be.
func TestAHundredAlerts(t *testing.T) {
	a, err := openOn(fsxtest.New())
	if err != nil {
		t.Fatal(err)
	}
	for i := range MaxAlerts {
		if _, _, err := a.Add(Spec{Name: fmt.Sprint("a", i), URL: "http://hook.example/"}, func(Info) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := a.Add(Spec{Name: "more", URL: "http://hook.example/"}, func(Info) error { return nil }); !errors.Is(err, ErrFull) {
		t.Errorf("one more: %v", err)
	}
	if _, _, err := a.Add(Spec{Name: "a7", URL: "http://hook.example/"}, func(Info) error { return nil }); !errors.Is(err, ErrTaken) {
		t.Errorf("one of a name that is there: %v", err)
	}
}

// Where it is not known any more how far alerts are, they begin again where they were made: rather twice than never.
func TestLostPlaces(t *testing.T) {
	for name, spoil := range map[string]func(fsys fsx.FS) error{
		"gone":    func(fsys fsx.FS) error { return fsys.Remove(placeFile) },
		"damaged": func(fsys fsx.FS) error { return fsx.Replace(fsys, placeFile, []byte(placeHeader+"nonsense\n"), 0o600) },
		"ahead of the log": func(fsys fsx.FS) error {
			return fsx.Replace(fsys, placeFile, []byte(placeHeader+"{\"next\":1000000}\n"), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				defer w.close()
				hook := w.at(&target{t: t})
				w.say("shop_checkout", 1)
				w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
				w.run()
				w.say("shop_checkout", 2)
				time.Sleep(time.Hour)
				w.stop()
				before := len(hook.messages())
				if err := spoil(w.disk); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
				w.reopen()
				w.at(hook)
				w.run()
				w.say("shop_checkout", 1)
				time.Sleep(time.Hour)
				w.stop()
				var again uint64
				for _, m := range hook.messages()[before:] {
					again += m.Data.Count
				}
				if again != 3 {
					t.Errorf("%d entries were sent again, want the 3 since it was made", again)
				}
				if name != "gone" && !strings.Contains(w.log.String(), "begins again") {
					t.Errorf("nobody was told: %s", w.log.String())
				}
			})
		})
	}
}
