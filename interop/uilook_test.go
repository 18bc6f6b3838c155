package interop

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

// axe has axe-core look at the page.
func (w *uiWorld) axe(t *testing.T, js, what, theme string) {
	t.Helper()
	eval[any](w, js+"; null")
	rules := "null" // all of them
	if theme == "dark" {
		rules = `["color-contrast"]` // nothing else depends on the theme
	}
	for _, f := range w.axeFinds(rules) {
		t.Errorf("%s, %s: axe finds %s", what, theme, f)
	}
}

// axeFinds is what axe-core finds serious, or critical, by some rules.
func (w *uiWorld) axeFinds(rules string) []string {
	w.t.Helper()
	return eval[[]string](w, `axe.run(document, {resultTypes: ["violations"], runOnly: `+rules+` || undefined}).then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").
		map(v => v.impact + " " + v.id + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + " " + (n.any[0] ? n.any[0].message : "")).join(" | ")))`, chromedp.EvalAwaitPromise)
}

// fits looks whether the page scrolls sideways, or texts lie over each other.
func (w *uiWorld) fits(t *testing.T, what string) {
	t.Helper()
	if over := eval[int](w, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		t.Errorf("%s: %d pixels too wide: %s", what, over, eval[string](w, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join(" | ")`))
	}
	over := eval[[]string](w, `(() => {
		const all = [...document.querySelectorAll("body *")].filter(e => e.children.length === 0 && e.textContent.trim() && e.checkVisibility() && !e.closest(".away, .scroll, pre, svg, noscript, summary"))
			.map(e => [e, e.getBoundingClientRect()]).filter(([, r]) => r.width > 2 && r.height > 2).slice(0, 600);
		const out = [];
		for (let i = 0; i < all.length; i++) for (let j = i + 1; j < all.length; j++) {
			const [a, r] = all[i], [b, s] = all[j];
			if (getComputedStyle(a).display === "inline" || getComputedStyle(b).display === "inline") continue; // lines of a text wrap
			if (Math.min(r.right, s.right) - Math.max(r.left, s.left) > 2 && Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 2) out.push(a.outerHTML.slice(0, 80) + " over " + b.outerHTML.slice(0, 80));
		}
		return out.slice(0, 3);
	})()`)
	for _, o := range over {
		t.Errorf("%s: %s", what, o)
	}
}

// shot makes a picture for docs/img, where STET_SHOTS asks for that (make shots).
func (w *uiWorld) shot(t *testing.T, name string) {
	t.Helper()
	if os.Getenv("STET_SHOTS") == "" {
		return
	}
	b, err := chromedp.Run(w.tab, chromedp.CaptureScreenshot())
	if err == nil {
		b, err = smaller(b)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join("..", "docs", "img", name+".png"), b, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// smaller is a picture in its 256 most frequent colours: a page has few, and the others are edges of letters.
func smaller(b []byte) ([]byte, error) {
	src, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	r := src.Bounds()
	count := map[color.RGBA]int{}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			count[color.RGBAModel.Convert(src.At(x, y)).(color.RGBA)]++
		}
	}
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var colours color.Palette
	for _, c := range all[:min(len(all), 256)] {
		colours = append(colours, c)
	}
	index := map[color.RGBA]uint8{}
	for c := range count {
		index[c] = uint8(colours.Index(c))
	}
	out := image.NewPaletted(r, colours)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			out.SetColorIndex(x, y, index[color.RGBAModel.Convert(src.At(x, y)).(color.RGBA)])
		}
	}
	var packed bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&packed, out)
	return packed.Bytes(), err
}

// TestAxe holds the axe-core that judges the pages against what npm has.
func TestAxe(t *testing.T) {
	if sum := sha256.Sum256([]byte(axe(t))); hex.EncodeToString(sum[:]) != "e9e5863c33a874f09bc01acd9234b7e3c871479f5eef8802fa582544465e6d01" {
		t.Errorf("axe-core has been changed: %x", sum)
	}
}
