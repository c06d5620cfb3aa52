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
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/swaggest/swgui/v5/static"
)

//go:embed docs.html docs.css docs.js
var own embed.FS

// policy allows files and requests of this server only, and the icons in Swagger UI's style sheet.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Pages returns the page and its files by path, at /docs and below. The page loads the document from /openapi.json.
func Pages() (map[string]http.Handler, error) {
	pages := make(map[string]http.Handler)
	for path, source := range map[string]struct {
		files             fs.FS
		name, contentType string
	}{
		"/docs":                      {own, "docs.html", "text/html; charset=utf-8"},
		"/docs/docs.css":             {own, "docs.css", "text/css; charset=utf-8"},
		"/docs/docs.js":              {own, "docs.js", "text/javascript; charset=utf-8"},
		"/docs/favicon-32x32.png":    {static.FS, "favicon-32x32.png", "image/png"},
		"/docs/swagger-ui.css":       {static.FS, "swagger-ui.css.gz", "text/css; charset=utf-8"},
		"/docs/swagger-ui-bundle.js": {static.FS, "swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8"},
	} {
		content, err := fs.ReadFile(source.files, source.name)
		if err != nil {
			return nil, fmt.Errorf("read Swagger UI: %w", err)
		}
		pages[path] = newFile(content, strings.HasSuffix(source.name, ".gz"), source.contentType)
	}
	return pages, nil
}

// file is a file of the page.
type file struct {
	contentType, etag string
	compressed        []byte                 // nil if the file is embedded uncompressed
	plain             func() ([]byte, error) // the uncompressed content
}

func newFile(content []byte, compressed bool, contentType string) *file {
	sum := sha256.Sum256(content)
	f := &file{contentType: contentType, etag: hex.EncodeToString(sum[:8])}
	if !compressed {
		f.plain = func() ([]byte, error) { return content, nil }
		return f
	}
	f.compressed = content
	// Decompressed once for the process, when the first client needs it, because few clients do not accept gzip. The 1.5 MB
	// then stay in memory. Streaming would need less, but would decompress for each such request, and could not serve ranges.
	f.plain = sync.OnceValues(func() ([]byte, error) { return decompress(content) })
	return f
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
	etag := f.etag
	if f.compressed != nil {
		header.Set("Vary", "Accept-Encoding")
	}
	content := f.compressed
	if content != nil && acceptsGzip(r.Header["Accept-Encoding"]) {
		header.Set("Content-Encoding", "gzip")
		etag += "-gzip"
	} else {
		var err error
		if content, err = f.plain(); err != nil { // the embedded file is damaged, which the tests of this package would find
			http.Error(w, "Internal Server Error", http.StatusInternalServerError)
			return
		}
	}
	header.Set("ETag", `"`+etag+`"`)
	http.ServeContent(slowWriter{w}, r, "", time.Time{}, bytes.NewReader(content))
}

// slowWriter copies through a small buffer. ServeContent would allocate 32 KiB, which a client that reads slowly would
// keep allocated.
type slowWriter struct{ http.ResponseWriter }

// ReadFrom implements io.ReaderFrom, which ServeContent uses.
func (w slowWriter) ReadFrom(source io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{w.ResponseWriter}, source, make([]byte, 4<<10))
}

// acceptsGzip reports whether the Accept-Encoding headers accept gzip, and do not prefer no encoding (RFC 9110, section
// 12.5.3).
func acceptsGzip(headers []string) bool {
	const unset = -1
	gzip, rest, identity := float64(unset), 0.0, 0.0 // weights; rest is that of *
	for _, header := range headers {
		for element := range strings.SplitSeq(header, ",") {
			coding, parameter, weighted := strings.Cut(element, ";")
			weight := 1.0
			if weighted {
				name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
				parsed, err := strconv.ParseFloat(value, 64)
				if err != nil || !strings.EqualFold(name, "q") {
					continue
				}
				weight = parsed
			}
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip": // the old name
				gzip = weight
			case "identity":
				identity = weight
			case "*":
				rest = weight
			}
		}
	}
	if gzip == unset {
		gzip = rest
	}
	return gzip > 0 && gzip >= identity
}

func decompress(content []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
