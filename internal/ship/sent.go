package ship

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

const (
	sentFile   = "sent"
	sentHeader = "stet/sent/v1"
	maxSent    = 1 << 20 // bytes: some 18,000 streams
)

// sent is how far streams are proven to be in a log: stream → the stream_seq behind. It only saves sending again; it is
// written after the checkpoint that proves it is remembered, and a file that is missing or of another log means nothing.
type sent struct {
	log  string // id of the log's key
	next map[string]uint64
}

func (s sent) append(dst []byte) []byte {
	dst = fmt.Appendf(dst, "%s\nlog %s\n", sentHeader, s.log)
	for _, stream := range slices.Sorted(maps.Keys(s.next)) {
		dst = fmt.Appendf(dst, "%s %d\n", stream, s.next[stream])
	}
	return dst
}

// readSent never fails for what the file says: whoever cannot use it sends again.
func readSent(place fsx.FS, logKey string) (sent, error) {
	s := sent{log: proof.KeyID(logKey), next: map[string]uint64{}}
	b, err := fsx.ReadFile(place, sentFile, maxSent)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fsx.ErrTooLarge) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	rest, ok := strings.CutPrefix(string(b), sentHeader+"\nlog "+s.log+"\n")
	if !ok {
		return s, nil
	}
	next := map[string]uint64{}
	for line := range strings.Lines(rest) {
		stream, number, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return s, nil //nolint:nilerr // see above
		}
		next[stream] = n
	}
	if read := (sent{s.log, next}); bytes.Equal(read.append(nil), b) {
		s = read
	}
	return s, nil
}

// write keeps it, durably, as far as there are still spools of it.
func (s sent) write(place fsx.FS, streams []string) error {
	maps.DeleteFunc(s.next, func(stream string, _ uint64) bool { return !slices.Contains(streams, stream) })
	if _, err := place.Stat(sentFile); err != nil && len(s.next) == 0 {
		return nil //nolint:nilerr // nothing to say, and nothing was said before
	}
	return fsx.Replace(place, sentFile, s.append(nil), 0o600)
}

// Progress is how far each stream in the place is proven to be in the log: stream → the stream_seq behind; nothing where the
// server was never met.
func (s *Shipper) Progress() (map[string]uint64, error) {
	server, err := ReadServer(s.State, s.Address)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	read, err := readSent(s.Place, server.LogKey)
	return read.next, err
}
