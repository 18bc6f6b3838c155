package stet

import (
	"context"
	"os"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/origin"
)

// OpenOn is Open on a given file system and key. find is called where the place is looked for; its error is the
// place's.
func OpenOn(fsys fsx.FS, o Options, find func() error) (*Recorder, error) {
	return open(context.Background(), "test", o, origin.Detect(os.LookupEnv), func() (place, error) {
		if err := find(); err != nil {
			return place{}, err
		}
		key, err := keyfile.Generate("stet-emitter/test/0", nil)
		if err != nil {
			return place{}, err
		}
		signer, err := key.NoteSigner()
		return place{fsys: fsys, key: key, signer: signer}, err
	})
}

// Recordable is what becomes of parameters.
func Recordable(params map[string]any) map[string]any { return recordable(params) }
