package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func texts(events [][]byte) []string {
	all := []string{}
	for _, e := range events {
		all = append(all, string(e))
	}
	return all
}

// A body is cut into its events before any of them is judged: what is inside the cuts costs nobody else anything.
func TestSplitEvents(t *testing.T) {
	for name, c := range map[string]struct {
		media, body string
		want        []string
		err         error
	}{
		"an object":                 {typeJSON, "\n {\"a\": 1} ", []string{`{"a": 1}`}, nil},
		"an array":                  {typeJSON, `[ {"a":"],["} , {"b":[{}]},7 ]`, []string{`{"a":"],["}`, `{"b":[{}]}`, `7`}, nil},
		"quotes in strings":         {typeJSON, `[{"a":"\\\"}"},{}]`, []string{`{"a":"\\\"}"}`, `{}`}, nil},
		"brackets that do not fit":  {typeJSON, `[{]}, {}]`, nil, errNotEvents},
		"nonsense between cuts":     {typeJSON, `[{"a":},{}]`, []string{`{"a":}`, `{}`}, nil},
		"lines":                     {typeNDJSON, "{\"a\":1}\r\n\n \t\r\n{\"b\":2}", []string{"{\"a\":1}\r", `{"b":2}`}, nil},
		"lines, by another name":    {typeJSONL, "{}\n", []string{"{}"}, nil},
		"a mark in front of lines":  {typeNDJSON, "\xef\xbb\xbf{}\n", []string{"{}"}, nil},
		"nothing":                   {typeJSON, "", nil, errNotEvents},
		"white space":               {typeJSON, " \n\t", nil, errNotEvents},
		"no lines":                  {typeNDJSON, "\n\n", nil, errNotEvents},
		"an empty array":            {typeJSON, "[ ]", nil, errNotEvents},
		"an array without its end":  {typeJSON, `[{}`, nil, errNotEvents},
		"an event without its end":  {typeJSON, `[{"a":"]`, nil, errNotEvents},
		"an escape without its end": {typeJSON, `[{"a":"\`, nil, errNotEvents},
		"an array and more":         {typeJSON, `[{}]{}`, nil, errNotEvents},
		"a comma at the end":        {typeJSON, `[{},]`, nil, errNotEvents},
		"a comma at the beginning":  {typeJSON, `[,{}]`, nil, errNotEvents},
		"the wrong bracket":         {typeJSON, `[{}}`, nil, errNotEvents},
		"as many as go":             {typeJSON, "[" + strings.Repeat("{},", maxEvents-1) + "{}]", texts(bytes.Split(bytes.Repeat([]byte("{} "), maxEvents)[:3*maxEvents-1], []byte(" "))), nil},
		"one more":                  {typeJSON, "[" + strings.Repeat("{},", maxEvents) + "{}]", nil, errManyEvents},
		"one more line":             {typeNDJSON, strings.Repeat("{}\n", maxEvents+1), nil, errManyEvents},
	} {
		got, err := splitEvents(c.media, []byte(c.body))
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
		if err == nil {
			if d := cmp.Diff(c.want, texts(got)); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
}

// Whatever a JSON encoder makes of a list is cut into what it makes of the elements.
func TestSplitIsWhatWasJoined(t *testing.T) {
	value := rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return rapid.String().Draw(t, "text")
		case 1:
			return map[string]any{rapid.String().Draw(t, "key"): []any{rapid.String().Draw(t, "inner"), map[string]any{}}}
		case 2:
			return rapid.Int().Draw(t, "number")
		default:
			return nil
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(value, 1, 8).Draw(t, "list")
		var want []string
		for _, v := range list {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, string(b))
		}
		for media, body := range map[string]string{typeJSON: "[" + strings.Join(want, " ,\n") + "]", typeNDJSON: strings.Join(want, "\n")} {
			got, err := splitEvents(media, []byte(body))
			if err != nil {
				t.Fatalf("%s: %v", media, err)
			}
			if d := cmp.Diff(want, texts(got)); d != "" {
				t.Fatalf("%s: %s", media, d)
			}
		}
	})
}
