package redact

// Key tells whether a key's name promises a secret, or a number that identifies
// a person, and by which rule. Names are split on case, "_", "-", "." and space,
// so that DB_PASSWORD, dbPassword and db.password are one name, and tokenizer,
// secretary and keyboard none.
func Key[S string | []byte](name S) (rule string, hit bool) {
	if len(name) < 3 {
		if hasFold(name, "pw") {
			return "password", true
		}
		return "", false
	}
	if len(name) > maxKey {
		name = name[len(name)-maxKey:] // what a name is about stands at its end
	}
	var buf [maxKey]byte
	var words [maxWords]word
	n := split(name, &buf, &words)
	if n == 0 {
		return "", false
	}
	ws := words[:n]
	if harmless(ws, &buf) {
		return "", false
	}
	for i := range ws {
		w := ws[i].of(&buf)
		if r := oneWord(w); r != "" {
			return r, true
		}
		if i == 0 {
			if n == 1 && (w == "auth" || w == "sid" || w == "pat" || w == "pass" || w == "sig" || w == "samlresponse") {
				return "secret", true
			}
			if n == 1 && w == "tan" {
				return "otp", true
			}
			if n == 1 && (w == "phone" || w == "telephone" || w == "telefon" || w == "tel" || w == "mobile" || w == "fax") {
				return "phone", true
			}
			continue
		}
		if r := twoWords(ws[i-1].of(&buf), w); r != "" {
			return r, true
		}
	}
	return "", false
}

const (
	maxKey   = 96
	maxWords = 24
)

// word is a part of a lower-cased name.
type word struct{ from, to uint8 }

func (w word) of(buf *[maxKey]byte) string { return string(buf[w.from:w.to]) }

func split[S string | []byte](name S, buf *[maxKey]byte, words *[maxWords]word) int {
	n, start := 0, -1
	for i := 0; i < len(name); i++ {
		c := name[i]
		k := classes[c]
		alnum := k&(letter|digit|High) != 0
		upper := c >= 'A' && c <= 'Z'
		if start >= 0 {
			// camelCase and HTTPServer: a capital after a small letter, or before one.
			small := i > 0 && name[i-1] >= 'a' && name[i-1] <= 'z' || i > 0 && classes[name[i-1]]&digit != 0
			next := i+1 < len(name) && name[i+1] >= 'a' && name[i+1] <= 'z' && i > 0 && name[i-1] >= 'A' && name[i-1] <= 'Z'
			if !alnum || upper && (small || next) {
				if n == maxWords {
					return n
				}
				words[n] = word{uint8(start), uint8(i)}
				n++
				start = -1
			}
		}
		if alnum && start < 0 {
			start = i
		}
		if k&letter != 0 {
			c |= 0x20
		}
		buf[i] = c
	}
	if start >= 0 && n < maxWords {
		words[n] = word{uint8(start), uint8(len(name))}
		n++
	}
	return n
}

// harmless knows names that speak about a secret and do not hold one: their last
// word measures it, names its kind or says where it lies.
func harmless(ws []word, buf *[maxKey]byte) bool {
	if len(ws) < 2 {
		return false
	}
	for _, w := range ws {
		if w.to-w.from == 5 && w.of(buf) == "where" {
			return true // SQL, not a name
		}
	}
	switch ws[0].of(buf) {
	case "no", "max", "min", "num", "total", "count", "ask", "prompt", "completion", "input", "output", "cached":
		return true // max_tokens, no-password
	}
	switch ws[len(ws)-1].of(buf) {
	case "count", "counts", "size", "length", "len", "limit", "limits", "type", "types", "kind", "policy", "policies",
		"expiry", "expires", "expiration", "ttl", "age", "usage", "used", "file", "files", "path", "dir", "enabled",
		"disabled", "required", "rotation", "status", "state", "method", "methods", "provider", "endpoint", "timeout",
		"duration", "lifetime", "min", "max", "stdin", "prompt", "field", "format", "algorithm", "alg", "version",
		"name", "names", "changed", "updated", "created", "expired", "expire", "rotated", "revoked", "at", "until",
		"valid", "strength", "attempts", "attempt", "reset", "manager", "store", "consent", "domain", "budget", "mode",
		"per", "rate", "cost", "index", "scope", "scopes", "audience", "issuer", "url", "uri", "host", "port",
		"rules", "hint", "validation", "ref", "arn", "digest", "fingerprint", "jar", "history", "bucket", "second", "minute", "hour", "page", "form",
		"column", "table", "error", "check", "change", "refresh", "generator", "strategy", "service", "storage", "handler", "realm",
		"go", "js", "ts", "tsx", "jsx", "vue", "swift", "scala", "pl", "hpp", "html", "md", "py", "rb", "rs", "java", "kt", "cs", "php", "cpp", "sh": // token.go:42
		return true
	case "hash":
		// A session is logged by its hash; a password's hash is still a secret.
		return ws[0].of(buf) == "session" || ws[0].of(buf) == "token"
	case "id", "ids":
		// access_key_id and token_id name a secret; session_id and secret_id are one.
		switch ws[len(ws)-2].of(buf) {
		case "key", "credential", "credentials", "token", "cookie", "authorization":
			return true
		}
	}
	return false
}

// oneWord knows words that promise a secret by themselves, also glued to others
// in small letters (pgpassword, clientsecret).
func oneWord(w string) string {
	switch w {
	case "token", "tokens":
		return "token"
	case "secret", "secrets", "jwt", "bearer":
		return "secret"
	case "mnemonic", "passphrase", "passphrases", "seedphrase":
		return "passphrase"
	case "pwd", "pw", "passcode", "pass", "passwort", "kennwort", "senha", "wachtwoord", "motdepasse", "contrasena",
		"contraseña", "clave", "parola", "hasło", "jelszo", "psk", "wpapsk", "requirepass", "masterauth", "salasana", "passwrd", "pswd", "psw", "passw":
		return "password"
	case "creds", "cred", "zugangsdaten", "anmeldedaten", "logindaten", "identifiants":
		return "credential"
	case "authorization", "authorisation":
		return "authorization"
	case "cookie", "cookies", "jsessionid", "phpsessid", "sessid", "sessionid", "sessionkey", "session":
		return "session"
	case "dsn", "connstr", "connstring", "connectionstring", "connectionstrings", "connectionuri":
		return "dsn"
	case "otp", "totp", "hotp":
		return "otp"
	case "pin", "pincode":
		return "pin"
	case "ssn", "socialsecuritynumber":
		return "ssn"
	case "iban":
		return "iban"
	case "cvv", "cvc", "cvv2", "cvc2", "cardnumber", "creditcard", "ccnumber", "ccnum", "cardno":
		return "card"
	case "msisdn", "phonenumber", "telefonnummer", "handynummer", "rufnummer", "mobilnummer":
		return "phone"
	case "dob", "dateofbirth", "birthdate", "passportnumber":
		return "personal"
	case "accountkey", "sharedaccesskey", "sharedkey", "authkey", "sshkey", "masterkey", "signingkey", "privkey",
		"encryptionkey", "serverkey", "servicekey", "servicerolekey", "licensekey", "accesskey", "appkey", "consumerkey":
		return "key"
	case "passwordless", "secretary", "secretariat", "secretion", "tokenless":
		return ""
	}
	switch {
	case len(w) < 6:
		return ""
	case contains(w, "password"), contains(w, "passwd"), contains(w, "kennwort"), contains(w, "passwort"):
		return "password"
	case contains(w, "passphrase"):
		return "passphrase"
	case contains(w, "apikey"), contains(w, "secretkey"), contains(w, "privatekey"):
		return "key"
	case contains(w, "credential"):
		return "credential"
	case ends(w, "secret"):
		return "secret"
	case ends(w, "token"), ends(w, "tokens"):
		return "token"
	case ends(w, "pwd"):
		return "password"
	case ends(w, "cookie"):
		return "session"
	}
	return ""
}

// twoWords knows pairs of words of which neither is secret by itself.
func twoWords(a, b string) string {
	switch b {
	case "key", "keys":
		switch a {
		case "api", "private", "secret", "access", "encryption", "encrypt", "decryption", "signing", "sign", "master",
			"account", "storage", "shared", "ssh", "auth", "hmac", "aes", "rsa", "pgp", "gpg", "admin", "app", "application",
			"consumer", "client", "deploy", "webhook", "jwt", "enc", "dek", "kek", "cipher", "luks", "decrypt", "symmetric", "crypto", "wrapping", "role", "service",
			"license", "licence", "server", "unseal", "wifi", "wlan", "wpa", "wep", "network", "activation", "product", "tls", "ssl", "session", "root", "anon", "bot", "write", "ingest",
			"integration", "subscription", "functions", "recovery", "seed", "age", "priv", "security", "kms", "cert":
			return "key"
		}
	case "string", "strings", "uri":
		if a == "connection" || a == "conn" {
			return "dsn"
		}
	case "code", "codes":
		switch a {
		case "security", "recovery", "backup", "verification", "auth", "authorization", "access", "pass", "otp", "mfa", "fa", "sms", "unlock", "login", "time", "pairing", "2fa", "reset":
			return "otp"
		}
	case "phrase":
		if a == "pass" || a == "seed" || a == "recovery" || a == "mnemonic" || a == "secret" {
			return "passphrase"
		}
	case "response", "assertion":
		if a == "saml" {
			return "token"
		}
	case "community":
		if a == "snmp" {
			return "secret"
		}
	case "passe":
		if a == "de" {
			return "password" // mot de passe
		}
	case "auth":
		switch a {
		case "redis", "rediscli", "proxy", "smtp", "registry", "npm":
			return "secret"
		}
	case "phone":
		switch a {
		case "mobile", "cell", "home", "work", "contact", "customer", "user", "business":
			return "phone"
		}
	case "word", "words":
		if a == "pass" || a == "seed" {
			return "password"
		}
	case "number", "no", "num", "nr":
		switch a {
		case "card", "pan", "cc":
			return "card"
		case "phone", "mobile", "cell", "telephone":
			return "phone"
		case "security":
			return "ssn"
		case "passport", "tax", "licence", "license":
			return "personal"
		}
	case "card":
		if a == "credit" || a == "debit" {
			return "card"
		}
	case "security":
		if a == "social" {
			return "ssn"
		}
	case "birth", "birthday":
		if a == "of" || a == "date" {
			return "personal"
		}
	case "signature":
		if a == "amz" || a == "goog" || a == "access" {
			return "secret"
		}
	case "pass":
		return "password"
	case "salt":
		return "secret"
	case "header":
		if a == "auth" {
			return "authorization"
		}
	}
	return ""
}

func ends(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}

func contains(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i:i+len(part)] == part {
			return true
		}
	}
	return false
}

// JWK tells whether a member of a JSON Web Key is a private one (RFC 7518,
// sections 6.2.2, 6.3.2 and 6.4).
func JWK(name string) bool {
	switch name {
	case "d", "p", "q", "dp", "dq", "qi", "k":
		return true
	}
	return false
}
