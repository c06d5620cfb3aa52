//go:build proof

// Package browser_test tries in a real browser what the program shows to people.
package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/diga-io/diga-api/e2e/internal/process"
)

func TestMain(m *testing.M) { process.Main(m) }

// demo is the program in demo mode: its base URL, the secrets of a key that may delete and of one that may not, and the
// id of a key to delete.
type demo struct{ base, secret, restricted, id string }

func startDemo(t *testing.T) demo {
	t.Helper()
	server := process.Serve(t, "--demo", "--admin-addr", "", "--database-url", process.SQLite(t))
	var d demo
	for _, found := range regexp.MustCompile(`Bearer (diga_\w+)' \S+/v1/api_key/(\S+)`).FindAllStringSubmatch(strings.Join(server.Lines, "\n"), -1) {
		switch {
		case d.secret == "":
			d = demo{base: server.API, secret: found[1], id: found[2]}
		case found[1] != d.secret:
			d.restricted = found[1]
		}
	}
	if d.restricted == "" {
		t.Fatalf("the demo does not print its keys:\n%s", server.Lines)
	}
	return d
}

// delete tries to delete the demo's key with the given secret and returns the answer.
func (d demo) delete(t *testing.T, secret string) (status int, body string) {
	t.Helper()
	return process.Send(t, http.MethodDelete, d.base+"/v1/api_key/"+d.id, secret)
}

// browser starts a browser that can reach nothing but this machine.
func browser(t *testing.T, listener func(event any)) context.Context {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			program = found
			break
		}
	}
	if program == "" {
		t.Fatal("a browser is missing: apt-get install chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx,
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1280, 1600),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.DisableGPU,
		chromedp.NoSandbox, // which needs privileges that containers do not have
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		chromedp.WSURLReadTimeout(time.Minute),
	)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(listener))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // starts it, for as long as this context lasts
		t.Fatal(err)
	}
	return ctx
}

// The page shows the operation with all its answers, and trying it out against the server that shows it deletes a key.
// Nothing is asked of another server, and nothing runs into the Content-Security-Policy.
func TestDocs(t *testing.T) {
	var (
		mutex     sync.Mutex
		requested []string
		problems  []string
	)
	ctx := browser(t, func(event any) {
		mutex.Lock()
		defer mutex.Unlock()
		switch event := event.(type) {
		case *network.EventRequestWillBeSent:
			requested = append(requested, event.Request.URL)
		case *network.EventLoadingFailed:
			problems = append(problems, event.ErrorText)
		case *log.EventEntryAdded:
			problems = append(problems, event.Entry.Text)
		case *runtime.EventExceptionThrown:
			problems = append(problems, fmt.Sprint(event.ExceptionDetails.Text, event.ExceptionDetails.Exception))
		}
	})
	demo := startDemo(t)
	step := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		stepContext, cancel := context.WithTimeout(ctx, 5*time.Minute)
		defer cancel()
		if err := chromedp.Do(stepContext, actions...); err != nil {
			if screenshot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100)); err == nil {
				save(t, "failed.png", screenshot)
			}
			mutex.Lock()
			defer mutex.Unlock()
			t.Fatalf("%s: %v\n%s", what, err, strings.Join(problems, "\n"))
		}
	}

	texts := func(selector string) []string {
		t.Helper()
		script := fmt.Sprintf(`[...document.querySelectorAll(%q)].map((e) => e.innerText.trim())`, selector)
		found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](script))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	step("load the page", chromedp.Navigate(demo.base+"/docs"), chromedp.WaitVisible(".opblock .responses-table"))
	operations := texts(".opblock-summary-method, .opblock-summary-path")
	if !slices.Equal(operations, []string{"DELETE", "/v1/api_key/{id}"}) {
		t.Errorf("operations: %q", operations)
	}
	statuses := texts("tr.response .response-col_status")
	if !slices.Equal(statuses, []string{"200", "403", "404", "422", "500"}) {
		t.Errorf("statuses: %q", statuses)
	}

	// The examples are what the server sends.
	example := func(status, name string) string {
		t.Helper()
		if name != "" {
			step("choose the example "+name, run(fmt.Sprintf(`(() => {
				const select = document.querySelector("tr.response[data-code='%s'] .examples-select-element")
				Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, "value").set.call(select, %q)
				select.dispatchEvent(new Event("change", { bubbles: true }))
			})()`, status, name)))
		}
		return strings.Join(texts("tr.response[data-code='"+status+"'] .example"), "")
	}
	for name, secret := range map[string]string{"unauthorized": "", "forbidden": demo.restricted} {
		if _, body := demo.delete(t, secret); !sameJSON(t, example("403", name), body) {
			t.Errorf("403 %s: the page shows %s, the server sends %s", name, example("403", name), body)
		}
	}
	malformed := demo
	malformed.id = "nope"
	if _, body := malformed.delete(t, demo.secret); !sameJSON(t, example("422", ""), body) {
		t.Errorf("422: the page shows %s, the server sends %s", example("422", ""), body)
	}

	step("authorize",
		chromedp.Click(".auth-wrapper button.authorize"),
		chromedp.SendKeys(".auth-container input", demo.secret),
		chromedp.Click(".auth-btn-wrapper button.authorize"),
		chromedp.WaitVisible(".auth-btn-wrapper button.btn-done"),
		chromedp.Click(".auth-btn-wrapper button.btn-done"),
		chromedp.WaitNotPresent(".modal-ux"),
	)
	step("try it out",
		chromedp.Click(".try-out__btn"),
		chromedp.WaitVisible(".parameters input:enabled"),
		chromedp.SendKeys(".parameters input:enabled", demo.id),
		chromedp.Click("button.execute"),
		chromedp.WaitVisible(".live-responses-table .response .response-col_status"),
	)
	answer := texts(".live-responses-table .response .response-col_status")
	if len(answer) != 1 || !strings.HasPrefix(answer[0], "200") {
		t.Errorf("answer: %q", answer)
	}
	if body := texts(".live-responses-table .response .microlight")[0]; !sameJSON(t, example("200", ""), body) {
		t.Errorf("200: the page shows %s, the server sends %s", example("200", ""), body)
	}
	screenshot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	save(t, "docs.png", screenshot)
	if status, _ := demo.delete(t, demo.secret); status != http.StatusNotFound {
		t.Errorf("the key is still there: deleting it again is answered with %d", status)
	}

	mutex.Lock()
	defer mutex.Unlock()
	for _, url := range requested {
		if !strings.HasPrefix(url, demo.base+"/") && !strings.HasPrefix(url, "data:") {
			t.Errorf("the page asks for %s", url)
		}
	}
	if len(requested) < 6 {
		t.Errorf("requests: %q", requested)
	}
	for _, problem := range problems {
		t.Errorf("the browser complains: %s", problem)
	}
}

// sameJSON reports whether two texts are the same JSON.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var values [2]any
	for i, text := range []string{a, b} {
		if err := json.Unmarshal([]byte(text), &values[i]); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	return reflect.DeepEqual(values[0], values[1])
}

// save keeps a picture if go test has the flag -artifacts, as in make proof.
func save(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), name), content, 0o644); err != nil {
		t.Error(err)
	}
}
