package fsx_test

import (
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

func TestDirConforms(t *testing.T) {
	fsxtest.Conform(t, func(t *testing.T) fsx.FS {
		d, err := fsx.OpenDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		return d
	})
}
