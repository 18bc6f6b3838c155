package ship_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/proof"
)

// turn is a handover between two of the log's keys, by their seeds.
func turn(t *testing.T, from, to string, size uint64) []byte {
	t.Helper()
	old, oldKey := key(logName, from)
	next, nextKey := key(logName, to)
	msg, err := proof.SignHandover(proof.Handover{Old: oldKey, New: nextKey, Size: size, Time: receivedAt}, old, next)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// chainOf is the file that a server serves.
func chainOf(notes ...[]byte) []byte {
	b := []byte("stet/logkeys/v1\n\n")
	for _, msg := range notes {
		b = append(append(b, msg...), '\n')
	}
	return b
}

// signs has the server sign with these keys, by their seeds, the newest first, and serve a chain.
func (s *server) signs(chain []byte, seeds ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beside, s.chain = nil, chain
	for i, seed := range seeds {
		signer, vkey := key(logName, seed)
		if i == 0 {
			s.signer, s.vkey = signer, vkey
			continue
		}
		s.beside = append(s.beside, signer)
	}
}

func vkeyOf(seed string) string {
	_, vkey := key(logName, seed)
	return vkey
}

// trusts says which key a client counts on for a server, in both of its memories.
func trusts(t *testing.T, s *ship.Shipper, want string) {
	t.Helper()
	got, err := ship.ReadServer(s.State, s.Address)
	if err != nil || got.Key() != want {
		t.Errorf("it counts on %s, %v, want %s", got.Key(), err, want)
	}
	if last, _, err := s.Known.Last(logName); err != nil || last.VKey != want {
		t.Errorf("the last key seen is %s, %v, want %s", last.VKey, err, want)
	}
}

// TestTheLogsKeyIsFollowed: a client goes on when the log's key changes, whether it sees the change or was away for it, and
// pins nothing anew.
func TestTheLogsKeyIsFollowed(t *testing.T) {
	// The log has its first entry, then two events and a seal of stream 1.
	one, two := turn(t, "log", "b", 4), turn(t, "b", "c", 5)
	for name, steps := range map[string][][]string{ // of each step the keys that sign
		"both sign for a while":          {{"b", "log"}, {"b"}},
		"two changes":                    {{"b", "log"}, {"c", "b", "log"}, {"c"}},
		"away for one change":            {{"b"}},
		"away for two changes":           {{"c"}},
		"away between the changes":       {{"b"}, {"c"}},
		"nothing was recorded meanwhile": {},
	} {
		t.Run(name, func(t *testing.T) {
			fsys, s := fsxtest.New(), newServer(t)
			sh := shipper(t, fsys, s)
			newEmitter(t, fsys, 1).say(2).end()
			flush(t, sh)
			trusts(t, sh, vkeyOf("log"))
			for n, seeds := range steps {
				chain := chainOf(one)
				if seeds[0] == "c" {
					chain = chainOf(one, two)
				}
				s.signs(chain, seeds...)
				newEmitter(t, fsys, 2+n).say(1).end()
				if r := flush(t, sh); r.Events != 1 {
					t.Errorf("sent %+v", r)
				}
				trusts(t, sh, vkeyOf(seeds[0]))
				server, err := ship.ReadServer(fsys, sh.Address)
				if err != nil || server.LogKey != vkeyOf("log") {
					t.Errorf("pinned is %s, %v", server.LogKey, err)
				}
			}
		})
	}
}

// TestWhomNobodyHandedTheLogTo: a key that the chain does not lead to from the pinned one is a stranger's, whatever the
// chain says, and nothing leaves the spool; when the server tells the truth again, all goes on.
func TestWhomNobodyHandedTheLogTo(t *testing.T) {
	one := turn(t, "log", "b", 4)
	old, oldKey := key(logName, "log")
	_, nextKey := key(logName, "b")
	alone, err := note.Sign(&note.Note{Text: string(proof.Handover{Old: oldKey, New: nextKey, Size: 4, Time: receivedAt}.Append(nil))}, old)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		followed bool // the client has followed to b before
		chain    []byte
		signs    []string
		lie      func(s *server)
		what     string
	}{
		"no chain":                        {false, nil, []string{"b"}, nil, ship.WhatSignature},
		"signed by the old key only":      {false, chainOf(alone), []string{"b"}, nil, ship.WhatKey},
		"from a stranger":                 {false, chainOf(turn(t, "x", "b", 4)), []string{"b"}, nil, ship.WhatKey},
		"to a stranger":                   {false, chainOf(one), []string{"x"}, nil, ship.WhatSignature},
		"replayed":                        {false, chainOf(one, one), []string{"b"}, nil, ship.WhatKey},
		"out of order":                    {false, chainOf(turn(t, "b", "c", 5), one), []string{"c"}, nil, ship.WhatKey},
		"before its time":                 {false, chainOf(turn(t, "log", "b", 1000)), []string{"b"}, nil, ship.WhatSignature},
		"another history":                 {false, chainOf(one), []string{"b"}, func(s *server) { s.log.entries[1] = []byte("what has not happened") }, ship.WhatHistory},
		"a fork":                          {true, chainOf(turn(t, "log", "c", 4)), []string{"c"}, nil, ship.WhatKey},
		"a fork that the old key signs":   {true, chainOf(turn(t, "log", "c", 4)), []string{"c", "log"}, nil, ship.WhatKey},
		"back to the old key":             {true, nil, []string{"log"}, nil, ship.WhatKey},
		"back to the old key, with chain": {true, chainOf(one), []string{"log"}, nil, ship.WhatSignature},
	} {
		t.Run(name, func(t *testing.T) {
			fsys, s := fsxtest.New(), newServer(t)
			sh := shipper(t, fsys, s)
			newEmitter(t, fsys, 1).say(2).end()
			flush(t, sh)
			trusted := vkeyOf("log")
			if tt.followed {
				s.signs(chainOf(one), "b", "log")
				newEmitter(t, fsys, 2).say(1).end()
				flush(t, sh)
				trusted = vkeyOf("b")
			}
			honest := s.log.clone()
			s.signs(tt.chain, tt.signs...)
			if tt.lie != nil {
				tt.lie(s)
			}
			newEmitter(t, fsys, 3).say(2).end()
			before := contents(t, fsys, "spool")
			_, err := sh.Flush(t.Context())
			var bad *ship.IntegrityError
			if !errors.As(err, &bad) || bad.What != tt.what {
				t.Errorf("got %v, want an integrity failure: %s", err, tt.what)
			}
			if d := cmp.Diff(before, contents(t, fsys, "spool")); d != "" {
				t.Errorf("the spool changed: %s", d)
			}
			if told, err := ship.ReadTrouble(fsys, sh.Address); err != nil || len(told) != 1 {
				t.Errorf("noted: %+v, %v", told, err)
			}
			trusts(t, sh, trusted) // and not whom it was told of in vain
			s.mu.Lock()
			s.log = honest
			s.mu.Unlock()
			s.signs(chainOf(one), "b")
			if r := flush(t, sh); r.Events != 2 {
				t.Errorf("then: %+v", r)
			}
			trusts(t, sh, vkeyOf("b"))
		})
	}
}

// TestTokensOfOlderAndNewerKeys: a token names the key that the log had when it was made. By it a machine that was never
// there finds the present key, and one that was takes the token also where it is older or newer than what is pinned.
func TestTokensOfOlderAndNewerKeys(t *testing.T) {
	one, two := turn(t, "log", "b", 1), turn(t, "b", "c", 2)
	file := filepath.Join(t.TempDir(), "token")
	for name, tt := range map[string]struct {
		pinned, token string // seeds; pinned "": the server was never met
		refused       bool
	}{
		"first, of the first key":          {"", "log", false},
		"first, of the second key":         {"", "b", false},
		"first, of the newest key":         {"", "c", false},
		"first, of a stranger's":           {"", "x", true},
		"pinned first, of the newest key":  {"log", "c", false},
		"pinned newest, of the first key":  {"c", "log", false},
		"pinned second, of the first key":  {"b", "log", false},
		"pinned second, of a stranger's":   {"b", "x", true},
		"pinned a stranger, of the newest": {"x", "c", true},
	} {
		t.Run(name, func(t *testing.T) {
			fsys, s := fsxtest.New(), newServer(t)
			seen := ""
			s.before = func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/log" || r.URL.Path == "/logkeys" {
					seen += r.Header.Get("Authorization")
				}
			}
			s.signs(chainOf(one, two), "c")
			for i := range 3 {
				s.log.entries = append(s.log.entries, []byte{byte(i)})
			}
			sh := shipper(t, fsys, s)
			sh.TokenFile = file
			if err := os.WriteFile(file, []byte(tokenFor(vkeyOf(tt.token))), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.pinned != "" {
				if err := ship.WriteServer(fsys, ship.Server{Address: sh.Address, LogKey: vkeyOf(tt.pinned)}); err != nil {
					t.Fatal(err)
				}
			}
			newEmitter(t, fsys, 1).say(2).end()
			if tt.refused {
				if _, err := sh.Flush(t.Context()); err == nil || s.holds("stream_seq") > 0 {
					t.Errorf("got %v", err)
				}
			} else {
				flush(t, sh)
				trusts(t, sh, vkeyOf("c"))
			}
			if seen != "" && tt.pinned == "" {
				t.Error("the token was shown before it was known to whom")
			}
		})
	}
}
