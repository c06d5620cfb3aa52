package contract_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/diga-io/diga-api/api"
	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apitype"
)

// survivors are the changes of the document that no exchange shows, each with the reason.
var survivors = []struct {
	change *regexp.Regexp
	reason string
}{
	{regexp.MustCompile(`/(title|description|summary|tags)(/\d+)?$`), "it is for people"},
	{regexp.MustCompile(`/examples(/\d+)?$`), "it is for people, and held to its schema by api/document_test.go"},
	{regexp.MustCompile(`/default$`), "it says what a reader may assume, not what is sent"},
	{regexp.MustCompile(`^drop /servers(/|$)`), "the server answers under whatever name it is reached"},
	{regexp.MustCompile(`^drop /security$`), "it is the empty list; every operation has its own, says api/document_test.go"},
	{regexp.MustCompile(`/content/application~1json/example(/|$)`), "TestDeclaredResponses in package server compares the answers with it byte for byte"},
	{regexp.MustCompile(`/parameters/\d+/schema/type( by \w+)?$`), "what stands in a path is text; its format says the rest"},
}

// TestEveryKeywordIsDefended is a mutation test of the contract: it changes the document in one place at a time (drops
// a member, widens a type, loosens a requirement, turns a status into a range), and holds the same exchanges to it as to
// the document as it is. A change that turns no verdict is a keyword that nothing defends: it is among the survivors,
// with the reason, or the test fails. The exchanges come of the document, so an operation to come is tested, too.
func TestEveryKeywordIsDefended(t *testing.T) {
	var exchanges []exchange
	document, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			exchanges = append(exchanges, exchangesOf(method, path, slices.Concat(item.Parameters, operation.Parameters), operation)...)
		}
	}
	want := make([]string, len(exchanges))
	for i, x := range exchanges {
		want[i] = x.want
	}
	for _, verdict := range []string{"passes", "request", "security", "response"} {
		if !slices.Contains(want, verdict) {
			t.Errorf("of %d exchanges none has the verdict %q", len(exchanges), verdict)
		}
	}
	// Here it is the answers that are changed, one place at a time.
	got, err := verdicts(api.Document, exchanges)
	if err != nil {
		t.Fatal(err)
	}
	for i, x := range exchanges {
		if got[i] != x.want {
			t.Errorf("%s %s, answered %d %s %q: the verdict is %q, want %q", x.method, x.target, x.status, x.contentType, x.body, got[i], x.want)
		}
	}

	survived := make([]bool, len(survivors))
	mutants := 0
	for change, mutant := range mutations(t, api.Document) {
		mutants++
		if _, findings := contract.Read(mutant); len(findings) > 0 {
			continue // make lint-spec fails
		}
		got, err := verdicts(mutant, exchanges)
		if err != nil || !slices.Equal(got, want) {
			continue
		}
		listed := false
		for i, s := range survivors {
			if s.change.MatchString(change) && !property.MatchString(change) {
				survived[i], listed = true, true
			}
		}
		if !listed {
			t.Errorf("nothing defends the document against: %s", change)
		}
	}
	for i, s := range survivors {
		if !survived[i] {
			t.Errorf("listed as a survivor, and is none: %s (%s)", s.change, s.reason)
		}
	}
	t.Logf("%d mutants, %d exchanges", mutants, len(exchanges))
}

// property is a change that drops a property, whatever its name.
var property = regexp.MustCompile(`/properties/[^/]+$`)

// exchange is a request and the response to it, and the verdict on them.
type exchange struct {
	method, path, target string // the path as the document has it, the target as it is asked for
	authorized           bool
	status               int
	contentType, body    string
	want                 string
}

// verdicts holds the exchanges to a document: for each, whether it passes or what is found to break the contract.
func verdicts(document []byte, exchanges []exchange) ([]string, error) {
	c, err := contract.Compile(document, contract.Options{
		Authenticate: func(_ context.Context, input *contract.AuthenticationInput) error {
			if input.Request.Header.Get("Authorization") == "" {
				return errors.New("no credentials")
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	var verdict string
	var now exchange
	e := echo.New()
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		if verdict != "" {
			return // the error handler's own answer does not fit, which does not matter here
		}
		var request *contract.RequestError
		var security *contract.SecurityError
		var response *contract.ResponseError
		switch {
		case errors.As(err, &request):
			verdict = "request"
		case errors.As(err, &security):
			verdict = "security"
		case errors.As(err, &response):
			verdict = "response"
		default:
			verdict = err.Error()
		}
		c.Response().WriteHeader(http.StatusInternalServerError)
	}
	e.Use(c.Middleware())
	routed := map[string]bool{}
	for _, x := range exchanges {
		if routed[x.method+x.path] {
			continue
		}
		routed[x.method+x.path] = true
		e.Add(x.method, pathParameter.ReplaceAllString(x.path, ":$1"), func(c echo.Context) error {
			return c.Blob(now.status, now.contentType, []byte(now.body))
		})
	}
	all := make([]string, len(exchanges))
	for i, x := range exchanges {
		verdict, now = "", x
		request := httptest.NewRequest(x.method, x.target, nil)
		if x.authorized {
			request.Header.Set("Authorization", "Bearer x")
		}
		e.ServeHTTP(httptest.NewRecorder(), request)
		if verdict == "" {
			verdict = "passes"
		}
		all[i] = verdict
	}
	return all, nil
}

var pathParameter = regexp.MustCompile(`{(\w+)}`)

// samples are values of every kind, to be tried in every place.
var samples = []any{nil, true, 7, 1.5, "text", "550e8400-e29b-41d4-a716-446655440000", "2026-01-02T03:04:05Z", []any{}, map[string]any{}}

// exchangesOf makes exchanges of an operation, good and bad ones: every declared response in all variations, statuses
// and media types that are not declared, path parameters of every kind, no credentials.
func exchangesOf(method, path string, parameters openapi3.Parameters, operation *openapi3.Operation) []exchange {
	good := exchange{method: method, path: path, target: path, authorized: true, want: "passes"}
	for _, parameter := range parameters {
		good.target = strings.ReplaceAll(good.target, "{"+parameter.Value.Name+"}", fmt.Sprint(valid(parameter.Value.Schema)))
	}
	var all []exchange
	add := func(x exchange, want string) {
		x.want = want
		all = append(all, x)
	}
	declared := operation.Responses.Map()
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		for contentType, media := range declared[name].Value.Content {
			good.status, _ = strconv.Atoi(name)
			good.contentType, good.body = contentType, encoded(valid(media.Schema))
			for body, wrong := range variations(media.Schema) {
				x := good
				x.body = encoded(body)
				add(x, map[bool]string{false: "passes", true: "response"}[wrong])
			}
			empty, otherType := good, good
			empty.body, otherType.contentType = "", "text/html"
			add(empty, "response")
			add(otherType, "response")
			for _, status := range []int{200, 201, 202, 206, 301, 400, 401, 403, 404, 409, 418, 422, 429, 500, 501, 502, 503} {
				if declared[strconv.Itoa(status)] == nil {
					x := good
					x.status = status
					add(x, "response")
				}
			}
		}
	}
	for _, parameter := range parameters {
		for _, sample := range samples {
			x := good
			x.target = strings.ReplaceAll(path, "{"+parameter.Value.Name+"}", fmt.Sprint(sample))
			add(x, map[bool]string{true: "passes", false: "request"}[admits(parameter.Value.Schema, fmt.Sprint(sample))])
		}
	}
	good.authorized = false
	add(good, "security")
	return all
}

func encoded(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// valid is a value of the schema with everything in it.
func valid(ref *openapi3.SchemaRef) any {
	switch s := ref.Value; {
	case len(s.AnyOf) > 0:
		return valid(s.AnyOf[0])
	case s.Type.Is("object"):
		object := map[string]any{}
		for name, property := range s.Properties {
			object[name] = valid(property)
		}
		return object
	case s.Type.Is("array"):
		return []any{valid(s.Items)}
	case s.Type.Is("string") && s.Format == "uuid":
		return samples[5]
	case s.Type.Is("string") && s.Format == "date-time":
		return samples[6]
	case s.Type.Is("string"):
		return "text"
	case s.Type.Is("integer"):
		return 7
	case s.Type.Is("number"):
		return 1.5
	case s.Type.Is("boolean"):
		return true
	}
	return map[string]any{}
}

// admits says whether the value is of the type and the format of the schema.
func admits(ref *openapi3.SchemaRef, value any) bool {
	s := ref.Value
	if len(s.AnyOf) > 0 {
		return slices.ContainsFunc(s.AnyOf, func(branch *openapi3.SchemaRef) bool { return admits(branch, value) })
	}
	if s.Type == nil {
		return true
	}
	switch value := value.(type) {
	case nil:
		return s.Type.Includes("null")
	case bool:
		return s.Type.Includes("boolean")
	case int:
		return s.Type.Includes("integer") || s.Type.Includes("number")
	case float64:
		return s.Type.Includes("number")
	case []any:
		return s.Type.Includes("array")
	case map[string]any:
		return s.Type.Includes("object") && len(s.Required) == 0
	case string:
		_, noTime := time.Parse(time.RFC3339, value)
		_, noUUID := apitype.ParseUUID(value)
		return s.Type.Includes("string") && (s.Format != "uuid" || noUUID == nil) && (s.Format != "date-time" || noTime == nil)
	}
	panic(fmt.Sprintf("sample %v", value))
}

// variations are a valid value of the schema, and what becomes of it when one member is left out, or one place holds
// each sample; with each goes whether it is wrong.
func variations(ref *openapi3.SchemaRef) iter.Seq2[any, bool] {
	return func(yield func(any, bool) bool) {
		if !yield(valid(ref), false) {
			return
		}
		for _, sample := range samples {
			if !yield(sample, !admits(ref, sample)) {
				return
			}
		}
		switch value := valid(ref).(type) {
		case map[string]any:
			for name, property := range ref.Value.Properties {
				without := maps.Clone(value)
				delete(without, name)
				if !yield(without, slices.Contains(ref.Value.Required, name)) {
					return
				}
				for variation, wrong := range variations(property) {
					with := maps.Clone(value)
					with[name] = variation
					if !yield(with, wrong) {
						return
					}
				}
			}
		case []any:
			for variation, wrong := range variations(ref.Value.Items) {
				if !yield([]any{variation}, wrong) {
					return
				}
			}
		}
	}
}

// mutations are the document with one change each, by the name of the change.
func mutations(t *testing.T, document []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		var root any
		if err := json.Unmarshal(document, &root); err != nil {
			t.Fatal(err)
		}
		stopped := false
		emit := func(change string) {
			mutant, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			stopped = stopped || !yield(change, mutant)
		}
		// with puts another value in a place for as long as it takes to emit the document.
		with := func(set func(any), was, is any, change string) {
			if !stopped {
				set(is)
				emit(change)
				set(was)
			}
		}
		nullable := map[string]bool{} // where another branch allows null: to allow it once more changes nothing
		var walk func(pointer string, value any, set func(any))
		walk = func(pointer string, value any, set func(any)) {
			switch value := value.(type) {
			case map[string]any:
				for _, name := range slices.Sorted(maps.Keys(value)) {
					member, at := value[name], pointer+"/"+strings.ReplaceAll(name, "/", "~1")
					if stopped {
						return
					}
					delete(value, name)
					emit("drop " + at)
					if _, err := strconv.Atoi(name); err == nil { // a status
						value[name[:1]+"XX"] = member
						emit("widen " + at + " to a range")
						delete(value, name[:1]+"XX")
						value["default"] = member
						emit("widen " + at + " to default")
						delete(value, "default")
					}
					value[name] = member
					walk(at, member, func(v any) { value[name] = v })
				}
				if _, ok := value["$ref"]; ok {
					with(set, value, map[string]any{}, "loosen "+pointer+" to anything")
				}
			case []any:
				for i, item := range value {
					at := pointer + "/" + strconv.Itoa(i)
					nullable[at+"/type"] = strings.HasSuffix(pointer, "/anyOf") && slices.ContainsFunc(value, isNull)
					with(set, value, slices.Delete(slices.Clone(value), i, i+1), "drop "+at)
					walk(at, item, func(v any) { value[i] = v })
				}
				if strings.HasSuffix(pointer, "/anyOf") {
					with(set, value, append(slices.Clone(value), map[string]any{"type": "boolean"}), "widen "+pointer)
				}
			case bool:
				with(set, value, !value, "negate "+pointer)
			case string:
				if strings.HasSuffix(pointer, "/type") && value != "http" {
					if !nullable[pointer] {
						with(set, value, []any{value, "null"}, "widen "+pointer+" by null")
					}
					with(set, value, []any{value, "boolean"}, "widen "+pointer+" by boolean")
				}
			}
		}
		walk("", root, nil)
		if unchanged, err := json.Marshal(root); err != nil || !sameJSON(unchanged, document) {
			t.Errorf("the mutations left something behind (%v)", err)
		}
	}
}

func isNull(schema any) bool { return sameJSON([]byte(encoded(schema)), []byte(`{"type": "null"}`)) }

func sameJSON(a, b []byte) bool {
	var compact bytes.Buffer
	var value any
	if json.Unmarshal(b, &value) != nil {
		return false
	}
	again, err := json.Marshal(value)
	if err != nil || json.Compact(&compact, a) != nil {
		return false
	}
	return bytes.Equal(compact.Bytes(), again)
}
