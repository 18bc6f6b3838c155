package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"

	"github.com/klauspost/compress/gzip"
)

// loot is a copy of a store in the hands of somebody who wants it to say something else.
type loot struct {
	t   testing.TB
	dir string
}

// steal copies a store; every file in the copy can be written.
func steal(t testing.TB, from string) loot {
	t.Helper()
	l := loot{t, filepath.Join(t.TempDir(), "store")}
	l.must(os.CopyFS(l.dir, os.DirFS(from)))
	l.must(filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	}))
	return l
}

func (l loot) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l loot) path(name string) string { return filepath.Join(l.dir, filepath.FromSlash(name)) }

func (l loot) read(name string) []byte {
	l.t.Helper()
	b, err := os.ReadFile(l.path(name))
	l.must(err)
	return b
}

func (l loot) write(name string, b []byte) {
	l.t.Helper()
	l.must(os.MkdirAll(filepath.Dir(l.path(name)), 0o700))
	l.must(os.WriteFile(l.path(name), b, 0o600))
}

func (l loot) remove(name string) {
	l.t.Helper()
	l.must(os.RemoveAll(l.path(name)))
}

// take puts a file or directory of another store in place of this one's.
func (l loot) take(from loot, name string) {
	l.t.Helper()
	l.remove(name)
	fi, err := os.Stat(from.path(name))
	l.must(err)
	if fi.IsDir() {
		l.must(os.CopyFS(l.path(name), os.DirFS(from.path(name))))
		return
	}
	l.write(name, from.read(name))
}

// files lists every file, sorted.
func (l loot) files() (names []string) {
	l.t.Helper()
	l.must(fs.WalkDir(os.DirFS(l.dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, name)
		}
		return err
	}))
	return names
}

// open reads the copy through the store's own code.
func (l loot) open() *store.Store {
	l.t.Helper()
	dir, err := fsx.OpenDir(l.dir)
	l.must(err)
	l.t.Cleanup(func() { _ = dir.Close() })
	return store.New(dir, known.Dir{}, nil)
}

// entries are those under the checkpoint.
func (l loot) entries() (all [][]byte) {
	l.t.Helper()
	l.must(l.open().Entries(l.t.(*testing.T).Context(), func(_ uint64, e []byte) error {
		all = append(all, bytes.Clone(e))
		return nil
	}))
	return all
}

// bundle returns the path in the store of the bundle that holds entry seq of size.
func bundle(seq, size uint64) (name string, first uint64) {
	t, first := logread.Bundle(seq, size)
	return logread.StoreLog + "/" + t.Path(), first
}

// unpack returns the entries of a bundle's file.
func (l loot) unpack(name string) (all [][]byte) {
	l.t.Helper()
	data := inflate(l.read(name))
	if data == nil {
		l.t.Fatalf("%s does not unpack", name)
	}
	for len(data) > 0 {
		e, rest, err := proof.NextBundleEntry(data)
		l.must(err)
		all, data = append(all, e), rest
	}
	return all
}

// pack writes a well-formed bundle.
func (l loot) pack(name string, entries [][]byte) {
	l.t.Helper()
	var plain []byte
	var err error
	for _, e := range entries {
		plain, err = proof.AppendBundleEntry(plain, e)
		l.must(err)
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	l.must(err)
	_, err = w.Write(plain)
	l.must(err)
	l.must(w.Close())
	l.write(name, b.Bytes())
}

// inflate returns what a gzip file holds, or nil.
func inflate(b []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return data
}

// rewrite forges the whole log as only the owner of its key can: a new one from the batches that keep says, under the
// same keys and name. Nothing in the result itself shows that it is not the first.
func (l loot) rewrite(keep func(proof.Seal) bool) loot {
	l.t.Helper()
	ctx := l.t.(*testing.T).Context()
	forged := steal(l.t, l.dir)
	for _, name := range []string{"head", "log", "journal", "streams"} {
		forged.remove(name)
	}
	key, err := keyfile.Load(forged.path("keys/log.key"))
	l.must(err)
	signer, err := key.NoteSigner()
	l.must(err)
	verifier, err := note.NewVerifier(key.VKey)
	l.must(err)
	dir, err := fsx.OpenDir(forged.dir)
	l.must(err)
	defer func() { l.must(dir.Close()) }()
	log, err := ledger.Open(ctx, ledger.Options{FS: dir, Origin: key.Name, Signer: signer, Verifier: verifier, Now: time.Now})
	l.must(err)
	var b ledger.Batch
	for _, raw := range l.entries() {
		e, err := proof.ParseEntry(raw)
		l.must(err)
		if e.Seal == nil {
			b.Items = append(b.Items, ledger.Item{Event: e.Event})
			continue
		}
		seal, err := proof.ParseSeal(e.Seal.Note)
		l.must(err)
		if b.Via, b.Seal = e.Via, e.Seal.Note; keep(seal) {
			_, err = log.Append(ctx, b)
			l.must(err)
		}
		b = ledger.Batch{}
	}
	_, err = log.Publish(ctx)
	l.must(err)
	l.must(log.Close())
	return forged
}

// streams lists the streams of the log, in the order in which they appeared.
func (l loot) streams() (all []string) {
	l.t.Helper()
	for _, raw := range l.entries() {
		e, err := proof.ParseEntry(raw)
		l.must(err)
		if e.Seal == nil {
			continue
		}
		seal, err := proof.ParseSeal(e.Seal.Note)
		l.must(err)
		if !slices.Contains(all, seal.Stream) {
			all = append(all, seal.Stream)
		}
	}
	return all
}

// tiles lists the files below log/tile, of entries or of hashes.
func (l loot) tiles(entries bool) (all []string) {
	for _, name := range l.files() {
		if strings.HasPrefix(name, "log/tile/") && strings.HasPrefix(name, "log/tile/entries/") == entries {
			all = append(all, name)
		}
	}
	return all
}
