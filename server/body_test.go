package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/gen/apiserver"
	"github.com/diga-io/diga-api/gen/apitype"
)

// declaring returns our document with a JSON body declared for the operation.
func declaring(t *testing.T) []byte {
	t.Helper()
	const operation = `"delete": {`
	document := strings.Replace(string(api.Document), operation, operation+`"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}, `, 1)
	if !json.Valid([]byte(document)) || document == string(api.Document) {
		t.Fatal("the document has another form than this test expects")
	}
	return []byte(document)
}

// bodyServer serves an operation that declares a body. Close returns when the log is complete.
type bodyServer struct {
	*httptest.Server
	log    *bytes.Buffer
	closes int // calls of UnreadBody
	ended  chan struct{}
}

func serveBodies(t *testing.T, timeout time.Duration, http2 bool) *bodyServer {
	t.Helper()
	s := &bodyServer{ended: make(chan struct{}, 10)}
	deletes := func(context.Context) (apiserver.DeleteAPIKeyResponseObject, error) {
		return apiserver.DeleteAPIKey200JSONResponse(apitype.Of(struct{}{})), nil
	}
	handler, log := handle(t, declaring(t), wrongHandler{operation: deletes}, Options{
		Timeout: timeout, UnreadBody: func(*http.Request) { s.closes++ },
	})
	s.log = log
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		s.ended <- struct{}{}
	}))
	s.EnableHTTP2 = http2
	if http2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// A body that the operation needs has until the request's deadline to arrive. What goes wrong with it is the client's
// fault: no 500, and no error in the log.
func TestDeclaredBodies(t *testing.T) {
	for name, test := range map[string]struct {
		timeout time.Duration
		body    string // after the common part of the header
		status  int
		answer  string
		closes  bool
	}{
		"complete":          {time.Hour, "Content-Length: 2\r\n\r\n{}", 200, "{}", false},
		"complete, chunked": {time.Hour, "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, "{}", false},
		"never":             {time.Millisecond, "Content-Length: 2\r\n\r\n", 408, bodyRequestTimeout, true},
		"half":              {time.Millisecond, "Content-Length: 2\r\n\r\n{", 408, bodyRequestTimeout, true},
		"half a chunk":      {time.Millisecond, "Transfer-Encoding: chunked\r\n\r\n2\r\n{", 408, bodyRequestTimeout, true},
		"not chunked":       {time.Hour, "Transfer-Encoding: chunked\r\n\r\n{}\r\n", 400, bodyBadRequest, true},
		"too long":          {time.Hour, "Content-Length: 2000000\r\n\r\n", 422, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveBodies(t, test.timeout, false)
			connection, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			io.WriteString(connection, "DELETE /v1/api_key/"+apitype.NewUUID().String()+" HTTP/1.1\r\nHost: x\r\n"+
				"Authorization: Bearer x\r\nContent-Type: application/json\r\n"+test.body)
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			<-s.ended
			got := strings.TrimSpace(string(body))
			if response.StatusCode != test.status || response.Close != test.closes || test.answer != "" && got != test.answer {
				t.Errorf("answered %d %s, closes is %t", response.StatusCode, got, response.Close)
			}
			if (s.closes == 1) != test.closes {
				t.Errorf("UnreadBody was called %d times", s.closes)
			}
			if strings.Contains(s.log.String(), `"level":"ERROR"`) || strings.Contains(s.log.String(), `"status":499`) {
				t.Errorf("logged\n%s", s.log)
			}
		})
	}
}

// With Expect: 100-continue the client is asked for a body that the operation declares.
func TestExpectedBody(t *testing.T) {
	s := serveBodies(t, time.Hour, false)
	connection, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	answers := bufio.NewReader(connection)
	for range 2 { // on one connection
		io.WriteString(connection, "DELETE /v1/api_key/"+apitype.NewUUID().String()+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"+
			"Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
		if line, err := answers.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("%q, %v", line, err)
		}
		answers.ReadString('\n')
		io.WriteString(connection, "{}")
		response, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, response.Body)
		if response.StatusCode != 200 || response.Close {
			t.Errorf("answered %s, closes is %t", response.Status, response.Close)
		}
		<-s.ended
	}
}

// On HTTP/2 a body that does not arrive ends its own request only.
func TestBodiesOnHTTP2(t *testing.T) {
	s := serveBodies(t, 100*time.Millisecond, true)
	send := func(path string, body io.Reader) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), "DELETE", s.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer x")
		request.Header.Set("Content-Type", "application/json")
		response, err := s.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil || response.ProtoMajor != 2 || response.Close {
			t.Errorf("%s, closes is %t, %v", response.Proto, response.Close, err)
		}
		<-s.ended
		return response.StatusCode, strings.TrimSpace(string(text))
	}
	operation := "/v1/api_key/" + apitype.NewUUID().String()
	for range 2 {
		never := func() io.Reader { r, _ := io.Pipe(); return r }
		if status, body := send(operation, never()); status != 408 || body != bodyRequestTimeout {
			t.Errorf("a body that does not arrive: %d %s", status, body)
		}
		if status, body := send("/nowhere", never()); status != 404 || body != bodyNotFound {
			t.Errorf("a body that nothing reads: %d %s", status, body)
		}
		if status, body := send(operation, strings.NewReader("{}")); status != 200 {
			t.Errorf("a body that arrives: %d %s", status, body)
		}
	}
	if s.closes > 0 || strings.Contains(s.log.String(), `"level":"ERROR"`) {
		t.Errorf("%d connections close, logged\n%s", s.closes, s.log)
	}
}
