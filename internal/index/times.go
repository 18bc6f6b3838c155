package index

import (
	"encoding/binary"
	"sort"
)

// A stamp says that the entries from at on were received at nanos, up to the next stamp. received_at never decreases with
// the number of an entry, and the entries of a batch share it: so a window of time is a range of numbers, and its bounds
// are exact.
type stamp struct {
	at    uint64
	nanos int64 // since 1970
}

// appendStamps appends the stamps of a chunk: differences, the first ones from its first entry and its first time.
func appendStamps(dst []byte, from uint64, first int64, stamps []stamp) []byte {
	for _, s := range stamps {
		dst = binary.AppendUvarint(dst, s.at-from)
		dst = binary.AppendUvarint(dst, uint64(s.nanos-first))
		from, first = s.at, s.nanos
	}
	return dst
}

func parseStamps(b []byte, from uint64, first int64) (out []stamp, ok bool) {
	for c := (cursor{b: b}); len(c.b) > 0; {
		from += c.number()
		first += int64(c.number())
		if c.bad {
			return nil, false
		}
		out = append(out, stamp{from, first})
	}
	return out, true
}

// since finds the first entry of a segment that was received at or after nanos; its end where there is none.
func (s *segment) since(nanos int64) (uint64, error) {
	i := sort.Search(len(s.Times), func(i int) bool { return s.Times[i].Last >= nanos })
	if i == len(s.Times) {
		return s.To, nil
	}
	from := s.From + uint64(i)*chunkSize
	t := s.Times[i]
	if t.First >= nanos {
		return from, nil
	}
	b, err := s.read(t.Off, t.Len)
	if err != nil {
		return 0, err
	}
	stamps, ok := parseStamps(b, from, t.First)
	if !ok {
		return 0, damaged(s.name, "the times of chunk %d", from/chunkSize)
	}
	return sinceIn(stamps, nanos, min(from+chunkSize, s.To)), nil
}

// sinceIn finds the first entry that was received at or after nanos; end where there is none.
func sinceIn(stamps []stamp, nanos int64, end uint64) uint64 {
	i := sort.Search(len(stamps), func(i int) bool { return stamps[i].nanos >= nanos })
	if i == len(stamps) {
		return end
	}
	return stamps[i].at
}
