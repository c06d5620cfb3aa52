package contract

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// response is what an operation declares for a status, a range of statuses, or by default.
type response struct {
	headers []parameter
	content content
	example []byte
}

func (o *Operation) compileResponses(c *compiler, pointer string) error {
	o.responses = make(map[int]*response)
	for key, ref := range o.route.Operation.Responses.Map() {
		status, err := statusKey(key)
		if err != nil {
			return fmt.Errorf("responses/%s: %w", key, err)
		}
		found, err := c.document.resolve(pointer + "/responses/" + escapeToken(key))
		if err != nil {
			return err
		}
		if o.responses[status], err = c.response(found, ref.Value); err != nil {
			return err
		}
	}
	return nil
}

// statusKey parses the key of a response: a status, the hundreds of a range like 4XX, or 0 for the default.
func statusKey(key string) (int, error) {
	if key == "default" {
		return 0, nil
	}
	if hundreds, ok := strings.CutSuffix(key, "XX"); ok && len(hundreds) == 1 && hundreds >= "1" && hundreds <= "5" {
		return int(hundreds[0] - '0'), nil
	}
	status, err := strconv.Atoi(key)
	if err != nil || status < 100 || status > 999 {
		return 0, fmt.Errorf("%q is no status", key)
	}
	return status, nil
}

// response returns what the operation declares for status; nil if it declares nothing.
func (o *Operation) response(status int) *response {
	for _, key := range [...]int{status, status / 100, 0} {
		if r, ok := o.responses[key]; ok {
			return r
		}
	}
	return nil
}

// Declares reports whether the document declares a response of status: by the status, by its range, or by default.
func (o *Operation) Declares(status int) bool { return o.response(status) != nil }

// Statuses returns the statuses that the document declares one by one, sorted. Ranges and the default are left out.
func (o *Operation) Statuses() []int {
	statuses := slices.Sorted(maps.Keys(o.responses))
	return slices.DeleteFunc(statuses, func(status int) bool { return status < 100 })
}

func (c *compiler) response(pointer string, model *openapi3.Response) (*response, error) {
	var r response
	var err error
	if r.content, err = c.content(pointer, model.Content); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(model.Headers)) {
		if http.CanonicalHeaderKey(name) == "Content-Type" {
			continue // the media types decide it
		}
		// A header object is a parameter object without name and place.
		header := model.Headers[name].Value.Parameter
		header.In, header.Name = openapi3.ParameterInHeader, name
		if header.Schema != nil && header.Schema.Value.Default != nil {
			// Clients assume the default for a missing header. kin-openapi would take it for the value of an empty one as well.
			bare := *header.Schema.Value
			bare.Default = nil
			header.Schema = openapi3.NewSchemaRef("", &bare)
		}
		p, err := c.parameter(pointer+"/headers/"+escapeToken(name), &header)
		if err != nil {
			return nil, err
		}
		r.headers = append(r.headers, p)
	}
	media := slices.SortedFunc(maps.Keys(model.Content), func(a, b string) int {
		value, _ := c.document.at(pointer + "/content")
		content := value.(*node)
		return cmp.Compare(content.find(a), content.find(b))
	})
	for _, mime := range media {
		if !isJSON(mime, model.Content[mime]) {
			continue
		}
		found, err := c.document.resolve(pointer + "/content/" + escapeToken(mime))
		if err != nil {
			return nil, err
		}
		if r.example = c.document.example(found); r.example != nil {
			break
		}
	}
	return &r, nil
}

// checkHeaders returns the violations of the headers of a response.
func (r *response) checkHeaders(header http.Header) []Violation {
	if len(r.headers) == 0 {
		return nil
	}
	s := source{request: &http.Request{Header: header}}
	var violations []Violation
	for i := range r.headers {
		violations = append(violations, r.headers[i].check(&s)...)
	}
	return violations
}

// defaultFallback is the answer of last resort when Options have none, in the style of RFC 9457.
const defaultFallback = `{"title":"Internal Server Error","status":500}`

// fallback returns the body of the 500 that is sent when even the error handler's answer is invalid: the example of the
// document, Options.Fallback, or nothing if that is what the document declares.
func (o *Operation) fallback() []byte {
	if declared := o.response(http.StatusInternalServerError); declared != nil {
		if declared.example != nil {
			return declared.example
		}
		if len(declared.content.declared) == 0 {
			return nil
		}
	}
	if o.contract.options.Fallback != nil {
		return o.contract.options.Fallback
	}
	return []byte(defaultFallback)
}
