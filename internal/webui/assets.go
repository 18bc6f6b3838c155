package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"github.com/stetlog/stet/internal/server"
)

//go:embed static
var staticFiles embed.FS

// asset is a file that pages load.
type asset struct {
	kind   string // media type
	body   []byte
	packed []byte // gzip
	sum    string // the beginning of its hash: in its address, so that browsers may keep it for as long as they like
}

// assetNames are the assets by the last segment of their addresses.
var assetNames = [...]struct{ name, file, kind string }{
	{"ui.css", "ui.css", "text/css; charset=utf-8"},
	{"ui.js", "ui.js", "text/javascript; charset=utf-8"},
	{"htmx.js", htmxFile, "text/javascript; charset=utf-8"},
	{"icons.svg", "icons.svg", "image/svg+xml"},
	{"favicon.svg", "favicon.svg", "image/svg+xml"},
}

// htmxFile is htmx as its authors published it (npm: htmx.org); a test holds it against their hash.
const htmxFile = "htmx-2.0.8.min.js"

func readAssets() (map[string]asset, error) {
	all := map[string]asset{}
	for _, a := range assetNames {
		b, err := fs.ReadFile(staticFiles, "static/"+a.file)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err = z.Write(b); err == nil {
			err = z.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", a.file, err)
		}
		all[a.name] = asset{kind: a.kind, body: b, packed: packed.Bytes(), sum: hex.EncodeToString(sum[:6])}
	}
	return all, nil
}

// assetLink is the relative address of an asset.
func (u *UI) assetLink(name string) string { return name + "?v=" + u.assets[name].sum }

func (u *UI) getAsset(w http.ResponseWriter, r *http.Request, _ *server.Call) error {
	a := u.assets[strings.TrimPrefix(r.URL.Path, "/")]
	h := w.Header()
	secure(h)
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == a.sum {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	h.Set("Vary", "Accept-Encoding")
	body := a.body
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") { // every browser's
		body = a.packed
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, err := w.Write(body)
	return err
}
