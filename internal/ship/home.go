package ship

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// Names below the state directory.
const (
	serversDir = "servers"
	serverFile = "server"
	keysFile   = proof.KeyChainPath
)

// Dir is where a server's own files are, below the state directory.
func (a Address) Dir() string { return serversDir + "/" + a.Name() }

// Place is the directory that holds the spools for a server: below spool, which is STET_SPOOL, and else below the state
// directory.
func (a Address) Place(state, spool string) (string, error) {
	if spool == "" {
		return filepath.Join(state, filepath.FromSlash(a.Dir())), nil
	}
	if !filepath.IsAbs(spool) {
		return "", fmt.Errorf("STET_SPOOL=%q is not an absolute path", spool) // it would be another place in every directory
	}
	return filepath.Join(spool, a.Name()), nil
}

// Server is what this computer knows of a server: the file "server". It is written when the log's key is pinned, by the
// first contact or by stet enrol, and mode 0600, because a token may stand in it.
type Server struct {
	Address   Address
	LogKey    string // verifier key of the log, pinned; it never changes
	Token     string // "": none, or in TokenFile
	TokenFile string // absolute; "": none
	// Chain is how other keys took the place of LogKey, as far as this computer has followed. It has a file of its own.
	Chain proof.KeyChain
}

// Keys are the log's keys that are known: the pinned one, and those that took its place. The last one counts.
func (s Server) Keys() []string { return s.Chain.Keys(s.LogKey) }

// Key is the key that counts.
func (s Server) Key() string {
	all := s.Keys()
	return all[len(all)-1]
}

// Pins says whether a token names one of the log's known keys.
func (s Server) Pins(token string) bool {
	return slices.ContainsFunc(s.Keys(), func(vkey string) bool { return Pins(token, vkey) })
}

const (
	serverHeader = "stet/server/v1"
	maxServer    = 8 << 10 // bytes
)

// ErrServerFile says that a server's file is there and is not what it must be.
var ErrServerFile = errors.New("not a file about a server of a version that this stet knows")

// append is the one form of the file: five lines, "-" for what is not there.
func (s Server) append(dst []byte) []byte {
	or := func(v string) string {
		if v == "" {
			return "-"
		}
		return v
	}
	return fmt.Appendf(dst, "%s\naddress %s\nlog %s\ntoken %s\ntoken_file %s\n", serverHeader, s.Address, s.LogKey, or(s.Token), or(s.TokenFile))
}

func parseServer(b []byte) (Server, error) {
	lines := strings.Split(string(b), "\n")
	if len(lines) != 6 {
		return Server{}, ErrServerFile
	}
	value := func(line, name string) string {
		v := strings.TrimPrefix(line, name+" ")
		if v == "-" {
			return ""
		}
		return v
	}
	s := Server{LogKey: value(lines[2], "log"), Token: value(lines[3], "token"), TokenFile: value(lines[4], "token_file")}
	var err error
	if s.Address, err = ParseAddress(value(lines[1], "address")); err != nil {
		return Server{}, fmt.Errorf("%w: %w", ErrServerFile, err)
	}
	if !bytes.Equal(s.append(nil), b) || proof.CheckVKey(s.LogKey) != nil {
		return Server{}, ErrServerFile
	}
	return s, nil
}

// readKeys reads how far the server's log was followed.
func (s *Server) readKeys(state fsx.FS) error {
	b, err := fsx.ReadFile(state, s.Address.Dir()+"/"+keysFile, int64(proof.MaxKeyChain))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		s.Chain, err = proof.ParseKeyChain(b)
	}
	if err == nil {
		if h, _ := s.Chain.At(0); h.Old != s.LogKey {
			err = errors.New("it begins with another key than the pinned one")
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrServerFile, keysFile, err)
	}
	return nil
}

func (s Server) check() error {
	if err := proof.CheckVKey(s.LogKey); err != nil {
		return fmt.Errorf("the log's key: %w", err)
	}
	if s.Token != "" {
		if err := CheckToken(s.Token); err != nil {
			return err
		}
		if !s.Pins(s.Token) {
			return errors.New("the token is for another log than the pinned one")
		}
	}
	if s.TokenFile != "" && (!filepath.IsAbs(s.TokenFile) || s.TokenFile == "-" || strings.ContainsAny(s.TokenFile, "\n\r")) {
		return errors.New("the token's file must be named by an absolute path")
	}
	return nil
}

// Origin is the log's name.
func (s Server) Origin() string {
	name, _, _ := strings.Cut(s.LogKey, "+")
	return name
}

// ReadServer reads what is known of a server; fs.ErrNotExist where it was never met. state is the state directory.
func ReadServer(state fsx.FS, a Address) (Server, error) {
	name := a.Dir() + "/" + serverFile
	b, err := fsx.ReadFile(state, name, maxServer)
	if errors.Is(err, fsx.ErrTooLarge) {
		err = ErrServerFile
	}
	var s Server
	if err == nil {
		s, err = parseServer(b)
	}
	if err == nil && s.Address != a {
		err = fmt.Errorf("%w: it is about %s", ErrServerFile, s.Address)
	}
	if err == nil {
		err = s.readKeys(state)
	}
	if err == nil && s.check() != nil {
		err = ErrServerFile
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s: %w; move it away and connect again: stet enrol %s", name, err, a)
	}
	return s, err
}

// ErrPinned says that another key is pinned for the server.
var ErrPinned = errors.New("another key of this server's log is pinned")

// WriteServer pins a server's log, durably. A key that is pinned is never replaced: ErrPinned. How far the log's keys were
// followed from it is written down when a checkpoint of the newest was seen, and not here.
func WriteServer(state fsx.FS, s Server) error {
	if err := s.check(); err != nil {
		return err
	}
	switch old, err := ReadServer(state, s.Address); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case old.LogKey != s.LogKey:
		return fmt.Errorf("%s: %w: %s, not %s", s.Address, ErrPinned, old.LogKey, s.LogKey)
	}
	if err := fsx.MkdirAll(state, s.Address.Dir(), 0o700); err != nil {
		return err
	}
	return fsx.Replace(state, s.Address.Dir()+"/"+serverFile, s.append(nil), 0o600)
}
