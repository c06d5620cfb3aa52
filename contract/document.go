package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// document is the text of an OpenAPI document as it was written: with its order, which decides in which order violations
// are told, and with its references, through which schemas are compiled where they stand.
type document struct {
	data    []byte
	root    any
	offsets map[string]int // JSON pointer -> offset of its value in data
}

func parseDocument(data []byte) (*document, error) {
	p := jsonParser{data: data, offsets: make(map[string]int)}
	root, err := p.parse()
	if err != nil {
		return nil, err
	}
	if _, ok := root.(map[string]any); !ok {
		return nil, errNotJSON
	}
	d := &document{data: data, root: root, offsets: p.offsets}
	if pointer, found := findNull("", root, false); found {
		return nil, fmt.Errorf("%s: null where an object of OpenAPI has to be", pointer)
	}
	return d, nil
}

// findNull finds a null that is no value of the API itself, but stands for a part of the document. kin-openapi loads such
// a document, as one with a nil pointer in it.
func findNull(pointer string, value any, free bool) (string, bool) {
	switch value := value.(type) {
	case nil:
		return pointer, true
	case map[string]any:
		for _, name := range sortedKeys(value) {
			if !free && (slices.Contains(anyValue, name) || strings.HasPrefix(name, "x-")) {
				continue
			}
			below := !free && (slices.Contains(freelyNamed, name) || slices.Contains(schemasByName, name))
			if found, ok := findNull(pointer+"/"+escapeToken(name), value[name], below); ok {
				return found, true
			}
		}
	case []any:
		for i, item := range value {
			if found, ok := findNull(pointer+"/"+strconv.Itoa(i), item, false); ok {
				return found, true
			}
		}
	}
	return "", false
}

// names are the names of all members of all objects, each once.
func (d *document) names() []string {
	names := make(map[string]bool)
	for pointer := range d.offsets {
		token := pointer[strings.LastIndexByte(pointer, '/')+1:]
		names[tokenUnescaper.Replace(token)] = true
	}
	return slices.Collect(maps.Keys(names))
}

// anyValue are the members of OpenAPI objects and schemas that may be anything.
var anyValue = []string{"example", "examples", "default", "enum", "const", "links"}

// freelyNamed are the members of OpenAPI objects whose own members have names of the author's choice, and schemasByName
// those of schemas.
var (
	freelyNamed = []string{
		"paths", "webhooks", "callbacks", "parameters", "responses", "requestBodies", "headers", "content", "encoding",
		"links", "securitySchemes", "pathItems", "schemas", "variables", "scopes", "mapping",
	}
	schemasByName = []string{"properties", "patternProperties", "dependentSchemas", "$defs"}
)

// at is the value the pointer points to, and whether there is one.
func (d *document) at(pointer string) (any, bool) {
	value := d.root
	if pointer == "" {
		return value, true
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		token = tokenUnescaper.Replace(token)
		var ok bool
		switch v := value.(type) {
		case map[string]any:
			value, ok = v[token]
		case []any:
			var i int
			var err error
			if i, err = strconv.Atoi(token); err == nil && i >= 0 && i < len(v) {
				value, ok = v[i], true
			}
		}
		if !ok {
			return nil, false
		}
	}
	return value, true
}

// resolve follows $ref from the OpenAPI object (not schema) at pointer to the one that is no reference, and is its
// pointer.
func (d *document) resolve(pointer string) (string, error) {
	for range 100 { // more is a cycle
		value, ok := d.at(pointer)
		if !ok {
			return "", fmt.Errorf("%s: nothing is there", pointer)
		}
		object, _ := value.(map[string]any)
		ref, ok := object["$ref"].(string)
		if !ok {
			return pointer, nil
		}
		target, local := strings.CutPrefix(ref, "#")
		target, err := url.PathUnescape(target)
		if !local || err != nil || (target != "" && target[0] != '/') {
			return "", fmt.Errorf("%s: $ref leads out of the document", pointer)
		}
		pointer = target
	}
	return "", fmt.Errorf("%s: $ref leads in a circle", pointer)
}

// raw is the text of the value at pointer.
func (d *document) raw(pointer string) json.RawMessage {
	offset, ok := d.offsets[pointer]
	if !ok {
		return nil
	}
	var raw json.RawMessage
	// The value is followed by more of the document, which only a Decoder accepts.
	if err := json.NewDecoder(strings.NewReader(string(d.data[offset:]))).Decode(&raw); err != nil {
		return nil
	}
	return raw
}

// first is the name of the first member of the object at pointer, in the order of the document.
func (d *document) first(pointer string) (string, bool) {
	value, _ := d.at(pointer)
	object, _ := value.(map[string]any)
	name, best := "", -1
	for member := range object {
		if offset := d.offsets[pointer+"/"+escapeToken(member)]; best < 0 || offset < best {
			name, best = member, offset
		}
	}
	return name, best >= 0
}
