package redact

import (
	"strings"
	"testing"
)

// Floors of what this package promises over its own table. Measured figures are
// printed; on other people's data they will be lower.
const (
	recallFloor        = 0.98
	falsePositiveLimit = 0.02
)

// leak is a text with the part of it that must not survive. With args, the text
// is a command line of words divided by "␟".
type leak struct {
	text   string
	secret string
}

// j joins a token from pieces, so that no scanner of this repository takes the
// table for a real leak.
func j(parts ...string) string { return strings.Join(parts, "") }

var (
	alnum40 = "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7b"
	hex32   = "9f86d081884c7d659a2feaa0c55ad015"
	jwtText = j("eyJhbGciOiJIUzI1NiJ9", ".", "eyJzdWIiOiIxMjM0NTY3ODkwIn0", ".", "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U")
)

// texts are secrets in prose, JSON, YAML, URLs, assignments and the like.
var texts = []leak{
	// JSON, also inside of strings
	{`{"user":"bob","password":"hunter2"}`, "hunter2"},
	{`{"password": "correct horse battery"}`, "horse"},
	{`{"passwd":12345678}`, "12345678"},
	{`{\"password\":\"hunter2\",\"a\":1}`, "hunter2"},
	{`{"apiKey":"0123456789abcdef"}`, "0123456789abcdef"},
	{`{"credentials":{"user":"u","key":"zzz9"}}`, "zzz9"},
	{`{"tokens":["abc1","def2"]}`, "def2"},
	{`{"client_secret":"s3cr3t-value","grant":"x"}`, "s3cr3t-value"},
	{`{"refreshToken":"r-123"}`, "r-123"},
	{`{"cvv":123}`, "123"},
	{`{"pin":"4921"}`, "4921"},
	{`{"ssn":"078-05-1120"}`, "078-05-1120"},
	{`{"session_id":"k2j3h4"}`, "k2j3h4"},
	{`{"private_key":"MIIEv"}`, "MIIEv"},
	{`{"Authorization":"Bearer abc.def"}`, "abc.def"},
	{`{"auth":"dXNlcjpwYXNz"}`, "dXNlcjpwYXNz"},
	{`{"connectionString":"Server=x;Uid=y;Pwd=z9z9;"}`, "z9z9"},
	{`'password': 'hunter2'`, "hunter2"},
	{`{"a":1,"secret" : "x y z"}`, "x y z"},
	{`password\": \"hunter2\"`, "hunter2"},
	// YAML, INI, TOML, properties, env
	{"password: hunter2", "hunter2"},
	{"db:\n  user: app\n  password: p4ss!word\n", "p4ss!word"},
	{"secret: |\n  line-one\n  line-two\nnext: 1", "line-two"},
	{"api-key: abcd", "abcd"},
	{"password = hunter2", "hunter2"},
	{"PASSWORD=hunter2", "hunter2"},
	{"export AWS_SECRET_ACCESS_KEY=" + alnum40, alnum40},
	{"aws_secret_access_key = " + alnum40, alnum40},
	{"PGPASSWORD=secret123 psql -h db", "secret123"},
	{"MYSQL_PWD='my pw' mysqldump x", "my pw"},
	{"DATABASE_PASSWORD=\"a b c\"", "a b c"},
	{"STRIPE_KEY=" + j("sk_", "live_", "4eC39HqLyjWDarjtT1zdp7dc"), "4eC39HqLyjWDarjtT1zdp7dc"},
	{"spring.datasource.password=pw1", "pw1"},
	{"GITHUB_TOKEN=abc GH=1", "abc"},
	{"redis.auth-token: qwerty", "qwerty"},
	{"_authToken=abcdef", "abcdef"},
	{"client.secret := topsecret", "topsecret"},
	{"ENCRYPTION_KEY=base64:q83vEjRWeJA=", "q83vEjRWeJA="},
	{"APP_KEY=base64:AAAAAAAA", "AAAAAAAA"},
	{"DJANGO_SECRET_KEY=django-insecure-x1", "django-insecure-x1"},
	{"signing_key=abc123", "abc123"},
	{"hashed password => $2y$10$abcdefghijklmnopqrstuv", "$2y$10$abcdefghijklmnopqrstuv"},
	{"credentials=me:you", "me:you"},
	{"connection string: Host=db;Password=pw77", "pw77"},
	{"otp=493022", "493022"},
	{"seed phrase: witch", "witch"},
	// connection strings and URLs
	{"postgres://u:p@host/db", ":p@"},
	{"connecting to postgres://app:s3cr3t@db:5432/x failed", "s3cr3t"},
	{"mysql://root:p%40ss@127.0.0.1:3306/", "p%40ss"},
	{"redis://:pw123@cache:6379/0", "pw123"},
	{"mongodb+srv://u:pa:ss@cluster0.mongodb.net/?retryWrites=true", "pa:ss"},
	{"amqp://guest:guest1@mq//", "guest1"},
	{"https://user:pa/ss@example.com/path", "pa/ss"},
	{"https://x-access-token:abcdef0123456789@github.com/o/r.git", "abcdef0123456789"},
	{"https://0a1b2c3d4e5f6a7b8c9d0e1f@sentry.example.com/12", "0a1b2c3d4e5f6a7b8c9d0e1f"},
	{"ftp://bob:pw@ftp.example.com/f", ":pw@"},
	{"Server=tcp:x.database.windows.net;User ID=sa;Password=P@ss;w=1;Encrypt=True", "P@ss"},
	{"Data Source=x;Pwd=abc;", "abc"},
	{"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=" + j("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq", "/K1SZFPTOtr/KBHBeksoGMGw==") + ";EndpointSuffix=x", "K1SZFPTOtr"},
	{"Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=abc123=", "abc123="},
	{"https://api.example.com/v1?access_token=abc&x=1", "=abc"},
	{"https://x.blob.core.windows.net/c/b?sv=2020&sig=aBc%2Bd%3D&se=1", "aBc%2Bd%3D"},
	{"GET /cb?code=4/0AX4XfWh&state=xyz", "4/0AX4XfWh"},
	{"https://s3.amazonaws.com/b/k?X-Amz-Signature=" + hex32 + "&X-Amz-Date=1", hex32},
	{"https://host/reset?token=zzz#frag", "zzz"},
	{"https://hooks.slack.com/services/" + j("T00000000/", "B00000000/", "XXXXXXXXXXXXXXXXXXXXXXXX"), "B00000000"},
	{"https://discord.com/api/webhooks/123456789012345678/" + alnum40, alnum40},
	{"jdbc:postgresql://h/db?user=u&password=pw9", "pw9"},
	{"jdbc:oracle:thin:@h password=tiger1", "tiger1"},
	{"sentry dsn=https://abc@o1.ingest.sentry.io/1", "abc@"},
	{"curl 'https://api.telegram.org/bot" + j("123456789:", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawX") + "/x'", "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawX"},
	// headers
	{"Authorization: Bearer abcdef", "abcdef"},
	{"authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"},
	{"Authorization: Digest username=\"u\", response=\"" + hex32 + "\"", "u\", "},
	{"Authorization: token abc123abc123", "abc123abc123"},
	{"Proxy-Authorization: Basic QWxhZGRpbjpvcGVu", "QWxhZGRpbjpvcGVu"},
	{"X-Api-Key: 1234", "1234"},
	{"Cookie: sid=abc; theme=dark; csrf=def", "def"},
	{"Set-Cookie: JSESSIONID=1A2B3C; Path=/", "1A2B3C"},
	{"sent header Bearer " + alnum40 + " to it", alnum40},
	{"uses basic dXNlcjpwYXNzd29yZA== for it", "dXNlcjpwYXNzd29yZA"},
	{"X-Auth-Token: q", ": q"},
	{"x-vault-token:abc", "abc"},
	// prose
	{"user bob set password hunter2 for it", "hunter2"},
	{"the password is hunter2", "hunter2"},
	{"password was S3cret!", "S3cret!"},
	{"login with password 'letmein'", "letmein"},
	{"new token abc123def456 issued", "abc123def456"},
	{"pin 4921 accepted", "4921"},
	{"OTP 493022 sent", "493022"},
	{"api key 7f8a9b0c1d2e used", "7f8a9b0c1d2e"},
	{"the secret is Tr0ub4dor&3", "Tr0ub4dor&3"},
	{"passphrase: correct-horse", "correct-horse"},
	{"changed password to N3wPass99", "N3wPass99"},
	{"wrong password \"Passw0rd\" given", "Passw0rd"},
	{"credentials admin:Admin123!", "Admin123!"},
	{"user=admin password=admin123, host=db", "admin123"},
	// tokens known by their beginning
	{"found " + j("AKIA", "IOSFODNN7EXAMPLE"), "IOSFODNN7EXAMPLE"},
	{"id " + j("ASIA", "Y34FZKBOKMUTVV7A"), "Y34FZKBOKMUTVV7A"},
	{j("ghp_", "16C7e42F292c6912E7710c838347Ae178B4a"), "16C7e42F292c6912E7710c838347Ae178B4a"},
	{j("gho_", "16C7e42F292c6912E7710c838347Ae178B4a"), "16C7e42F"},
	{j("ghs_", "16C7e42F292c6912E7710c838347Ae178B4a"), "16C7e42F"},
	{j("github_pat_", "11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789"), "mNoPqRsTuVwXyZ"},
	{j("xoxb-", "123456789012-1234567890123-abcdefABCDEF"), "abcdefABCDEF"},
	{j("xoxp-", "1234567890-abc123"), "abc123"},
	{j("sk_", "test_", "4eC39HqLyjWDarjtT1zdp7dc"), "4eC39HqLyjWDarjtT1zdp7dc"},
	{j("rk_", "live_", "4eC39HqLyjWDarjtT1zdp7dc"), "4eC39HqLyjWDarjtT1zdp7dc"},
	{j("AIza", "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"), "SyD-9tSrke72"},
	{j("glpat-", "aBcDeFgHiJkLmNoPqRs1"), "aBcDeFgHiJkLmNoPqRs1"},
	{j("npm_", "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789"), "aBcDeFgHiJkL"},
	{j("stet1_", "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_abcdef", "_bCdEfGhIjKlMnOpQrStUvWxYz0123456789-_ABCDEFG"), "aBcDeFgHiJkL"},
	{j("pypi-", "AgEIcHlwaS5vcmcCJDAwMDAwMDAw"), "AgEIcHlwaS5vcmc"},
	{j("sk-ant-", "api03-", alnum40), alnum40},
	{j("sk-proj-", alnum40), alnum40},
	{j("sk-", alnum40, "12345678"), alnum40},
	{j("hf_", "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345"), "aBcDeFgHiJkL"},
	{j("dop_v1_", hex32, hex32), hex32},
	{j("SG.", "ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf-09kqeF8tAmbihYzrnopKc-1s5cr"), "TwL2iGABf9DHoTf"},
	{j("shpat_", hex32), hex32},
	{j("whsec_", alnum40), alnum40},
	{j("hvs.", "CAESIJ", alnum40), alnum40},
	{j("dckr_pat_", "aBcDeFgHiJkLmNoPqRsTuVwXyZ0"), "aBcDeFgHiJkL"},
	{j("ya29.", "a0AfH6SMBx1234567890abcdef"), "a0AfH6SMBx"},
	{j("GOCSPX-", "aBcDeFgHiJkLmNoPqRsTuVwXyZ01"), "aBcDeFgHiJ"},
	{j("glsa_", alnum40, "_abcdef12"), alnum40},
	{j("lin_api_", alnum40), alnum40},
	{j("PMAK-", hex32, "-", hex32), hex32},
	{j("tskey-", "auth-kABCDEF1CNTRL-", alnum40), alnum40},
	{j("dapi", hex32), hex32},
	{j("ATATT3", "xFfGF0", alnum40, "=ABCD"), alnum40},
	{j("AGE-SECRET-KEY-1", "QQPQZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8"), "QQPQZRY9X8GF"},
	{"azure " + j("abc8Q~", "defGHIjklMNOpqrSTUvwxYZ0123456789a"), "defGHIjklMNO"},
	{"jwt " + jwtText + " expired", "dozjgNryP4J3jVmNHl0w5N"},
	{"cut " + jwtText[:40], jwtText[21:40]},
	{j("-----BEGIN RSA ", "PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"), "MIIEowIBAAKCAQEA"},
	{j("-----BEGIN ", "PRIVATE KEY-----\\nMIIEvQIBADANBg\\nkqhk"), "kqhk"},
	{j("-----BEGIN OPENSSH ", "PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAA"), "b3BlbnNzaC1rZXktdjEAAA"},
	{j("-----BEGIN PGP ", "PRIVATE KEY BLOCK-----\n\nlQOYBF\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----"), "lQOYBF"},
	// persons
	{"card 4111111111111111 charged", "4111111111111111"},
	{"card 4111 1111 1111 1111", "1111 1111"},
	{"5500-0000-0000-0004", "0000-0004"},
	{"amex 378282246310005", "378282246310005"},
	{"amex 3782 822463 10005", "822463"},
	{"6011111111111117.", "6011111111111117"},
	{"pays 3530111333300000", "3530111333300000"},
	{"DE89370400440532013000", "370400440532013000"},
	{"iban GB82 WEST 1234 5698 7654 32 is his", "1234 5698"},
	{"FR1420041010050500013M02606", "20041010050500013M02606"},
	{"NO9386011117947", "86011117947"},
	{"ssn 078-05-1120", "078-05-1120"},
	{"his number 219-09-9999.", "219-09-9999"},
	{"mail to alice@example.com please", "alice@example.com"},
	{"bob.o'neil+tag@mail.example.co.uk", "neil+tag@mail"},
	{"<carol@example.org>", "carol@example.org"},
	{"jörg@müller.de", "jörg@müller.de"},
	{"call +14155552671", "4155552671"},
	{"call +1 (415) 555-2671 now", "555-2671"},
	{"+44 20 7946 0958", "7946 0958"},
	{"tel:+49-30-901820", "901820"},
	{"phone_number=0301234567", "0301234567"},
	{"date of birth: 1980-02-03", "1980-02-03"},
	// markup
	{"<password>hunter2</password>", "hunter2"},
	{"<ns:apiKey>abc</ns:apiKey>", "abc"},
	{`<user name="bob" password="hunter2"/>`, "hunter2"},
	// command lines as text
	{"ran backup --password hunter2 --host db", "hunter2"},
	{"tool --api-key=abc --x", "abc"},
	{"mysqldump -uroot -phunter2 shop", "hunter2"},
	{"curl -u bob:hunter2 https://x", "hunter2"},
	{"sshpass -p hunter2 ssh bob@h", "hunter2"},
	{"docker login -u bob -p hunter2 reg", "hunter2"},
	{"pw: hunter2", "hunter2"},
	{"Password for alice is Summer2024!", "Summer2024!"},
	{"keys wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY", "bPxRfiCYEXAMPLEKEY"},
	{"bob:hunter2@tcp(db:3306)/shop", "hunter2"},
	{"CREATE USER x IDENTIFIED BY 'hunter2'", "hunter2"},
	{"sessionid " + hex32, hex32},
	{"Bearer eyJhbGciOi", "eyJhbGciOi"},
	{"password%3Dhunter2", "hunter2"},
	{"AUTH hunter2", "hunter2"},
	{"sudo mysql -u root -p'hunter2' x", "hunter2"},
}

// arguments are secrets in command lines, words divided by "|".
var arguments = []leak{
	{"tool|--password|hunter2", "hunter2"},
	{"tool|--password=hunter2", "hunter2"},
	{"tool|-password|hunter2", "hunter2"},
	{"tool|--db-password|with space", "with space"},
	{"tool|--token|abc|--verbose", "abc"},
	{"tool|--apiKey|k", "|k"},
	{"tool|--secret=a=b=c", "b=c"},
	{"tool|--auth-token|-dash", "-dash"},
	{"mysql|-phunter2|db", "hunter2"},
	{"/usr/bin/mysqldump|-u|root|-pS3cret|--all-databases", "S3cret"},
	{"mysql|--password=x|db", "=x"},
	{"sshpass|-p|hunter2|ssh|h", "hunter2"},
	{"sshpass|-phunter2|ssh|h", "hunter2"},
	{"curl|-u|user:pass1|https://x", "pass1"},
	{"curl|-uuser:pass1|https://x", "pass1"},
	{"curl|--user|user:pass1|https://x", "pass1"},
	{"curl|--user=user:pass1", "pass1"},
	{"curl|-H|Authorization: Bearer abc|https://x", "abc"},
	{"curl|-H|X-API-Key: abc", "abc"},
	{"curl|--header=Authorization: token abcdef1", "abcdef1"},
	{"curl|-d|{\"password\":\"hunter2\"}", "hunter2"},
	{"curl|-d|user=x&password=hunter2", "hunter2"},
	{"curl|-b|session=abc|https://x", "abc"},
	{"curl|-x|http://u:pw@proxy:8080", ":pw@"},
	{"curl|--oauth2-bearer|abc", "abc"},
	{"env|FOO_TOKEN=abc|run", "abc"},
	{"env|DB_PASS=a b|run", "a b"},
	{"psql|postgres://u:p1@h/db", "p1"},
	{"psql|host=h password=p1 dbname=x", "p1"},
	{"redis-cli|-a|pw1|ping", "pw1"},
	{"mongosh|-u|x|-p|pw1", "pw1"},
	{"docker|login|-u|x|-p|pw1", "pw1"},
	{"docker|run|-e|SECRET_KEY=abc|img", "abc"},
	{"docker|run|--env=API_TOKEN=abc|img", "abc"},
	{"openssl|rsa|-in|k|-passin|pass:pw1", "pw1"},
	{"ldapsearch|-D|cn=x|-w|pw1", "pw1"},
	{"smbclient|//h/s|-U|bob%pw1", "pw1"},
	{"sqlcmd|-S|h|-U|sa|-P|pw1", "pw1"},
	{"zip|-P|pw1|a.zip|f", "pw1"},
	{"7z|a|-pSecret1|x.7z", "Secret1"},
	{"kubectl|create|secret|generic|x|--from-literal=password=pw1", "pw1"},
	{"helm|install|x|--set|db.password=pw1", "pw1"},
	{"helm|install|x|--set|image.tag=1,auth.rootPassword=pw1", "pw1"},
	{"aws|configure|set|aws_secret_access_key|abcdEFGH1234", "abcdEFGH1234"},
	{"npm|config|set|//registry.npmjs.org/:_authToken|abc123def", "abc123def"},
	{"terraform|apply|-var|db_password=pw1", "pw1"},
	{"terraform|apply|-var=db_password=pw1", "pw1"},
	{"ansible-playbook|-e|ansible_become_pass=pw1", "pw1"},
	{"ansible-playbook|--extra-vars|{\"vault_password\": \"pw1\"}", "pw1"},
	{"gpg|--batch|--passphrase|pw1|-d|f", "pw1"},
	{"git|clone|https://bob:" + j("ghp_", alnum40) + "@github.com/o/r", alnum40},
	{"git|-c|http.extraHeader=Authorization: Bearer abc|fetch", "abc"},
	{"bash|-c|PGPASSWORD=pw1 pg_dump x", "pw1"},
	{"sh|-c|mysql -uroot -ppw1 -e 'select 1'", "pw1"},
	{"java|-Djavax.net.ssl.keyStorePassword=pw1|-jar|x", "pw1"},
	{"keytool|-storepass|pw1", "pw1"},
	{"wget|--http-password=pw1|--user=bob", "pw1"},
	{"http|POST|x|password=pw1", "pw1"},
	{"twine|upload|-u|__token__|-p|" + j("pypi-", "AgEIcHlwaS5vcmcCJDAwMDAwMDAw"), "AgEIcHlwaS5vcmc"},
	{"plink|-pw|pw1|h", "pw1"},
	{"vault|login|" + j("hvs.", "CAESIJ", alnum40), alnum40},
	{"vault|kv|put|secret/x|api_key=abc", "abc"},
	{"mail|-s|x|alice@example.com", "alice@example.com"},
	{"pay|--card|4111111111111111", "4111111111111111"},
	{"stripe|--api-key|" + j("sk_", "live_", "4eC39HqLyjWDarjtT1zdp7dc"), "4eC39HqLyjWDarjtT1zdp7dc"},
	{"rclone|--sftp-pass|obscured1", "obscured1"},
	{"tool|--config|{\"db\":{\"password\":\"pw1\"}}", "pw1"},
	{"tool|--dsn|user:pw1@tcp(db:3306)/x", "pw1"},
	{"tool|--connection-string|Server=h;Pwd=pw1", "pw1"},
	{"tool|--otp|493022", "493022"},
	{"tool|--encryption-key|abc", "abc"},
	{"tool|--cookie|a=b", "a=b"},
	{"tool|/password:pw1", "pw1"},
	{"curl|-sSu|a:pw1|x", "pw1"},
	{"kubectl|create|secret|generic|x|--from-literal=foo=bar1", "bar1"},
	{"htpasswd|-b|f|bob|hunter2", "hunter2"},
	{"net|user|alice|P4ss!", "P4ss!"},
	{"net|use|x|/user:bob|password=pw1", "pw1"},
}

// innocents must stay as they are.
var innocents = []string{
	"550e8400-e29b-41d4-a716-446655440000", "018f2b1e-7c00-7000-8000-000000000001", "run 018f2b1e-7c00-7000-8000-000000000001 done",
	"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", hex32, "trace 4bf92f3577b34da6a3ce929d0e0e4736",
	"span 00f067aa0ba902b7", "commit da39a3ee5e6b4b0d3255bfef95601890afd80709", "v1.2.3", "1.2.3-rc.1+build.20260102030405", "go1.26.8",
	"2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000006Z", "03:04:05", "at 12:30 today", "1763780551123", "1763780551",
	"1763780551123456789", "/usr/local/bin/purge.sh", "/home/alice/work/report-2026.pdf", `C:\Users\alice\file.txt`, "./purge.sh --older-than 30d",
	"/var/run/secrets/db_password", "order 1234567890", "order number 20260102-000123", "invoice INV-2026-001234", "ticket ABC-1234", "PO 4500012345",
	"tokenizer loaded", "passenger list updated", "the secretary called", "keyboard layout changed", "monkey patching", "compass heading", "bypass valve open",
	"tokenize the corpus", "assassin", "passport office", "classpath", "passwordless login enabled", "the author of it", "authored by bob", "sessions of the committee",
	"password changed", "password reset requested", "password expired for bob", "token expired", "token refreshed", "secret rotation complete",
	"the secret was rotated", "forgot password page viewed", "password policy updated", "invalid password", "wrong password given", "password must be long",
	"access token revoked by admin", "api key rotated", "api key deleted", "session started", "session ended after 30 minutes", "new session for alice",
	"cookie banner shown", "credentials verified", "pin code changed", "basic plan", "basic authentication enabled", "bearer of bad news", "bearer authentication",
	"basic training for 12 people", "purged 1,000 records", "1,000 records updated", "deleted 42 of 1000000 rows", "took 1234567 us", "exit status 1", "signal: killed",
	"nightly backup", "User Request ID #123", "Scheduled Maintenance", "https://example.com/path?x=1&y=2", "http://localhost:8080/health", "https://example.com:443/@alice",
	"http://[::1]:8080/x", "git@github.com:stetlog/stet.git", "ssh://git@github.com/stetlog/stet", "postgres://db.internal:5432/shop", "redis://cache:6379/0",
	"user@1000.service", "getty@tty1.service", "icon@2x.png", "npm install left-pad@1.3.0", "@types/node@20.1.0", "python3.12", "x86_64-linux-gnu",
	"10.0.0.1", "192.168.100.200:8443", "fe80::1", "2001:db8::8a2e:370:7334", "00:1b:44:11:3a:b7", "127.0.0.1 - - 200", "key=value", "sort_key=created_at",
	"primary key violation", "foreign_key=user_id", "partition_key: 17", "cache key: user:1", "routing_key=mail.out", "idempotency-key: 42", "public_key=abc",
	"keyboard=de", "monkey: banana", "max_tokens=4096", "token_count: 512", "total_tokens=900", "password_policy: strict", "password_file=/etc/x", "token_type=bearer",
	"session_timeout=30", "--password-file /run/secrets/pw", "--no-password", "--password-stdin", "-p 8080:80", "docker run -p 8080:80 nginx", "ssh -p 2222 host",
	"tar -pczf x.tgz dir", "mkdir -p /a/b", "cp -pr a b", "mysql -u root -p shop", "rsync -avz --delete src/ dst/", "kubectl get secret", "kubectl create secret generic x",
	"kubectl get pods -n kube-system", "aws s3 cp s3://bucket/key /tmp/x", "arn:aws:iam::123456789012:role/admin", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db",
	"job_id=purge-20260102", "run_id=01HZX3Y5V7", "status=success", "count=17", "limit: 100", "attempt 2 of 5", "phase: execution", "retry in 30s", "severity=6",
	"env=production", "region eu-central-1", "host db-01.internal.example", "image registry.example.com/app:1.2.3", "sha-1 of the file", "md5: d41d8cd98f00b204e9800998ecf8427e",
	"etag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"", "content-type: application/json", "accept: */*", "user-agent: curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
	"cron: 0 3 * * *", "*/5 * * * *", "temperature 21.5", "pi is 3.14159265358979", "0.4111111111111111", "version 4111111111111112", "isbn 978-3-16-148410-0",
	"ean 4006381333931", "phone support", "call 112", "room +3", "UTC+0200", "2026-01-02 03:04:05 +0100", "a+b=c", "1+1=2", "base64 encoded", "eyes only",
	"sk-learn pipeline", "hf_hub", "AKIA", "ghp", "npm_config_cache=/tmp", "npm run build", "SG. is short", "secret santa", "the key is under the mat", "key rotation", "open the pdf",
	"Größe geändert", "日本語のテキスト", "naïve café", "DE subsidiary", "GB market 2026", "FR locale", "select * from users where id = 42", "UPDATE t SET a=1 WHERE b=2",
	"main.go:42", "purge.purgeOld", "github.com/stetlog/stet/event.(*Codec).Append", "uid:1000@host", "backup-2026-01-02.tar.gz", "x=1;y=2", "a:b:c", "note: fine", "1970-01-01",
	"123-45-678", "000-12-3456", "666-12-3456", "912-12-3456", "123-00-4567", "12-34-56", "4111-1111", "555-1234",
	"<b>bold</b>", "<name>bob</name>", `{"name":"bob","id":17}`, `{"tokens_used":512,"model":"x"}`, `{"password_reset":true}`, `{"password":null}`, `{"secret":""}`, "password=${DB_PASSWORD}",
	"password: changed", "secret: kept", "cookie: accepted", "https://x/y?state=open&code=200", "session 42 closed", "token 5 of 10", "pin 7 set high",
	"auth: ldap", "pass: 10 fail: 2", "session: nightly", "image app:1.2@sha256:abc", "Total: 12, passed: 10, failed: 2", "otp verified", "author: bob",
}

// TestRecall measures what is caught and what is caught wrongly.
func TestRecall(t *testing.T) {
	caught, all := 0, 0
	for _, l := range texts {
		all++
		out, finds := Text(l.text)
		if strings.Contains(out, l.secret) || len(finds) == 0 {
			t.Logf("missed: %q → %q", l.text, out)
			continue
		}
		caught++
	}
	for _, l := range arguments {
		all++
		argv := strings.Split(l.text, "|")
		out, finds := Args(argv)
		joined := strings.Join(out, "|")
		if strings.Contains(joined, l.secret) || len(finds) == 0 {
			t.Logf("missed: %q → %q", argv, out)
			continue
		}
		caught++
	}
	wrong := 0
	for _, s := range innocents {
		if out, finds := Text(s); out != s || len(finds) > 0 {
			wrong++
			t.Logf("false positive: %q → %q", s, out)
		}
		if out, _ := Args(strings.Fields(s)); strings.Join(out, " ") != strings.Join(strings.Fields(s), " ") {
			wrong++
			t.Logf("false positive in arguments: %q → %q", s, out)
		}
	}
	recall := float64(caught) / float64(all)
	rate := float64(wrong) / float64(2*len(innocents))
	t.Logf("recall %.4f (%d of %d); false positives %.4f (%d of %d)", recall, caught, all, rate, wrong, 2*len(innocents))
	if all < 150 || len(innocents) < 150 {
		t.Errorf("the table has %d secrets and %d innocents, at least 150 each are wanted", all, len(innocents))
	}
	if recall < recallFloor {
		t.Errorf("recall %.4f is below %.2f", recall, recallFloor)
	}
	if rate > falsePositiveLimit {
		t.Errorf("false positives %.4f are above %.2f", rate, falsePositiveLimit)
	}
}
