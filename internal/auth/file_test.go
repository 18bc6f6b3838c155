package auth

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample is a file with a token of each kind.
func sample(t testing.TB) []byte {
	w := newWorld(t)
	text := w.create(Spec{Role: Writer, App: "billing", Environment: "production", Name: "w", Expires: 90 * 24 * time.Hour})
	w.create(Spec{Role: Reader, App: "billing", Name: "r"})
	w.create(Spec{Role: Auditor, Name: "u"})
	w.create(Spec{Role: Admin, Name: "a"})
	if _, err := w.Bind(w.identity(text), vkey("emitter/one"), true); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Revoke("u"); err != nil {
		t.Fatal(err)
	}
	return w.file()
}

// The form of the file, for whoever must read one without stet.
func TestFileForm(t *testing.T) {
	const want = `stet/tokens/v1
{"name":"w","role":"writer","hash":"HASH","app":"billing","environment":"production","created":"2026-03-01T12:00:00.000000000Z","expires":"2026-05-30T12:00:00.000000000Z","keys":["KEY"]}
{"name":"r","role":"reader","hash":"HASH","app":"billing","created":"2026-03-01T12:00:00.000000000Z"}
{"name":"u","role":"auditor","hash":"HASH","created":"2026-03-01T12:00:00.000000000Z","revoked":"2026-03-01T12:00:00.000000000Z","untold":true}
{"name":"a","role":"admin","hash":"HASH","created":"2026-03-01T12:00:00.000000000Z"}
`
	b := sample(t)
	all, err := parse(b)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(string(b), vkey("emitter/one"), "KEY")
	for _, r := range all {
		got = strings.Replace(got, r.Hash, "HASH", 1)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDamagedFiles(t *testing.T) {
	good := string(sample(t))
	lines := strings.SplitAfter(good, "\n")
	hash := strings.Split(lines[1], `"`)[11]
	for name, bad := range map[string]string{
		"empty":                   "",
		"of a later version":      strings.Replace(good, "v1", "v2", 1),
		"cut in a line":           good[:len(good)-5],
		"cut before a line end":   good[:len(good)-1],
		"a line twice":            good + lines[4],
		"a name twice":            strings.Replace(good, `"name":"r"`, `"name":"w"`, 1),
		"a hash twice":            strings.Replace(good, strings.Split(lines[2], `"`)[11], hash, 1),
		"a hash in capitals":      strings.Replace(good, hash, strings.ToUpper(hash), 1),
		"a short hash":            strings.Replace(good, hash, hash[2:], 1),
		"a role nobody has":       strings.Replace(good, `"admin"`, `"root"`, 1),
		"an auditor of an app":    strings.Replace(good, `"role":"auditor"`, `"role":"writer"`, 1),
		"a key of an auditor":     strings.Replace(good, `"untold":true`, `"untold":true,"keys":["`+vkey("emitter/one")+`"]`, 1),
		"a key that is none":      strings.Replace(good, "emitter/one+", "emitter/two+", 1),
		"a key twice":             strings.Replace(good, `"]`, `","`+vkey("emitter/one")+`"]`, 1),
		"another order":           strings.Replace(good, `"name":"r","role":"reader"`, `"role":"reader","name":"r"`, 1),
		"a member twice":          strings.Replace(good, `"name":"r"`, `"name":"x","name":"r"`, 1),
		"a member in capitals":    strings.Replace(good, `"name":"r"`, `"NAME":"r"`, 1),
		"an unknown member":       strings.Replace(good, `"name":"r"`, `"x":1,"name":"r"`, 1),
		"a space":                 strings.Replace(good, `"name":"r"`, `"name": "r"`, 1),
		"a time in another form":  strings.Replace(good, "12:00:00.000000000Z", "12:00:00Z", 1),
		"two objects in a line":   strings.Replace(good, "}\n{", "}{", 1),
		"a blank line":            strings.Replace(good, "}\n{", "}\n\n{", 1),
		"a line end of Windows":   strings.Replace(good, "}\n{", "}\r\n{", 1),
		"a name out of its place": strings.Replace(good, `"name":"r"`, `"name":"../r"`, 1),
	} {
		if bad == good {
			t.Errorf("%s: the case changes nothing", name)
		}
		_, err := parse([]byte(bad))
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), hash[:16]) {
			t.Errorf("%s: the error quotes a hash: %v", name, err)
		}
	}
	w := newWorld(t)
	put(t, w.fsys, nil)
	f, err := w.fsys.Create(tokensFile+".x", 0o600)
	if err == nil {
		_, err = f.WriteAt([]byte("rubbish"), 0)
	}
	if err == nil {
		err = w.fsys.Rename(tokensFile+".x", tokensFile)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(w.fsys, Options{}); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), tokensFile) {
		t.Errorf("open beside rubbish: %v", err)
	}
}

func FuzzParseFile(f *testing.F) {
	b := sample(f)
	f.Add(b)
	f.Add([]byte(header))
	f.Add(b[:200])
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parse(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		if again, err := encode(all); err != nil || !bytes.Equal(again, b) {
			t.Errorf("two files are read as one: %v", err)
		}
		newTable(all)
	})
}
