package redact

import (
	"encoding/base64"
	"strings"
)

// vendor is a token that its first characters give away.
type vendor struct {
	prefix string
	least  int    // characters behind the prefix
	more   string // characters beside letters and digits
	rule   string
}

// vendors are prefixes that their makers document, by first byte.
var vendors = func() (t [256][]vendor) {
	for _, v := range []vendor{
		{"AKIA", 12, "", "aws"}, {"ASIA", 12, "", "aws"}, {"ABIA", 12, "", "aws"}, {"ACCA", 12, "", "aws"},
		{"ghp_", 16, "", "github"}, {"gho_", 16, "", "github"}, {"ghu_", 16, "", "github"}, {"ghs_", 16, "", "github"},
		{"ghr_", 16, "", "github"}, {"github_pat_", 16, "_", "github"},
		{"glpat-", 16, "_-.", "gitlab"}, {"glptt-", 16, "_-", "gitlab"}, {"gldt-", 16, "_-", "gitlab"}, {"glrt-", 16, "_-", "gitlab"},
		{"glcbt-", 16, "_-", "gitlab"}, {"glsoat-", 16, "_-", "gitlab"}, {"glft-", 16, "_-", "gitlab"}, {"GR1348941", 16, "_-", "gitlab"},
		{"xoxb-", 10, "-", "slack"}, {"xoxp-", 10, "-", "slack"}, {"xoxa-", 10, "-", "slack"}, {"xoxr-", 10, "-", "slack"},
		{"xoxs-", 10, "-", "slack"}, {"xoxe-", 10, "-.", "slack"}, {"xoxe.", 10, "-.", "slack"}, {"xoxc-", 10, "-", "slack"}, {"xoxd-", 10, "-%/+", "slack"}, {"xapp-", 10, "-", "slack"},
		{"hooks.slack.com/services/", 10, "/", "slack"}, {"hooks.zapier.com/hooks/catch/", 8, "/", "zapier"}, {"webhook.office.com/webhookb2/", 36, "-@/", "teams"}, {"re_", 28, "_", "resend"},
		{"LS0tLS1CRUdJTiBQUklW", 20, "+/=", "pem"}, {"LS0tLS1CRUdJTiBSU0Eg", 20, "+/=", "pem"}, {"LS0tLS1CRUdJTiBFQyBQ", 20, "+/=", "pem"}, {"LS0tLS1CRUdJTiBPUEVO", 20, "+/=", "pem"}, {"LS0tLS1CRUdJTiBFTkNS", 20, "+/=", "pem"},
		{"hooks.slack.com/workflows/", 10, "/", "slack"},
		{"sk_live_", 8, "_", "stripe"}, {"sk_test_", 8, "_", "stripe"}, {"rk_live_", 8, "_", "stripe"}, {"rk_test_", 8, "_", "stripe"},
		{"whsec_", 16, "_-+/=", "stripe"},
		{"AIza", 30, "_-", "google"}, {"ya29.", 16, "_-.", "google"}, {"GOCSPX-", 16, "_-", "google"}, {"1//0", 24, "_-", "google"},
		{"stet1_", 43, "_-", "stet"}, {"npm_", 20, "", "npm"}, {"pypi-", 20, "_-", "pypi"}, {"rubygems_", 20, "", "rubygems"}, {"oy2", 43, "", "nuget"}, {"crates-io_", 16, "", "crates"},
		{"sk-ant-", 16, "_-", "anthropic"}, {"sk-proj-", 16, "_-", "openai"}, {"sk-svcacct-", 16, "_-", "openai"}, {"sk-admin-", 16, "_-", "openai"}, {"sk-or-v1-", 16, "_-", "openrouter"}, {"sk-", 32, "_-", "openai"},
		{"hf_", 20, "", "huggingface"}, {"r8_", 30, "", "replicate"}, {"gsk_", 30, "", "groq"}, {"xai-", 40, "", "xai"}, {"pplx-", 32, "", "perplexity"}, {"nvapi-", 40, "_-", "nvidia"},
		{"dop_v1_", 32, "", "digitalocean"}, {"doo_v1_", 32, "", "digitalocean"}, {"dor_v1_", 32, "", "digitalocean"},
		{"SG.", 30, "_-.", "sendgrid"}, {"shpat_", 24, "", "shopify"}, {"shpss_", 24, "", "shopify"}, {"shpca_", 24, "", "shopify"}, {"shppa_", 24, "", "shopify"},
		{"lin_api_", 24, "", "linear"}, {"lin_oauth_", 24, "", "linear"}, {"ntn_", 30, "", "notion"}, {"secret_", 40, "", "notion"}, {"figd_", 24, "_-", "figma"},
		{"hvs.", 20, "_-", "vault"}, {"hvb.", 20, "_-", "vault"}, {"hvr.", 20, "_-", "vault"}, {"dckr_pat_", 16, "_-", "docker"}, {"dckr_oat_", 16, "_-", "docker"},
		{"PMAK-", 24, "-", "postman"}, {"sntrys_", 24, "_-=+/", "sentry"}, {"sntryu_", 24, "", "sentry"}, {"NRAK-", 20, "", "newrelic"}, {"NRJS-", 16, "", "newrelic"}, {"glsa_", 24, "_", "grafana"}, {"glc_", 24, "_-+/=", "grafana"},
		{"dapi", 32, "-", "databricks"}, {"dose", 32, "", "databricks"}, {"xkeysib-", 32, "-", "brevo"}, {"key-", 32, "", "mailgun"},
		{"pscale_tkn_", 16, "_-.", "planetscale"}, {"pscale_pw_", 16, "_-.", "planetscale"}, {"pscale_oauth_", 16, "_-.", "planetscale"},
		{"ATATT3", 30, "_-=.", "atlassian"}, {"ATCTT3", 30, "_-=.", "atlassian"}, {"BBDC-", 24, "+/", "atlassian"}, {"EZAK", 40, "", "easypost"}, {"EZTK", 40, "", "easypost"},
		{"sq0atp-", 16, "_-", "square"}, {"sq0csp-", 24, "_-", "square"}, {"EAAA", 56, "_-", "square"}, {"EAACEdEose0cBA", 8, "", "facebook"}, {"EAAG", 60, "", "facebook"},
		{"sbp_", 32, "", "supabase"}, {"sb_secret_", 16, "_-", "supabase"}, {"tskey-", 16, "-", "tailscale"}, {"fo1_", 30, "_-", "fly"}, {"fm2_", 30, "_-+/=", "fly"}, {"fm1r_", 30, "_-+/=", "fly"},
		{"CFPAT-", 24, "_-", "contentful"}, {"LTAI", 12, "", "alibaba"}, {"AKID", 28, "", "tencent"}, {"AGE-SECRET-KEY-", 30, "", "age"},
		{"ops_eyJ", 24, "_-", "onepassword"}, {"A3-", 30, "-", "onepassword"}, {"duffel_test_", 20, "_-=", "duffel"}, {"duffel_live_", 20, "_-=", "duffel"}, {"FLWSECK", 12, "_-", "flutterwave"},
		{"rzp_live_", 10, "", "razorpay"}, {"rzp_test_", 10, "", "razorpay"}, {"sk_prod_", 16, "", "stripe"}, {"access_token$production$", 20, "$", "paypal"}, {"access_token$sandbox$", 20, "$", "paypal"}, {"pul-", 32, "", "pulumi"}, {"atlasv1.", 40, "_-", "terraform"}, {"AKCp", 60, "", "artifactory"}, {"AKCp8", 60, "", "artifactory"}, {"dt0c01.", 60, ".", "dynatrace"}, {"dt0s01.", 60, ".", "dynatrace"}, {"pat", 70, ".", "airtable"}, {"squ_", 30, "", "sonarqube"}, {"sqp_", 30, "", "sonarqube"}, {"sqa_", 30, "", "sonarqube"}, {"aio_", 24, "", "adafruit"}, {"xprv", 90, "", "bip32"}, {"sgp_", 30, "_", "sourcegraph"}, {"ATBB", 28, "", "atlassian"}, {"ATOA", 28, "", "atlassian"}, {"glimt-", 16, "_-", "gitlab"}, {"glffct-", 16, "_-", "gitlab"}, {"glagent-", 16, "_-", "gitlab"}, {"gloas-", 16, "_-", "gitlab"}, {"vcp_", 24, "", "vercel"}, {"sntryi_", 24, "", "sentry"}, {"dp.sa.", 20, "_-.", "doppler"}, {"dp.ct.", 20, "_-.", "doppler"}, {"dp.pt.", 20, "", "doppler"}, {"dp.st.", 20, "_-.", "doppler"}, {"phc_", 30, "", "posthog"}, {"phx_", 30, "", "posthog"},
		{"cio_", 30, "", "crates"}, {"cioAA", 20, "", "crates"}, {"CCIPAT_", 20, "_", "circleci"}, {"bkua_", 30, "", "buildkite"}, {"vercel_", 20, "", "vercel"}, {"nfp_", 30, "", "netlify"}, {"ddp_", 30, "", "datadog"}, {"tfp_", 30, "_-", "typeform"}, {"AQVN", 30, "_-", "yandex"}, {"t1.9eu", 40, "_-.=", "yandex"}, {"HRKU-", 30, "_-", "heroku"}, {"api_org_", 30, "", "huggingface"}, {"rpa_", 36, "", "runpod"}, {"jina_", 40, "_-", "jina"}, {"tvly-", 20, "-", "tavily"}, {"fw_", 22, "", "fireworks"}, {"co_api_", 20, "", "cohere"}, {"r2_", 40, "", "cloudflare"}, {"v1.0-", 120, "-", "cloudflare"},
	} {
		t[v.prefix[0]] = append(t[v.prefix[0]], v)
	}
	return t
}()

// token masks a known token that begins at i, the start of a word, and returns
// its length.
func (f *finder) token(i int) int {
	s := f.s
	if s[i] == 'e' && strings.HasPrefix(s[i:], "eyJ") {
		if n := jwt(s[i:]); n > 0 {
			f.add(i, i+n, "jwt")
			return n
		}
	}
	for _, v := range vendors[s[i]] {
		if !strings.HasPrefix(s[i:], v.prefix) {
			continue
		}
		end := i + len(v.prefix)
		mixed := false
		for end < len(s) && (classes[s[end]]&(letter|digit) != 0 || strings.IndexByte(v.more, s[end]) >= 0) {
			mixed = mixed || classes[s[end]]&digit != 0 || s[end] >= 'A' && s[end] <= 'Z'
			end++
		}
		for end > i && (s[end-1] == '.' || s[end-1] == '/') {
			end--
		}
		if n := end - i - len(v.prefix); n < v.least || !mixed {
			continue
		}
		f.add(i, end, v.rule)
		return end - i
	}
	switch {
	case classes[s[i]]&digit != 0:
		if n := f.telegram(i); n > 0 {
			return n
		}
	case strings.HasPrefix(s[i:], "bot") && len(s) > i+3 && classes[s[i+3]]&digit != 0:
		if n := f.telegram(i + 3); n > 0 {
			return n + 3
		}
	case s[i] == 'd' || s[i] == 'D':
		for _, p := range [...]string{"discord.com/api/webhooks/", "discordapp.com/api/webhooks/"} {
			if hasFold(s[i:], p) {
				end := i + len(p)
				for end < len(s) && (classes[s[end]]&(letter|digit) != 0 || strings.IndexByte("_-/", s[end]) >= 0) {
					end++
				}
				f.add(i+len(p), end, "discord")
				return end - i
			}
		}
	}
	if n := f.awsSecret(i); n > 0 {
		return n
	}
	if n := f.mailchimp(i); n > 0 {
		return n
	}
	if n := f.prefixed(i); n > 0 {
		return n
	}
	return f.azure(i)
}

// awsSecret knows secret access keys without their name: exactly 40 characters
// of base64 with all kinds of them, so that neither digests nor paths match.
func (f *finder) awsSecret(i int) int {
	s := f.s
	if len(s)-i < 40 || i > 0 && (s[i-1] == '.' || s[i-1] == '+' || s[i-1] == '/' && !behindKeyID(s[:i-1])) {
		return 0
	}
	var lower, upper, digits, signs int
	end := i
	for ; end < len(s) && end-i <= 40; end++ {
		switch c := s[end]; {
		case classes[c]&capital != 0:
			upper++
		case classes[c]&letter != 0:
			lower++
		case classes[c]&digit != 0:
			digits++
		case c == '/' || c == '+':
			signs++
		default:
			goto done
		}
	}
done:
	if end-i != 40 || upper < 6 || lower < 6 || digits < 1 || signs > 5 || end < len(s) && (s[end] == '.' || s[end] == '-' || s[end] == '_') {
		return 0
	}
	var plain [30]byte
	if _, err := base64.StdEncoding.Decode(plain[:], []byte(s[i:end])); err == nil && printable(plain[:]) {
		return 0 // an encoded text
	}
	f.add(i, end, "aws")
	return 40
}

// behindKeyID tells whether s ends with an access key's id, or its mask.
func behindKeyID(s string) bool {
	return strings.HasSuffix(s, Mask("aws")) || len(s) >= 20 && (s[len(s)-20:len(s)-16] == "AKIA" || s[len(s)-20:len(s)-16] == "ASIA")
}

// jwt returns the length of a JWT, or of a piece of one, that s begins with:
// base64url of {"… , a dot, and more of the same. A header alone counts when
// long.
func jwt(s string) int {
	n, dots := 0, 0
	for n < len(s) {
		c := s[n]
		if c == '.' {
			dots++
		} else if classes[c]&(letter|digit) == 0 && c != '_' && c != '-' {
			break
		}
		n++
	}
	for n > 0 && s[n-1] == '.' {
		n--
		dots--
	}
	if dots >= 1 && n >= 16 || n >= 32 {
		return n
	}
	return 0
}

// telegram knows bot tokens: eight to ten digits, a colon, 35 characters.
func (f *finder) telegram(i int) int {
	s := f.s
	j := i
	for j < len(s) && j-i < 11 && classes[s[j]]&digit != 0 {
		j++
	}
	if j-i < 8 || j >= len(s) || s[j] != ':' {
		return 0
	}
	end := j + 1
	for end < len(s) && (classes[s[end]]&(letter|digit) != 0 || s[end] == '_' || s[end] == '-') {
		end++
	}
	if n := end - j - 1; n < 33 || n > 40 {
		return 0
	}
	f.add(i, end, "telegram")
	return end - i
}

// azure knows client secrets of Entra ID: 40 characters with "8Q~" or "7Q~" as
// the fourth to sixth.
func (f *finder) azure(i int) int {
	s := f.s
	if len(s)-i < 34 || s[i+4] != 'Q' || s[i+5] != '~' {
		return 0
	}
	end := i
	for end < len(s) && (classes[s[end]]&(letter|digit) != 0 || strings.IndexByte("_-.~", s[end]) >= 0) {
		end++
	}
	if end-i < 34 {
		return 0
	}
	f.add(i, end, "azure")
	return end - i
}

// maxHash bounds how far a password's hash is followed; yescrypt's are the
// longest, at about 150 characters.
const maxHash = 512

// crypt masks a password's hash in the modular crypt format, $id$…, at i:
// guessing a password from it is a matter of time.
func (f *finder) crypt(i int) {
	s := f.s
	if s[i] == '{' { // LDAP's {SSHA}…
		scheme := strings.IndexByte(s[i:min(len(s), i+20)], '}')
		if scheme < 4 || !hasFold(s[i+1:], "ssha") && !hasFold(s[i+1:], "sha") && !hasFold(s[i+1:], "smd5") && !hasFold(s[i+1:], "pbkdf2") {
			return
		}
		from := i + scheme + 1
		end := from
		for end < len(s) && (classes[s[end]]&(letter|digit) != 0 || strings.IndexByte("$./+=", s[end]) >= 0) {
			end++
		}
		if end-from >= 24 {
			f.add(from, end, "hash")
		}
		return
	}
	j := i + 1
	for j < len(s) && j-i < 18 && (classes[s[j]]&(letter|digit) != 0 && classes[s[j]]&capital == 0 || s[j] == '-') {
		j++
	}
	if j == i+1 || j >= len(s) || s[j] != '$' {
		return
	}
	end := j
	for end < len(s) && end-j < maxHash && (classes[s[end]]&(letter|digit) != 0 || strings.IndexByte("$./+=,-", s[end]) >= 0) {
		end++
	}
	if end-j > 20 && secretWord(s[j+1:end], 20) {
		f.add(i, end, "hash")
	}
}

// mailchimp knows keys that end in the name of a data centre: 32 hex digits and
// "-us1".
func (f *finder) mailchimp(i int) int {
	s := f.s
	if len(s)-i < 36 || s[i+32] != '-' || s[i+33] != 'u' || s[i+34] != 's' || classes[s[i+35]]&digit == 0 || !isHex(s[i:i+32]) {
		return 0
	}
	end := i + 36
	for end < len(s) && end < i+38 && classes[s[end]]&digit != 0 {
		end++
	}
	f.add(i, end, "mailchimp")
	return end - i
}

// prefixed knows the form that most makers give their tokens by now, without
// knowing the maker: a short name in small letters, "_", and at least 28 random
// letters and digits. Ids of this form (Stripe's, Anthropic's) are shorter.
func (f *finder) prefixed(i int) int {
	s := f.s
	j, joint := i, 0
	for ; j < len(s) && j-i < 20; j++ {
		if s[j] == '_' {
			joint = j
		} else if classes[s[j]]&(letter|digit) == 0 || classes[s[j]]&capital != 0 {
			break
		}
	}
	if joint < i+2 || strings.HasPrefix(s[i:], "sha") {
		return 0
	}
	var lower, upper, digits int
	end := joint + 1
	for ; end < len(s); end++ {
		switch k := classes[s[end]]; {
		case k&capital != 0:
			upper++
		case k&letter != 0:
			lower++
		case k&digit != 0:
			digits++
		default:
			goto done
		}
	}
done:
	if end-joint <= 28 || lower < 4 || upper < 4 || digits < 2 {
		return 0
	}
	f.add(i, end, "token")
	return end - i
}
