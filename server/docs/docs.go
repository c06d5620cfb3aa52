// Package docs serves Swagger UI for the contract. All files are embedded; the Content-Security-Policy forbids requests to
// other hosts.
package docs

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/swaggest/swgui/v5/static"
)

//go:embed docs.html docs.js
var own embed.FS

// policy allows files and requests of this server only, and the icons in Swagger UI's style sheet.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Pages returns the page and its files by path, at /docs and below. The page loads the document from /openapi.json.
func Pages() (map[string]http.Handler, error) {
	pages := make(map[string]http.Handler)
	for path, f := range map[string]*file{
		"/docs":                      {name: "docs.html", source: own, contentType: "text/html; charset=utf-8"},
		"/docs/docs.js":              {name: "docs.js", source: own, contentType: "text/javascript; charset=utf-8"},
		"/docs/favicon-32x32.png":    {name: "favicon-32x32.png", source: static.FS, contentType: "image/png"},
		"/docs/swagger-ui.css":       {name: "swagger-ui.css.gz", source: static.FS, contentType: "text/css; charset=utf-8"},
		"/docs/swagger-ui-bundle.js": {name: "swagger-ui-bundle.js.gz", source: static.FS, contentType: "text/javascript; charset=utf-8"},
	} {
		var err error
		if f.content, err = fs.ReadFile(f.source, f.name); err != nil {
			return nil, fmt.Errorf("read Swagger UI: %w", err)
		}
		sum := sha256.Sum256(f.content)
		f.etag = hex.EncodeToString(sum[:8])
		pages[path] = f
	}
	return pages, nil
}

// file is a file of the page. If its name ends in .gz, it is sent compressed to clients that accept gzip.
type file struct {
	name, contentType, etag string
	source                  fs.FS
	content                 []byte
}

// ServeHTTP implements http.Handler.
func (f *file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Type", f.contentType)
	header.Set("Cache-Control", "no-cache") // revalidate by ETag, because another version of the program has other files
	content, etag := f.content, f.etag
	if strings.HasSuffix(f.name, ".gz") {
		header.Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			header.Set("Content-Encoding", "gzip")
			etag += "-gzip"
		} else if plain, err := decompress(content); err == nil {
			content = plain
		} else {
			http.Error(w, "Internal Server Error", http.StatusInternalServerError)
			return
		}
	}
	header.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func decompress(content []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
