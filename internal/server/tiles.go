package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// The tlog-tiles read API (C2SP): /checkpoint, /tile/<L>/<N>[.p/<W>], /tile/entries/<N>[.p/<W>].

// The caching of what never changes, and of what does. Bundles hold events, so no shared cache may keep them; and a token
// that is revoked must not go on reading from a cache, so they are asked for again after an hour.
const (
	cacheHashes  = "private, max-age=31536000, immutable"
	cacheEntries = "private, max-age=3600, immutable"
	cacheNever   = "no-store"
)

func (s *Server) getCheckpoint(w http.ResponseWriter, r *http.Request, c *Call) error {
	if err := c.may(auth.ReadTree, auth.Subject{}); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", cacheNever)
	_, err := w.Write(s.log.Checkpoint())
	return err
}

func (s *Server) getTile(w http.ResponseWriter, r *http.Request, c *Call) error {
	t, err := proof.ParseTilePath(strings.TrimPrefix(r.URL.Path, "/"))
	if err != nil {
		return Refuse(wire.NotFound, "no tile has this path")
	}
	action := auth.ReadTree
	if t.Entries {
		action = auth.ReadLog
	}
	if err := c.may(action, auth.Subject{}); err != nil {
		return err
	}
	if size := s.log.State().Published; !within(t, size) {
		return Refuse(wire.NotFound, fmt.Sprintf("the log of %d entries has no such tile yet", size))
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", cacheHashes)
	if t.Entries {
		h.Set("Cache-Control", cacheEntries)
		h.Set("Vary", "Accept-Encoding")
		first := t.Index * proof.TileWidth
		s.told(r.Context(), c, Reading{First: first, Last: first + uint64(t.Width) - 1, Entries: uint64(t.Width)})
		if acceptsGzip(r.Header) {
			b, err := s.source.Packed(r.Context(), t)
			if err == nil {
				h.Set("Content-Encoding", "gzip")
				h.Set("Content-Length", strconv.Itoa(len(b)))
				_, err = w.Write(b)
				return err
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	b, err := s.source.Fetch(r.Context(), t.Path())
	if err != nil { // also a missing one: below the head every tile is there, or the store is damaged
		return fmt.Errorf("read %s: %w", t.Path(), err)
	}
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, err = w.Write(b)
	return err
}

// within says whether a log of size entries has the tile: what lies beyond the signed head could still be taken back.
func within(t proof.Tile, size uint64) bool {
	for range t.Level { // a hash of this level stands for so many of the one below
		size /= proof.TileWidth
	}
	return t.Index < size/proof.TileWidth || t.Index == size/proof.TileWidth && uint64(t.Width) <= size%proof.TileWidth
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as it matters: gzip is named, and not with q=0.
func acceptsGzip(h http.Header) bool {
	for _, v := range h.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(v, ",") {
			name, param, _ := strings.Cut(strings.TrimSpace(part), ";")
			if strings.TrimSpace(name) != "gzip" {
				continue
			}
			q, ok := strings.CutPrefix(strings.ReplaceAll(param, " ", ""), "q=")
			if !ok {
				return true
			}
			f, err := strconv.ParseFloat(q, 64)
			return err == nil && f > 0
		}
	}
	return false
}
