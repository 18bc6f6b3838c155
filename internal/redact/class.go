package redact

// Bits are features of bytes. One table of them serves the scanner of events,
// which stops at Stop, the encoder, and the prefilter of redaction.
type Bits uint16

// The features that other packages look at.
const (
	Quote     Bits = 1 << iota // "
	Backslash                  // \
	Control                    // below 0x20, and 0x7f
	High                       // 0x80 and above
	Suspect                    // set by Look alone: worth the patterns
	letter
	capital // and letter
	digit
	mark   // = : @ < ( and the like: what joins a key to a value, and begins an escape
	joiner // - _ . /
	hexa   // of a hexadecimal number, in either case
)

// Stop are the bytes that end the fast path through a JSON string.
const Stop = Quote | Backslash | Control | High

// Unsafe are the bytes that sanitising looks at.
const Unsafe = Backslash | Control | High

var classes = func() (t [256]Bits) {
	for i := range t {
		c := byte(i)
		switch {
		case c == '"':
			t[i] = Quote
		case c == '\\':
			t[i] = Backslash | mark // \u0022
		case c < 0x20, c == 0x7f:
			t[i] = Control
		case c >= 0x80:
			t[i] = High
		case c >= 'A' && c <= 'Z':
			t[i] = letter | capital
		case c >= 'a' && c <= 'z':
			t[i] = letter
		case c >= '0' && c <= '9':
			t[i] = digit
		case c == '=' || c == ':' || c == '@' || c == '<' || c == '%' || c == '&' || c == '(' || c == '{':
			t[i] = mark
		case c == '-' || c == '_' || c == '.' || c == '/':
			t[i] = joiner
		}
		if isHex([]byte{c}) {
			t[i] |= hexa
		}
	}
	return t
}()

// Class returns the features of one byte.
func Class(c byte) Bits { return classes[c] }

// The prefilter's thresholds: what is below them cannot be a secret that the
// patterns know without a mark or a keyword.
const (
	longRun   = 15 // letters, digits and joiners in a row, a digit or a capital among them
	fewDigits = 9  // an SSN; cards, IBANs and phones have more
)

// Look reads s once and says whether it needs a second look. Zero means that s
// can go into JSON as it is. Suspect is set for text with a mark, a keyword, an
// option, a long run or many digits; it is never missing where Text would mask. A
// whole UUID is an id whatever its digits look like: one in 10,000 has the check
// digits of an IBAN somewhere, and events are told apart by their ids. A whole SHA-256
// digest is one too: every event that came from elsewhere names its original by it.
func Look(s string) Bits { return look(s) }

// LookBytes is Look for text that is not a string yet.
func LookBytes(s []byte) Bits { return look(s) }

func look[S string | []byte](s S) Bits {
	if isUUID(s) || isDigest(s) {
		return 0
	}
	var all Bits
	run, digits := 0, 0
	var before, seen Bits
	for i := 0; i < len(s); i++ {
		c := s[i]
		k := classes[c]
		all |= k
		seen |= k
		switch {
		case k&letter != 0:
			if before&letter == 0 && keyword(s[i:]) || c|0x20 == 'p' && hasFold(s[i:], "passwor") {
				all |= Suspect
			}
			run++
		case k&digit != 0:
			digits++
			run++
		case k&joiner != 0:
			run++
			if c == '-' && before&^(High|Unsafe) == 0 {
				all |= Suspect // an option: this may be a command line
			}
		default:
			if run >= longRun && seen&(digit|capital) != 0 {
				all |= Suspect
			}
			run, seen = 0, 0
		}
		before = k
	}
	if all&mark != 0 && !sourceLine(s) || digits >= fewDigits || run >= longRun && seen&(digit|capital) != 0 {
		all |= Suspect
	}
	return all & (Stop | Suspect)
}

// sourceLine knows the place in a source file that every event of a job names:
// worker/purge.go:26. Its colon makes no pair, for a name that ends like a file's is
// harmless, and nothing else masks a few digits behind one.
func sourceLine[S string | []byte](s S) bool {
	n := len(s)
	for n > 0 && len(s)-n < fewDigits && classes[s[n-1]]&digit != 0 {
		n--
	}
	if n == len(s) || n < 4 || s[n-1] != ':' {
		return false
	}
	name := s[:n-1]
	dot, from := 0, 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '.':
			dot = i
		case c == '/':
			from = i + 1
		case classes[c]&(letter|digit|joiner) == 0:
			return false
		}
	}
	if dot <= from || classes[name[dot-1]]&(letter|digit) == 0 || len(name)-from > maxFile {
		return false
	}
	switch string(name[dot+1:]) { // a part of what harmless knows
	case "go", "js", "ts", "py", "rb", "rs", "java", "kt", "cs", "php", "cpp":
		return true
	}
	return false
}

// maxFile keeps a file's name below the words that a key is split into, so that its
// ending is seen.
const maxFile = 2 * maxWords

// keyword tells whether s begins with the stem of a word after which a secret
// may stand without a mark: "password hunter2", "Bearer …", "-----BEGIN".
func keyword[S string | []byte](s S) bool {
	if len(s) < 3 {
		return false
	}
	if hasFold(s, "contrase") { // contraseña; connect is none
		return true
	}
	switch uint32(s[0]|0x20)<<16 | uint32(s[1]|0x20)<<8 | uint32(s[2]|0x20) {
	case 'p'<<16 | 'a'<<8 | 's', // password, passphrase, passwd
		'p'<<16 | 'w'<<8 | 'd', 'p'<<16 | 'i'<<8 | 'n', 'o'<<16 | 't'<<8 | 'p',
		's'<<16 | 'e'<<8 | 'c', // secret
		't'<<16 | 'o'<<8 | 'k', // token
		'b'<<16 | 'e'<<8 | 'a', // bearer
		'b'<<16 | 'a'<<8 | 's', // basic
		'c'<<16 | 'r'<<8 | 'e', // credential
		'c'<<16 | 'v'<<8 | 'v', 'c'<<16 | 'v'<<8 | 'c', 's'<<16 | 's'<<8 | 'n',
		'b'<<16 | 'e'<<8 | 'g',                         // BEGIN
		'k'<<16 | 'e'<<8 | 'y',                         // key
		'i'<<16 | 'd'<<8 | 'e',                         // identified by
		's'<<16 | 'e'<<8 | 's',                         // session
		'k'<<16 | 'e'<<8 | 'n',                         // Kennwort
		'c'<<16 | 'o'<<8 | 'd',                         // code
		't'<<16 | 'e'<<8 | 'l', 'p'<<16 | 'h'<<8 | 'o', // telephone, phone
		'm'<<16 | 'o'<<8 | 'b', 't'<<16 | 'a'<<8 | 'n', // mobile
		'm'<<16 | 'y'<<8 | 's', 'm'<<16 | 'a'<<8 | 'r', // mysql, mariadb
		'c'<<16 | 'u'<<8 | 'r', // curl
		's'<<16 | 's'<<8 | 'h': // sshpass
		return true
	}
	return false
}
