package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/diga-io/diga-api/contract"
	"github.com/diga-io/diga-api/gen/apitype"
)

// fault is what is wrong with the document, and where: a sentence behind a JSON pointer.
type fault struct {
	pointer pointer
	message string
}

func (f fault) Error() string { return "#" + string(f.pointer) + ": " + f.message }

// pointer is a JSON pointer into the document (RFC 6901).
type pointer string

func (p pointer) to(tokens ...string) pointer {
	escaped := strings.NewReplacer("~", "~0", "/", "~1")
	for _, token := range tokens {
		p += pointer("/" + escaped.Replace(token))
	}
	return p
}

// check finds what the generator or the server would take wrongly or silently: a keyword they do not know, a reference
// that leaves the document or leads nowhere, anything OpenAPI 3.1 forbids, and whatever the server would refuse to
// start with.
func check(ctx context.Context, data []byte) error {
	var document any
	if err := json.Unmarshal(data, &document); err != nil {
		line := 1
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
			line += bytes.Count(data[:syntax.Offset], []byte("\n"))
		}
		return fault{message: fmt.Sprintf("line %d is not JSON: %v", line, err)}
	}
	w := walk{document: document, annotations: map[string]bool{}}
	w.object("", document, "document")
	if err := errors.Join(w.faults...); err != nil {
		return err
	}
	contents, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return fault{message: err.Error()}
	}
	if !contents.IsOpenAPI31OrLater() {
		return fault{"/openapi", "the version must be 3.1"}
	}
	// A wrong example changes nothing that is generated; make lint-spec finds it.
	annotations := slices.Sorted(maps.Keys(w.annotations))
	if len(annotations) > 0 {
		fmt.Fprintf(os.Stderr, "passed over in schemas, as they mean nothing there: %s\n", strings.Join(annotations, ", "))
	}
	err = contents.Validate(ctx, openapi3.EnableMultiError(), openapi3.DisableExamplesValidation(),
		openapi3.AllowExtraSiblingFields(annotations...))
	if several := (openapi3.MultiError)(nil); errors.As(err, &several) {
		faults := make([]error, len(several))
		for i, err := range several {
			faults[i] = located(err)
		}
		return errors.Join(faults...)
	} else if err != nil {
		return located(err)
	}
	_, err = contract.Compile(data, contract.Options{
		Authenticate: func(context.Context, *contract.AuthenticationInput) error { return nil },
		Formats:      map[string]func(string) error{"uuid": apitype.CheckUUID},
	})
	return err
}

// located is what kin-openapi found, behind the pointer to the innermost thing that its error names. Its messages of
// several lines quote the schema and the value, which stand in the document.
func located(err error) error {
	var at pointer
	if e, ok := errors.AsType[*openapi3.SectionValidationError](err); ok {
		at, err = at.to(e.Section), e.Cause
	}
	if e, ok := errors.AsType[*openapi3.ComponentValidationError](err); ok {
		at, err = at.to(e.Section+"s", e.Name), e.Cause
	}
	if e, ok := errors.AsType[*openapi3.PathValidationError](err); ok {
		at, err = at.to(e.Path), e.Cause
	}
	if e, ok := errors.AsType[*openapi3.OperationValidationError](err); ok {
		at, err = at.to(strings.ToLower(e.Method)), e.Cause
	}
	message, _, _ := strings.Cut(err.Error(), "\n")
	return fault{at, message}
}

// checkOperations says which operations would share one Go name.
func checkOperations(contents *openapi3.T) error {
	var faults []error
	named := map[string]pointer{}
	for place, operation := range operations(contents) {
		at := pointer("").to("paths", place.path, strings.ToLower(place.method))
		if operation.OperationID != "" {
			at = at.to("operationId")
		}
		name := place.goName(operation.OperationID)
		if other, ok := named[name]; ok {
			faults = append(faults, fault{at, fmt.Sprintf("the operation has the Go name %s, as has #%s; name one in gen/overlay.yaml", name, other)})
		}
		named[name] = at
	}
	return errors.Join(faults...)
}

// walk goes through the objects of a document.
type walk struct {
	document    any
	faults      []error
	annotations map[string]bool // names of keywords that mean nothing, but harm nothing
}

func (w *walk) fault(at pointer, format string, arguments ...any) {
	w.faults = append(w.faults, fault{at, fmt.Sprintf(format, arguments...)})
}

// object checks the members of an object of the given kind. What is no object is left to kin-openapi, which says so.
func (w *walk) object(at pointer, value any, kind string) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	if reference, ok := object["$ref"]; ok {
		w.reference(at.to("$ref"), reference)
		if kind != "schema" {
			return
		}
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		member, ok := kinds[kind][name]
		switch {
		case ok:
			w.member(at.to(name), object[name], member)
		case strings.HasPrefix(name, "x-"):
		case name == "nullable" && kind == "schema":
			w.fault(at.to(name), "OpenAPI 3.1 ignores nullable; add null to the types instead")
		case kind == "schema" && isAnnotation(name):
			w.annotations[name] = true
		default:
			w.fault(at.to(name), "the %s has the keyword %q, which is not supported", kind, name)
		}
	}
}

// isAnnotation says whether a keyword that nobody knows is an annotation, as JSON Schema has it (section 6.5 of the core
// specification): FastAPI writes into schemas whatever else a field was given. A misspelled keyword is not, and neither
// is one of the specification's own, with its dollar sign.
func isAnnotation(name string) bool {
	if strings.HasPrefix(name, "$") {
		return false
	}
	plain := strings.NewReplacer("_", "", "-", "")
	for known := range kinds["schema"] {
		if distance(strings.ToLower(plain.Replace(name)), strings.ToLower(known)) <= min(2, len(known)/3) {
			return false
		}
	}
	return true
}

// distance is how many letters have to be put in, left out or changed to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// member checks a value of a kind that may be in a [list] or a {map}, or "", which is looked into no further.
func (w *walk) member(at pointer, value any, kind string) {
	switch {
	case kind == "":
	case kind[0] == '[':
		list, _ := value.([]any)
		for i, item := range list {
			w.object(at.to(strconv.Itoa(i)), item, kind[1:len(kind)-1])
		}
	case kind[0] == '{':
		members, _ := value.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if kind == "{response}" && !status(name) && !strings.Contains(string(at), "/components/") {
				w.fault(at.to(name), "a response is declared for a status, a range like 4XX, or default")
			}
			w.object(at.to(name), members[name], kind[1:len(kind)-1])
		}
	default:
		w.object(at, value, kind)
	}
}

func status(name string) bool {
	if len(name) == 3 && name[0] >= '1' && name[0] <= '5' && name[1:] == "XX" {
		return true
	}
	code, err := strconv.Atoi(name)
	return name == "default" || err == nil && len(name) == 3 && code >= http.StatusContinue
}

// reference checks that a reference stays in the document and leads to something.
func (w *walk) reference(at pointer, value any) {
	reference, _ := value.(string)
	path, internal := strings.CutPrefix(reference, "#/")
	if !internal {
		w.fault(at, "the reference %q leads out of the document", reference)
		return
	}
	target := w.document
	for token := range strings.SplitSeq(path, "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch t := target.(type) {
		case map[string]any:
			target = t[token]
		case []any:
			target = nil
			if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(t) {
				target = t[i]
			}
		default:
			target = nil
		}
	}
	if target == nil {
		w.fault(at, "the reference %q leads to nothing", reference)
	}
}

// kinds are the objects of OpenAPI 3.1 with the kinds of their members, as far as generator and server support them.
var kinds = map[string]map[string]string{
	"document": {
		"openapi": "", "info": "", "servers": "", "paths": "{path item}", "webhooks": "{path item}",
		"components": "components", "security": "", "tags": "", "externalDocs": "",
	},
	"components": {
		"schemas": "{schema}", "responses": "{response}", "parameters": "{parameter}", "examples": "",
		"requestBodies": "{request body}", "headers": "{header}", "securitySchemes": "", "links": "",
		"callbacks": "{callback}", "pathItems": "{path item}",
	},
	"path item": {
		"summary": "", "description": "", "servers": "", "parameters": "[parameter]", "get": "operation",
		"put": "operation", "post": "operation", "delete": "operation", "options": "operation", "head": "operation",
		"patch": "operation", "trace": "operation",
	},
	"operation": {
		"tags": "", "summary": "", "description": "", "externalDocs": "", "operationId": "", "parameters": "[parameter]",
		"requestBody": "request body", "responses": "{response}", "callbacks": "{callback}", "deprecated": "",
		"security": "", "servers": "",
	},
	"parameter": {
		"name": "", "in": "", "description": "", "required": "", "deprecated": "", "allowEmptyValue": "", "style": "",
		"explode": "", "allowReserved": "", "schema": "schema", "example": "", "examples": "", "content": "{media type}",
	},
	"request body": {"description": "", "content": "{media type}", "required": ""},
	"response":     {"description": "", "headers": "{header}", "content": "{media type}", "links": ""},
	"header": {
		"description": "", "required": "", "deprecated": "", "allowEmptyValue": "", "style": "", "explode": "",
		"schema": "schema", "example": "", "examples": "", "content": "{media type}",
	},
	"media type": {"schema": "schema", "example": "", "examples": "", "encoding": "{encoding}"},
	"encoding": {
		"contentType": "", "headers": "{header}", "style": "", "explode": "", "allowReserved": "",
	},
	// Not here: $id, $anchor, $dynamicRef and their kind, which the generator does not follow.
	"schema": {
		"$ref": "", "$comment": "", "$defs": "{schema}", "type": "", "enum": "", "const": "", "format": "", "title": "",
		"description": "", "default": "", "deprecated": "", "readOnly": "", "writeOnly": "", "example": "", "examples": "",
		"externalDocs": "", "discriminator": "", "xml": "", "contentEncoding": "", "contentMediaType": "",
		"contentSchema": "schema",
		"multipleOf":    "", "maximum": "", "exclusiveMaximum": "", "minimum": "", "exclusiveMinimum": "",
		"maxLength": "", "minLength": "", "pattern": "",
		"items": "schema", "prefixItems": "[schema]", "contains": "schema", "maxItems": "", "minItems": "",
		"uniqueItems": "", "maxContains": "", "minContains": "", "unevaluatedItems": "schema",
		"properties": "{schema}", "patternProperties": "{schema}", "additionalProperties": "schema",
		"propertyNames": "schema", "required": "", "dependentRequired": "", "maxProperties": "", "minProperties": "",
		"dependentSchemas": "{schema}", "unevaluatedProperties": "schema",
		"allOf": "[schema]", "anyOf": "[schema]", "oneOf": "[schema]", "not": "schema", "if": "schema", "then": "schema",
		"else": "schema",
	},
}
