package server

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
)

// few is a store of a live, an expired and a deleted key.
type few struct {
	Keys
	keys    map[apikey.Hash]apikey.Key
	deleted apikey.Secret
	asked   int
}

var deletedID = apitype.NewUUID()

func (f *few) Authenticate(_ context.Context, hash apikey.Hash) (apikey.Key, error) {
	f.asked++
	if hash == f.deleted.Hash() {
		return apikey.Key{}, &apikey.DeletedError{ID: deletedID}
	}
	if key, ok := f.keys[hash]; ok {
		return key, nil
	}
	return apikey.Key{}, apikey.ErrNotFound
}

// lineOf returns the log line of the request in a JSON log.
func lineOf(t *testing.T, log string) map[string]any {
	t.Helper()
	for line := range strings.Lines(log) {
		var decoded map[string]any
		if err := json.Unmarshal([]byte(line), &decoded); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if decoded["msg"] == "request" {
			return decoded
		}
	}
	t.Fatalf("no line of the request in\n%s", log)
	return nil
}

// The reason of a failed authentication, and the id of the key if it is known, are in the log line and counted. The client
// gets the same body, and the store is not asked for what cannot be a key.
func TestAuthenticationFailures(t *testing.T) {
	live, secret := apikey.New(apitype.NewUUID(), apitype.NewUUID(), "live")
	expired, expiredSecret := apikey.New(live.ProjectID, live.CreatorID, "expired")
	expired.ExpiresAt = time.Now().Add(-time.Hour)
	deleted := apikey.NewSecret()
	damaged := secret.Reveal()
	damaged = damaged[:10] + strings.Map(func(c rune) rune { return '0' + (c-'0'+1)%10 }, damaged[10:11]) + damaged[11:]
	for name, test := range map[string]struct {
		headers        []string
		reason, key    string
		challenge      string
		asked          int
		isAuthenticate bool
	}{
		"live":                 {[]string{"Bearer " + secret.Reveal()}, "", "", "", 1, true},
		"no header":            {nil, "missing", "", `Bearer`, 0, false},
		"empty header":         {[]string{""}, "malformed", "", `Bearer`, 0, false},
		"no token":             {[]string{"Bearer "}, "malformed", "", `Bearer`, 0, false},
		"another scheme":       {[]string{"Basic eDp4"}, "malformed", "", `Bearer`, 0, false},
		"two headers":          {[]string{"Bearer " + secret.Reveal(), "Bearer " + secret.Reveal()}, "malformed", "", `Bearer error="invalid_token"`, 0, false},
		"two tokens":           {[]string{"Bearer a b"}, "malformed", "", `Bearer error="invalid_token"`, 0, false},
		"wrong checksum":       {[]string{"Bearer " + damaged}, "malformed", "", `Bearer error="invalid_token"`, 0, false},
		"cut off":              {[]string{"Bearer " + secret.Reveal()[:76]}, "malformed", "", `Bearer error="invalid_token"`, 0, false},
		"unknown":              {[]string{"Bearer " + apikey.NewSecret().Reveal()}, "unknown", "", `Bearer error="invalid_token"`, 1, false},
		"unknown, not of ours": {[]string{"Bearer 0123456789abcdef"}, "unknown", "", `Bearer error="invalid_token"`, 1, false},
		"expired":              {[]string{"Bearer " + expiredSecret.Reveal()}, "expired", expired.ID.String(), `Bearer error="invalid_token"`, 1, false},
		"deleted":              {[]string{"Bearer " + deleted.Reveal()}, "deleted", deletedID.String(), `Bearer error="invalid_token"`, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			store := &few{keys: map[apikey.Hash]apikey.Key{secret.Hash(): live, expiredSecret.Hash(): expired}, deleted: deleted}
			observer := new(witness)
			handler, log := handle(t, api.Document, wrongHandler{}, Options{Keys: store, Observer: observer})
			request := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/v1/api_key/nope", nil)
			request.Header["Authorization"] = test.headers
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, request)
			line := lineOf(t, log.String())
			if test.isAuthenticate {
				if answer.Code != 422 || line["reason"] != nil || len(observer.reasons) > 0 || line["caller"] != live.ID.String() {
					t.Errorf("answered %d, logged %v, counted %v", answer.Code, line, observer.reasons)
				}
				return
			}
			if answer.Code != 403 || answer.Body.String() != bodyUnauthorized || answer.Header().Get("WWW-Authenticate") != test.challenge {
				t.Errorf("answered %d %s %v", answer.Code, answer.Body, answer.Header())
			}
			key, _ := line["key"].(string)
			if line["reason"] != test.reason || key != test.key || line["caller"] != nil || !slices.Equal(observer.reasons, []string{test.reason}) {
				t.Errorf("logged %v, counted %v", line, observer.reasons)
			}
			if store.asked != test.asked {
				t.Errorf("asked the store %d times, want %d", store.asked, test.asked)
			}
		})
	}
}

// The log has the client's address only if the operator wants it, and X-Forwarded-For counts only if a trusted proxy wrote
// it.
func TestPeer(t *testing.T) {
	proxies := []*net.IPNet{network("10.0.0.0/8"), network("2001:db8::/32")}
	for name, test := range map[string]struct {
		log       bool
		trusted   []*net.IPNet
		address   string
		forwarded []string
		peer      any
	}{
		"off":                    {false, proxies, "192.0.2.1:1234", []string{"198.51.100.7"}, nil},
		"direct":                 {true, nil, "192.0.2.1:1234", nil, "192.0.2.1"},
		"IPv6":                   {true, nil, "[2001:db8::1]:1234", nil, "2001:db8::1"},
		"no proxies":             {true, nil, "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"},
		"loopback":               {true, proxies, "127.0.0.1:1234", []string{"198.51.100.7"}, "127.0.0.1"},
		"private":                {true, proxies, "192.168.0.1:1234", []string{"198.51.100.7"}, "192.168.0.1"},
		"not a proxy":            {true, proxies, "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"},
		"a proxy":                {true, proxies, "10.1.2.3:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		"a proxy, IPv6":          {true, proxies, "[2001:db8::1]:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		"a proxy, no header":     {true, proxies, "10.1.2.3:1234", nil, "10.1.2.3"},
		"two proxies":            {true, proxies, "10.1.2.3:1234", []string{"198.51.100.7, 10.9.9.9"}, "198.51.100.7"},
		"forged before the real": {true, proxies, "10.1.2.3:1234", []string{"203.0.113.5", "198.51.100.7"}, "198.51.100.7"},
		"not an address":         {true, proxies, "10.1.2.3:1234", []string{"diga_0123456789abcdef"}, "10.1.2.3"},
	} {
		t.Run(name, func(t *testing.T) {
			handler, log := handle(t, api.Document, wrongHandler{}, Options{LogPeer: test.log, TrustedProxies: test.trusted})
			request := httptest.NewRequestWithContext(t.Context(), http.MethodDelete, "/v1/api_key/nope", nil)
			request.RemoteAddr = test.address
			request.Header["X-Forwarded-For"] = test.forwarded
			handler.ServeHTTP(httptest.NewRecorder(), request)
			if got := lineOf(t, log.String())["peer"]; got != test.peer {
				t.Errorf("logged %v, want %v", got, test.peer)
			}
		})
	}
}

func network(text string) *net.IPNet {
	_, parsed, err := net.ParseCIDR(text)
	if err != nil {
		panic(err)
	}
	return parsed
}

// The log line of a 422 has the keywords, and nothing that the client sent.
func TestViolationsInLog(t *testing.T) {
	handler, log := handle(t, api.Document, wrongHandler{}, Options{})
	handler.ServeHTTP(httptest.NewRecorder(), authenticated(t.Context(), http.MethodDelete, "/v1/api_key/nope"))
	if got := lineOf(t, log.String())["violations"]; !slices.Equal(got.([]any), []any{"path id format"}) || strings.Contains(log.String(), "nope") {
		t.Errorf("logged %s", log)
	}
	described := describe([]contract.Violation{
		{In: "body", Pointer: "/0/hunter2", Place: "/0/*", Keyword: "type"}, {In: "body", Pointer: "/0/hunter3", Place: "/0/*", Keyword: "type"},
	})
	if !slices.Equal(described, []string{"body /0/* type"}) {
		t.Errorf("described as %q", described)
	}
}
