package lost

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
)

// Place is a directory that may hold notes.
type Place struct {
	Dir string
	// Own says that it lies in the state directory, which whoever writes a note may have to make first.
	Own bool
}

// Places are where the notes of a user and a state directory may be, in the order in which they are tried (docs/spec/lost.md):
// in the state directory, which may be on the very disk that is full or hangs, then in memory, which outlives the process,
// though not the machine's next start. runtimeDir is XDG_RUNTIME_DIR.
func Places(state, runtimeDir string, uid int) []Place {
	places := []Place{{filepath.Join(state, "lost"), true}}
	digest := sha256.Sum256([]byte(state))
	name := fmt.Sprintf("stet-lost-%d-%s", uid, hex.EncodeToString(digest[:6]))
	for _, dir := range []string{runtimeDir, "/run", "/dev/shm"} {
		if filepath.IsAbs(dir) && (dir != "/run" || uid == 0) {
			places = append(places, Place{filepath.Join(dir, name), false})
		}
	}
	return places
}
