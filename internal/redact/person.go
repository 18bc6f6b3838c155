package redact

import "strings"

// email masks the address whose @ is at i.
func (f *finder) email(i int) {
	s := f.s
	b := i
	for b > 0 && i-b < 64 && (classes[s[b-1]]&(letter|digit|High) != 0 || strings.IndexByte("._%+-'", s[b-1]) >= 0) {
		b--
	}
	for b < i && (s[b] == '.' || s[b] == '\'' || s[b] == '-') {
		b++
	}
	e := i + 1
	for e < len(s) && e-i < 254 && (classes[s[e]]&(letter|digit|High) != 0 || s[e] == '-' || s[e] == '.') {
		e++
	}
	for e > i && (s[e-1] == '.' || s[e-1] == '-') {
		e--
	}
	dot := strings.LastIndexByte(s[i:e], '.') + i
	if b == i || dot <= i+1 || e-dot < 3 {
		return
	}
	for j := dot + 1; j < e; j++ {
		if classes[s[j]]&(letter|High) == 0 {
			return
		}
	}
	switch strings.ToLower(s[dot+1 : e]) {
	case "service", "socket", "timer", "mount", "target", "slice", "scope", "device", "path", "swap", // systemd's instances
		"png", "jpg", "jpeg", "gif", "svg", "webp": // image@2x.png
		return
	}
	if strings.HasSuffix(s[:b], "://") {
		return // a login of a URL, which is identity
	}
	if s[b:i] == "git" && e < len(s) && (s[e] == ':' || s[e] == '/') {
		return // git@github.com:org/repository
	}
	f.add(b, e, "email")
}

// phone masks a number of E.164 with its plus sign at i: nine to fifteen digits,
// with single separators between.
func (f *finder) phone(i int) {
	s := f.s
	digits, end := 0, i+1
	for j := i + 1; j < len(s) && j-i < 28; j++ {
		c := s[j]
		switch {
		case classes[c]&digit != 0:
			if digits == 0 && c == '0' {
				return
			}
			digits++
			end = j + 1
			continue
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')':
			if digits == 0 || !near(s, j) {
				break
			}
			continue
		case classes[c]&(letter|High) != 0 || c == ':' || c == '_':
			if j == end {
				return // +1234567890abc
			}
		}
		break
	}
	for j := i + 1; j < end; j++ { // the date of "+12 2026-01-02" is none
		if s[j] == '-' && j-i > 5 && j+5 < len(s) && allDigits(s[j-4:j]) && s[j+3] == '-' {
			return
		}
	}
	if digits >= 9 && digits <= 15 {
		f.add(i, end, "phone")
	}
}

// near tells whether a digit follows separator j within two characters.
func near(s string, j int) bool {
	for k := j + 1; k < len(s) && k <= j+2; k++ {
		if classes[s[k]]&digit != 0 {
			return true
		}
		if strings.IndexByte(" -.()", s[k]) < 0 {
			return false
		}
	}
	return false
}

// number masks a card number or an SSN whose first digit is at i.
func (f *finder) number(i int) {
	s := f.s
	if i > 1 && s[i-1] == '.' && classes[s[i-2]]&digit != 0 || i > 0 && (s[i-1] == '_' || s[i-1] == '/') {
		return // a fraction, a part of a name or of a path
	}
	if i > 1 && s[i-1] == '-' && classes[s[i-2]]&(letter|digit) != 0 {
		return // inside an id such as a UUID
	}
	if i+11 <= len(s) && s[i+3] == '-' && s[i+6] == '-' {
		if f.ssn(i) {
			return
		}
	}
	// Groups of three to six digits with one kind of separator, or none at all.
	var card [20]byte
	n, group, end := 0, 0, i
	var sep byte
	for j := i; j < len(s); j++ {
		c := s[j]
		if classes[c]&digit != 0 {
			if n == 19 {
				return
			}
			card[n] = c - '0'
			n++
			group++
			end = j + 1
			continue
		}
		if (c == ' ' || c == '-' || c == '.') && (sep == 0 || sep == c) && group >= 3 && group <= 6 && j+1 < len(s) && classes[s[j+1]]&digit != 0 {
			sep, group = c, 0
			continue
		}
		if classes[c]&(letter|High) != 0 || c == '_' {
			return
		}
		if c == '-' && j+1 < len(s) && classes[s[j+1]]&(letter|digit) != 0 {
			return
		}
		if c == '.' && j+1 < len(s) && classes[s[j+1]]&digit != 0 {
			return
		}
		break
	}
	if sep != 0 && group < 2 {
		return
	}
	if cardNumber(card[:n]) {
		f.add(i, end, "card")
	}
}

// cardNumber checks length, issuer and Luhn. Without the issuer every tenth
// order number or time in milliseconds would be a card.
func cardNumber(d []byte) bool {
	if len(d) < 13 {
		return false
	}
	two := int(d[0])*10 + int(d[1])
	four := two*100 + int(d[2])*10 + int(d[3])
	ok := false
	switch n := len(d); {
	case d[0] == 4:
		ok = n == 13 || n == 16 || n == 18 || n == 19 // Visa
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720:
		ok = n == 16 // Mastercard
	case two == 34, two == 37:
		ok = n == 15 // American Express
	case two == 36, two == 38, two == 39, four/10 >= 300 && four/10 <= 305:
		ok = n >= 14 && n <= 19 // Diners
	case two == 35, two == 62, two == 65, two == 60, two == 64, two == 81:
		ok = n >= 16 // JCB, UnionPay, Discover
	case two == 50, two >= 56 && two <= 69:
		ok = n >= 16 // Maestro and others
	case four >= 2200 && four <= 2204:
		ok = n >= 16 // Mir
	}
	if !ok || len(d) == 13 && ean(d) {
		return false
	}
	sum, same := 0, true
	for i, c := range d {
		v := int(c)
		if (len(d)-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
		same = same && c == d[0]
	}
	return sum%10 == 0 && !same
}

// ean tells whether 13 digits are an article's number (GS1 General
// Specifications, 7.9), which begin with 4 in Germany.
func ean(d []byte) bool {
	sum := 0
	for i, c := range d {
		sum += int(c) * (1 + i%2*2)
	}
	return sum%10 == 0
}

// ssn masks ddd-dd-dddd, but for areas 000, 666 and 9xx, group 00, serial 0000.
func (f *finder) ssn(i int) bool {
	s := f.s
	v := s[i : i+11]
	if !allDigits(v[:3]) || !allDigits(v[4:6]) || !allDigits(v[7:]) {
		return false
	}
	if i+11 < len(s) && (classes[s[i+11]]&(letter|digit|High) != 0 || s[i+11] == '-' || s[i+11] == '_') {
		return false
	}
	if v[:3] == "000" || v[:3] == "666" || v[0] == '9' || v[4:6] == "00" || v[7:] == "0000" {
		return false
	}
	f.add(i, i+11, "ssn")
	return true
}

// ibanLength is the length of an IBAN by country (ISO 13616 registry).
var ibanLength = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
	"CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18,
	"FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
	"IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
	"LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18,
	"NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31,
	"SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29,
	"VA": 22, "VG": 24, "XK": 20, "YE": 30,
}

// iban masks an IBAN that begins at i, in one piece or in groups of four.
func (f *finder) iban(i int) {
	s := f.s
	if len(s)-i < 15 || classes[s[i+1]]&letter == 0 || classes[s[i+2]]&digit == 0 || classes[s[i+3]]&digit == 0 {
		return
	}
	want := ibanLength[strings.ToUpper(s[i:i+2])]
	if want == 0 {
		return
	}
	var v [34]byte
	n, j := 0, i
	for ; j < len(s) && n < want; j++ {
		c := s[j]
		if (c == ' ' || c == '-') && n%4 == 0 && s[j-1] != c {
			continue
		}
		if classes[c]&(letter|digit) == 0 {
			return
		}
		if c >= 'a' {
			c -= 0x20
		}
		v[n] = c
		n++
	}
	if n < want || j < len(s) && classes[s[j]]&(letter|digit) != 0 {
		return
	}
	mod := 0
	for k := range n { // ISO 7064: the first four characters go last
		c := v[(k+4)%n]
		if c >= 'A' {
			mod = (mod*100 + int(c-'A') + 10) % 97
		} else {
			mod = (mod*10 + int(c-'0')) % 97
		}
	}
	if mod == 1 {
		f.add(i, j, "iban")
	}
}

// called masks a number at from that is said to be a phone's: seven to sixteen
// digits, however they are grouped. It returns where the number ends.
func (f *finder) called(from int) int {
	s := f.s
	end := from
	for end < len(s) && end-from < 28 && (classes[s[end]]&digit != 0 || strings.IndexByte("+ -/.()", s[end]) >= 0) {
		end++
	}
	for end > from && classes[s[end-1]]&digit == 0 {
		end--
	}
	if n := countDigits(s[from:end]); n >= 7 && n <= 16 {
		f.add(from, end, "phone")
	}
	return end
}
