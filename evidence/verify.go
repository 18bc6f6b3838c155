package evidence

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// The answers are those of every check in stet.
type (
	// State is verified, not checked, or failed.
	State = verify.State
	// Finding is one thing that somebody should know.
	Finding = verify.Finding
	// Checked is what was found of the entries; its State is the answer for the whole file.
	Checked = verify.ExtractReport
	// Known is a checkpoint that somebody kept.
	Known = verify.Known
)

// The three answers.
const (
	Verified   = verify.Verified
	NotChecked = verify.NotChecked
	Failed     = verify.Failed
)

// AuthorUnknown is said of evidence that agrees with itself where nobody outside it vouches for the log's key.
const AuthorUnknown = verify.AuthorUnknown

// Options say how to verify. The zero value asks only whether the file agrees with itself.
type Options struct {
	// LogKey is a verifier key that the log has had, known from elsewhere than the file. Without it the best answer is
	// NotChecked, because the author is unknown.
	LogKey string
	// LogKeyFrom says who vouches for LogKey, for the report; "" is whoever asks.
	LogKeyFrom string
	// Known are checkpoints that were kept elsewhere; those of this log of the same size must state the same root.
	Known []Known
	// Codec checks events; nil is that of the schema, without an organisation's catalogue.
	Codec *event.Codec
	// Progress is told how many of how many entries were checked, from one goroutine, some hundred entries apart.
	Progress func(done, total uint64)
	// Workers is how many goroutines check entries; 0 is one a processor.
	Workers int
}

// Report is the outcome of Verify.
type Report struct {
	Checked
	Manifest Manifest // as far as it could be read
}

// blockEntries and blockBytes bound how many entries are handed on at once.
const (
	blockEntries = 256
	blockBytes   = 256 << 10
)

// Verify verifies a file of evidence of size bytes. It writes nothing, and needs nothing else. Memory is bounded, whatever the
// file says of itself: about 1 MiB a worker, the manifest, and what is known of streams and keys. The error is only ever that
// ctx ended or that o makes no sense; whatever is wrong with the file is in the report.
func Verify(ctx context.Context, r io.ReaderAt, size int64, o Options) (rep Report, err error) {
	all, err := readZip(r, size)
	if err != nil {
		rep.Refuse("", err)
		return rep, ctx.Err()
	}
	f := &file{r: r, at: map[string]header{}}
	for _, h := range all {
		f.at[h.name] = h
	}
	text, _, err := f.whole(manifestName)
	if err == nil {
		if rep.Manifest, err = parseManifest(text); err != nil {
			err = damaged(manifestName, "%v", err)
		}
	}
	if err != nil {
		rep.Refuse(manifestName, err)
		return rep, ctx.Err()
	}
	f.m = rep.Manifest
	if err := f.listed(all); err != nil {
		rep.Refuse(manifestName, err)
		return rep, ctx.Err()
	}
	if rep.Checked, err = f.extract(ctx, o); err != nil {
		return rep, err
	}
	if o.LogKey != "" && o.LogKeyFrom != "" {
		rep.LogKeyFrom = o.LogKeyFrom
	}
	f.counted(&rep)
	for _, name := range []string{tableName, storiesName, verifierName} {
		if h, ok := f.at[name]; ok {
			if err := f.hashed(ctx, h); err != nil {
				rep.Refuse(name, err)
			}
		}
		if err := ctx.Err(); err != nil {
			return rep, err
		}
	}
	return rep, nil
}

// file is one that is being verified.
type file struct {
	r  io.ReaderAt
	at map[string]header
	m  Manifest
}

// listed holds the manifest's list of members against the zip's.
func (f *file) listed(all []header) error {
	if len(f.m.Members) != len(all)-1 {
		return damaged(manifestName, "it lists %d members, the file has %d", len(f.m.Members), len(all)-1)
	}
	for i, m := range f.m.Members {
		if m.Name != all[i].name || m.Bytes != uint64(all[i].size) {
			return damaged(all[i].name, "the manifest lists %s of %d bytes in its place", m.Name, m.Bytes)
		}
	}
	return nil
}

// member unpacks a member and holds its hash against the manifest.
func (f *file) member(name string) *checked {
	c := &checked{stream: open(f.r, f.at[name])}
	for _, m := range f.m.Members {
		if m.Name == name {
			c.want = m.SHA256
		}
	}
	return c
}

// checked is a stream whose end is reached only where its hash is the manifest's.
type checked struct {
	*stream
	want string // "": the manifest's own
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.stream.Read(b)
	if errors.Is(err, io.EOF) && c.want != "" && c.sums.hex() != c.want {
		return n, damaged(c.h.name, "its SHA-256 is not the one in the manifest")
	}
	return n, err
}

// whole reads a small member; ok is false where it is not there.
func (f *file) whole(name string) (b []byte, ok bool, err error) {
	if _, ok = f.at[name]; ok {
		b, err = io.ReadAll(f.member(name))
	}
	return b, ok, err
}

func (f *file) hashed(ctx context.Context, h header) error {
	r, buf := f.member(h.name), make([]byte, 64<<10)
	for ctx.Err() == nil {
		if _, err := r.Read(buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *file) extract(ctx context.Context, o Options) (Checked, error) {
	m := f.m
	x := verify.Extracted{File: f.whole, Next: f.blocks(ctx), Total: m.Counts.Entries, Tree: f.hashes(treeName), Batches: f.hashes(batchesName), Context: m.Context, LogKey: m.Log.Key,
		TreeFile: treeName, BatchesFile: batchesName, ListFile: manifestName, EntriesFile: entriesName}
	for _, k := range m.Keys {
		x.Keys = append(x.Keys, verify.ExtractKey{VKey: k.Key, Enrolled: k.Enrolled, Revoked: k.Revoked})
	}
	if w := m.Whole; w != nil {
		x.Whole = &verify.Whole{First: w.First, Last: w.Last, SearchFirst: m.Searched.First, SearchLast: m.Searched.Last, SearchFrom: m.Searched.From, SearchTill: m.Searched.Till}
	}
	return verify.Extract(ctx, x, verify.Options{LogKey: o.LogKey, Known: o.Known, Codec: o.Codec, Progress: o.Progress, Workers: o.Workers})
}

// counted holds what the manifest says of log and counts against what was found. Where entries have failed the counts are
// of no interest.
func (f *file) counted(rep *Report) {
	m := f.m
	if rep.Origin == "" { // there is no checkpoint, which has been said
		return
	}
	if m.Log.Origin != rep.Origin || m.Log.Size != rep.Size || m.Log.Root != rep.Root {
		rep.Refuse(manifestName, damaged(manifestName, "it is of a log %s with %d entries and root %s, the checkpoint is not", m.Log.Origin, m.Log.Size, m.Log.Root))
	}
	if rep.State() != Verified && !rep.AuthorUnknown {
		return
	}
	got := Counts{Entries: rep.Found + uint64(len(m.Context)) + rep.Seals, Found: rep.Found, Seals: rep.Seals, Hidden: rep.Hidden,
		Tree: m.bytesOf(treeName) / hashLine, Batches: m.bytesOf(batchesName) / hashLine}
	if got != m.Counts {
		rep.Refuse(manifestName, damaged(manifestName, "%s", m.Counts.unlike(got)))
	}
}

func (m Manifest) bytesOf(name string) uint64 {
	for _, one := range m.Members {
		if one.Name == name {
			return one.Bytes
		}
	}
	return 0
}

// blocks reads the lines of entries.
func (f *file) blocks(ctx context.Context) func() ([][]byte, error) {
	r := bufio.NewReaderSize(f.member(entriesName), proof.MaxEntry+2)
	var ended error
	return func() ([][]byte, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var ends []int
		buf := make([]byte, 0, blockBytes)
		for ended == nil && len(ends) < blockEntries && len(buf) < blockBytes {
			line, err := r.ReadSlice('\n')
			switch {
			case err == nil && len(line) <= proof.MaxEntry+1:
				buf = append(buf, line[:len(line)-1]...)
				ends = append(ends, len(buf))
			case err == nil, errors.Is(err, bufio.ErrBufferFull):
				ended = damaged(entriesName, "a line of it is longer than an entry can be")
			case errors.Is(err, io.EOF) && len(line) > 0:
				ended = damaged(entriesName, "its last line has no end")
			default:
				ended = err
			}
		}
		if len(ends) == 0 {
			if errors.Is(ended, io.EOF) {
				return nil, nil
			}
			return nil, ended
		}
		entries, from := make([][]byte, len(ends)), 0
		for i, end := range ends {
			entries[i], from = buf[from:end:end], end
		}
		return entries, nil
	}
}

// hashLine is the length of a hash and its line feed in bytes.
const hashLine = 45

// hashes reads the lines of a proof.
func (f *file) hashes(name string) func() (proof.Hash, bool, error) {
	r := bufio.NewReaderSize(f.member(name), 64*hashLine)
	return func() (h proof.Hash, ok bool, err error) {
		var line [hashLine]byte
		_, err = io.ReadFull(r, line[:])
		switch {
		case errors.Is(err, io.EOF):
			return h, false, nil
		case errors.Is(err, io.ErrUnexpectedEOF):
			return h, false, damaged(name, "its last line is cut")
		case err != nil:
			return h, false, err
		}
		text, ended := bytes.CutSuffix(line[:], []byte{'\n'})
		if h, err = proof.ParseHash(text); err != nil || !ended {
			return h, false, damaged(name, "a line of it is not a hash")
		}
		return h, true, nil
	}
}

// Word is the answer in one word or few, as people are told it.
func (r Report) Word() string {
	if r.AuthorUnknown && r.State() == NotChecked {
		return AuthorUnknown
	}
	if f, ok := r.First(); ok && f.State == Failed && f.HasSeq {
		return f.Where()
	}
	return r.State().String()
}
