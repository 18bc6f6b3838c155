package fsxtest_test

import (
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

func TestMemConforms(t *testing.T) {
	fsxtest.Conform(t, func(*testing.T) fsx.FS { return fsxtest.New() })
}
