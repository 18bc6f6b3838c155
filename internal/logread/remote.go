package logread

import (
	"context"

	"github.com/stetlog/stet/proof"
)

// Remote is a log behind something that fetches its files, such as a server: see NewRemote.
type Remote struct {
	fetch func(ctx context.Context, path string) ([]byte, error)
}

// NewRemote reads a log through fetch, which must limit what it returns and say fs.ErrNotExist where nothing is, and be safe
// for concurrent use. What cannot be what its name says is damage, as in a directory.
func NewRemote(fetch func(ctx context.Context, path string) ([]byte, error)) *Remote {
	return &Remote{fetch}
}

// Fetch implements Source.
func (r *Remote) Fetch(ctx context.Context, path string) ([]byte, error) {
	b, err := r.fetch(ctx, path)
	if err != nil || path == CheckpointPath || path == proof.KeyChainPath {
		return b, err
	}
	t, err := proof.ParseTilePath(path)
	if err != nil {
		return nil, err
	}
	if !t.Entries && len(b) != t.Width*proof.HashSize {
		return nil, damaged(path, "%d bytes, %d hashes have %d", len(b), t.Width, t.Width*proof.HashSize)
	}
	return b, nil
}
