package convert

import (
	"bytes"
	"encoding/csv"
	"unicode/utf8"
)

// csvHead is the line of names.
func csvHead(dst []byte) []byte { return appendCSV(dst, names(CSV)) }

// appendCSVRow appends a record of RFC 4180, without its line end. The last column has the event's exact bytes, from which all
// others but the first are.
func appendCSVRow(dst []byte, r *Row) []byte {
	cells := make([]string, 0, len(columns))
	for _, c := range columns {
		if c.in.has(CSV) {
			cells = append(cells, cell(c.of(r)))
		}
	}
	return appendCSV(dst, cells)
}

func appendCSV(dst []byte, cells []string) []byte {
	b := bytes.NewBuffer(dst)
	w := csv.NewWriter(b)
	_ = w.Write(cells) // a buffer takes everything
	w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// cell keeps a spreadsheet from taking a text for a formula (SCHEMA "Sanitising", THREATS 30): what begins like one, in its
// full-width form too, gets an apostrophe before it.
func cell(s string) string {
	switch r, _ := utf8.DecodeRuneInString(s); r {
	case '=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠':
		return "'" + s
	}
	return s
}
