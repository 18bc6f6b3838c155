package keyfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrNoState says that the environment names no place for a user's state.
var ErrNoState = errors.New("no state directory")

// StateDir is where an installation keeps its emitter key and what it knows of
// checkpoints, outside any store. lookup is os.LookupEnv or a stand-in.
// In this order:
//
//   - $STET_STATE, which must be absolute;
//   - /var/lib/stet for the superuser;
//   - $XDG_STATE_HOME/stet, where that is absolute (the XDG Base Directory
//     Specification has relative paths ignored);
//   - $HOME/.local/state/stet.
//
// It only names the directory. Whoever uses it first creates it, mode 0700.
func StateDir(lookup func(string) (string, bool)) (string, error) {
	return stateDir(lookup, os.Geteuid())
}

// DefaultStore is the store that is used when none is named: the directory
// "store" in [StateDir].
func DefaultStore(lookup func(string) (string, bool)) (string, error) {
	dir, err := StateDir(lookup)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "store"), nil
}

func stateDir(lookup func(string) (string, bool), uid int) (string, error) {
	if dir, ok := lookup("STET_STATE"); ok && dir != "" {
		// A relative one would put the key somewhere else with every change of
		// directory, and so make a new emitter each time, silently.
		if !filepath.IsAbs(dir) {
			return "", fmt.Errorf("keyfile: %w: STET_STATE=%q is not an absolute path", ErrNoState, dir)
		}
		return filepath.Clean(dir), nil
	}
	if uid == 0 {
		return "/var/lib/stet", nil
	}
	if dir, ok := lookup("XDG_STATE_HOME"); ok && filepath.IsAbs(dir) {
		return filepath.Join(dir, "stet"), nil
	}
	if home, ok := lookup("HOME"); ok && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "stet"), nil
	}
	return "", fmt.Errorf("keyfile: %w: neither XDG_STATE_HOME nor HOME is an absolute path; set STET_STATE", ErrNoState)
}
