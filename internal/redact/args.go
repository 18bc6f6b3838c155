package redact

import "strings"

// Args masks the secrets of a command line: values of options and assignments
// with secret-looking names, passwords that well-known programs take in short
// options, and whatever Text finds in a single argument. argv is not changed;
// without a find it is returned itself.
func Args(argv []string) ([]string, []Find) {
	var finds []Find
	for range rounds {
		out, more := argsOnce(argv)
		if len(more) == 0 {
			return out, finds
		}
		argv, finds = out, append(finds, more...)
	}
	if _, more := argsOnce(argv); len(more) == 0 {
		return argv, finds
	}
	// It does not come to rest: somebody made it so.
	out := make([]string, len(argv))
	for i := range out {
		out[i] = Mask("text")
	}
	return out, append(finds, Find{Rule: "text"})
}

func argsOnce(argv []string) ([]string, []Find) {
	words := make([]arg, len(argv))
	for i, a := range argv {
		words[i] = arg{text: a}
	}
	commandLine(words)
	var out []string
	var finds []Find
	for i, a := range argv {
		masked := a
		if w := words[i]; w.to > w.from && !IsMask(a[w.from:w.to]) {
			head, hf := Text(a[:w.from])
			tail, tf := Text(a[w.to:])
			masked = head + Mask(w.rule) + tail
			finds = append(append(append(finds, hf...), Find{w.rule}), tf...)
		}
		t, f := Text(masked)
		finds = append(finds, f...)
		if t != a && out == nil {
			out = append(make([]string, 0, len(argv)), argv...)
		}
		if out != nil {
			out[i] = t
		}
	}
	if out == nil {
		return argv, nil
	}
	return out, finds
}

// arg is one argument and the part of it to be masked.
type arg struct {
	text     string
	at       int // where it stands in a text
	from, to int
	rule     string
}

func (a *arg) mask(from int, rule string) {
	if from < len(a.text) {
		a.from, a.to, a.rule = from, len(a.text), rule
	}
}

// pairOnly masks the part behind the first colon, of user:password.
func (a *arg) pairOnly(from int, rule string) {
	if c := strings.IndexByte(a.text[from:], ':'); c >= 0 {
		a.mask(from+c+1, rule)
	}
}

// commands finds command lines inside a text: words behind which an option
// stands.
func (f *finder) commands() {
	s := f.s
	if !strings.Contains(s, " -") && !strings.HasPrefix(s, "-") {
		return
	}
	var words []arg
	for i := 0; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' || s[i] == '\n' {
			i++
			continue
		}
		from := i
		if s[i] == '"' || s[i] == '\'' {
			from++
			i = closing(s, from, s[i:i+1])
			words = append(words, arg{text: s[from:i], at: from})
			i++
			continue
		}
		for i < len(s) && strings.IndexByte(" \t\n", s[i]) < 0 {
			if (s[i] == '"' || s[i] == '\'') && s[i-1] == '=' {
				i = closing(s, i+1, s[i:i+1])
				if i == len(s) {
					break
				}
			}
			i++
		}
		i = min(i, len(s))
		word := s[from:i]
		if open := strings.LastIndex(word, markOpen); open < 0 || maskLen(word[open:]) == 0 {
			word = strings.TrimRight(word, "\"'`,;)]}")
		}
		words = append(words, arg{text: word, at: from})
	}
	commandLine(words)
	for _, w := range words {
		if w.to > w.from {
			f.add(w.at+w.from, w.at+w.to, w.rule)
		}
	}
}

// commandLine marks the parts of words that are secret by their place.
func commandLine(words []arg) {
	program, at := "", 0
	for i := range words {
		w := &words[i]
		t := w.text
		if w.to > 0 { // a value that the word before has claimed
			continue
		}
		if len(t) < 2 {
			continue
		}
		if t[0] != '-' {
			// /etc/htpasswd is a file, /usr/bin/htpasswd a program.
			if p := base(t); known(p) && (program == "" || p == strings.ToLower(t) || strings.Contains(t, "bin")) {
				program, at = p, i
			} else if places[p] != nil && (i == 0 || program == "sudo") {
				program, at = p, i
			}
			if program != "" && i > at {
				inPlace(words[at:], i-at, program)
			}
			slashOption(words, i, program)
			assignment(w)
			positional(words, i, program)
			continue
		}
		if t[1] != '-' && short(words, i, program) {
			continue
		}
		if strongOption(words, i) {
			continue
		}
		name := strings.TrimLeft(t, "-")
		eq := strings.IndexAny(name, "=:")
		if eq >= 0 {
			name = name[:eq]
		}
		rule, hit := Key(name)
		if !hit {
			rule, hit = longOption(name)
		}
		if name == "from-literal" && eq >= 0 {
			if v := strings.IndexByte(t, '='); strings.IndexByte(t[v+1:], '=') > 0 {
				w.mask(v+2+strings.IndexByte(t[v+1:], '='), "secret")
			}
			continue
		}
		switch {
		case rule == "pair":
			pair(words, i, eq, len(t))
		case !hit:
		case eq >= 0:
			v := len(t) - len(strings.TrimLeft(t, "-")) + eq + 1
			if !boolean(t[v:]) {
				w.mask(v, rule)
			}
		case i+1 < len(words) && !option(words[i+1].text) && !boolean(words[i+1].text):
			words[i+1].mask(0, rule)
		}
	}
}

// pair masks the password of --user name:password or --user=name:password.
func pair(words []arg, i, eq, n int) {
	if eq >= 0 {
		t := words[i].text
		words[i].pairOnly(n-len(strings.TrimLeft(t, "-"))+eq+1, "password")
	} else if i+1 < len(words) {
		words[i+1].pairOnly(0, "password")
	}
}

func option(s string) bool {
	return len(s) > 1 && s[0] == '-' && classes[s[1]]&(letter) != 0 || strings.HasPrefix(s, "--")
}

func boolean(s string) bool {
	return len(s) == 1 && classes[s[0]]&digit != 0 || Void(s) || reference(s) || codeReference(s) == len(s)
}

// longOption knows options whose names alone do not give them away.
func longOption(name string) (string, bool) {
	switch name {
	case "user", "proxy-user", "u", "userpass":
		return "pair", false
	case "cert", "proxy-cert": // curl's FILE:PASSWORD
		return "pair", false
	case "passin", "passout", "pass", "oauth2-bearer", "storepass", "keypass", "srcstorepass", "deststorepass", "passwd", "askpass", "requirepass", "masterauth":
		return "password", true
	}
	return "", false
}

// assignment masks FOO_TOKEN=abc as a word of its own.
func assignment(w *arg) {
	eq := strings.IndexByte(w.text, '=')
	if eq <= 0 || eq > maxKey {
		return
	}
	for i := 0; i < eq; i++ {
		if c := w.text[i]; classes[c]&(letter|digit) == 0 && c != '_' && c != '-' && c != '.' {
			return
		}
	}
	if rule, hit := Key(w.text[:eq]); hit && !boolean(w.text[eq+1:]) {
		w.mask(eq+1, rule)
	}
}

func base(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	return strings.TrimSuffix(strings.ToLower(s), ".exe")
}

// known programs take passwords where their options' names do not show it.
func known(p string) bool {
	_, ok := shorts[p]
	return ok
}

// shorts lists, by program, the short options that take a secret: "p" in a
// separate word or glued; "p+" only glued; "u:" a user:password pair.
var shorts = map[string][]string{
	"mysql": {"p+"}, "mysqldump": {"p+"}, "mysqladmin": {"p+"}, "mysqlimport": {"p+"}, "mysqlcheck": {"p+"}, "mysqlshow": {"p+"}, "mysqlbinlog": {"p+"}, "mysqlpump": {"p+"}, "mysqlsh": {"p+"},
	"mariadb": {"p+"}, "mariadb-dump": {"p+"}, "mariadb-admin": {"p+"}, "mariadb-backup": {"p+"}, "xtrabackup": {"p+"}, "innobackupex": {"p+"}, "mydumper": {"p"}, "myloader": {"p"},
	"sshpass": {"p"}, "curl": {"u:", "U:", "b"}, "wget": {}, "http": {"a:"}, "https": {"a:"}, "xh": {"a:"},
	"redis-cli": {"a"}, "mongo": {"p"}, "mongosh": {"p"}, "mongodump": {"p"}, "mongorestore": {"p"}, "mongoexport": {"p"}, "mongoimport": {"p"},
	"docker": {"p"}, "podman": {"p"}, "buildah": {"p"}, "skopeo": {"p"}, "helm": {"p"}, "oras": {"p"}, "crane": {"p"}, "nerdctl": {"p"},
	"openssl": {"k", "K"}, "ldapsearch": {"w"}, "ldapadd": {"w"}, "ldapmodify": {"w"}, "ldapdelete": {"w"}, "ldapwhoami": {"w"}, "ldappasswd": {"w", "s", "a"},
	"smbclient": {"U%"}, "rpcclient": {"U%"}, "net": {"U%"}, "mount.cifs": {},
	"sqlcmd": {"P"}, "bcp": {"P"}, "isql": {"P"}, "tsql": {"P"}, "osql": {"P"}, "zip": {"P"}, "unzip": {"P"}, "7z": {"p+"}, "7za": {"p+"}, "7zr": {"p+"}, "rar": {"p+", "hp+"}, "unrar": {"p+"},
	"useradd": {"p"}, "usermod": {"p"}, "htpasswd": {}, "xfreerdp": {}, "rdesktop": {"p"}, "ipmitool": {"P"}, "snmpwalk": {"c", "A", "X"}, "snmpget": {"c", "A", "X"}, "influx": {"t"}, "nats": {},
	"mosquitto_pub": {"P"}, "mosquitto_sub": {"P"}, "lftp": {"u,"}, "ncftp": {"p"}, "ncftpput": {"p"}, "ftp": {}, "vncviewer": {}, "consul": {}, "vault": {}, "aws": {}, "npm": {}, "gh": {}, "kubectl": {}, "oc": {"p"}, "az": {"p"}, "svn": {}, "expect": {}, "plink": {"pw"}, "pscp": {"pw"}, "psftp": {"pw"}, "winexe": {"U%"}, "impacket-psexec": {}, "crackmapexec": {"p"}, "hydra": {"p"}, "cqlsh": {"p"}, "neo4j-admin": {}, "cypher-shell": {"p"}, "clickhouse-client": {}, "sqlplus": {}, "swaks": {}, "twine": {"p"}, "cf": {"p"}, "ansible-playbook": {}, "gpg": {}, "keytool": {}, "restic": {}, "borg": {}, "duplicity": {}, "rclone": {}, "sudo": {}, "su": {}, "chpasswd": {}, "echo": {}, "env": {}, "ssh": {}, "scp": {}, "rsync": {}, "tar": {}, "psql": {}, "pg_dump": {}, "nc": {},
}

// short handles -pSECRET and its like, and tells whether it did.
func short(words []arg, i int, program string) bool {
	w := &words[i]
	t := w.text
	if program == "curl" && len(t) > 2 && len(t) < 6 && t[len(t)-1] == 'u' && i+1 < len(words) { // -sSu user:password
		words[i+1].pairOnly(0, "password")
		return true
	}
	for _, o := range shorts[program] {
		kind := o[len(o)-1]
		name := strings.TrimRight(o, "+:%,")
		if !strings.HasPrefix(t[1:], name) {
			continue
		}
		rest := 1 + len(name)
		glued := len(t) > rest
		if glued && t[rest] == '=' {
			rest++
		}
		switch kind {
		case '+':
			if !glued || strings.HasPrefix(t[1:], "pa") && program != "mysql" && strings.HasPrefix(t, "-password") {
				continue
			}
			w.mask(rest, "password")
		case ':', '%', ',':
			v := w
			from := rest
			if !glued {
				if i+1 >= len(words) {
					return true
				}
				v, from = &words[i+1], 0
			}
			if c := strings.IndexByte(v.text[from:], kind); c >= 0 {
				v.mask(from+c+1, "password")
			}
		default:
			if program == "curl" && name == "b" {
				cookie(words, i, glued, rest)
				return true
			}
			if glued && name != "pw" {
				// -pSECRET, but not another long option with one dash, nor ports.
				if program == "docker" || program == "podman" || program == "nerdctl" || program == "openssl" || strings.HasPrefix(t, "-password") || strings.HasPrefix(t, "-passw") {
					continue
				}
				w.mask(rest, "password")
			} else if i+1 < len(words) && !option(words[i+1].text) {
				if (program == "docker" || program == "podman" || program == "nerdctl" || program == "helm") && !login(words[:min(i, maxPlace)]) {
					continue
				}
				words[i+1].mask(0, "password")
			}
		}
		return true
	}
	return false
}

// cookie masks curl's -b name=value; without "=" it names a file.
func cookie(words []arg, i int, glued bool, rest int) {
	w, from := &words[i], rest
	if !glued {
		if i+1 >= len(words) {
			return
		}
		w, from = &words[i+1], 0
	}
	if strings.IndexByte(w.text[from:], '=') >= 0 {
		w.mask(from, "session")
	}
}

// login tells docker login -p from docker run -p 8080:80.
func login(words []arg) bool {
	for _, w := range words {
		if w.text == "login" {
			return true
		}
	}
	return false
}

// positional masks what follows a bare word that names a secret: aws configure
// set aws_secret_access_key X, npm config set //registry/:_authToken X, vault
// login X.
func positional(words []arg, i int, program string) {
	t := words[i].text
	if i+1 >= len(words) {
		return
	}
	next := &words[i+1]
	if option(next.text) || boolean(next.text) || strings.IndexByte(t, '[') >= 0 {
		return
	}
	if t == "login" && program == "vault" && secretWord(next.text, 6) {
		next.mask(0, "token")
		return
	}
	switch strings.ToLower(t) { // "set password X", "connect Home password X"
	case "password", "passwd", "passphrase", "psk", "requirepass", "masterauth":
		if secretWord(next.text, 4) {
			next.mask(0, "password")
		}
		return
	}
	// Only names of several words: "secret" and "token" are subcommands too.
	k := t
	if c := strings.LastIndexByte(k, ':'); c >= 0 {
		k = k[c+1:]
	}
	if !strings.ContainsAny(k, "_-") && !hasCamel(k) || strings.ContainsAny(k, "=/ ") {
		return
	}
	if rule, hit := Key(k); hit && !innocentWord(next.text) {
		next.mask(0, rule)
	}
}

func hasCamel(s string) bool {
	for i := 1; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' && s[i-1] >= 'a' && s[i-1] <= 'z' {
			return true
		}
	}
	return false
}

// innocentWord is for positions where most words are prose.
func innocentWord(v string) bool { return !secretWord(v, 6) && len(v) < 24 }
