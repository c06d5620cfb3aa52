//go:build proof

package browser_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

// The page can be read and used on a desktop and on a phone, in the system's colours, with the contract and with a large
// document.
func TestLook(t *testing.T) {
	ctx := browser(t, func(any) {})
	do := func(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		stepContext, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		if err := chromedp.Do(stepContext, actions...); err != nil {
			if screenshot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100)); err == nil {
				save(t, "failed.png", screenshot)
			}
			t.Fatal(err)
		}
	}
	widths, schemes := []int64{1280, 390}, []string{"light", "dark"}
	contract := startDemo(t).base
	large := serveLarge(t, contract)
	for _, width := range widths {
		for _, scheme := range schemes {
			t.Run(fmt.Sprint(width, "-", scheme), func(t *testing.T) {
				do(t, chromedp.EmulateViewport(width, 844), emulateScheme(scheme))
				look := func(name string) {
					t.Helper()
					cut, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](cutTexts))
					if err != nil {
						t.Fatal(err)
					}
					for _, text := range cut {
						t.Errorf("%s: cut: %s", name, text)
					}
					faint, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](faintTexts))
					if err != nil {
						t.Fatal(err)
					}
					for _, text := range faint {
						t.Errorf("%s: faint: %s", name, text)
					}
					screenshot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
					if err != nil {
						t.Fatal(err)
					}
					save(t, fmt.Sprintf("%s-%d-%s.png", name, width, scheme), screenshot)
					if dark := brightness(t, screenshot) < 0.5; dark != (scheme == "dark") {
						t.Errorf("%s: the page is dark: %t", name, dark)
					}
				}

				do(t, chromedp.Navigate(contract+"/docs"), chromedp.WaitVisible(".opblock .responses-table"))
				look("contract")
				do(t, run(`document.querySelectorAll(".tablinks[data-name=model], .json-schema-2020-12-expand-deep-button").forEach((e) => e.click())`),
					chromedp.WaitVisible(".responses-table .json-schema-2020-12"))
				do(t, run(`document.querySelectorAll(".responses-table .json-schema-2020-12-expand-deep-button").forEach((e) => e.click())`))
				look("schemas")
				do(t, chromedp.Click(".auth-wrapper button.authorize"), chromedp.WaitVisible(".auth-container input"))
				look("authorize")
				do(t, chromedp.Click(".auth-btn-wrapper button.btn-done"), chromedp.WaitNotPresent(".modal-ux"),
					chromedp.Click(".try-out__btn"), chromedp.SendKeys(".parameters input:enabled", process.Project),
					chromedp.Click("button.execute"), chromedp.WaitVisible(".live-responses-table .response .response-col_status"))
				look("answer")

				do(t, chromedp.Navigate(large+"/docs"), chromedp.WaitVisible(".opblock"))
				closed, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll(".opblock:not(.is-open)").length`))
				if err != nil || closed != largeOperations {
					t.Errorf("closed operations: %d, %v", closed, err)
				}
				look("large")
				do(t, chromedp.Click(".opblock-post button.opblock-summary-control"), chromedp.WaitVisible(".opblock .responses-table"))
				look("large-open")
			})
		}
	}
}

// The scripts of TestLook find a text that is faint and does not fit.
func TestLookFires(t *testing.T) {
	ctx := browser(t, func(any) {})
	base := startDemo(t).base
	for _, scheme := range []string{"light", "dark"} {
		err := chromedp.Do(ctx, chromedp.EmulateViewport(390, 844), emulateScheme(scheme),
			chromedp.Navigate(base+"/docs"), chromedp.WaitVisible(".opblock .responses-table"),
			run(`(() => {
				const text = document.body.appendChild(document.createElement("p"))
				text.textContent = "faint and wide ".repeat(10)
				text.style.color = "#999"
				text.style.whiteSpace = "nowrap"
			})()`))
		if err != nil {
			t.Fatal(err)
		}
		for name, script := range map[string]string{"faint": faintTexts, "cut": cutTexts} {
			found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](script))
			if err != nil || !strings.Contains(strings.Join(found, "\n"), "P.null") {
				t.Errorf("%s, %s: found %q, %v", scheme, name, found, err)
			}
		}
	}
}

// run runs a script.
func run(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[any](script)(ctx, target)
		return err
	})
}

// emulateScheme sets what prefers-color-scheme says.
func emulateScheme(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// cutTexts is a script that returns what cannot be read without scrolling to the side.
const cutTexts = `(() => {
	const width = document.documentElement.clientWidth
	const found = []
	if (document.documentElement.scrollWidth > width) found.push("the page is " + document.documentElement.scrollWidth + " wide")
	for (const element of document.querySelectorAll("body *")) {
		const box = element.getBoundingClientRect()
		const style = getComputedStyle(element)
		if (box.width === 0 || box.height === 0 || style.visibility === "hidden") continue
		const texts = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "")
		const name = element.tagName + "." + element.getAttribute("class") + ": " + String(element.value ?? element.textContent).slice(0, 60)
		if (style.overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1) {
			found.push(name + " hides " + (element.scrollWidth - element.clientWidth) + " px")
		}
		for (const text of texts) {
			const range = document.createRange()
			range.selectNodeContents(text)
			const line = range.getBoundingClientRect()
			if (line.left < 0 || line.right > width + 1) found.push(name + " is at " + line.left + " to " + line.right)
		}
		if (element.tagName === "SELECT") {
			const pen = document.createElement("canvas").getContext("2d")
			pen.font = style.font
			const room = element.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)
			const need = Math.max(0, ...[...element.options].map((option) => pen.measureText(option.text).width))
			if (need > room + 1) found.push(name + " hides " + (need - room) + " px")
		}
		if (["INPUT", "SELECT", "BUTTON"].includes(element.tagName) && (box.left < 0 || box.right > width + 1)) {
			found.push(name + " is at " + box.left + " to " + box.right)
		}
	}
	for (const button of document.querySelectorAll(".live-responses-table button, .curl-command button, .live-responses-table .copy-to-clipboard, .curl-command .copy-to-clipboard")) {
		button.scrollIntoView({ block: "center" })
		const box = button.getBoundingClientRect()
		const top = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2)
		if (!button.contains(top)) found.push(button.className + " is below " + top?.className)
	}
	scrollTo(0, 0)
	return found
})()`

// faintTexts is a script that returns the texts whose contrast to their background is less than 4.5:1, with the contrast: those
// of the dialog if there is one, because it dims the others. It paints the colours of each element over those of the elements
// that it is in, with their filters and opacity. Controls that are disabled may be faint.
const faintTexts = `(() => {
	for (const animation of document.getAnimations()) animation.finish()
	const parse = (text) => {
		const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number)
		return [r / 255, g / 255, b / 255, a]
	}
	const over = (top, bottom) => {
		const a = top[3] + bottom[3] * (1 - top[3])
		return a === 0 ? [0, 0, 0, 0] : [0, 1, 2].map((i) => (top[i] * top[3] + bottom[i] * bottom[3] * (1 - top[3])) / a).concat(a)
	}
	const matrix = (rows) => ([r, g, b, a]) => rows.map((row) => Math.min(1, Math.max(0, row[0] * r + row[1] * g + row[2] * b + row[3]))).concat(a)
	const filterOf = (text) => {
		if (text === "none") return (colour) => colour
		const found = text.match(/^invert\(([\d.]+)\) hue-rotate\(180deg\)$/)
		if (!found) throw new Error("the test does not know the filter " + text)
		const by = Number(found[1]), factor = 1 - 2 * by
		const invert = matrix([[factor, 0, 0, by], [0, factor, 0, by], [0, 0, factor, by]])
		const rotate = matrix([[-0.574, 1.43, 0.144, 0], [0.426, 0.43, 0.144, 0], [0.426, 1.43, -0.856, 0]])
		return (colour) => rotate(invert(colour))
	}
	const luminance = (colour) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) =>
		sum + weight * (colour[i] <= 0.04045 ? colour[i] / 12.92 : ((colour[i] + 0.055) / 1.055) ** 2.4), 0)
	const contrast = (element, colour) => {
		let text = parse(colour), ground = [0, 0, 0, 0]
		for (let e = element; e; e = e.parentElement) {
			const style = getComputedStyle(e)
			const background = parse(style.backgroundColor)
			const paint = (colour) => {
				const painted = filterOf(style.filter)(over(colour, background))
				return [...painted.slice(0, 3), painted[3] * Number(style.opacity)]
			}
			text = paint(text)
			ground = paint(ground)
		}
		const [dark, light] = [text, ground].map((colour) => luminance(over(colour, [1, 1, 1, 1]))).sort((a, b) => a - b)
		return (light + 0.05) / (dark + 0.05)
	}
	const found = []
	for (const element of (document.querySelector(".modal-ux") ?? document.body).querySelectorAll("*")) {
		const texts = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "")
		if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || element.closest(":disabled")) continue
		const colours = []
		if (texts.length > 0 || element.value) colours.push(getComputedStyle(element).color)
		for (const pseudo of ["::before", "::after"]) {
			const style = getComputedStyle(element, pseudo)
			if (/[^"\s]/.test(style.content) && style.content.startsWith('"')) colours.push(style.color)
		}
		if (element.placeholder) colours.push(getComputedStyle(element, "::placeholder").color)
		for (const colour of colours) {
			const ratio = contrast(element, colour)
			if (ratio < 4.5) found.push(element.tagName + "." + element.getAttribute("class") + " " + ratio.toFixed(2) + ": " + (element.innerText || element.value || element.placeholder).slice(0, 40))
		}
	}
	return [...new Set(found)]
})()`

// brightness returns the mean brightness of a picture, from 0 to 1.
func brightness(t *testing.T, screenshot []byte) float64 {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(screenshot))
	if err != nil {
		t.Fatal(err)
	}
	var sum, pixels float64
	for y := picture.Bounds().Min.Y; y < picture.Bounds().Max.Y; y += 5 {
		for x := picture.Bounds().Min.X; x < picture.Bounds().Max.X; x += 5 {
			r, g, b, _ := picture.At(x, y).RGBA()
			sum += float64(r+g+b) / 3 / 0xffff
			pixels++
		}
	}
	return sum / pixels
}

const largeOperations = 136

// serveLarge serves the page of the server at base with a document of many operations, with long names, and returns the
// base URL.
func serveLarge(t *testing.T, base string) string {
	t.Helper()
	type object = map[string]any
	body := func(schema any) object { return object{"application/json": object{"schema": schema}} }
	item := object{"$ref": "#/components/schemas/OrganizationMembershipInvitationRequestSchema"}
	paths := object{}
	for i := range largeOperations / 4 {
		path := object{}
		for _, method := range [][]string{{"get", "post", "put", "delete"}, {"patch", "head", "options", "trace"}}[i%2] {
			operation := object{
				"tags":        []string{fmt.Sprintf("Resources %d", i/4)},
				"summary":     "Handle Organization Membership Invitation",
				"operationId": fmt.Sprintf("%s_organization_membership_invitation_%d", method, i),
				"parameters": []object{
					{"name": "organization_membership_id", "in": "path", "required": true, "schema": object{"type": "string", "format": "uuid"}},
					{"name": "include_expired_and_revoked_invitations", "in": "query", "schema": object{"type": "boolean", "default": false}},
				},
				"responses": object{
					"200": object{"description": "Successful Response", "content": body(object{})},
					"403": object{"description": "Forbidden", "content": body(object{"type": "object"})},
					"422": object{"description": "Validation Error", "content": body(item)},
				},
				"security": []object{{"CustomHTTPBearer": []string{}}},
			}
			if i == 2 {
				operation["deprecated"] = true
			}
			if method == "post" || method == "put" || method == "patch" {
				operation["requestBody"] = object{"required": true, "content": body(item)}
			}
			path[method] = operation
		}
		paths[fmt.Sprintf("/v1/organizations/memberships_%d/{organization_membership_id}/invitations", i)] = path
	}
	document, err := json.Marshal(object{
		"openapi": "3.1.0", "info": object{"title": "A large API", "version": "1.0.0"}, "paths": paths,
		"components": object{
			"schemas": object{"OrganizationMembershipInvitationRequestSchema": object{"type": "object", "properties": object{
				"invited_member_electronic_mail_address": object{"type": "string", "format": "email", "examples": []string{"somebody.with.a.long.name@organization.example"}},
				"role":                                   object{"anyOf": []object{{"type": "string", "enum": []string{"owner", "administrator", "viewer"}}, {"type": "null"}}},
			}}},
			"securitySchemes": object{"CustomHTTPBearer": object{"type": "http", "scheme": "bearer"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	page, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(page))
	mux.HandleFunc("/openapi.json", func(w http.ResponseWriter, _ *http.Request) { w.Write(document) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
