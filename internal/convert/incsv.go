package convert

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
)

// maxColumns bounds the columns of a CSV file.
const maxColumns = 1024

// csvHeader is the first row of a CSV file (RFC 4180): the names of its columns.
type csvHeader struct {
	names []string
	comma rune
}

// readCSVHeader reads the first row. A column without a name is called column_N, from 1. Where there is no comma in the row, a
// semicolon or a tab separates, as spreadsheets write it in some countries.
func readCSVHeader(row []byte) (csvHeader, error) {
	h := csvHeader{comma: ','}
	for _, c := range []rune{';', '\t'} {
		if !bytes.ContainsRune(row, ',') && bytes.ContainsRune(row, c) {
			h.comma = c
			break
		}
	}
	names, err := h.row(row)
	if err != nil {
		return h, err
	}
	t := text{of: "CSV"}
	for i, name := range names {
		if name = strings.TrimSpace(name); name == "" {
			name = "column_" + strconv.Itoa(i+1)
		}
		t.add(Leaf{Key: name})
		h.names = append(h.names, name)
	}
	if t.err == nil && len(names) > maxColumns {
		t.err = &LineError{event.ErrItems, "has more than " + strconv.Itoa(maxColumns) + " columns"}
	}
	return h, t.err
}

// read reads another row, which may have line breaks within quotes.
func (h csvHeader) read(row []byte) (Record, error) {
	values, err := h.row(row)
	if err != nil {
		return Record{}, err
	}
	t := text{of: "CSV"}
	if len(values) != len(h.names) {
		return t.bad("has " + strconv.Itoa(len(values)) + " values where the first row names " + strconv.Itoa(len(h.names)))
	}
	for i, v := range values {
		t.add(bare(h.names[i], v))
	}
	return t.record()
}

func (h csvHeader) row(row []byte) ([]string, error) {
	r := csv.NewReader(bytes.NewReader(row))
	r.Comma, r.FieldsPerRecord = h.comma, -1
	values, err := r.Read()
	if err == nil && r.InputOffset() != int64(len(row)) {
		err = csv.ErrQuote
	}
	if err != nil {
		return nil, &LineError{event.ErrSyntax, "is no row of CSV by RFC 4180: its quotes do not match"}
	}
	return values, nil
}

// openQuote tells whether a row of CSV goes on behind the line breaks in b: a quote is open.
func openQuote(b []byte) bool { return bytes.Count(b, []byte{'"'})%2 == 1 }
