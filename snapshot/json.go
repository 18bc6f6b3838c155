package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// readJSON reads one JSON text into nil, bool, json.Number, string, []any and map[string]any. encoding/json alone would take
// the last of two members of one name and put U+FFFD in place of what is no character: two different texts would become
// one value.
func readJSON(b []byte) (any, error) {
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("%w: JSON that is not UTF-8", ErrUnsupported)
	}
	if loneSurrogate(b) {
		return nil, fmt.Errorf("%w: JSON with half a surrogate pair", ErrUnsupported)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := readItem(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: JSON with something behind it", ErrUnsupported)
	}
	return v, nil
}

func readItem(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: JSON nested %d deep", ErrTooLarge, maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, notJSON(err)
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := readItem(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, end(d)
	case json.Delim('{'):
		members := map[string]any{}
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, notJSON(err)
			}
			key, _ := k.(string) // the decoder takes nothing else there
			if _, twice := members[key]; twice {
				return nil, fmt.Errorf("%w: JSON with a member twice", ErrUnsupported)
			}
			if members[key], err = readItem(d, depth+1); err != nil {
				return nil, err
			}
		}
		return members, end(d)
	}
	return t, nil
}

func end(d *json.Decoder) error {
	if _, err := d.Token(); err != nil {
		return notJSON(err)
	}
	return nil
}

// notJSON says where, and not what: the text may be secret.
func notJSON(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("%w: no JSON at byte %d", ErrUnsupported, syntax.Offset)
	}
	return fmt.Errorf("%w: no whole JSON text", ErrUnsupported)
}

// loneSurrogate looks for an escape \uD800 to \uDFFF that is not half of a pair. Where b is not JSON its answer means
// nothing, and the decoder will say so.
func loneSurrogate(b []byte) bool {
	high := false // the escape just before was a high surrogate
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			if high {
				return true
			}
			continue
		}
		i++
		if b[i] != 'u' || i+4 >= len(b) {
			if high {
				return true
			}
			continue
		}
		n, err := strconv.ParseUint(string(b[i+1:i+5]), 16, 16)
		i += 4
		low := err == nil && n >= 0xDC00 && n <= 0xDFFF
		if low != high {
			if low || high {
				return true
			}
		}
		high = err == nil && !low && utf16.IsSurrogate(rune(n))
	}
	return high
}
