package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

const (
	logKeyFile   = "keys/log.key"
	storeKeyFile = "keys/store.key"

	maxMarker  = 4096 // bytes
	maxKeyFile = 1024 // bytes
)

// marker is what the file "store" says: which log this is, and which keys it has.
type marker struct{ origin, logKey, storeKey string }

func parseMarker(b []byte) (m marker, ok bool) {
	lines := strings.Split(string(b), "\n")
	if len(lines) != 5 || lines[0] != "stet/store/v1" || lines[4] != "" {
		return m, false
	}
	var o, l, s bool
	m.origin, o = strings.CutPrefix(lines[1], "origin ")
	m.logKey, l = strings.CutPrefix(lines[2], "log ")
	m.storeKey, s = strings.CutPrefix(lines[3], "store ")
	name, _, _ := strings.Cut(m.logKey, "+")
	return m, o && l && s && name == m.origin && proof.CheckVKey(m.logKey) == nil && proof.CheckVKey(m.storeKey) == nil
}

// identity reads who the store says it is: the marker, and the keys, which must be those that the marker names and those that
// took the place of the log's since. pinned is the log's key that whoever asks vouches for, or "".
func (v *store) identity(ctx context.Context, pinned string) {
	rep := v.rep
	b, err := v.readFile(logread.Marker, maxMarker)
	var ok bool
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Keys come before the marker, the ledger after it.
		if _, err := v.fsys.Stat(logread.StoreLog); err != nil {
			v.early = true
		} else {
			rep.fail(logread.Marker, "the marker is missing, yet there is a log.")
		}
	case errors.Is(err, fsx.ErrTooLarge):
		rep.fail(logread.Marker, "%v.", err)
	case err != nil:
		rep.skip(logread.Marker, "the marker could not be read: %v.", err)
	default:
		if v.marker, ok = parseMarker(b); !ok {
			rep.fail(logread.Marker, "the marker is damaged, or of a version that this stet does not know.")
			v.marker = marker{}
		}
	}
	storeKey := v.key(storeKeyFile, ok)
	if ok && storeKey != "" && storeKey != v.marker.storeKey {
		rep.fail(storeKeyFile, "this key is %s, the marker names %s: one of the two was replaced.", storeKey, v.marker.storeKey)
	}
	v.logKeys(ctx, pinned, ok)
	rep.Origin = v.marker.origin
	v.storeKey = v.marker.storeKey
	if v.storeKey == "" {
		v.storeKey = storeKey
	}
}

// logKeys reads which keys the log has, whose private halves are in the store, and who vouches for them. marked says that the
// marker could be read.
func (v *store) logKeys(ctx context.Context, pinned string, marked bool) {
	rep, s := v.rep, v.scan
	first, from := v.marker.logKey, KeyOwn
	if pinned != "" {
		from = KeyPinned
	}
	if !marked {
		first = v.key(logKeyFile, false)
	}
	if pinned == "" {
		pinned = first
	}
	if pinned == "" {
		from = ""
	}
	s.followKeys(ctx, pinned, from)
	if first == "" {
		return
	}
	if s.keys.Len() > 0 {
		if h, _ := s.keys.At(0); h.Old != first {
			rep.fail(logDir+proof.KeyChainPath, "its first handover is from %s, and the log began with %s.", h.Old, first)
			return
		}
	}
	all := s.keys.Keys(first)
	if !slices.Contains(all, pinned) {
		rep.fail(logread.Marker, "the store's log key is %s, you pinned %s.", all[len(all)-1], pinned)
	}
	for n, want := range all {
		name := logKeyFile
		if n > 0 {
			name = fmt.Sprintf("keys/log-%d.key", n)
		}
		// An older one may be gone, because it was retired.
		if got := v.key(name, marked && n == len(all)-1); got != "" && got != want {
			rep.fail(name, "this key is %s, the log's is %s at this place: one of the two was replaced.", got, want)
		}
	}
}

// firstKey holds the key that the log's first entry enrols against those in the store.
func (v *store) firstKey() {
	if key := v.rep.StoreKey; key != "" && v.storeKey != "" && key != v.storeKey {
		v.rep.failSeq(0, storeKeyFile, "the first entry enrols %s as the store's key, the store has %s.", key, v.storeKey)
	}
}

// key reads the public half of a key file. needed says that it must be there.
func (v *store) key(name string, needed bool) (vkey string) {
	rep := v.rep
	fi, err := v.fsys.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if needed {
			rep.fail(name, "the key is missing.")
		}
		return ""
	}
	if err == nil && fi.Mode().Perm()&0o077 != 0 {
		rep.add(Finding{State: NotChecked, File: name, What: "others than the owner can read or write this key (mode " + fi.Mode().Perm().String() + "), so nothing shows who has signed with it.", Next: "If nobody else can have read it: chmod 600 " + name})
	}
	b, err := v.readFile(name, maxKeyFile)
	switch {
	case errors.Is(err, fsx.ErrTooLarge):
		rep.fail(name, "this is no key: it is larger than %d bytes.", maxKeyFile)
	case err != nil:
		rep.skip(name, "the key could not be read: %v.", err)
	default:
		key, err := keyfile.Parse(b) // the private half goes no further than here
		if err != nil {
			rep.fail(name, "the key is damaged, or of a version that this stet does not know: %v.", err)
		}
		vkey = key.VKey
	}
	return vkey
}

// readFile reads one whole regular file. It looks before it opens: opening a pipe would wait for ever.
func (v *store) readFile(name string, limit int64) ([]byte, error) {
	fi, err := v.fsys.Stat(name)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("it is not a file but a " + fi.Mode().Type().String())}
	}
	return fsx.ReadFile(v.fsys, name, limit)
}
