package search

import "slices"

// Misspelled returns the first type of event that a query names as a whole, and that is not one of types but so near to one that
// this one may have been meant; "" where there is none. Other types than those are allowed, so that is no error: it is for
// whoever has found nothing.
func (q Query) Misspelled(types []string) (given, meant string) { return misspelled(q.Root, types) }

func misspelled(n Node, types []string) (given, meant string) {
	of := func(all []Node) (given, meant string) {
		for _, n := range all {
			if given, meant = misspelled(n, types); given != "" {
				break
			}
		}
		return given, meant
	}
	switch n := n.(type) {
	case And:
		return of(n)
	case Or:
		return of(n)
	case Not:
		return misspelled(n.Of, types)
	case Term:
		for _, v := range n.Any {
			if n.Field != FieldEvent || v.Op != Equal || slices.Contains(types, v.Text) {
				continue
			}
			if meant := nearest(v.Text, types); meant != "" {
				return v.Text, meant
			}
		}
	}
	return "", ""
}
