package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/diga-io/diga-api/contract"
)

// exchanger holds a server with a contract to the schemas of its document, by a validator of its own.
type exchanger struct {
	drawer
	validator *jsonschema.Compiler
	server    *echo.Echo
	answer    func(http.ResponseWriter) // what the handler of every operation does
	rejected  bool                      // whether the contract rejected the request
	cause     error                     // the first that the contract reported
	verdicts  verdicts
}

const documentURL = "corpus:///document"

// exchange draws requests and responses for every operation of the document and counts the right verdicts on them.
func exchange(d *contract.Document) (operations int, v verdicts, err error) {
	decoder := json.NewDecoder(bytes.NewReader(d.JSON()))
	decoder.UseNumber()
	var document map[string]any
	if err := decoder.Decode(&document); err != nil {
		return 0, v, err
	}
	accept := func(context.Context, *contract.AuthenticationInput) error { return nil }
	compiled, err := contract.New(d, contract.Options{Authenticate: accept})
	if err != nil {
		return 0, v, err
	}
	x := &exchanger{drawer: drawer{document}, validator: jsonschema.NewCompiler(), server: echo.New()}
	x.validator.DefaultDraft(jsonschema.Draft2020)
	x.validator.AssertFormat()
	if err := x.validator.AddResource(documentURL, document); err != nil {
		return 0, v, err
	}
	x.server.HTTPErrorHandler = func(err error, c echo.Context) {
		var invalid *contract.RequestError
		if errors.As(err, &invalid) {
			x.rejected = true
		}
		if x.cause == nil {
			x.cause = err
		}
		if !c.Response().Committed {
			_ = c.NoContent(http.StatusInternalServerError) // which may be undeclared, and is sent all the same
		}
	}
	compiled.Route(x.server)
	x.server.Use(compiled.Middleware())
	for _, operation := range compiled.Operations() {
		x.server.Add(operation.Method, echoPath(operation.Path), func(c echo.Context) error {
			x.answer(c.Response())
			return nil
		})
	}
	for _, operation := range compiled.Operations() {
		x.operation(operation)
	}
	return len(compiled.Operations()), x.verdicts, nil
}

func echoPath(path string) string {
	return strings.NewReplacer(":", `\:`, "{", ":", "}", "").Replace(path)
}

func (x *exchanger) object(value any) map[string]any {
	object, _ := value.(map[string]any)
	for range 10 {
		ref, ok := object["$ref"].(string)
		if !ok {
			break
		}
		object, _ = x.resolve(ref).(map[string]any)
	}
	return object
}

// operation exchanges what can be drawn for one operation.
func (x *exchanger) operation(o *contract.Operation) {
	paths, _ := x.document["paths"].(map[string]any)
	item := x.object(paths[o.Path])
	operation := x.object(item[strings.ToLower(o.Method)])
	pointer := "#/paths/" + escape(o.Path) + "/" + strings.ToLower(o.Method)
	request, ok := x.request(o, item, operation)
	if !ok {
		return
	}
	body, media, schema := x.content(operation["requestBody"], pointer+"/requestBody", "application/json", urlencoded, multipartForm)
	var valid []byte
	if schema != nil {
		value, drawn := x.drawValid(schema, body)
		if !drawn {
			return
		}
		variants := breakings(value)
		if isFormMedia(media) {
			form, ok := value.(map[string]any)
			if !ok || !isForm(form) {
				return
			}
			variants = formBreakings(form)
		}
		media, valid = encodeBody(media, value)
		for _, broken := range variants {
			if schema.Validate(broken) != nil && broken != nil {
				media, body := encodeBody(media, broken)
				x.expect(o, "broken request", request(media, body), 0, func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) })
				break
			}
		}
	} else if requestBody := x.object(operation["requestBody"]); requestBody["required"] == true {
		return // of a kind that is not drawn
	}
	responses, _ := operation["responses"].(map[string]any)
	for _, code := range slices.Sorted(maps.Keys(responses)) {
		status, err := strconv.Atoi(code)
		if err != nil || status < 200 || status == http.StatusNotModified || status == http.StatusNoContent || status == http.StatusResetContent {
			continue
		}
		content, answerMedia, schema := x.content(responses[code], pointer+"/responses/"+code, "application/json")
		response := x.object(responses[code])
		if schema == nil || hasRequired(response["headers"]) {
			continue
		}
		value, drawn := x.drawValid(schema, content)
		if !drawn {
			continue
		}
		write := func(value any) func(w http.ResponseWriter) {
			return func(w http.ResponseWriter) {
				w.Header().Set("Content-Type", answerMedia)
				w.WriteHeader(status)
				_, _ = w.Write(encode(value))
			}
		}
		x.expect(o, "valid response "+code, request(media, valid), status, write(value))
		if o.Method == http.MethodHead {
			continue
		}
		for _, broken := range breakings(value) {
			if schema.Validate(broken) != nil {
				x.expect(o, "broken response "+code, request(media, valid), http.StatusInternalServerError, write(broken))
				break
			}
		}
	}
}

func hasRequired(headers any) bool {
	all, _ := headers.(map[string]any)
	for _, header := range all {
		if h, ok := header.(map[string]any); ok && (h["required"] == true || h["$ref"] != nil) {
			return true
		}
	}
	return false
}

// drawValid draws a value that the validator accepts.
func (x *exchanger) drawValid(validator *jsonschema.Schema, schema any) (any, bool) {
	value, ok := x.value(schema, 0)
	return value, ok && validator.Validate(value) == nil
}

// content returns the schema of the content of a body or a response in the first of kinds that it has, and the validator
// for it.
func (x *exchanger) content(declaration any, pointer string, kinds ...string) (schema any, media string, validator *jsonschema.Schema) {
	if object, ok := declaration.(map[string]any); ok {
		if ref, ok := object["$ref"].(string); ok {
			pointer = ref
		}
	}
	content, _ := x.object(declaration)["content"].(map[string]any)
	for _, media := range slices.Sorted(maps.Keys(content)) {
		kind, _, err := mime.ParseMediaType(media)
		if err != nil || !slices.Contains(kinds, kind) {
			continue
		}
		object, _ := content[media].(map[string]any)
		if object["schema"] == nil || object["encoding"] != nil {
			return nil, "", nil
		}
		validator, err := x.validator.Compile(documentURL + strings.ReplaceAll(pointer, "%", "%25") + "/content/" + escape(media) + "/schema")
		if err != nil {
			return nil, "", nil
		}
		return object["schema"], media, validator
	}
	return nil, "", nil
}

const (
	urlencoded    = "application/x-www-form-urlencoded"
	multipartForm = "multipart/form-data"
)

func isFormMedia(media string) bool {
	return strings.HasPrefix(media, urlencoded) || strings.HasPrefix(media, multipartForm)
}

// isForm reports whether the members of an object can be told apart in a form: none is null, empty or a list in a list.
func isForm(object map[string]any) bool {
	for _, member := range object {
		list, ok := member.([]any)
		if !ok {
			list = []any{member}
		}
		if len(list) == 0 || slices.ContainsFunc(list, func(item any) bool {
			_, nested := item.([]any)
			return item == nil || item == "" || nested
		}) {
			return false
		}
	}
	return true
}

// encodeBody encodes a value as a body of media, and returns it after its Content-Type. Objects within a form are JSON.
func encodeBody(media string, value any) (contentType string, body []byte) {
	if !isFormMedia(media) {
		return media, encode(value)
	}
	var (
		parts bytes.Buffer
		form  = multipart.NewWriter(&parts)
		query = url.Values{}
	)
	object, _ := value.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(object)) {
		list, ok := object[name].([]any)
		if !ok {
			list = []any{object[name]}
		}
		for _, item := range list {
			text := fmt.Sprint(item)
			if _, ok := item.(map[string]any); ok {
				text = string(encode(item))
			}
			query.Add(name, text)
			_ = form.WriteField(name, text) // to a buffer
		}
	}
	if strings.HasPrefix(media, urlencoded) {
		return media, []byte(query.Encode())
	}
	_ = form.Close()
	return form.FormDataContentType(), parts.Bytes()
}

// request returns a function that makes valid requests but for the body. It is false if there is a required parameter of
// a kind that is not drawn.
func (x *exchanger) request(o *contract.Operation, item, operation map[string]any) (func(media string, body []byte) *http.Request, bool) {
	path, query, header := o.Path, url.Values{}, http.Header{}
	shared, _ := item["parameters"].([]any)
	own, _ := operation["parameters"].([]any)
	declared := make(map[[2]any]bool)
	for _, declaration := range slices.Concat(own, shared) { // a parameter of the operation overrides one of the path
		parameter := x.object(declaration)
		key := [2]any{parameter["in"], parameter["name"]}
		if declared[key] || parameter["required"] != true {
			continue
		}
		declared[key] = true
		name, _ := parameter["name"].(string)
		value, ok := x.value(parameter["schema"], 0)
		text := fmt.Sprint(value)
		switch value.(type) {
		case map[string]any, nil:
			return nil, false
		case []any:
			if items := value.([]any); len(items) == 1 && items[0] != nil {
				text = fmt.Sprint(items[0])
			} else {
				return nil, false
			}
		}
		if !ok || parameter["schema"] == nil || text == "" {
			return nil, false
		}
		switch parameter["in"] {
		case "path":
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(text))
		case "query":
			if parameter["style"] != nil && parameter["style"] != "form" {
				return nil, false
			}
			query.Set(name, text)
		case "header":
			header.Set(name, text)
		case "cookie":
			header.Add("Cookie", name+"="+url.QueryEscape(text))
		}
	}
	if strings.Contains(path, "{") {
		return nil, false
	}
	return func(media string, body []byte) *http.Request {
		target := path
		if len(query) > 0 {
			target += "?" + query.Encode()
		}
		request := httptest.NewRequest(o.Method, target, bytes.NewReader(body))
		request.Header = header.Clone()
		if media != "" {
			request.Header.Set("Content-Type", media)
		}
		return request
	}, true
}

// expect makes the request, and expects the status, or 0 for a request that the contract rejects.
func (x *exchanger) expect(o *contract.Operation, what string, request *http.Request, status int, answer func(http.ResponseWriter)) {
	x.answer, x.rejected, x.cause = answer, false, nil
	recorder := httptest.NewRecorder()
	x.server.ServeHTTP(recorder, request)
	if recorder.Code == status && !x.rejected || status == 0 && x.rejected {
		x.verdicts.right++
		return
	}
	x.verdicts.wrong++
	if len(x.verdicts.examples) < 5 {
		x.verdicts.examples = append(x.verdicts.examples, fmt.Sprintf("%s: %s: %d, not %d: %v", o, what, recorder.Code, status, x.cause))
	}
}

func encode(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		return []byte(err.Error()) // what was decoded from JSON can be encoded
	}
	return data
}

func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
