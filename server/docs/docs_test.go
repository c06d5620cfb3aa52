package docs_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/server/docs"
)

// The browser's part is in the module e2e. Here: what every file says to the browser, and that none is missing.
func TestPages(t *testing.T) {
	pages, err := docs.Pages()
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, headers ...string) *http.Response {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			request.Header.Set(name, value)
		}
		recorder := httptest.NewRecorder()
		pages[path].ServeHTTP(recorder, request)
		return recorder.Result()
	}
	for path := range pages {
		for _, encoding := range []string{"gzip, deflate, br", "identity"} {
			response := get(path, "Accept-Encoding: "+encoding)
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != 200 || len(body) < 100 || response.Header.Get("Content-Type") == "" {
				t.Errorf("%s: %d %v", path, response.StatusCode, response.Header)
			}
			if policy := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") ||
				strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
				t.Errorf("%s: policy %s", path, policy)
			}
			if response.Header.Get("X-Content-Type-Options") != "nosniff" || response.Header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: %v", path, response.Header)
			}
			if response.Header.Get("Content-Encoding") != "" && encoding == "identity" {
				t.Errorf("%s is compressed for somebody who cannot read that", path)
			}
			if again := get(path, "Accept-Encoding: "+encoding, "If-None-Match: "+response.Header.Get("ETag")); again.StatusCode != 304 {
				t.Errorf("%s again: %d", path, again.StatusCode)
			}
		}
	}
	page := httptest.NewRecorder()
	pages["/docs"].ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs", nil))
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page.Body.String(), -1)
	if len(links) < 5 {
		t.Errorf("links: %v", links)
	}
	for _, link := range links {
		if pages["/"+link[1]] == nil && link[1] != "openapi.json" {
			t.Errorf("the page links to %s", link[1])
		}
	}
}
