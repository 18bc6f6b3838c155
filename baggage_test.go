package stet_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
)

// The grammar of W3C Baggage 3.3.1: other people's members are kept as they came, what is none is left out.
func TestBaggage(t *testing.T) {
	for _, tc := range []struct {
		name   string
		lines  []string
		ours   map[string][]string
		others []string
	}{
		{"none", nil, nil, nil},
		{"as in the specification", []string{"key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue"}, nil,
			[]string{"key1=value1;property1;property2", "key2 = value2", "key3=value3; propertyKey=propertyValue"}},
		{"two lines", []string{"a=1", "b=2"}, nil, []string{"a=1", "b=2"}},
		{"a key twice", []string{"a=1,a=2"}, nil, []string{"a=1", "a=2"}},
		{"escapes stay", []string{"serverNode=DF%2028,x=%E4%BD%A0"}, nil, []string{"serverNode=DF%2028", "x=%E4%BD%A0"}},
		{"an empty value", []string{"a="}, nil, []string{"a="}},
		{"ours", []string{"a=1,stet.interaction_id=r%20%2017;meta,b=2"}, map[string][]string{"stet.interaction_id": {"r%20%2017"}}, []string{"a=1", "b=2"}},
		{"ours, often", []string{strings.Repeat("stet.parent_job_id=1,", 100)}, map[string][]string{"stet.parent_job_id": {"1", "1"}}, nil},
		{"another case is another's", []string{"Stet.Interaction_Id=x"}, nil, []string{"Stet.Interaction_Id=x"}},
		{"no members", []string{",, ,\t", "=1", "a", "a b=1", "ä=1", "a=ä", "a=\x00", "a=\"1\"", "a=1\r\nX: y", "a=1;p=\x01", `a=\`}, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ours, others := stet.ParseBaggage(tc.lines)
			if len(ours)+len(tc.ours) > 0 && !cmp.Equal(ours, tc.ours) || !slices.Equal(others, tc.others) {
				t.Errorf("ours %q, others %q", ours, others)
			}
		})
	}
}

// At most 180 members and 8192 bytes are passed on (W3C Baggage 3.3.2).
func TestBaggageLimits(t *testing.T) {
	if _, others := stet.ParseBaggage([]string{strings.Repeat("a=1,", 181)}); len(others) != 180 {
		t.Errorf("%d members", len(others))
	}
	whole := "a=" + strings.Repeat("1", 8190)
	if _, others := stet.ParseBaggage([]string{whole, "b=1"}); len(others) != 1 || others[0] != whole {
		t.Errorf("%d members", len(others))
	}
	if _, others := stet.ParseBaggage([]string{whole + "1", "b=1"}); !slices.Equal(others, []string{"b=1"}) {
		t.Errorf("%.100q", others)
	}
}
