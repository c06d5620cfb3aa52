package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

const testKey = "diga_0123456789abcdef0123456789abcdefcafe"

// What a person may print, in a log or a debugging session, with the key somewhere in it.
func printed(t *testing.T) map[string]any {
	t.Helper()
	key, err := newSecret(testKey)
	if err != nil {
		t.Fatal(err)
	}
	option := WithAPIKey(testKey)
	given := settings{}
	option.apply(&given)
	c, err := New(option)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"key":                   key,
		"pointer to key":        &key,
		"key in an interface":   []any{key},
		"key in a map":          map[string]secret{"key": key},
		"key in a field":        struct{ Key secret }{key},
		"key in a hidden field": struct{ key secret }{key},
		"option":                option,
		"options":               []Option{option},
		"settings":              given,
		"client":                c,
		"client by value":       *c,
		"client in a field":     struct{ C *Client }{c},
		"client, hidden":        struct{ c *Client }{c},
		"error":                 &Error{StatusCode: 404, Err: key.redactError(errors.New("it was " + testKey))},
	}
}

func TestKeyIsNotPrinted(t *testing.T) {
	hex, decimal := fmt.Sprintf("%x", testKey[5:]), fmt.Sprintf("%d", []byte(testKey))
	leaks := func(text string) bool {
		return strings.Contains(text, testKey[5:20]) || strings.Contains(strings.ToLower(text), hex[:20]) ||
			strings.Contains(text, decimal[1:30])
	}
	for name, value := range printed(t) {
		for verb := rune('A'); verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", " ", "0", "-60", "60.3", "# ", "+#"} {
				if text := fmt.Sprintf("%"+flags+string(verb), value); leaks(text) {
					t.Errorf("%s with %%%s%c: %s", name, flags, verb, text)
				}
			}
		}
		if text := fmt.Sprint(value) + fmt.Sprintln(value); leaks(text) {
			t.Errorf("%s: %s", name, text)
		}
		if data, err := json.Marshal(value); err == nil && leaks(string(data)) {
			t.Errorf("%s in JSON: %s", name, data)
		}
		var out bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
			slog.New(handler).With("w", value).Info("x", "v", value, slog.Group("g", "v", value))
		}
		if leaks(out.String()) {
			t.Errorf("%s in slog: %s", name, &out)
		}
	}
}

// What is printed instead lets a person recognise the key.
func TestKeyMask(t *testing.T) {
	key, _ := newSecret(testKey)
	c, err := New(WithAPIKey(testKey), WithBaseURL("https://a.example/b"))
	if err != nil {
		t.Fatal(err)
	}
	const mask = "diga_…cafe"
	for _, verb := range []string{"%v", "%+v", "%s"} {
		if text := fmt.Sprintf(verb, key); text != mask {
			t.Errorf("%s: got %s", verb, text)
		}
		if text := fmt.Sprintf(verb, c); text != "diga client of https://a.example/b with key "+mask {
			t.Errorf("%s: got %s", verb, text)
		}
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "key", key, "client", c)
	if !strings.HasSuffix(out.String(), `key=diga_…cafe client="diga client of https://a.example/b with key diga_…cafe"`+"\n") {
		t.Errorf("got %s", &out)
	}
	if short, _ := newSecret("diga_too_short"); short.String() != "diga_…" {
		t.Errorf("got %s", short)
	}
	if text := (secret{}).String(); text != "diga_…" {
		t.Errorf("got %s", text)
	}
}

func TestRedact(t *testing.T) {
	key, _ := newSecret(testKey)
	for text, want := range map[string]string{
		"":                                     "",
		"nothing":                              "nothing",
		"a " + testKey + " b":                  "a … b",
		testKey + testKey:                      "……",
		"a " + testKey[:20]:                    "a ",
		"a " + testKey + "d":                   "a …",
		testKey[:10]:                           "",
		testKey + " " + testKey[:6]:            "… ",
		`"\u0064i\g\u0061` + testKey[4:] + `"`: `"…"`,
		`"\u0064iga` + testKey[4:] + `\`:       `"…`,
		`x\u006`:                               "x",
		`x\u00`:                                "x",
		`x\`:                                   "x",
	} {
		if got := key.redact(text, true); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// A server that echoes what it was sent, in every place it can.
func TestHostileEcho(t *testing.T) {
	key, _ := newSecret(testKey)
	joined, _ := newSecret("part.of.a.key.that.is.joined")
	header := http.Header{"X-Request-Id": {testKey}, "Www-Authenticate": {"Bearer realm=" + testKey}, "Location": {"/" + testKey}}
	for _, body := range []string{
		testKey,
		`{"error_code":"` + testKey + `","message":"` + testKey + `"}`,
		`{"message":"\u0064iga` + testKey[4:] + `"}`,
		`{"detail":[{"loc":["` + testKey + `"],"msg":"` + testKey + `","type":"` + testKey + `"}]}`,
		`{"detail":[{"loc":["part.of.a.key","that.is.joined"],"msg":"","type":""}]}`,
		strings.Repeat(testKey, 2000)[:maxErrorBody],
	} {
		for _, status := range []int{302, 403, 404, 422, 500} {
			for _, key := range []secret{key, joined} {
				err := newError(&http.Response{StatusCode: status, Header: header}, []byte(body), true, nil, key)
				checkHidden(t, err, key)
				if strings.Contains(string(err.Body), key.reveal()[:10]) && key.reveal() == testKey {
					t.Errorf("the beginning of the key is at the end of the body: %s", err.Body[len(err.Body)-50:])
				}
			}
		}
	}
}

// checkHidden looks for the key, once decoded from JSON too, in all that a caller can read of an error.
func checkHidden(t *testing.T, err *Error, key secret) {
	t.Helper()
	for name, text := range map[string]string{
		"text": err.Error(), "%#v": fmt.Sprintf("%#v", err), "%+v": fmt.Sprintf("%+v", err), "code": err.Code, "message": err.Message,
		"request id": err.RequestID, "details": fmt.Sprintf("%q", err.Details), "body": string(err.Body),
	} {
		if strings.Contains(text, key.reveal()) {
			t.Errorf("the key is in the %s: %s", name, text)
		}
	}
	if len(err.Body) > maxErrorBody {
		t.Errorf("a body of %d bytes", len(err.Body))
	}
	if strings.ContainsAny(err.Error(), "\r\n\x1b") {
		t.Errorf("more than a line: %q", err.Error())
	}
}

// made answers with what a fuzzer made up.
type made func(*http.Request) (*http.Response, error)

func (f made) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func FuzzResponse(f *testing.F) {
	for _, status := range []int{200, 202, 204, 302, 307, 401, 403, 404, 422, 429, 500, 502, 999} {
		for _, body := range []string{
			``, `{}`, `null`, `[]`, `{"error_code":"API_KEY_NOT_FOUND","message":"Error from ApiKeyNotFoundException"}`,
			`{"detail":[{"loc":["path","id",3],"msg":"m","type":"t"}]}`, `{"detail":[{"loc":[{},1e999,null,[[]]]},null,{}]}`,
			`{"message":"` + testKey + `\u0000\ud800"}`, `<html>` + testKey, "\xff\xfe", strings.Repeat("[", 1000),
		} {
			f.Add(status, "X-Request-Id", "r1", []byte(body))
			f.Add(status, "WWW-Authenticate", `Bearer error="invalid_token"`, []byte(body))
			f.Add(status, "Retry-After", "0", []byte(body))
			f.Add(status, "Location", "/"+testKey, []byte(body))
		}
	}
	key, _ := newSecret(testKey)
	f.Fuzz(func(t *testing.T, status int, name, value string, body []byte) {
		if strings.Contains(fmt.Sprint(status, name), testKey) {
			return
		}
		c, err := New(WithAPIKey(testKey), WithRetries(RetryPolicy{MaxAttempts: 2, BaseDelay: 1, MaxDelay: 1}),
			WithHTTPClient(&http.Client{Transport: made(func(r *http.Request) (*http.Response, error) {
				header := http.Header{"Content-Type": {"application/json"}}
				header.Set(name, value)
				return &http.Response{StatusCode: status, Header: header,
					Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
			})}))
		if err != nil {
			t.Fatal(err)
		}
		result, err := c.DeleteAPIKey(t.Context(), UUID{})
		if strings.Contains(fmt.Sprintf("%+v", result), testKey) {
			t.Errorf("the key is in the result: %+v", result)
		}
		if err == nil {
			if status != 200 && status != 204 && (status < 300 || status > 399) && !result.Replayed {
				t.Errorf("status %d is a success", status)
			}
			return
		}
		if (status == 200 || status == 204) && http.CanonicalHeaderKey(name) != "Content-Type" {
			t.Errorf("status %d is an error: %v", status, err)
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("got %T", err)
		}
		checkHidden(t, e, key)
	})
}
