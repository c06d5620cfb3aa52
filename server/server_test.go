package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// diga is a server on a new embedded store, and a project.
type diga struct {
	*httptest.Server
	keys    *store.Store
	project apitype.UUID
	log     *logBuffer
	now     func() time.Time
}

// logBuffer collects the log of the server.
type logBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

func (b *logBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

func newDiga(t testing.TB) *diga {
	t.Helper()
	keys, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/keys.db", store.Options{Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	d := &diga{keys: keys, project: apitype.NewUUID(), log: new(logBuffer), now: time.Now}
	d.serve(t, keys)
	return d
}

// serve starts the server on keys, which may fail.
func (d *diga) serve(t testing.TB, keys server.Keys) {
	t.Helper()
	handler, err := server.New(server.Options{
		Keys:   keys,
		Logger: slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now:    func() time.Time { return d.now() },
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Server = httptest.NewServer(handler)
	t.Cleanup(d.Close)
}

// createKey creates a key in the store, after change.
func (d *diga) createKey(t testing.TB, change ...func(*apikey.Key)) (apikey.Key, apikey.Secret) {
	t.Helper()
	key, secret := apikey.New(d.project, apitype.NewUUID(), "test")
	for _, f := range change {
		f(&key)
	}
	if err := d.keys.Create(t.Context(), key, secret.Hash()); err != nil {
		t.Fatal(err)
	}
	return key, secret
}

func restrictedTo(permissions ...string) func(*apikey.Key) {
	return func(key *apikey.Key) { key.Restricted, key.Permissions = true, permissions }
}

// answer is a response with its body.
type answer struct {
	status int
	header http.Header
	body   string
}

// send sends a request with the given headers, each NAME: VALUE.
func (d *diga) send(t testing.TB, method, path string, headers ...string) answer {
	t.Helper()
	return d.sendBody(t, method, path, nil, headers...)
}

func (d *diga) sendBody(t testing.TB, method, path string, body io.Reader, headers ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, d.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Add(name, value)
	}
	response, err := d.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: strings.TrimSuffix(string(content), "\n")}
}

// delete sends DELETE /v1/api_key/{id} as the holder of secret.
func (d *diga) delete(t testing.TB, secret apikey.Secret, id string) answer {
	t.Helper()
	return d.send(t, http.MethodDelete, "/v1/api_key/"+id, "Authorization: Bearer "+secret.Reveal())
}

// The bodies that the README and the contract specify.
const (
	unauthorized = `{"status":"error","error_code":"UNAUTHORIZED","message":"Invalid or missing API key"}`
	forbidden    = `{"status":"error","error_code":"INTERNAL_SERVER_ERROR","message":"Missing required permissions"}`
	notFound     = `{"status":"error","error_code":"API_KEY_NOT_FOUND","message":"Error from ApiKeyNotFoundException"}`
	internal     = `{"status":"error","error_code":"INTERNAL_SERVER_ERROR","message":"Error: Internal Server Error"}`
	noSuchPath   = `{"status":"error","error_code":"NOT_FOUND","message":"Not Found"}`
	noSuchMethod = `{"status":"error","error_code":"METHOD_NOT_ALLOWED","message":"Method Not Allowed"}`
	uuidLength   = `{"detail":[{"loc":["path","id"],"msg":"Input should be a valid UUID, invalid length: expected 36 characters","type":"uuid_parsing"}]}`
)

func (a answer) check(t testing.TB, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("answered %d %s\nwant     %d %s", a.status, a.body, status, body)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	if a.header.Get("X-Request-ID") == "" {
		t.Error("no X-Request-ID")
	}
}

func (a answer) checkChallenge(t testing.TB, challenge string) {
	t.Helper()
	if got := a.header.Get("WWW-Authenticate"); got != challenge {
		t.Errorf("WWW-Authenticate: %q, want %q", got, challenge)
	}
}

// declaredResponses has a test for each response that the document declares, by operationId and status. Each decodes the
// body into the generated type.
var declaredResponses = map[string]map[string]func(*testing.T){
	"delete_api_key_v1_api_key__id__delete": {
		"200": testDelete200, "403": testDelete403, "404": testDelete404, "422": testDelete422, "500": testDelete500,
	},
}

func TestDeclaredResponses(t *testing.T) {
	document, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				test := declaredResponses[operation.OperationID][status]
				if test == nil {
					t.Errorf("%s %s declares %s, which has no test", method, path, status)
					continue
				}
				t.Run(fmt.Sprintf("%s %s", operation.OperationID, status), test)
			}
		}
	}
}

func testDelete200(t *testing.T) {
	d := newDiga(t)
	_, caller := d.createKey(t)
	target, targetSecret := d.createKey(t)
	d.delete(t, caller, target.ID.String()).check(t, 200, `{}`)
	d.delete(t, targetSecret, target.ID.String()).check(t, 403, unauthorized)
	d.delete(t, caller, target.ID.String()).check(t, 404, notFound)
}

func testDelete403(t *testing.T) {
	d := newDiga(t)
	_, caller := d.createKey(t, restrictedTo("calls.view"))
	target, _ := d.createKey(t)
	got := d.delete(t, caller, target.ID.String())
	got.check(t, 403, forbidden)
	got.checkChallenge(t, `Bearer error="insufficient_scope"`)
	var decoded apiserver.ErrorResponseSchema
	if err := json.Unmarshal([]byte(got.body), &decoded); err != nil || decoded.Message != "Missing required permissions" {
		t.Errorf("decoded %+v, %v", decoded, err)
	}
}

func testDelete404(t *testing.T) {
	d := newDiga(t)
	_, caller := d.createKey(t)
	elsewhere, _ := d.createKey(t, func(key *apikey.Key) { key.ProjectID = apitype.NewUUID() })
	deleted, _ := d.createKey(t)
	d.delete(t, caller, deleted.ID.String()).check(t, 200, `{}`)

	unknown := d.delete(t, caller, apitype.NewUUID().String())
	unknown.check(t, 404, notFound)
	for name, id := range map[string]apitype.UUID{"deleted already": deleted.ID, "of another project": elsewhere.ID} {
		got := d.delete(t, caller, id.String())
		got.check(t, 404, notFound)
		for _, header := range []string{"Date", "X-Request-Id"} {
			got.header.Del(header)
			unknown.header.Del(header)
		}
		if fmt.Sprint(got.header) != fmt.Sprint(unknown.header) {
			t.Errorf("%s: headers %v differ from those of an unknown key, %v", name, got.header, unknown.header)
		}
	}
}

func testDelete422(t *testing.T) {
	d := newDiga(t)
	_, caller := d.createKey(t)
	got := d.delete(t, caller, "nope")
	got.check(t, 422, uuidLength)
	var decoded apiserver.HTTPValidationError
	if err := json.Unmarshal([]byte(got.body), &decoded); err != nil || len(*decoded.Detail) != 1 {
		t.Errorf("decoded %+v, %v", decoded, err)
	}
}

func testDelete500(t *testing.T) {
	d := newDiga(t)
	_, caller := d.createKey(t)
	d.serve(t, failingKeys{d.keys, errors.New("disk on fire at 10.0.0.7")})
	got := d.delete(t, caller, apitype.NewUUID().String())
	got.check(t, 500, internal)
	if log := d.log.String(); strings.Count(log, "disk on fire") != 1 {
		t.Errorf("the cause is %d times in the log:\n%s", strings.Count(log, "disk on fire"), log)
	}
}

// failingKeys is a store whose deletes fail.
type failingKeys struct {
	server.Keys
	err error
}

func (k failingKeys) Delete(context.Context, apitype.UUID, apitype.UUID, apikey.Deletion) error {
	return k.err
}

// Each row of the table in the README that the declared responses above do not cover.
func TestDecisions(t *testing.T) {
	d := newDiga(t)
	_, admin := d.createKey(t)
	target, _ := d.createKey(t)
	path := "/v1/api_key/" + target.ID.String()
	bearer := "Authorization: Bearer " + admin.Reveal()

	t.Run("no valid key", func(t *testing.T) {
		_, expired := d.createKey(t, func(key *apikey.Key) { key.ExpiresAt = time.Now().Add(-time.Microsecond) })
		deletedKey, deleted := d.createKey(t)
		d.delete(t, admin, deletedKey.ID.String()).check(t, 200, `{}`)
		for name, test := range map[string]struct {
			headers   []string
			challenge string
		}{
			"no header":          {nil, "Bearer"},
			"empty header":       {[]string{"Authorization: "}, "Bearer"},
			"scheme alone":       {[]string{"Authorization: Bearer"}, "Bearer"},
			"scheme and blanks":  {[]string{"Authorization: Bearer   "}, "Bearer"},
			"Basic":              {[]string{"Authorization: Basic " + admin.Reveal()}, "Bearer"},
			"no scheme":          {[]string{"Authorization: " + admin.Reveal()}, "Bearer"},
			"unknown key":        {[]string{"Authorization: Bearer " + apikey.NewSecret().Reveal()}, `Bearer error="invalid_token"`},
			"expired key":        {[]string{"Authorization: Bearer " + expired.Reveal()}, `Bearer error="invalid_token"`},
			"deleted key":        {[]string{"Authorization: Bearer " + deleted.Reveal()}, `Bearer error="invalid_token"`},
			"64 kB":              {[]string{"Authorization: Bearer " + strings.Repeat("x", 64<<10)}, `Bearer error="invalid_token"`},
			"two headers":        {[]string{bearer, bearer}, `Bearer error="invalid_token"`},
			"two different":      {[]string{bearer, "Authorization: Bearer other"}, `Bearer error="invalid_token"`},
			"trailing garbage":   {[]string{bearer + " x"}, `Bearer error="invalid_token"`},
			"other letters case": {[]string{"Authorization: Bearer " + strings.ToUpper(admin.Reveal())}, `Bearer error="invalid_token"`},
		} {
			t.Run(name, func(t *testing.T) {
				for _, id := range []string{target.ID.String(), "nope"} {
					got := d.send(t, http.MethodDelete, "/v1/api_key/"+id, test.headers...)
					got.check(t, 403, unauthorized)
					got.checkChallenge(t, test.challenge)
				}
			})
		}
	})

	t.Run("not a UUID comes before not permitted", func(t *testing.T) {
		_, viewer := d.createKey(t, restrictedTo("calls.view"))
		d.delete(t, viewer, "nope").check(t, 422, uuidLength)
		d.delete(t, viewer, apitype.NewUUID().String()).check(t, 403, forbidden)
	})

	t.Run("not a UUID", func(t *testing.T) {
		id := target.ID.String()
		for _, malformed := range []string{
			"%00", "%ff%fe", "a%2Fb", "%7B" + id + "%7D", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), id + "%20", "%0a" + id,
			strings.Replace(id, "-", "_", 1), "g" + id[1:], strings.Repeat("a", 10<<10), "..", "%2e%2e", id[:35] + "%C3%A9", "%2530" + id[1:], "%30000000-0000-0000-0000-000000000000",
		} {
			if got := d.delete(t, admin, malformed); got.status != 422 || !strings.Contains(got.body, `"loc":["path","id"]`) || strings.Contains(got.body, id) {
				t.Errorf("%.80s: answered %d %s", malformed, got.status, got.body)
			}
		}
	})

	t.Run("any UUID of any version and case", func(t *testing.T) {
		for _, id := range []string{
			"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
			"019353e4-7d2a-7c5e-9d4f-0123456789ab", "019353E4-7D2A-7C5E-9D4F-0123456789AB", "%300000000-0000-0000-0000-000000000000",
		} {
			d.delete(t, admin, id).check(t, 404, notFound)
		}
		key, _ := d.createKey(t)
		d.delete(t, admin, strings.ToUpper(key.ID.String())).check(t, 200, `{}`)
	})

	t.Run("restricted key with the permission", func(t *testing.T) {
		_, caller := d.createKey(t, restrictedTo("calls.view", "api_keys.delete"))
		key, _ := d.createKey(t)
		d.delete(t, caller, key.ID.String()).check(t, 200, `{}`)
	})

	t.Run("the caller's own key", func(t *testing.T) {
		key, secret := d.createKey(t)
		d.delete(t, secret, key.ID.String()).check(t, 200, `{}`)
		d.delete(t, secret, key.ID.String()).check(t, 403, unauthorized)
	})

	t.Run("unknown path", func(t *testing.T) {
		for _, unknown := range []string{"/", "/v1", "/v1/api_key", "/v1/api_key/", path + "/", path + "/x", "//" + path, "/V1/api_key/x"} {
			d.send(t, http.MethodDelete, unknown, bearer).check(t, 404, noSuchPath)
		}
		d.send(t, http.MethodGet, path+"/x", bearer).check(t, 404, noSuchPath)
	})

	t.Run("other method", func(t *testing.T) {
		document, err := openapi3.NewLoader().LoadFromData(api.Document)
		if err != nil {
			t.Fatal(err)
		}
		declared := slices.Sorted(maps.Keys(document.Paths.Value("/v1/api_key/{id}").Operations()))
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"} {
			if slices.Contains(declared, method) {
				continue
			}
			got := d.send(t, method, path, bearer)
			got.check(t, 405, noSuchMethod)
			if allow := got.header.Get("Allow"); allow != strings.Join(declared, ", ") {
				t.Errorf("%s: Allow: %q", method, allow)
			}
		}
		if got := d.send(t, "HEAD", path, bearer); got.status != 405 || got.body != "" {
			t.Errorf("HEAD: answered %d %s", got.status, got.body)
		}
	})

	t.Run("body and query are ignored", func(t *testing.T) {
		key, _ := d.createKey(t)
		d.sendBody(t, http.MethodDelete, "/v1/api_key/"+key.ID.String()+"?id=x&y=%zz", strings.NewReader(`{"id":`), bearer).check(t, 200, `{}`)
	})

	t.Run("a Content-Length above the limit", func(t *testing.T) {
		got := d.sendBody(t, http.MethodDelete, path, bytes.NewReader(make([]byte, 1<<20+1)), bearer)
		if got.status != 422 || !strings.Contains(got.body, `"loc":["body"]`) {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	})

	t.Run("request id", func(t *testing.T) {
		for sent, taken := range map[string]bool{
			"order-4711": true, "a b": true, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "caf\u00e9": false, "tab\there": false,
			apikey.NewSecret().Reveal(): false, "diga_x": false, "x diga_": true, "DIGA_x": false,
			// Within a longer text, the prefix and what may be a secret.
			"req-" + apikey.NewSecret().Reveal(): false, "a diga_ " + apikey.NewSecret().Reveal() + "/7": false, "x.diga_0123456789abcdef": false,
			"x-diga_0123456789abcde": true, "from-diga_worker-3": true, "REQ-" + strings.ToUpper(apikey.NewSecret().Reveal()): false,
		} {
			got := d.send(t, http.MethodDelete, path, "X-Request-ID: "+sent).header.Get("X-Request-ID")
			if got == "" || (got == sent) != taken {
				t.Errorf("%q came back as %q", sent, got)
			}
		}
		// The client's own credentials, whatever their form, and what is left of them without the prefix.
		for sent, authorization := range map[string]string{
			"token": "Bearer token", "1-token-2": "bearer  token", "TOKEN": "Bearer token", "dXNlcjp0b2tlbg==": "Basic dXNlcjp0b2tlbg==",
			"raw": "raw", admin.Reveal()[5:]: "Bearer " + admin.Reveal(), admin.Reveal()[20:36]: "Bearer " + admin.Reveal(),
		} {
			got := d.send(t, http.MethodDelete, "/v1/api_key/nope", "X-Request-ID: "+sent, "Authorization: "+authorization).header.Get("X-Request-ID")
			if got == "" || got == sent {
				t.Errorf("%q, sent as %q, is the request id", sent, authorization)
			}
		}
		if got := d.send(t, http.MethodDelete, path, "X-Request-ID: 7", "Authorization: Bearer 0123456789").header.Get("X-Request-ID"); got != "7" {
			t.Errorf("a character of the token is replaced by %q", got)
		}
	})

	t.Run("the document", func(t *testing.T) {
		got := d.send(t, http.MethodGet, "/openapi.json")
		if got.status != 200 || got.body+"\n" != string(api.Document) || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("answered %d, %d bytes, %v", got.status, len(got.body), got.header)
		}
	})

	if log := d.log.String(); strings.Contains(log, admin.Reveal()) || strings.Contains(log, strings.ToUpper(admin.Reveal())) {
		t.Error("a secret is in the log")
	}
	d.delete(t, admin, target.ID.String()).check(t, 200, `{}`) // no request above deleted it
}

// Pages are served beside the contract and change nothing else.
func TestPages(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) })
	for name, pages := range map[string]map[string]http.Handler{"none": nil, "one": {"/docs": page}} {
		t.Run(name, func(t *testing.T) {
			handler, err := server.New(server.Options{Keys: noKeys{}, Logger: slog.New(slog.DiscardHandler), Pages: pages})
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range []struct {
				method, path        string
				without, with       int
				withBody, withAllow string
			}{
				{"GET", "/docs", 404, 200, "page /docs", ""},
				{"HEAD", "/docs", 404, 200, "", ""},
				{"POST", "/docs", 404, 405, "", "GET, HEAD"},
				{"OPTIONS", "/docs", 404, 405, "", "GET, HEAD"},
				{"GET", "/docs/", 404, 404, "", ""},
				{"GET", "/docs/x", 404, 404, "", ""},
				{"GET", "/docsx", 404, 404, "", ""},
				{"DELETE", "/v1/api_key/docs", 403, 403, "", ""},
			} {
				recorder := httptest.NewRecorder()
				handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), test.method, test.path, nil))
				want := test.without
				if pages != nil {
					want = test.with
				}
				body, allow := recorder.Body.String(), recorder.Header().Get("Allow")
				if recorder.Code != want || want == 200 && test.method != "HEAD" && body != test.withBody || want == 405 && allow != test.withAllow {
					t.Errorf("%s %s: %d %q, Allow %q", test.method, test.path, recorder.Code, body, allow)
				}
			}
		})
	}
}

// noKeys is an empty store.
type noKeys struct{ server.Keys }

func (noKeys) Authenticate(context.Context, apikey.Hash) (apikey.Key, error) {
	return apikey.Key{}, apikey.ErrNotFound
}
