package contract_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/contract"
)

// TestParametersWithinSegments is about paths such as /jobs/{id}:cancel and /files/{name}.{format}, of which echo takes the
// rest of the segment for one parameter.
func TestParametersWithinSegments(t *testing.T) {
	for path, targets := range map[string]map[string]string{
		"/jobs/{id}:cancel/{n}":  {"/jobs/7:cancel/x": "7 x", "/jobs/a:cancel/x": "422", "/jobs/7:pause/x": "404", "/jobs/7/x": "404", "/jobs/:cancel/x": "404"},
		"/files/{n}.{id}":        {"/files/a.7": "7 a", "/files/a.b.7": "7 a.b", "/files/a.b": "422", "/files/a": "404", "/files/.7": "404", "/files/a.7/": "404"},
		"/f(from='{n}',to={id})": {"/f(from='a',to=7)": "7 a", "/f(from=a,to=7)": "404", "/f(from='a',to=7)x": "404"},
		"/{n}{id}":               {"/abc7": "7 abc", "/a": "404"},
		"/{id}/x{n}y/z":          {"/7/xay/z": "7 a", "/7/xa/z": "404"},
	} {
		s := newService(t, document("3.1.0", `{"`+path+`":{"post":{"parameters":[
			{"name":"id","in":"path","required":true,"schema":{"type":"integer"}},{"name":"n","in":"path","required":true,"schema":{"type":"string"}}],
			"responses":{"200":{"description":"","content":{"text/plain":{}}},`+errorAnswers+`}}}}`), contract.Options{}, func(c echo.Context) error {
			return c.String(http.StatusOK, c.Param("id")+" "+c.Param("n"))
		})
		for target, want := range targets {
			w := s.do(request("POST", target, ""))
			if got := w.Body.String(); w.Code != http.StatusOK && strconv.Itoa(w.Code) != want || w.Code == http.StatusOK && got != want {
				t.Errorf("%s of %s: %d %q, want %s", target, path, w.Code, got, want)
			}
		}
	}
}

// documentOfRivals has paths of one method that echo takes for the same.
func documentOfRivals(t *testing.T) *contract.Contract {
	t.Helper()
	text := strings.Builder{}
	for _, path := range []string{"/a/{id}", "/a/{name}.pdf", "/a/{name}.{format}", "/a/{id}:go", "/a/{x}/b", "/a/{y}-{z}/b"} {
		if text.Len() > 0 {
			text.WriteString(",")
		}
		text.WriteString(`"` + path + `":{"get":{"responses":{"200":{"description":"","content":{"text/plain":{}}},` + errorAnswers + `}}}`)
	}
	compiled, err := contract.Compile([]byte(document("3.1.0", "{"+text.String()+"}")), contract.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// TestRoute is about paths that echo cannot tell apart: each request reaches the handler of its operation.
func TestRoute(t *testing.T) {
	compiled := documentOfRivals(t)
	for _, reversed := range []bool{false, true} { // to echo, what is registered last counts
		e := echo.New()
		compiled.Route(e)
		e.Use(compiled.Middleware())
		operations := compiled.Operations()
		for i := range operations {
			o := operations[i]
			if reversed {
				o = operations[len(operations)-1-i]
			}
			e.Add(o.Method, echoRoute(o), func(c echo.Context) error {
				return c.String(http.StatusOK, o.Path+" "+strings.Join(c.ParamNames(), ",")+" "+strings.Join(c.ParamValues(), ",")+c.Response().Header().Get("X-Seen"))
			}, func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					c.Response().Header().Set("X-Seen", "!")
					return next(c)
				}
			})
		}
		for target, want := range map[string]string{
			"/a/7":       "/a/{id} id 7!",
			"/a/7.pdf":   "/a/{name}.pdf name 7!",
			"/a/7.txt":   "/a/{name}.{format} name,format 7,txt!",
			"/a/7:go":    "/a/{id}:go id 7!",
			"/a/7.x:go":  "/a/{id}:go id 7.x!",
			"/a/.pdf":    "/a/{id} id .pdf!",
			"/a/7%2F:go": "/a/{id}:go id 7%2F!",
			"/a/1-2-3/b": "/a/{y}-{z}/b y,z 1-2,3!",
			"/a/1/b":     "/a/{x}/b x 1!",
		} {
			w := httptest.NewRecorder()
			e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
			if got := w.Body.String(); w.Code != http.StatusOK || got != want {
				t.Errorf("%s: %d %q, want %q", target, w.Code, got, want)
			}
		}
	}
}

// Without Route, the handler of another operation would answer.
func TestRouteMissing(t *testing.T) {
	defer func() {
		if message, _ := recover().(string); !strings.Contains(message, "call Route before Middleware") {
			t.Errorf("panicked with %q", message)
		}
	}()
	documentOfRivals(t).Middleware()
}
