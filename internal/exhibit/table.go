package exhibit

import (
	"io"
	"iter"

	"github.com/stetlog/stet/internal/convert"
)

// writeTable writes what was found as CSV (RFC 4180).
func writeTable(w io.Writer, found func() iter.Seq2[hit, error]) error {
	line := convert.CSV.Head(nil)
	if _, err := w.Write(line); err != nil {
		return err
	}
	for h, err := range found() {
		if err != nil {
			return err
		}
		key := ""
		if h.seal != nil {
			key = h.seal.Key
		}
		r, err := convert.NewRow(h.raw, key)
		if err != nil {
			return err
		}
		line = convert.CSV.AppendLine(line[:0], r)
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}
