package webui

import "github.com/stetlog/stet/internal/search"

// nothingView says why nothing is found: in what time was looked, and what each condition takes away.
type nothingView struct {
	From, Until moment // the limits of time; the zero one is none
	Without     []withoutView
}

// withoutView is a condition, and what is found without it.
type withoutView struct{ Words, Count, Href string }

// maxWithout is how many conditions are tried without: each is a query.
const maxWithout = 6

// nothing looks why a query finds nothing.
func (v *visit) nothing(q search.Query) (*nothingView, error) {
	in := q.Resolve(v.now).Bounds()
	out := &nothingView{From: v.at(in.From), Until: v.at(in.Until)}
	all := chips(q)
	if len(all) < 2 || len(all) > maxWithout { // without the only one it is the whole log
		return out, nil
	}
	for _, c := range all {
		n, err := ask[counts](v, link("/v1/counts", "q", c.rest))
		if err != nil {
			return nil, err
		}
		if n.Count > 0 {
			out.Without = append(out.Without, withoutView{c.Words, number(n.Count, n.AtLeast), c.Without})
		}
	}
	return out, nil
}
