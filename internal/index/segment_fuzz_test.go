package index

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"
)

// FuzzSegment: whatever stands in a file whose sum is right, reading it ends, in terms and runs or in ErrDamaged, and takes
// no memory that the file does not have.
func FuzzSegment(f *testing.F) {
	l := small(f)
	x := openIndex(f, openDir(f, f.TempDir()))
	catchUp(f, x, l)
	dir := f.TempDir()
	file := filepath.Join(dir, "s")
	fsys := openDir(f, dir)
	out, err := fsys.Create("s", 0o600)
	if err != nil {
		f.Fatal(err)
	}
	w := newWriter(out, meta{Version: version, Log: logKey, To: x.open.to})
	x.open.write(w)
	if err := errors.Join(w.finish(), out.Close()); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good[:len(good)-tailBytes], binary.LittleEndian.Uint32(good[len(good)-tailBytes:]), binary.LittleEndian.Uint32(good[len(good)-tailBytes+4:]))
	f.Fuzz(func(t *testing.T, body []byte, heads, length uint32) {
		b := binary.LittleEndian.AppendUint32(append([]byte(nil), body...), heads)
		b = binary.LittleEndian.AppendUint32(b, length)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
		b = append(b, magic...)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openSegment(fsys, "s")
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		defer s.release()
		var all set
		for by := range 256 {
			if err := s.scan(string([]byte{byte(by)}), func(term []byte, runs func() ([]run, error)) error {
				found, err := runs()
				for _, r := range found {
					err = errors.Join(err, r.addTo(&all))
				}
				return err
			}); err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
		}
		for _, nanos := range []int64{-1, 0, epoch.UnixNano(), 1 << 62} {
			if _, err := s.since(nanos); err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
		}
		if _, err := s.find("\x02door"); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}
