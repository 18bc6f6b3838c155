package event

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/stetlog/stet/internal/redact"
)

// keys returns the sorted keys of m in buf, where they fit.
func keys[V any](m map[string]V, buf []string) []string {
	buf = buf[:0]
	for k := range m {
		buf = append(buf, k)
	}
	slices.Sort(buf)
	return buf
}

// excuses writes absent, whose values are checked, not cleaned.
func (w *encoder) excuses() {
	w.dst = append(w.dst, '{')
	for i, x := range w.absent {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.dst = appendForm(w.dst, x.path)
		w.dst = append(w.dst, ':')
		w.dst = appendForm(w.dst, x.why)
	}
	w.dst = append(w.dst, '}')
}

// key writes a key, cleaned and told apart from those before it, and puts it on
// the path; the caller takes it off.
func (w *encoder) key(k string, used *[]string) {
	look := redact.Look(k)
	if look != 0 || len(k) > MaxKeyBytes {
		w.path = append(w.path, step{name: "*"})
		k = w.clean(k, look, MaxKeyBytes, kindText)
		w.path = w.path[:len(w.path)-1]
	}
	// Masking or cutting may have made two keys one.
	for base, n := k, 2; slices.Contains(*used, k); n++ {
		tail := "~" + strconv.Itoa(n)
		k = base
		if len(k)+len(tail) > MaxKeyBytes {
			k = cut(k, MaxKeyBytes-len(tail), kindText)
		}
		k += tail
	}
	*used = append(*used, k)
	w.dst = appendQuoted(w.dst, k)
	w.dst = append(w.dst, ':')
	w.path = append(w.path, step{name: k})
}

// derived writes the member of that name. Which values a program finds, and how, is the same for nearly all of its
// events, so what was written last is written again where it would come out the same: the same map, and nothing in it
// that was masked or escaped.
func (w *encoder) derived(m map[string]string) *Error {
	if maps.Equal(m, w.found.of) {
		w.dst = append(w.dst, w.found.json...)
		return nil
	}
	start, altered := len(w.dst), w.altered
	if err := w.texts(m, false); err != nil {
		return err
	}
	if w.memo == nil || w.altered > altered || len(w.typ.PersonalData) > 0 {
		return nil
	}
	if w.found.of == nil {
		w.found.of = make(map[string]string)
	}
	clear(w.found.of)
	maps.Copy(w.found.of, m)
	w.found.json = append(w.found.json[:0], w.dst[start:]...)
	return nil
}

// texts writes a map of texts; with secretKeys, values under keys that promise a
// secret are masked whole.
func (w *encoder) texts(m map[string]string, secretKeys bool) *Error {
	if len(m) > MaxKeys {
		return w.fail(ErrKeys, "has "+strconv.Itoa(len(m))+" keys, at most "+strconv.Itoa(MaxKeys)+" are allowed", "")
	}
	var buf, usedA [16]string
	used := usedA[:0]
	w.dst = append(w.dst, '{')
	for i, k := range keys(m, buf[:0]) {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.key(k, &used)
		v := m[k]
		if secretKeys {
			v = w.underKey(k, v)
		}
		w.text(v, MaxLabelsBytes, kindText)
		w.path = w.path[:len(w.path)-1]
	}
	w.dst = append(w.dst, '}')
	return nil
}

// underKey masks a text under a secret-looking key.
func (w *encoder) underKey(k, v string) string {
	rule, hit := redact.Key(k)
	if !hit || redact.Void(v) || redact.Personal(rule) && w.typ.keeps(w.where()) {
		return v
	}
	w.masked(rule, "masked")
	return redact.Mask(rule)
}

func (w *encoder) counts(m map[string]int64) *Error {
	if len(m) > 32 {
		return w.fail(ErrKeys, "has "+strconv.Itoa(len(m))+" keys, at most 32 are allowed", "")
	}
	var buf, usedA [16]string
	used := usedA[:0]
	w.dst = append(w.dst, '{')
	for i, k := range keys(m, buf[:0]) {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.key(k, &used)
		w.dst = strconv.AppendInt(w.dst, m[k], 10)
		w.path = w.path[:len(w.path)-1]
	}
	w.dst = append(w.dst, '}')
	return nil
}

// squash steps: how long a text and an array in job.params may be, each round.
var squashText = [...]int{MaxParamsBytes, 2048, 512, 128, 32}
var squashItems = [...]int{MaxParamsBytes, 256, 64, 16, 4}

// params writes job.params; where it exceeds its bytes, its texts and arrays are
// cut in rounds, because a job with long arguments must be recorded all the same.
func (w *encoder) params(m map[string]any, limit int) *Error {
	start, depth := len(w.dst), len(w.path)
	r, s := len(w.event.Redactions), len(w.event.Sanitized)
	mr, ms := w.marksR, w.marksS
	for w.squash = 0; ; w.squash++ {
		if err := w.anyObject(m, MaxParamsDepth); err != nil {
			return err
		}
		size := len(w.dst) - start
		if size <= limit {
			return nil
		}
		if w.squash == len(squashText)-1 {
			return w.fail(ErrTooLarge, "is "+strconv.Itoa(size)+" bytes of JSON even when cut, at most "+strconv.Itoa(limit)+" are allowed", "record a digest, or a reference to the whole")
		}
		w.dst, w.path = w.dst[:start], w.path[:depth]
		w.event.Redactions, w.event.Sanitized = w.event.Redactions[:r:r], w.event.Sanitized[:s:s]
		w.marksR, w.marksS = mr, ms
	}
}

func (w *encoder) anyObject(m map[string]any, depth int) *Error {
	if depth == 0 {
		return w.fail(ErrDepth, "is nested more than "+strconv.Itoa(MaxParamsDepth)+" deep", "flatten it")
	}
	if len(m) > MaxKeys {
		return w.fail(ErrKeys, "has "+strconv.Itoa(len(m))+" keys, at most "+strconv.Itoa(MaxKeys)+" are allowed", "")
	}
	var buf, usedA [16]string
	used := usedA[:0]
	named := namedSecret(m)
	_, jwk := m["kty"]
	w.dst = append(w.dst, '{')
	for i, k := range keys(m, buf[:0]) {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.key(k, &used)
		rule, hit := redact.Key(k)
		if !hit && named != "" && (k == "value" || k == "Value") {
			rule, hit = named, true
		}
		if jwk && redact.JWK(k) {
			rule, hit = "key", true
		}
		if err := w.anyValue(m[k], depth-1, rule, hit); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	w.dst = append(w.dst, '}')
	return nil
}

// namedSecret sees {"name":"DB_PASSWORD","value":"…"}, as container and header
// lists are written.
func namedSecret(m map[string]any) string {
	for _, k := range [...]string{"name", "Name", "key", "Key"} {
		if s, ok := m[k].(string); ok {
			if rule, hit := redact.Key(s); hit {
				return rule
			}
		}
	}
	return ""
}

// anyValue writes one value of job.params. Under a secret-looking key everything
// is masked whole: numbers, objects and arrays too.
func (w *encoder) anyValue(v any, depth int, rule string, secret bool) *Error {
	if secret && (!redact.Personal(rule) || !w.typ.keeps(w.where())) {
		switch x := v.(type) {
		case nil, bool:
		case string:
			if !redact.Void(x) {
				return w.maskValue(rule)
			}
		default:
			return w.maskValue(rule)
		}
	}
	limit := squashText[w.squash]
	switch x := v.(type) {
	case nil:
		w.dst = append(w.dst, "null"...)
	case bool:
		w.dst = strconv.AppendBool(w.dst, x)
	case string:
		w.text(x, limit, kindText)
	case int:
		return w.int(int64(x))
	case int64:
		return w.int(x)
	case int32:
		return w.int(int64(x))
	case int16:
		return w.int(int64(x))
	case int8:
		return w.int(int64(x))
	case uint8:
		return w.int(int64(x))
	case uint16:
		return w.int(int64(x))
	case uint32:
		return w.int(int64(x))
	case uint:
		return w.uint(uint64(x))
	case uint64:
		return w.uint(x)
	case float32:
		return w.float(float64(x), 32)
	case float64:
		return w.float(x, 64)
	case time.Time:
		if y := x.UTC().Year(); y < 0 || y > 9999 {
			return w.fail(ErrFormat, "is a time outside the years 0000 to 9999", "")
		}
		w.text(FormatTime(x), limit, kindIdentity)
	case []string:
		return w.strings(x, depth)
	case []any:
		return w.array(x, depth)
	case map[string]any:
		return w.anyObject(x, depth)
	case map[string]string:
		m := make(map[string]any, len(x))
		for k, s := range x {
			m[k] = s
		}
		return w.anyObject(m, depth)
	case error:
		w.text(x.Error(), limit, kindText)
	case fmt.Stringer: // UUID, time.Duration, netip.Addr, json.Number is a string type
		w.text(x.String(), limit, kindText)
	default:
		return w.fail(ErrValue, fmt.Sprintf("is a %T", v), "give strings, integers, bools, nil, and slices and maps of them")
	}
	return nil
}

func (w *encoder) maskValue(rule string) *Error {
	w.masked(rule, "masked")
	w.dst = appendQuoted(w.dst, redact.Mask(rule))
	return nil
}

// int writes an integer. One of nine digits and more may be somebody's card or
// phone, and is looked at as text would be.
func (w *encoder) int(n int64) *Error {
	if n > -100_000_000 && n < 100_000_000 {
		w.dst = strconv.AppendInt(w.dst, n, 10)
		return nil
	}
	s := strconv.FormatInt(n, 10)
	if masked, finds := redact.Text(s); len(finds) > 0 && !w.typ.keeps(w.where()) {
		w.masked(finds[0].Rule, "masked")
		w.dst = appendQuoted(w.dst, masked)
		return nil
	}
	if n > MaxInt || n < -MaxInt {
		w.dst = appendQuoted(w.dst, s) // exact as text; as a number, readers would round it
		return nil
	}
	w.dst = append(w.dst, s...)
	return nil
}

func (w *encoder) uint(n uint64) *Error {
	if n > math.MaxInt64 {
		w.dst = appendQuoted(w.dst, strconv.FormatUint(n, 10))
		return nil
	}
	return w.int(int64(n))
}

// float writes whole numbers as integers and others as text: events hold no
// fractions. NaN and infinities are refused.
func (w *encoder) float(f float64, size int) *Error {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return w.fail(ErrValue, "is not a finite number", "leave it out, or write it as text")
	}
	if f == math.Trunc(f) && math.Abs(f) <= MaxInt {
		return w.int(int64(f))
	}
	w.dst = appendQuoted(w.dst, strconv.FormatFloat(f, 'g', -1, size))
	return nil
}

// strings writes a list of strings, which may be a command line.
func (w *encoder) strings(list []string, depth int) *Error {
	if depth == 0 {
		return w.fail(ErrDepth, "is nested more than "+strconv.Itoa(MaxParamsDepth)+" deep", "flatten it")
	}
	clean, finds := redact.Args(list)
	for _, f := range finds {
		w.masked(f.Rule, "masked")
	}
	w.dst = append(w.dst, '[')
	for i, s := range clean {
		if i == squashItems[w.squash] {
			w.sanitized(len(clean))
			break
		}
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.path = append(w.path, step{index: i})
		w.text(s, squashText[w.squash], kindText)
		w.path = w.path[:len(w.path)-1]
	}
	w.dst = append(w.dst, ']')
	return nil
}

func (w *encoder) array(list []any, depth int) *Error {
	if depth == 0 {
		return w.fail(ErrDepth, "is nested more than "+strconv.Itoa(MaxParamsDepth)+" deep", "flatten it")
	}
	words := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			words = append(words, s)
		}
	}
	if len(words) == len(list) && len(list) > 0 {
		return w.strings(words, depth)
	}
	w.dst = append(w.dst, '[')
	for i, v := range list {
		if i == squashItems[w.squash] {
			w.sanitized(len(list))
			break
		}
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.path = append(w.path, step{index: i})
		if err := w.anyValue(v, depth-1, "", false); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	w.dst = append(w.dst, ']')
	return nil
}
