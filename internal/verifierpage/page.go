// Package verifierpage is verify.html: one page that verifies a file of evidence in a browser, with no network and no server.
//
// The verifier in it, verify.mjs, is written from docs/spec/evidence.md and the pages that it names, and not from package
// evidence; tests under Node hold the two against each other (interop). It is a module of its own that imports nothing, and its
// one source: the page is put together around it. The page's policy lets the browser run that one script and load nothing.
package verifierpage

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"strings"
)

//go:embed verify.mjs
var verifier string

//go:embed page.mjs
var behaviour string

//go:embed page.css
var style string

//go:embed page.html
var frame string

// HTML is the page, some 60 KB; the same bytes in one version of stet.
func HTML() []byte {
	script := verifier + behaviour
	// The frame's own words in capitals stand in it once each; a value is not looked into again.
	return []byte(strings.NewReplacer("SCRIPT-HASH", source(script), "STYLE-HASH", source(style), "SCRIPT", script, "STYLE", style).Replace(frame))
}

// source names an inline script or style in a Content-Security-Policy.
func source(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
