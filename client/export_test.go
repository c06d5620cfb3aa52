package client

import "net/http"

// DefaultTransport is what clients use without WithHTTPClient.
func DefaultTransport() http.RoundTripper { return defaultTransport() }
