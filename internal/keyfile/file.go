package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

var (
	// ErrExposed says that others than the owner may read or write the key file.
	ErrExposed = errors.New("key file is open to others")
	// ErrOwner says that the key file belongs to another user.
	ErrOwner = errors.New("key file belongs to another user")
)

// maxFile is more than the longest file that encode makes; a longer one is not
// read at all.
const maxFile = 1024

// Load reads the key at path. It refuses what is not a regular file of at most
// 1,024 bytes, owned by the effective user, with no access for group and others
// ([ErrOwner], [ErrExposed]), and what encodes no key ([ErrFormat]). A missing
// file is fs.ErrNotExist. Symbolic links are followed: what counts is the file
// that was opened, and it is the open file that is checked.
func Load(path string) (Key, error) {
	// O_NONBLOCK: opening a FIFO that somebody put here must not hang.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return Key{}, fmt.Errorf("keyfile: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only: nothing can be lost
	if err := check(f); err != nil {
		return Key{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Key{}, fmt.Errorf("keyfile: %w", err)
	}
	if len(text) > maxFile {
		return Key{}, fmt.Errorf("keyfile: %s: %w: larger than %d bytes", path, ErrFormat, maxFile)
	}
	k, err := Parse(text)
	if err != nil {
		return Key{}, fmt.Errorf("keyfile: %s: %w", path, err)
	}
	return k, nil
}

func check(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("keyfile: %s: %w: it is a %s", f.Name(), ErrFormat, kind(info.Mode()))
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int64(st.Uid) != int64(os.Geteuid()) {
		return fmt.Errorf("keyfile: %s: %w: owner is uid %d, this process is uid %d; run as the owner, or point STET_STATE at a directory of your own",
			f.Name(), ErrOwner, st.Uid, os.Geteuid())
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("keyfile: %s: %w: mode is %04o; if nobody else can have read it, run: chmod 600 %s (otherwise replace the key)",
			f.Name(), ErrExposed, mode, f.Name())
	}
	return nil
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "directory"
	case m&fs.ModeNamedPipe != 0:
		return "named pipe"
	default:
		return "special file"
	}
}

// LoadOrCreate returns the key at path, and makes one called name when there is
// none. An existing key keeps its own name, whatever name says. random is read
// only when a key is made; nil means crypto/rand.
//
// Any number of processes may call it at once for one path: all get the same
// key. When it returns without an error the key is durable: file and directory
// have been synced, and so have the parents of every directory it had to make
// (mode 0700). A crash can leave a file named .<base>.*.new beside the key; it
// was never used and may be deleted.
func LoadOrCreate(path, name string, random io.Reader) (Key, error) {
	k, err := Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path, name, random); err != nil {
			return Key{}, err
		}
		// Whoever won, the file is what counts: it is read back and checked.
		k, err = Load(path)
	}
	if err != nil {
		return Key{}, err
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return Key{}, err
	}
	return k, nil
}

// create publishes a new key at path unless another process was faster, which is
// no error.
func create(path, name string, random io.Reader) (err error) {
	seed, err := newSeed(name, random)
	if err != nil {
		return err
	}
	text, err := encode(name, seed)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := makeDirs(dir); err != nil {
		return err
	}
	// CreateTemp opens with O_EXCL and mode 0600, so the key is never visible
	// to others, not for an instant and not under a lax umask.
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.new")
	if err != nil {
		return fmt.Errorf("keyfile: cannot create a key in %s: %w", dir, err)
	}
	defer func() {
		if rerr := os.Remove(f.Name()); rerr != nil && err == nil {
			err = fmt.Errorf("keyfile: a copy of the key is left behind: %w", rerr)
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("keyfile: cannot write the key: %w", err)
	}
	// link(2), not rename(2): it fails where the name is taken, atomically.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keyfile: cannot publish the key (the file system must support hard links; STET_STATE can name another directory): %w", err)
	}
	return nil
}

// makeDirs is os.MkdirAll with mode 0700 that also makes each new name durable
// by syncing the directory it stands in.
func makeDirs(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("keyfile: %s is not a directory: %w", dir, syscall.ENOTDIR)
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return fmt.Errorf("keyfile: %s: %w", dir, fs.ErrNotExist)
	}
	if err := makeDirs(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keyfile: %w", err)
	}
	return syncDir(parent)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("keyfile: cannot make the key durable in %s: %w", dir, err)
	}
	return nil
}
