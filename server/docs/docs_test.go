package docs_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/apikey"
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

// The script has three bodies that the document does not have: they are those that the server sends.
func TestExamples(t *testing.T) {
	handler, err := server.New(server.Options{Keys: anyKey{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	pages, err := docs.Pages()
	if err != nil {
		t.Fatal(err)
	}
	script := httptest.NewRecorder()
	pages["/docs/docs.js"].ServeHTTP(script, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs/docs.js", nil))
	_, secret := apikey.New(apitype.NewUUID(), apitype.NewUUID(), "test")
	for name, sent := range map[string]struct{ id, authorization string }{
		"anything":     {apitype.NewUUID().String(), "Bearer " + secret.Reveal()},
		"unauthorized": {apitype.NewUUID().String(), ""},
		"malformed":    {"nope", "Bearer " + secret.Reveal()},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/v1/api_key/"+sent.id, nil)
		request.Header.Set("Authorization", sent.authorization)
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		if line := "const " + name + " = " + strings.TrimSpace(response.Body.String()) + ";\n"; !strings.Contains(script.Body.String(), line) {
			t.Errorf("docs.js lacks the line %s", line)
		}
	}
}

// anyKey is a store in which every key exists.
type anyKey struct{}

func (anyKey) Authenticate(context.Context, apikey.Hash) (apikey.Key, error) {
	return apikey.Key{}, nil
}

func (anyKey) Delete(context.Context, apitype.UUID, apitype.UUID, apikey.Deletion) error { return nil }

// By RFC 9110, section 12.5.3.
func TestAcceptEncoding(t *testing.T) {
	pages, err := docs.Pages()
	if err != nil {
		t.Fatal(err)
	}
	for encodings, compressed := range map[string]bool{
		"": false, "gzip": true, "GZip": true, "x-gzip": true, "*": true, "br": false, "identity": false, "gzip2": false,
		"deflate, gzip;q=0.5": true, "br;q=1.0,gzip ; q=0.001": true, "gzip;q=0": false, "gzip;q=0.000, *": false,
		"*;q=0": false, "*;q=0, gzip": true, "br, *;q=0.1": true, "gzip;Q=1": true, "gzip;q=x": false, "gzip;level=9": false,
		"identity, gzip;q=0.5": false, "identity;q=0.5, gzip": true, "identity;q=0": false, "gzip, identity": true,
		"br\ngzip": true, "gzip;q=0\nbr": false, "gzip;q=NaN": false, ";,;q=,": false,
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs/swagger-ui.css", nil)
		if encodings != "" {
			request.Header["Accept-Encoding"] = strings.Split(encodings, "\n")
		}
		recorder := httptest.NewRecorder()
		pages["/docs/swagger-ui.css"].ServeHTTP(recorder, request)
		if got := recorder.Header().Get("Content-Encoding") == "gzip"; got != compressed || recorder.Code != http.StatusOK {
			t.Errorf("%q: %d, compressed %t", encodings, recorder.Code, got)
		}
		if recorder.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: Vary %q", encodings, recorder.Header().Get("Vary"))
		}
	}
}

// Both forms are the same file, have ETags of their own, and serve ranges of their own bytes.
func TestRanges(t *testing.T) {
	pages, err := docs.Pages()
	if err != nil {
		t.Fatal(err)
	}
	const bundle = "/docs/swagger-ui-bundle.js"
	get := func(encoding, bytes string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, bundle, nil)
		request.Header.Set("Accept-Encoding", encoding)
		if bytes != "" {
			request.Header.Set("Range", "bytes="+bytes)
		}
		recorder := httptest.NewRecorder()
		pages[bundle].ServeHTTP(recorder, request)
		return recorder
	}
	compressed, plain := get("gzip", ""), get("", "")
	reader, err := gzip.NewReader(bytes.NewReader(compressed.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	decompressed, err := io.ReadAll(reader)
	if err != nil || !bytes.Equal(decompressed, plain.Body.Bytes()) {
		t.Errorf("%d compressed bytes are %d, %v; the other form has %d", compressed.Body.Len(), len(decompressed), err, plain.Body.Len())
	}
	if compressed.Header().Get("ETag") == plain.Header().Get("ETag") {
		t.Error("both forms have the same ETag")
	}
	for encoding, whole := range map[string]*httptest.ResponseRecorder{"gzip": compressed, "": plain} {
		part := get(encoding, "100-199")
		if part.Code != http.StatusPartialContent || !bytes.Equal(part.Body.Bytes(), whole.Body.Bytes()[100:200]) || part.Header().Get("ETag") != whole.Header().Get("ETag") {
			t.Errorf("%q: %d, %d bytes, %v", encoding, part.Code, part.Body.Len(), part.Header())
		}
		if beyond := get(encoding, "9999999-"); beyond.Code != http.StatusRequestedRangeNotSatisfiable {
			t.Errorf("%q: %d for a range beyond the end", encoding, beyond.Code)
		}
	}
}

// All requests of a file share its bytes: the memory that 400 of them need at the same time does not depend on its size.
func TestMemoryOfRequests(t *testing.T) {
	const requests, most = 400, 8 << 10 // bytes for each of them, at most
	for _, encoding := range []string{"identity", "gzip"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			pages, err := docs.Pages()
			if err != nil {
				t.Fatal(err)
			}
			request := httptest.NewRequestWithContext(t.Context(), method, "/docs/swagger-ui-bundle.js", nil)
			request.Header.Set("Accept-Encoding", encoding)
			pages[request.URL.Path].ServeHTTP(&discard{header: make(http.Header)}, request) // decompresses
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var all sync.WaitGroup
			for range requests {
				all.Go(func() { pages[request.URL.Path].ServeHTTP(&discard{header: make(http.Header)}, request) })
			}
			all.Wait()
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) / requests; got > most {
				t.Errorf("%s, %s: %d bytes for each request, want at most %d", method, encoding, got, most)
			}
		}
	}
}

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header             { return d.header }
func (*discard) WriteHeader(int)                   {}
func (*discard) Write(content []byte) (int, error) { return len(content), nil }
