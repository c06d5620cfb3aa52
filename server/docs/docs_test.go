package docs_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/server/docs"
)

// This test checks the headers of every file, and that no file is missing. The module e2e tests the page in a browser.
func TestPages(t *testing.T) {
	pages, err := docs.Pages()
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, headers ...string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			request.Header.Set(name, value)
		}
		recorder := httptest.NewRecorder()
		pages[path].ServeHTTP(recorder, request)
		return recorder
	}
	for path := range pages {
		for _, encoding := range []string{"gzip, deflate, br", "identity"} {
			response := get(path, "Accept-Encoding: "+encoding)
			header := response.Header()
			if response.Code != http.StatusOK || response.Body.Len() < 100 || header.Get("Content-Type") == "" {
				t.Errorf("%s: %d %v", path, response.Code, header)
			}
			if policy := header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; ") ||
				strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
				t.Errorf("%s: policy %s", path, policy)
			}
			if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: %v", path, header)
			}
			if header.Get("Content-Encoding") != "" && encoding == "identity" {
				t.Errorf("%s is compressed for a client that does not accept gzip", path)
			}
			if again := get(path, "Accept-Encoding: "+encoding, "If-None-Match: "+header.Get("ETag")); again.Code != 304 {
				t.Errorf("%s again: %d", path, again.Code)
			}
		}
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(get("/docs").Body.String(), -1)
	if len(links) < 5 {
		t.Errorf("links: %v", links)
	}
	for _, link := range links {
		if pages["/"+link[1]] == nil && link[1] != "openapi.json" {
			t.Errorf("the page links to %s", link[1])
		}
	}
}
