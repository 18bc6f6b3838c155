package search

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
)

// Parse reads a query. Its error is an *Error.
func Parse(text string) (Query, error) {
	if len(text) > MaxBytes {
		return Query{}, &Error{Query: text, At: 0, End: len(text), What: fmt.Sprintf("it has %d bytes, at most %d are allowed", len(text), MaxBytes)}
	}
	p := parser{s: text}
	p.space()
	if p.i == len(text) {
		return Query{}, nil
	}
	n, err := p.or()
	if err == nil && p.i < len(text) { // what ends an or is the end, or this
		err = p.errorf(p.i, p.i+1, "there is no ( for this", "")
	}
	if err != nil {
		return Query{}, err
	}
	q := Query{n}
	if n := len(q.String()); n > MaxBytes {
		return Query{}, p.errorf(0, len(text), fmt.Sprintf("written out it has %d bytes, at most %d are allowed", n, MaxBytes), "")
	}
	return q, nil
}

// ParseField reads a field as it stands before the colon of a term, with the key of a label or the path of a parameter. Its
// error is an *Error.
func ParseField(text string) (f Field, path []string, err error) {
	if len(text) > MaxBytes {
		return 0, nil, &Error{Query: text, At: 0, End: len(text), What: fmt.Sprintf("it has %d bytes, at most %d are allowed", len(text), MaxBytes)}
	}
	p := parser{s: text}
	name, _, dotted := strings.Cut(text, ".")
	f, ok := lookup(name)
	switch {
	case !ok:
		return 0, nil, p.unknown(0, name)
	case fields[f].path != dotted && dotted:
		return 0, nil, p.errorf(0, len(text), name+" has no parts", "write "+name)
	case fields[f].path != dotted:
		return 0, nil, p.errorf(0, len(text), name+" needs a name of its own", fmt.Sprintf("write %s.NAME", name))
	case !dotted:
		return f, nil, nil
	}
	p.i = len(name) + 1
	path, wrong := p.path(f)
	if wrong == nil && p.i < len(text) {
		wrong = p.errorf(p.i, len(text), "nothing may follow the name of a field", "quote a name that has spaces or signs in it")
	}
	if wrong != nil {
		return 0, nil, wrong
	}
	return f, path, nil
}

// parser reads one query from its beginning to its end.
type parser struct {
	s     string
	i     int // bytes read
	depth int // of parentheses and negations
	terms int
}

func (p *parser) errorf(at, end int, what, hint string) *Error {
	return &Error{Query: p.s, At: min(at, len(p.s)), End: min(end, len(p.s)), What: what, Hint: hint}
}

func (p *parser) space() {
	for p.i < len(p.s) {
		r, n := utf8.DecodeRuneInString(p.s[p.i:])
		if !unicode.IsSpace(r) {
			return
		}
		p.i += n
	}
}

// peek is the byte that comes next, 0 at the end.
func (p *parser) peek() byte {
	if p.i == len(p.s) {
		return 0
	}
	return p.s[p.i]
}

// keyword says whether a whole word comes next.
func (p *parser) keyword(word string) bool {
	rest, ok := strings.CutPrefix(p.s[p.i:], word)
	if !ok || rest == "" {
		return ok
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return unicode.IsSpace(r) || r == '(' || r == ')'
}

// or = and { "OR" and }
func (p *parser) or() (Node, *Error) {
	var all Or
	for {
		n, err := p.and()
		if err != nil {
			return nil, err
		}
		if more, ok := n.(Or); ok {
			all = append(all, more...)
		} else {
			all = append(all, n)
		}
		if !p.keyword("OR") {
			break
		}
		p.i += len("OR")
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

// and = not { [ "AND" ] not }; it ends before "OR", ")" and the end.
func (p *parser) and() (Node, *Error) {
	var all And
	for joined := false; ; joined = false {
		p.space()
		if p.keyword("AND") && len(all) > 0 {
			p.i += len("AND")
			p.space()
			joined = true
		}
		if p.i == len(p.s) || p.peek() == ')' || p.keyword("OR") {
			if len(all) == 0 || joined {
				return nil, p.errorf(p.i, p.i+1, "something to look for must stand here", `AND and OR join two things; to look for such a word, quote it: "OR"`)
			}
			break
		}
		n, err := p.not()
		if err != nil {
			return nil, err
		}
		if more, ok := n.(And); ok {
			all = append(all, more...)
		} else {
			all = append(all, n)
		}
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

// not = [ "-" ] ( "(" or ")" | term | words )
func (p *parser) not() (Node, *Error) {
	at := p.i
	if p.keyword("NOT") || p.keyword("AND") {
		return nil, p.errorf(at, at+3, p.s[at:at+3]+" cannot stand here", "- in front of something negates it, and a space means and")
	}
	if p.peek() != '-' {
		return p.atom()
	}
	p.i++
	if r, _ := utf8.DecodeRuneInString(p.s[p.i:]); p.i == len(p.s) || unicode.IsSpace(r) || r == '-' || r == ')' {
		return nil, p.errorf(at, p.i, "- must stand directly in front of what it negates", `quote it to look for it`)
	}
	if err := p.enter(at); err != nil {
		return nil, err
	}
	n, err := p.atom()
	p.depth--
	return Not{n}, err
}

func (p *parser) enter(at int) *Error {
	if p.depth++; p.depth > MaxDepth {
		return p.errorf(at, at+1, fmt.Sprintf("parentheses and negations stand more than %d deep", MaxDepth), "")
	}
	return nil
}

func (p *parser) atom() (Node, *Error) {
	at := p.i
	if p.peek() != '(' {
		if name, ok := p.fieldName(); ok {
			return p.term(at, name)
		}
		return p.words()
	}
	if err := p.enter(at); err != nil {
		return nil, err
	}
	p.i++
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.peek() != ')' {
		return nil, p.errorf(at, at+1, "there is no ) for this", "")
	}
	p.i++
	p.depth--
	return n, nil
}

// fieldName tells what a colon makes a term of from a word. It reads nothing.
func (p *parser) fieldName() (name string, ok bool) {
	s := p.s[p.i:]
	n := 0
	for n < len(s) && (s[n] >= 'a' && s[n] <= 'z' || s[n] >= 'A' && s[n] <= 'Z' || s[n] == '_' || n > 0 && (s[n] == '-' || s[n] >= '0' && s[n] <= '9')) {
		n++
	}
	if n == 0 || n == len(s) {
		return "", false
	}
	name = s[:n]
	if f, ok := lookup(name); ok && fields[f].path && s[n] == '.' {
		return name, true
	}
	for i, c := range s[n:] {
		switch {
		case c == ':':
			return name, true
		case i == 0 && c != '.', unicode.IsSpace(c), strings.ContainsRune(`()"`, c):
			return "", false
		}
	}
	return "", false
}

// term = name [ "." path ] ":" value { "," value }
func (p *parser) term(at int, name string) (Node, *Error) {
	f, ok := lookup(name)
	if !ok {
		return nil, p.unknown(at, name)
	}
	p.i += len(name)
	t := Term{Field: f}
	switch {
	case fields[f].path && p.peek() != '.':
		return nil, p.errorf(at, p.i, name+" needs a name of its own", fmt.Sprintf("write %s.NAME:VALUE", name))
	case fields[f].path:
		p.i++
		var err *Error
		if t.Path, err = p.path(f); err != nil {
			return nil, err
		}
	case p.peek() == '.':
		return nil, p.errorf(at, at+strings.IndexByte(p.s[at:], ':'), name+" has no parts", fmt.Sprintf("write %s:VALUE", name))
	}
	if p.peek() != ':' {
		return nil, p.errorf(at, p.i, "a colon and a value must follow", `to look for the word itself, quote it`)
	}
	p.i++
	for {
		if err := p.count(at); err != nil {
			return nil, err
		}
		v, err := p.value(t, name)
		if err != nil {
			return nil, err
		}
		t.Any = append(t.Any, v)
		if p.peek() != ',' {
			break
		}
		if name == after || name == before || name == since {
			return nil, p.errorf(p.i, p.i+1, name+" takes one time", "several ranges: received:2026-01-01,2026-02-01..2026-02-07")
		}
		p.i++
	}
	if len(t.Any) > 1 && slices.ContainsFunc(t.Any, func(v Value) bool { return v.Op == Present }) {
		return nil, p.errorf(at, p.i, "* alone means any value, and nothing can stand beside it", "")
	}
	return t, nil
}

func (p *parser) count(at int) *Error {
	if p.terms++; p.terms > MaxTerms {
		return p.errorf(at, len(p.s), fmt.Sprintf("it has more than %d words and values", MaxTerms), "")
	}
	return nil
}

func (p *parser) unknown(at int, name string) *Error {
	names := []string{after, before, since}
	for _, f := range fields {
		names = append(names, f.name)
	}
	low := strings.ReplaceAll(strings.ToLower(name), "-", "_")
	meant, ok := elsewhere[low]
	if !ok {
		meant = nearest(low, names)
	}
	hint := "do you mean " + meant + "?"
	if meant == "" {
		hint = fmt.Sprintf("of a label write label.%s:VALUE, of a parameter param.%s:VALUE; to look for the text, quote it", name, name)
	}
	return p.errorf(at, at+len(name), fmt.Sprintf("there is no field %q", name), hint)
}

// path = the key of a label, as it stands up to the colon or in quotes; of a parameter several of them with dots between.
func (p *parser) path(f Field) ([]string, *Error) {
	var all []string
	for {
		at := p.i
		if p.peek() == '"' {
			s, err := p.quoted()
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		} else {
			stop := `:"(),`
			if f == FieldParam {
				stop += "."
			}
			s, err := p.bare(stop)
			if err != nil {
				return nil, err
			}
			if s == "" {
				return nil, p.errorf(at, at+1, "the name of a "+f.String()+" must stand here", "quote a name that has spaces or signs in it")
			}
			all = append(all, event.Sanitize(s))
		}
		if f != FieldParam || p.peek() != '.' {
			return all, nil
		}
		p.i++
	}
}

// bare reads up to a space or one of stop, and refuses what does not show itself.
func (p *parser) bare(stop string) (string, *Error) {
	at := p.i
	for p.i < len(p.s) {
		r, n := utf8.DecodeRuneInString(p.s[p.i:])
		switch {
		case unicode.IsSpace(r), strings.ContainsRune(stop, r):
			return p.s[at:p.i], nil
		case r == utf8.RuneError && n == 1, event.Hidden(r):
			return "", p.hidden(r, n)
		case strings.ContainsRune(`“”„‟«»`, r):
			return "", p.errorf(p.i, p.i+n, "this is no quotation mark of the language", `write "`)
		}
		p.i += n
	}
	return p.s[at:p.i], nil
}

func (p *parser) hidden(r rune, n int) *Error {
	return p.errorf(p.i, p.i+n, "a character that does not show itself", `in quotes it is written `+event.Sanitize(p.s[p.i:p.i+n]))
}

// quoted reads from one quotation mark to the next, in which texts are written as events hold them, and " as \".
func (p *parser) quoted() (string, *Error) {
	at := p.i
	p.i++
	var b strings.Builder
	for p.i < len(p.s) {
		r, n := utf8.DecodeRuneInString(p.s[p.i:])
		switch {
		case r == '"':
			p.i++
			s := b.String()
			if _, ok := event.Unsanitize(s); !ok {
				return "", p.errorf(at, p.i, "it has a \\ that escapes nothing", `in quotes a backslash is written \\, a line's end \n, and others \t, \xNN, \uNNNN, \UNNNNNNNN`)
			}
			return s, nil
		case r == '\\' && p.i+1 < len(p.s) && p.s[p.i+1] == '"':
			b.WriteByte('"')
			n = 2
		case r == '\\' && p.i+1 < len(p.s) && p.s[p.i+1] == '\\':
			b.WriteString(`\\`)
			n = 2
		case r == utf8.RuneError && n == 1, event.Hidden(r):
			return "", p.hidden(r, n)
		default:
			b.WriteString(p.s[p.i : p.i+n])
		}
		p.i += n
	}
	return "", p.errorf(at, at+1, "this quotation does not end", `a " within it is written \"`)
}

// lexeme is one value or word as it was written.
type lexeme struct {
	at, end int
	text    string // a bare one as it stands, a quoted one as events hold it; without the star
	quoted  bool
	star    bool // a star behind it
}

// stored is the text as events hold it.
func (l lexeme) stored() string {
	if l.quoted {
		return l.text
	}
	return event.Sanitize(l.text)
}

// lexeme reads a value (list: up to a comma) or a word.
func (p *parser) lexeme(list bool) (l lexeme, err *Error) {
	l.at = p.i
	if l.quoted = p.peek() == '"'; l.quoted {
		if l.text, err = p.quoted(); err != nil {
			return l, err
		}
		if l.star = p.peek() == '*'; l.star {
			p.i++
		}
	} else {
		stop := `()"`
		if list {
			stop += ","
		}
		if l.text, err = p.bare(stop); err != nil {
			return l, err
		}
		l.text, l.star = strings.CutSuffix(l.text, "*")
		if i := strings.IndexByte(l.text, '*'); i >= 0 {
			return l, p.errorf(l.at+i, l.at+i+1, "* can only stand at the end", "quote the text if the sign itself is meant")
		}
	}
	l.end = p.i
	if p.i == len(p.s) || p.peek() == ')' || list && p.peek() == ',' {
		return l, nil
	}
	if r, _ := utf8.DecodeRuneInString(p.s[p.i:]); !unicode.IsSpace(r) {
		return l, p.errorf(p.i, p.i+1, strconv.Quote(string(r))+" cannot stand here", "put the whole text in quotes, or a space before it")
	}
	return l, nil
}

// words reads a free word, or a quoted text.
func (p *parser) words() (Node, *Error) {
	at := p.i
	if err := p.count(at); err != nil {
		return nil, err
	}
	if r, n := utf8.DecodeRuneInString(p.s[at:]); strings.ContainsRune("!:\u2010\u2011\u2012\u2013\u2014\u2015\u2212", r) {
		hint := "write - to negate"
		if r == ':' {
			hint = "a field's name must stand directly in front of it"
		}
		return nil, p.errorf(at, at+n, string(r)+" cannot stand here", hint+"; quote it to look for it")
	}
	l, err := p.lexeme(false)
	if err != nil {
		return nil, err
	}
	w := Words{Tokens: AppendTokens(nil, l.stored()), Prefix: l.star}
	if len(w.Tokens) == 0 {
		hint := "words are made of letters and digits"
		switch {
		case l.text == "" && l.star && !l.quoted:
			hint = "leave it out: an empty query finds everything"
		case l.text == "||" || l.text == "|":
			hint = "write OR"
		case l.text == "&&" || l.text == "&" || l.text == "+":
			hint = "leave it out: a space means and"
		}
		return nil, p.errorf(l.at, l.end, "there is no word in it", hint)
	}
	return w, nil
}
