package auth

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

const (
	dir        = "auth"
	tokensFile = dir + "/tokens"
	header     = "stet/tokens/v1\n"
)

// Limits of the file. A token with the most keys is a fleet that shares one.
const (
	MaxTokens = 4096
	MaxKeys   = 1024     // a token
	maxFile   = 16 << 20 // bytes
)

// ErrDamaged says that the file of tokens is not what was written. Nobody can log in then, because nobody knows who was
// shut out.
var ErrDamaged = errors.New("the file of tokens is damaged")

// record is a line of the file.
type record struct {
	Name        string   `json:"name"`
	Role        Role     `json:"role"`
	Hash        string   `json:"hash"` // of the secret, 64 lower-case hexadecimal digits
	App         string   `json:"app,omitempty"`
	Environment string   `json:"environment,omitempty"`
	Created     string   `json:"created"`           // RFC 3339 as in events
	Expires     string   `json:"expires,omitempty"` // "": never
	Revoked     string   `json:"revoked,omitempty"` // "": not
	Untold      bool     `json:"untold,omitempty"`  // revoked, and the log does not say so yet
	Keys        []string `json:"keys,omitempty"`    // verifier keys, in the order they came
}

// Names of tokens stand in via, events and paths. Names of applications and environments are the schema's.
var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	appForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	envForm  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)
)

// check holds a record against what a token can be.
func (r record) check() error {
	switch {
	case r.Role != Writer && r.Role != Reader && r.Role != Auditor && r.Role != Admin:
		return fmt.Errorf("there is no role %.40q; roles are writer, reader, auditor, admin", r.Role)
	case r.Role.scoped() && r.App == "":
		return fmt.Errorf("a %s's token is for one application: name it", r.Role)
	case !r.Role.scoped() && (r.App != "" || r.Environment != ""):
		return fmt.Errorf("an %s's token is for all applications: name none", r.Role)
	case r.App != "" && !appForm.MatchString(r.App):
		return fmt.Errorf("an application's name is 1 to 128 of A-Z a-z 0-9 . _ -, not %.140q", r.App)
	case r.Environment != "" && !envForm.MatchString(r.Environment):
		return fmt.Errorf("an environment's name is 1 to 32 of A-Z a-z 0-9 . _ -, not %.60q", r.Environment)
	case !nameForm.MatchString(r.Name):
		return fmt.Errorf("a token's name is 1 to 64 of A-Z a-z 0-9 . _ -, not %.80q", r.Name)
	case len(r.Keys) > MaxKeys:
		return fmt.Errorf("token %s has %d keys, at most %d are allowed", r.Name, len(r.Keys), MaxKeys)
	case len(r.Keys) > 0 && r.Role != Writer:
		return fmt.Errorf("token %s has keys and is no writer's", r.Name)
	}
	return nil
}

// times reads the moments of a record; zero is never.
func (r record) times() (created, expires, revoked time.Time, err error) {
	read := func(s string) time.Time {
		t, perr := event.ParseTime(s)
		if perr != nil || event.FormatTime(t) != s {
			err = errors.New("a time is not in its one form")
		}
		return t
	}
	created = read(r.Created)
	if r.Expires != "" {
		expires = read(r.Expires)
	}
	if r.Revoked != "" {
		revoked = read(r.Revoked)
	}
	return created, expires, revoked, err
}

// encode is the one form of the file.
func encode(all []record) ([]byte, error) {
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

// parse accepts what encode makes, with names, hashes and keys each there once, and nothing else.
func parse(b []byte) ([]record, error) {
	damaged := func(line int, why string) error { return fmt.Errorf("%w: line %d: %s", ErrDamaged, line, why) }
	rest, ok := bytes.CutPrefix(b, []byte(header))
	if !ok {
		return nil, damaged(1, "it is not "+strings.TrimSpace(header))
	}
	var all []record
	seen := map[string]bool{}
	for line := range bytes.Lines(rest) {
		n := len(all) + 2
		if len(all) == MaxTokens {
			return nil, damaged(n, fmt.Sprintf("there are more than %d tokens", MaxTokens))
		}
		var r record
		// Its errors quote what is there, which may be anything.
		if json.Unmarshal(line, &r) != nil {
			return nil, damaged(n, "it is no JSON object of a token")
		}
		if err := r.check(); err != nil {
			return nil, damaged(n, err.Error())
		}
		if _, _, _, err := r.times(); err != nil {
			return nil, damaged(n, err.Error())
		}
		if raw, err := hex.DecodeString(r.Hash); err != nil || len(raw) != len(hash{}) || hex.EncodeToString(raw) != r.Hash {
			return nil, damaged(n, "its hash is not 64 lower-case hexadecimal digits")
		}
		keys := map[string]bool{}
		for _, k := range r.Keys {
			if proof.CheckVKey(k) != nil || keys[k] {
				return nil, damaged(n, "a key is no verifier key, or there twice")
			}
			keys[k] = true
		}
		if seen[r.Name] || seen[r.Hash] {
			return nil, damaged(n, "its name or hash is there twice")
		}
		seen[r.Name], seen[r.Hash] = true, true
		all = append(all, r)
	}
	if again, err := encode(all); err != nil || !bytes.Equal(again, b) {
		return nil, fmt.Errorf("%w: it is not in its one form: compact JSON, a token a line, members in order", ErrDamaged)
	}
	return all, nil
}
