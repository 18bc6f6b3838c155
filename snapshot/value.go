package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// Bounds of one value.
const (
	maxDepth = 64        // lists and maps within each other
	maxItems = 1_000_000 // values within a value
)

// maxExact is the largest integer that every reader of JSON keeps: 2^53-1.
const maxExact = 1<<53 - 1

// Value takes a snapshot of a JSON-like value: nil, booleans, integers, floats, strings, []byte, time.Time, and slices,
// arrays and maps with string keys of these, at most 64 deep and of a million values. A json.RawMessage is read as the JSON
// that it is, so that spaces, the order of members and the spelling of numbers do not matter; one with a member twice,
// with bytes that are no UTF-8, or a lone surrogate, is ErrUnsupported. For a struct, json.Marshal it into one.
//
// The digest does not tell a value's Go types apart: int8(3), uint(3), 3.0 and JSON's 3 are the same integer, and a nil
// slice is an empty list. An integer of any size is exact; a float64 that is an integer beyond ±(2^53-1) is
// ErrUnsupported, because a decoder may have rounded it (decode with UseNumber), and so are NaN and infinities.
// []byte and string differ.
//
// Without o.Key or o.Public it is ErrGuessable, whatever the value: also of a long document the one member that matters
// may be short. The count is the number of members or elements; other values have none.
func Value(v any, o Options) (*event.Snapshot, error) {
	if err := o.guarded(); err != nil {
		return nil, err
	}
	h := begin("value")
	c := canon{encoder: encoder{w: h}}
	if err := c.value(reflect.ValueOf(v), 0); err != nil {
		return nil, fmt.Errorf("snapshot of a value: %w", err)
	}
	return o.snapshot(h, c.summary, c.count), nil
}

// canon encodes a value. Errors name the Go type or the form, never the value.
type canon struct {
	encoder
	items   int
	summary string
	count   *int64
}

func (c *canon) value(v reflect.Value, depth int) error {
	if c.items++; c.items > maxItems {
		return fmt.Errorf("%w: %d values", ErrTooLarge, maxItems)
	}
	if depth > maxDepth {
		return fmt.Errorf("%w: nested %d deep", ErrTooLarge, maxDepth)
	}
	if !v.IsValid() {
		c.null()
		return nil
	}
	switch x := v.Interface().(type) {
	case time.Time:
		c.time(x)
		return nil
	case json.Number:
		return c.number(string(x))
	case json.RawMessage:
		read, err := readJSON(x)
		if err != nil {
			return err
		}
		return c.value(reflect.ValueOf(read), depth)
	}
	switch v.Kind() {
	case reflect.Bool:
		c.bool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		c.int(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		c.bytes(tagInt, fmt.Append(nil, v.Uint()))
	case reflect.Float32, reflect.Float64:
		return c.real(v.Float())
	case reflect.String:
		c.text(v.String())
	case reflect.Interface, reflect.Pointer:
		return c.value(v.Elem(), depth+1) // a pointer to itself ends at maxDepth
	case reflect.Slice, reflect.Array:
		return c.list(v, depth)
	case reflect.Map:
		return c.members(v, depth)
	default:
		return fmt.Errorf("%w: %s; give maps, slices and plain values, or a json.RawMessage", ErrUnsupported, v.Type())
	}
	return nil
}

func (c *canon) list(v reflect.Value, depth int) error {
	c.counted(depth, v.Len(), "element", "elements")
	if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice {
		c.bytes(tagBytes, v.Bytes())
		c.counted(depth, v.Len(), "byte", "bytes")
		return nil
	}
	c.open(tagList, v.Len())
	for i := range v.Len() {
		if err := c.value(v.Index(i), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *canon) members(v reflect.Value, depth int) error {
	if v.Type().Key().Kind() != reflect.String {
		return fmt.Errorf("%w: %s; keys are strings", ErrUnsupported, v.Type())
	}
	c.counted(depth, v.Len(), "member", "members")
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	c.open(tagMap, len(keys))
	for _, k := range keys {
		c.text(k.String())
		if err := c.value(v.MapIndex(k), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// counted says of the outermost value how many it holds.
func (c *canon) counted(depth, n int, one, more string) {
	if depth == 0 {
		count := int64(n)
		c.count, c.summary = &count, many(count, one, more)
	}
}

// real writes a float that is an integer as this integer: a decoder of JSON may have made it one or the other.
func (c *canon) real(f float64) error {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return fmt.Errorf("%w: a float that is no number", ErrUnsupported)
	case f != math.Trunc(f):
		c.float(f)
	case math.Abs(f) <= maxExact:
		c.int(int64(f))
	default:
		return fmt.Errorf("%w: a float beyond 2^53-1 may have been rounded; decode with UseNumber", ErrUnsupported)
	}
	return nil
}

// number writes JSON's own spelling of a number: integers exactly, others as the nearest float64.
func (c *canon) number(s string) error {
	if isInteger(s) {
		if s == "-0" {
			s = "0"
		}
		c.bytes(tagInt, []byte(s))
		return nil
	}
	f, err := json.Number(s).Float64()
	if err != nil || !json.Valid([]byte(s)) {
		return fmt.Errorf("%w: a json.Number that is none, or is too large", ErrUnsupported)
	}
	return c.real(f)
}

// isInteger says whether s is -?(0|[1-9][0-9]*).
func isInteger(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" || s[0] == '0' && s != "0" {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// Reader takes a snapshot of a stream: all bytes that r gives, at most limit of them (beyond, ErrTooLarge). The count is the
// number of lines, a last one without a line end included. ctx is looked at between reads. Without o.Key or o.Public it is
// ErrGuessable.
func Reader(ctx context.Context, r io.Reader, limit int64, o Options) (*event.Snapshot, error) {
	if err := o.guarded(); err != nil {
		return nil, err
	}
	content, lines := sha256.New(), int64(0)
	n, last, buf := int64(0), byte('\n'), make([]byte, 64<<10)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		k, err := r.Read(buf)
		if n += int64(k); n > limit {
			return nil, fmt.Errorf("snapshot of a stream: %w: %d bytes", ErrTooLarge, limit)
		}
		_, _ = content.Write(buf[:k]) // a hash.Hash never fails
		for _, b := range buf[:k] {
			if b == '\n' {
				lines++
			}
			last = b
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("snapshot of a stream, after %d bytes: %w", n, err)
		}
	}
	if last != '\n' {
		lines++
	}
	h := begin("stream")
	e := encoder{w: h}
	e.bytes(tagBytes, content.Sum(nil))
	e.int(n)
	return o.snapshot(h, many(lines, "line", "lines")+", "+size(n), &lines), nil
}
