package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/policy"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// What a guess is made from, at most.
const (
	guessLines = 1000
	guessBytes = 4 << 20
)

// lintFile is one reading of a file of lines.
type lintFile struct {
	name   string // shown
	lines  *lineReader
	close  func() error
	ahead  []aheadLine // read for the guess, and not handed on yet
	failed error       // met while reading ahead
	size   uint64      // bytes; 0 where that is not known, as of what is compressed
}

type aheadLine struct {
	number int
	line   []byte
	long   bool
}

// openLines opens a file, or standard input, compressed or not.
func (c *lintCmd) openLines(e *env) (*lintFile, error) {
	f, shut := e.stdin, func() error { return nil }
	x := &lintFile{name: "stdin"}
	if c.What != "-" {
		x.name = c.What
		var err error
		if f, err = os.Open(c.What); err != nil {
			return nil, err
		}
		shut = f.Close
	}
	x.close = shut
	in := bufio.NewReader(f)
	if head, _ := in.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", x.name, err), shut())
		}
		x.lines = newLineReader(z)
		return x, nil
	}
	x.lines = newLineReader(in)
	if fi, err := f.Stat(); err == nil && fi.Mode().IsRegular() {
		x.size = uint64(fi.Size())
	}
	return x, nil
}

// next returns the next line that is not blank, and whether it is too long. line is valid until the next call.
func (x *lintFile) next() (number int, line []byte, long bool, err error) {
	if len(x.ahead) > 0 {
		a := x.ahead[0]
		x.ahead = x.ahead[1:]
		return a.number, a.line, a.long, nil
	}
	if x.failed != nil {
		return 0, nil, false, x.failed
	}
	return x.read()
}

func (x *lintFile) read() (number int, line []byte, long bool, err error) {
	for {
		line, err = x.lines.next()
		switch {
		case errors.Is(err, errLongLine):
			return x.lines.number, nil, true, nil
		case errors.Is(err, io.EOF):
			return 0, nil, false, io.EOF
		case err != nil:
			return 0, nil, false, fmt.Errorf("%s: reading behind line %d: %w", x.name, x.lines.number-1, err)
		}
		if x.lines.number == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return x.lines.number, line, false, nil
		}
	}
}

// guess reads the first lines, and keeps them to be read again.
func (x *lintFile) guess() convert.Map {
	var g convert.Guess
	for size := 0; len(x.ahead) < guessLines && size < guessBytes; {
		number, line, long, err := x.read()
		if err != nil {
			x.failed = err
			break
		}
		size += len(line)
		x.ahead = append(x.ahead, aheadLine{number, bytes.Clone(line), long})
		records, err := convert.ReadLine(line)
		if err != nil {
			continue // for the rules to judge
		}
		for i := range records {
			g.Add(&records[i])
		}
	}
	return g.Map()
}

// file judges a file of lines.
func (c *lintCmd) file(e *env, o policy.Options) (err error) {
	x, err := c.openLines(e)
	if err != nil {
		return exit{exitNotChecked, fmt.Errorf("lint: %w", err)}
	}
	defer func() { err = errors.Join(err, x.close()) }()
	o.Name = x.name
	if o.Map == nil {
		o.Map = x.guess()
		if c.Guess {
			_, err = io.WriteString(e.stdout, o.Map.YAML())
			return err
		}
		if !c.JSON {
			_, _ = fmt.Fprintf(e.stderr, "# stet lint guessed this mapping; correct it and give it back with --map.\n%s", o.Map.YAML())
		}
	}
	l := policy.New(o)
	jobs, kept, unread := c.judge(e, x, l)
	if unread == nil || jobs <= c.atOnce {
		unread = errors.Join(unread, c.stories(e, l, jobs, kept))
	}
	r := l.Report()
	err = c.print(e, &r, o.Map)
	if unread != nil { // what was read is told all the same
		var found exit
		if errors.As(err, &found) { // findings, or nothing to judge: that not all was read is the worse
			err = nil
		}
		err = exit{exitNotChecked, errors.Join(fmt.Errorf("lint: not all was checked: %w", unread), err)}
	}
	return err
}

// judge reads the file once. It keeps what the file says of jobs, unless that is more than is folded at a time.
func (c *lintCmd) judge(e *env, x *lintFile, l *policy.Linter) (jobs int, kept []story.Item, err error) {
	bar := newProgress(e.stderr, "bytes")
	defer bar.clear()
	for n := 0; ; n++ {
		if err := e.ctx.Err(); err != nil {
			return jobs, kept, err
		}
		if n%1024 == 0 && x.size > 0 {
			bar.set(min(x.lines.read, x.size), x.size)
		}
		number, line, long, err := x.next()
		switch {
		case errors.Is(err, io.EOF):
			return jobs, kept, nil
		case err != nil:
			return jobs, kept, err
		case long:
			l.Long(number)
			continue
		}
		items := l.Line(number, line)
		if jobs += len(items); jobs <= c.atOnce {
			kept = append(kept, items...)
		} else {
			kept = nil
		}
	}
}

// stories folds and judges the stories of a file: at once, or a share of the interactions with each reading.
func (c *lintCmd) stories(e *env, l *policy.Linter, jobs int, kept []story.Item) error {
	if jobs <= c.atOnce {
		c.foldAll(l, kept, jobs)
		return nil
	}
	if c.What == "-" {
		l.StoriesNotChecked(uint64(jobs), fmt.Sprintf("more than %d events of jobs on standard input, which can be read once: give the file's name", c.atOnce))
		return nil
	}
	n := c.shares(jobs)
	for i := range n {
		if err := c.share(e, l, i, n); err != nil {
			return err
		}
	}
	return nil
}

func (c *lintCmd) share(e *env, l *policy.Linter, i, n int) (err error) {
	x, err := c.openLines(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.close()) }()
	var kept []story.Item
	count := 0
	for {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		number, line, long, err := x.next()
		switch {
		case errors.Is(err, io.EOF):
			c.foldAll(l, kept, count)
			return nil
		case err != nil:
			return err
		case long:
			continue
		}
		for _, it := range l.Items(number, line) {
			if shareOf([]byte(it.Event.InteractionID), n) != i {
				continue
			}
			if count++; count < c.maxShare() {
				kept = append(kept, it)
			}
		}
	}
}

// shares says into how many shares the interactions of so many events are cut.
func (c *lintCmd) shares(events int) int { return events/c.atOnce + 1 }

// maxShare bounds a share: interactions are not of one size, and one may be larger than all others. A share that is larger is
// not judged.
func (c *lintCmd) maxShare() int { return 4 * c.atOnce }

func shareOf(interaction []byte, n int) int {
	h := fnv.New32a()
	_, _ = h.Write(interaction) // never fails
	return int(h.Sum32() % uint32(n))
}

// foldAll folds and judges the stories of items, of which there were count.
func (c *lintCmd) foldAll(l *policy.Linter, items []story.Item, count int) {
	var f story.Fold
	for _, it := range items {
		f.Add(it)
	}
	c.judgeStories(l, &f, count)
}

func (c *lintCmd) judgeStories(l *policy.Linter, f *story.Fold, count int) {
	if count >= c.maxShare() {
		l.StoriesNotChecked(uint64(count), fmt.Sprintf("one interaction, or a few, have more than %d events", c.maxShare()))
		return
	}
	for _, s := range f.Stories() {
		l.Story(&s)
	}
}

// ledger judges a store, or a server's log.
func (c *lintCmd) ledger(e *env, o policy.Options) (err error) {
	f := c.storeFlag
	if c.What != "" {
		f.Store = c.What
	}
	s, done, err := f.reading(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	o.Name, o.Ledger = s.Name, true
	l := policy.New(o)
	cp, _, err := s.Checkpoint(e.ctx)
	if err != nil {
		return unreadable(s.Name, err)
	}
	bar := newProgress(e.stderr, "entries")
	defer bar.clear()
	jobs := 0
	var codec event.Codec
	if err := s.Entries(e.ctx, func(seq uint64, raw []byte) error {
		if entry, err := proof.ParseEntry(raw); err == nil && entry.Event != nil {
			if ref, err := codec.Check(entry.Event); err == nil && ref.JobID != nil {
				jobs++
			}
		}
		if seq%1024 == 0 {
			bar.set(seq, cp.Size)
		}
		return l.Entry(seq, raw)
	}); err != nil {
		return unreadable(s.Name, err)
	}
	n := c.shares(jobs)
	for i := range n {
		var f story.Fold
		count := 0
		if err := s.Items(e.ctx, &f, func(r event.Ref) bool {
			if r.JobID == nil || shareOf(r.InteractionID, n) != i {
				return false
			}
			count++
			return count < c.maxShare()
		}); err != nil {
			return unreadable(s.Name, err)
		}
		c.judgeStories(l, &f, count)
	}
	r := l.Report()
	return c.print(e, &r, nil)
}

// unreadable is a log that could not be read to its end: damage is an integrity failure, all else not checked.
func unreadable(name string, err error) error {
	err = fmt.Errorf("lint: %s: %w; stet verify tells what is wrong", name, err)
	var integrity *ledger.IntegrityError
	if errors.As(err, &integrity) || errors.As(err, new(*logread.UnreadError)) || errors.As(err, new(*logread.DamageError)) {
		return err
	}
	return exit{exitNotChecked, err}
}
