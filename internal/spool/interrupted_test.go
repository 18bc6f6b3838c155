package spool

import (
	"io"
	"io/fs"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

// interrupted runs do once, before the call on names that has number at.
type interrupted struct {
	*fsxtest.Mem
	at, n int
	do    func()
}

func (i *interrupted) tick() {
	if i.n == i.at {
		i.do()
	}
	i.n++
}

func (i *interrupted) Create(name string, perm fs.FileMode) (fsx.File, error) {
	i.tick()
	return i.Mem.Create(name, perm)
}

func (i *interrupted) Mkdir(name string, perm fs.FileMode) error {
	i.tick()
	return i.Mem.Mkdir(name, perm)
}

func (i *interrupted) Rename(oldname, newname string) error {
	i.tick()
	return i.Mem.Rename(oldname, newname)
}

func (i *interrupted) SyncDir(name string) error {
	i.tick()
	return i.Mem.SyncDir(name)
}

func (i *interrupted) Stat(name string) (fs.FileInfo, error) {
	i.tick()
	return i.Mem.Stat(name)
}

func (i *interrupted) TryLock(name string) (io.Closer, error) {
	i.tick()
	return i.Mem.TryLock(name)
}
