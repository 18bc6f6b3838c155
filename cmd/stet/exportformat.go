package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/search"
)

// formatted writes what the query finds in one of the forms that others read, oldest first, as it comes. A file gets its name
// when all of it is there and the log says so; of standard output the log says so afterwards.
func (c *exportCmd) formatted(e *env) (err error) {
	if c.Complete {
		return usage("export: --complete is for evidence, which is written with -o FILE.zip")
	}
	f, ok := convert.ParseFormat(c.Format)
	if !ok {
		return usage("--format %q: the formats are %s", c.Format, strings.Join(convert.Formats(), ", "))
	}
	q, err := parseQuery(e, c.Query)
	if err != nil {
		return err
	}
	if c.Out == "" {
		x, say, err := c.rows(e, f, q, e.stdout)
		if err != nil {
			return err
		}
		return errors.Join(c.recordRows(e, x), say())
	}
	return c.file(func(tmp *os.File) (say func() error, err error) {
		x, say, err := c.rows(e, f, q, tmp)
		if err != nil {
			return nil, err
		}
		if err := c.recordRows(e, x); err != nil {
			return nil, fmt.Errorf("export: nothing was written, because it could not be recorded: %w", err)
		}
		return say, nil
	})
}

// recordRows is recordExport, but for a reader's token: it may not say so, and the server keeps a record of what it reads.
func (c *exportCmd) recordRows(e *env, x admin.Export) error {
	if err := c.recordExport(e, x); !notAllowed(err) {
		return err
	}
	return nil
}

// rows writes the rows. say says on standard error what was searched.
func (c *exportCmd) rows(e *env, f convert.Format, q search.Query, out io.Writer) (x admin.Export, say func() error, err error) {
	w, done, err := (&searchCmd{storeFlag: c.storeFlag}).live(e)
	if err != nil {
		return x, nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	cp, _, err := w.log.Checkpoint(e.ctx)
	if err != nil {
		return x, nil, err
	}
	digest := sha256.New()
	to := bufio.NewWriterSize(io.MultiWriter(out, digest), 64<<10)
	line := f.Head(nil)
	_, err = to.Write(line)
	each := func(raw []byte, key string) error {
		r, err := convert.NewRow(raw, key)
		if err != nil {
			return err
		}
		if line = f.AppendLine(line[:0], r); len(line) > 0 {
			x.Entries++
		}
		_, err = to.Write(line)
		return err
	}
	hit := func(h search.Hit) error { return each(h.Raw, h.Key) }
	now := time.Now()
	q = q.Resolve(now)
	scan := search.NewScanner(w.log.Source(), q, now)
	s := finder{e: e, name: w.log.Name, local: !c.remote()}
	switch {
	case err != nil:
	case q.Root == nil:
		if err = scan.All(e.ctx, cp, 0, each); notAllowed(err) && x.Entries == 0 && !c.Scan { // a reader's token: the index may be asked, the log not be read
			err = c.ask(e, w, q, scan, &s).Forward(e.ctx, cp, 0, hit)
		}
	case w.ask != nil && !c.Scan:
		if err = c.ask(e, w, q, scan, &s).Forward(e.ctx, cp, 0, hit); errors.Is(err, errNoIndex) && x.Entries == 0 {
			s.claim = nil
			err = scan.Forward(e.ctx, cp, 0, hit)
		}
	default:
		err = scan.Forward(e.ctx, cp, 0, hit)
	}
	if err := errors.Join(err, to.Flush()); err != nil {
		return x, nil, c.stopped(x.Entries, "rows, and is not recorded", err)
	}
	x.File, x.Query, x.Size, x.As = "sha256:"+hex.EncodeToString(digest.Sum(nil)), q.String(), cp.Size, f.String()
	return x, func() error { return s.say("%d rows of entries 0 to %d of %s", x.Entries, cp.Size-1, s.name) }, nil
}

// ask asks a server's index, and lets s say so.
func (c *exportCmd) ask(e *env, w liveLog, q search.Query, scan *search.Scanner, s *finder) *askedSearch {
	a := &askedSearch{e: e, ask: w.ask, src: w.log.Source(), query: q, now: time.Now(), rows: 1000, scan: scan}
	s.claim = a.claim
	return a
}
