package redact

import "strings"

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
		{"hooks.slack.com/services/", 10, "/", "slack"}, {"hooks.slack.com/workflows/", 10, "/", "slack"},
		{"sk_live_", 8, "_", "stripe"}, {"sk_test_", 8, "_", "stripe"}, {"rk_live_", 8, "_", "stripe"}, {"rk_test_", 8, "_", "stripe"},
		{"whsec_", 16, "_-+/=", "stripe"},
		{"AIza", 30, "_-", "google"}, {"ya29.", 16, "_-.", "google"}, {"GOCSPX-", 16, "_-", "google"}, {"1//0", 24, "_-", "google"},
		{"npm_", 20, "", "npm"}, {"pypi-", 20, "_-", "pypi"}, {"rubygems_", 20, "", "rubygems"}, {"oy2", 43, "", "nuget"}, {"crates-io_", 16, "", "crates"},
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
		{"rzp_live_", 10, "", "razorpay"}, {"rzp_test_", 10, "", "razorpay"}, {"sk_prod_", 16, "", "stripe"}, {"access_token$production$", 20, "$", "paypal"}, {"access_token$sandbox$", 20, "$", "paypal"}, {"pul-", 32, "", "pulumi"}, {"atlasv1", 40, "", "terraform"}, {"dp.pt.", 20, "", "doppler"}, {"dp.st.", 20, "_-.", "doppler"}, {"phc_", 30, "", "posthog"}, {"phx_", 30, "", "posthog"},
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
		return f.telegram(i)
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
	return f.azure(i)
}

// awsSecret knows secret access keys without their name: exactly 40 characters
// of base64 with all kinds of them, so that neither digests nor paths match.
func (f *finder) awsSecret(i int) int {
	s := f.s
	if len(s)-i < 40 || i > 0 && (s[i-1] == '/' || s[i-1] == '.' || s[i-1] == '+') {
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
	f.add(i, end, "aws")
	return 40
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

// word masks what follows a keyword at i without a mark between them: "Bearer
// x", "password hunter2", "token is abc123".
func (f *finder) word(i int) {
	s := f.s
	if !keyword(s[i:]) {
		return
	}
	if clause := "identified by "; hasFold(s[i:], clause) { // SQL
		from := skipSpace(s, i+len(clause))
		if from < len(s) && (s[from] == '\'' || s[from] == '"') {
			f.add(from+1, closing(s, from+1, s[from:from+1]), "password")
		}
		return
	}
	e := i
	for e < len(s) && e-i < 64 && (classes[s[e]]&(letter|digit) != 0 || s[e] == '_' || s[e] == '-' || s[e] == '.') {
		e++
	}
	w := strings.ToLower(s[i:e])
	if e >= len(s) || s[e] != ' ' && s[e] != '\t' {
		return
	}
	if w == "bearer" || w == "basic" {
		from := skipSpace(s, e)
		end := from
		for end < len(s) && (classes[s[end]]&(letter|digit|joiner) != 0 || strings.IndexByte("+=~", s[end]) >= 0) {
			end++
		}
		for end > from && s[end-1] == '.' {
			end--
		}
		v := s[from:end]
		if secretWord(v, 6) && (w == "bearer" || base64Pair(v)) || w == "bearer" && (len(v) >= 16 || strings.HasPrefix(v, "eyJ")) {
			f.add(from, end, w)
		}
		return
	}
	rule, hit := Key(w)
	if !hit && w == "key" && i > 1 {
		b := i - 1
		for b > 0 && i-b < 24 && classes[s[b-1]]&letter != 0 {
			b--
		}
		rule, hit = Key(s[b:e])
	}
	if !hit || i > 0 && (s[i-1] == '-' || s[i-1] == '/' || s[i-1] == '.') {
		return
	}
	from := skipSpace(s, e)
	linked := false
	if hasFold(s[from:], "for ") || hasFold(s[from:], "of ") { // "password for alice is …"
		whom := skipSpace(s, from+strings.IndexByte(s[from:], ' '))
		if sp := strings.IndexByte(s[whom:min(len(s), whom+64)], ' '); sp > 0 && linkWord(s[whom+sp+1:]) > 0 {
			from = whom + sp + 1
		}
	}
	for range 3 {
		n := linkWord(s[from:])
		if n == 0 {
			break
		}
		linked = true
		from = skipSpace(s, from+n)
	}
	if from >= len(s) {
		return
	}
	if q := s[from]; q == '"' || q == '\'' || q == '`' {
		end := closing(s, from+1, s[from:from+1])
		if v := s[from+1 : end]; v != "" && !IsMask(v) && strings.IndexByte(v, ' ') < 0 && (linked || rule == "password" || secretWord(v, 4)) {
			f.add(from+1, end, rule)
		}
		return
	}
	end := from
	for end < len(s) && strings.IndexByte(" \t\n\r\"'`,;<>()[]{}", s[end]) < 0 {
		end++
	}
	for end > from && strings.IndexByte(".:!?", s[end-1]) >= 0 && end-from > 1 {
		end--
	}
	v := s[from:end]
	least := 6
	if linked {
		least = 5
	}
	switch rule {
	case "pin", "otp", "card":
		if digits := countDigits(v); digits >= 3 && digits == len(v) {
			f.add(from, end, rule)
			return
		}
	}
	// A long hex number behind such a word is the secret, not a digest.
	if secretWord(v, least) || len(v) >= 24 && isHex(v) && rule != "credential" {
		f.add(from, end, rule)
	}
}

func skipSpace(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// linkWord returns the length of a word that joins a name to its value.
func linkWord(s string) int {
	for _, w := range [...]string{"is ", "was ", "to ", "as ", "of ", "value ", "now ", "set ", "=> ", "-> ", "code ", "hash ", "ist ", "est "} {
		if hasFold(s, w) {
			return len(w)
		}
	}
	return 0
}

func countDigits(s string) (n int) {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&digit != 0 {
			n++
		}
	}
	return n
}

// secretWord tells a made-up word from one of a sentence: letters mixed with
// digits or with signs that no word has; dates, times, versions, ids and paths
// are left.
func secretWord(v string, least int) bool {
	if len(v) < least || maskLen(v) > 0 {
		return false
	}
	var letters, digits, signs, capitals int
	for i := 0; i < len(v); i++ {
		c := v[i]
		switch k := classes[c]; {
		case k&letter != 0:
			letters++
			if c >= 'A' && c <= 'Z' && i > 0 {
				capitals++
			}
		case k&digit != 0:
			digits++
		case strings.IndexByte("!#$%^&*+=~@?", c) >= 0:
			signs++
		}
	}
	switch {
	case innocent(v):
		return false
	case letters > 0 && digits > 0, letters > 0 && signs > 0, digits > 0 && signs > 0:
		return true
	}
	return len(v) >= 20 && capitals >= 4 // long and of mixed case
}

// base64Pair tells base64 of user:password from a word that follows "basic".
func base64Pair(v string) bool {
	if strings.HasSuffix(v, "=") {
		return true
	}
	lower, upper := false, false
	for i := 1; i < len(v); i++ {
		lower = lower || v[i] >= 'a' && v[i] <= 'z'
		upper = upper || v[i] >= 'A' && v[i] <= 'Z'
	}
	return len(v) >= 8 && lower && upper
}

// innocent knows words that look made up and are not secret: ids, digests,
// dates, versions, paths and addresses.
func innocent(v string) bool {
	switch {
	case isUUID(v), strings.HasPrefix(v, "sha256:"), strings.HasPrefix(v, "/"), strings.HasPrefix(v, "./"), strings.Contains(v, "://"), v[0] == '#':
		return true
	case len(v) > 1 && (v[0] == 'v' || v[0] == 'V') && classes[v[1]]&digit != 0 && allOf(v[1:], ".-"):
		return true
	}
	if allOf(v, ".-:TZ_/+") && classes[v[0]]&digit != 0 {
		return true // 2026-01-02T03:04:05Z, 1.2.3, 10.0.0.1
	}
	if len(v) >= 32 && isHex(v) {
		return true
	}
	// 30s, 15min, 2nd, 100MB: a number and its unit.
	n := 0
	for n < len(v) && (classes[v[n]]&digit != 0 || v[n] == '.') {
		n++
	}
	return n > 0 && len(v)-n <= 3
}

func allOf(s, more string) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&digit == 0 && strings.IndexByte(more, s[i]) < 0 {
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i] | 0x20; !(s[i] >= '0' && s[i] <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return s != ""
}

func isUUID(s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
		isHex(s[:8]) && isHex(s[9:13]) && isHex(s[14:18]) && isHex(s[19:23]) && isHex(s[24:])
}
