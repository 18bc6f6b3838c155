package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// maxFound bounds an answer of a server's index, in bytes: a page has 4 MiB of entries, and what stands around them.
const maxFound = 16 << 20

// askedSearch finds what a scanner finds by asking a server's index. Each row is proven to be in the log under a checkpoint that
// this computer believes, and asked the query again. That the server left nothing out, and which key sealed a row, is its word.
type askedSearch struct {
	e     *env
	ask   func(ctx context.Context, method, path string, body []byte, limit int64) ([]byte, error)
	src   logread.Source
	query search.Query
	now   time.Time
	rows  int // of a page
	scan  *search.Scanner

	tiles map[proof.Tile][]byte // of hashes
	asked bool                  // the index was, and what it said is what was printed
	app   string                // of the only events that the caller may read; "" for all
}

// foundRows is stet.found/1 as far as it is looked at.
type foundRows struct {
	Searched struct {
		Indexed, Size    uint64
		Unread           string
		App, Environment string
	}
	Rows []foundRow
	Next string
}

type foundRow struct {
	Seq        uint64
	Doubt, Key string
	Entry      json.RawMessage
}

// errNoIndex says that a server's index cannot be asked about all of a log.
var errNoIndex = errors.New("the server's index cannot be asked")

// Back does what search.Scanner.Back does.
func (s *askedSearch) Back(ctx context.Context, cp proof.Checkpoint, found func(search.Hit) error) (from uint64, err error) {
	s.asked = true
	at, err := s.rowsOf(ctx, cp, span{0, cp.Size, false}, found)
	if errors.Is(err, errNoIndex) && at == cp.Size {
		s.asked = false
		from, serr := s.scan.Back(ctx, cp, found)
		if notAllowed(serr) {
			return from, exit{exitNotChecked, err}
		}
		return from, serr
	}
	return at, err
}

// Forward does what search.Scanner.Forward does, but for reading the log where there is no index to be asked: who follows a log has
// asked it before.
func (s *askedSearch) Forward(ctx context.Context, cp proof.Checkpoint, from uint64, found func(search.Hit) error) error {
	s.asked = true
	_, err := s.rowsOf(ctx, cp, span{from, cp.Size, true}, found)
	return err
}

// span is from ≤ seq < to, the oldest first or the newest.
type span struct {
	from, to uint64
	oldest   bool
}

// rowsOf gives what the query finds in a part of the log, and says how far it came: to its end, where there is no error and found
// does not end it.
func (s *askedSearch) rowsOf(ctx context.Context, cp proof.Checkpoint, part span, found func(search.Hit) error) (at uint64, err error) {
	last, end, first := part.to, part.from, true
	if part.oldest {
		last, end = part.from, part.to
	}
	doubts, empty := 0, uint64(0)
	for cursor := ""; part.from < part.to; {
		page, err := s.page(ctx, cp, part, cursor)
		if err != nil {
			return last, err
		}
		// A page without rows has looked at thousands of entries for nothing: there cannot be many.
		if empty++; len(page.Rows) == 0 && empty > 16+cp.Size/1000 {
			return last, errors.New("the server's answers lead nowhere; --scan reads its log instead")
		}
		for _, row := range page.Rows {
			if !part.oldest && row.Seq >= last || part.oldest && (row.Seq < last || row.Seq == last && !first) {
				return last, &logread.DamageError{File: "/v1/events", Reason: fmt.Sprintf("entry %d comes after entry %d: the server's rows are in no order", row.Seq, last)}
			}
			last, empty, first = row.Seq, 0, false
			h, why := s.hit(ctx, cp, row)
			if why != nil && !isDoubt(why) {
				return last, why
			}
			if why != nil {
				doubts++
				_, _ = fmt.Fprintf(s.e.stderr, "stet: entry %d: %s\n", row.Seq, event.Sanitize(why.Error()))
				continue
			}
			if err := found(h); errors.Is(err, search.ErrStop) {
				return row.Seq, doubted(doubts)
			} else if err != nil {
				return row.Seq, err
			}
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	return end, doubted(doubts)
}

// An index that is not far behind is waited for: so often, and so long each time.
const (
	behindTries = 50
	behindPause = 100 * time.Millisecond
	behindMost  = 1 << 16 // entries
)

// page asks for a page of a part of what lies under the checkpoint. A server's index follows its log: where it is just behind it is
// waited for.
func (s *askedSearch) page(ctx context.Context, cp proof.Checkpoint, part span, cursor string) (p foundRows, err error) {
	for try := 0; ; try++ {
		if p, err = s.pageNow(ctx, part, cursor); err != nil || p.Searched.Indexed >= cp.Size {
			return p, err
		}
		if why := p.Searched.Unread; why != "" {
			return p, fmt.Errorf("%w: it has %d of %d entries, and cannot go on: %s", errNoIndex, p.Searched.Indexed, cp.Size, event.Sanitize(why))
		}
		if try == behindTries || cp.Size-p.Searched.Indexed > behindMost {
			return p, fmt.Errorf("%w: it has %d of %d entries by now; ask again", errNoIndex, p.Searched.Indexed, cp.Size)
		}
		select {
		case <-ctx.Done():
			return p, ctx.Err()
		case <-time.After(behindPause):
		}
	}
}

func (s *askedSearch) pageNow(ctx context.Context, part span, cursor string) (p foundRows, err error) {
	under := s.query.Resolve(s.now).With(search.Term{Field: search.FieldSeq, Any: []search.Value{{Op: search.Ints, Min: int64(part.from), Max: int64(part.to - 1)}}})
	v := url.Values{"q": {under.String()}, "limit": {strconv.Itoa(s.rows)}}
	if part.oldest {
		v.Set("order", "oldest")
	}
	if cursor != "" {
		v.Set("cursor", cursor)
	}
	b, err := s.ask(ctx, http.MethodGet, "/v1/events?"+v.Encode(), nil, maxFound)
	var refused *ship.RefusedError
	if errors.As(err, &refused) && (refused.Code == wire.NotFound || refused.Code == wire.MethodNotAllowed || refused.Code == wire.InvalidQuery) {
		return p, fmt.Errorf("%w: %w", errNoIndex, err) // it has none, or speaks another language
	}
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("the answer of the server is not what one to a query is: %w", err)
	}
	s.app = p.Searched.App
	return p, nil
}

// A rowDoubt is why a row is not believed.
type rowDoubt string

func (d rowDoubt) Error() string { return string(d) }

func isDoubt(err error) bool { return errors.As(err, new(rowDoubt)) }

// hit makes of a row what a scanner finds, or says with a rowDoubt why it cannot.
func (s *askedSearch) hit(ctx context.Context, cp proof.Checkpoint, row foundRow) (h search.Hit, err error) {
	if row.Doubt != "" {
		return h, rowDoubt("the server says: " + row.Doubt)
	}
	path, err := proof.ProveInclusion(row.Seq, cp.Size, s.hashes(ctx, cp.Size))
	if err != nil {
		return h, err
	}
	if err := proof.VerifyInclusion(row.Seq, cp.Size, proof.LeafHash(row.Entry), cp.Root, path); err != nil {
		return h, rowDoubt(fmt.Sprintf("what the server shows is not in the log: %v", err))
	}
	entry, err := proof.ParseEntry(row.Entry)
	if err != nil {
		return h, rowDoubt(err.Error())
	}
	r, ok, err := search.NewRecord(entry, row.Key)
	switch {
	case err != nil:
		return h, rowDoubt(err.Error())
	case !ok || entry.Seq != row.Seq || !search.NewMatcher(s.query, s.now).Match(r):
		return h, rowDoubt("the server says that the query finds this entry, and it does not")
	}
	return search.Hit{Record: r, Raw: row.Entry}, nil
}

// hashes reads each tile once: rows are neighbours.
func (s *askedSearch) hashes(ctx context.Context, size uint64) proof.HashReader {
	return proof.TileHashes{Size: size, Tiles: proof.TileReaderFunc(func(t proof.Tile) ([]byte, error) {
		if b, ok := s.tiles[t]; ok {
			return b, nil
		}
		b, err := s.src.Fetch(ctx, t.Path())
		if err == nil {
			if s.tiles == nil || len(s.tiles) > 256 {
				s.tiles = map[proof.Tile][]byte{}
			}
			s.tiles[t] = b
		}
		return b, err
	})}
}

// claim says what was proven of what was printed, and what not.
func (s *askedSearch) claim() string {
	if !s.asked {
		return ""
	}
	of := ""
	if s.app != "" {
		of = ", of application " + event.Sanitize(s.app) + " alone"
	}
	return ", by the server's index" + of + ": each entry shown is proven to be in the log; that none was left out, and whose seals they are, is the server's word (--scan reads the log instead)"
}

// notAllowed says whether a server refused because of the token's role.
func notAllowed(err error) bool {
	var refused *ship.RefusedError
	return errors.As(err, &refused) && refused.Code == wire.NotAllowed
}
