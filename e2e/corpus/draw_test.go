package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/diga-io/diga-api/contract"
)

const pets = `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"},
	"paths": {
		"/pets/{id}": {"post": {
			"parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}}],
			"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
			"responses": {"200": {"description": "", "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}}}}}
		}},
		"/form": {"post": {
			"requestBody": {"required": true, "content": {"application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Form"}}}},
			"responses": {"200": {"description": "", "content": {"application/json": {"schema": {}}}}}
		}},
		"/parts": {"post": {
			"requestBody": {"required": true, "content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Form"}}}},
			"responses": {"200": {"description": "", "content": {"application/json": {"schema": {}}}}}
		}}
	},
	"components": {"schemas": {
		"Form": {"type": "object", "properties": {
			"age": {"anyOf": [{"type": "integer"}, {"type": "null"}]}, "pets": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}
		}},
		"Pet": {"type": "object", "required": ["name", "age"], "properties": {
			"name": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"}, "age": {"type": "integer", "exclusiveMinimum": 3},
			"mother": {"anyOf": [{"$ref": "#/components/schemas/Pet"}, {"type": "null"}]}
		}}
	}}}`

func TestExchange(t *testing.T) {
	t.Parallel()
	d, findings := contract.Read([]byte(pets))
	if d == nil {
		t.Fatal(contract.Errors(findings))
	}
	operations, verdicts, err := exchange(d)
	if err != nil || operations != 3 || verdicts.right != 7 || verdicts.wrong != 0 {
		t.Errorf("exchange() = %d, %+v, %v; want seven right verdicts", operations, verdicts, err)
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ schema, want string }{
		{`{"type": "string", "pattern": "^[a-z]{3}$"}`, `"aaa"`},
		{`{"type": ["null", "string"], "maxLength": 2}`, `"aa"`},
		{`{"const": {"a": 1}}`, `{"a":1}`},
		{`{"type": "integer", "minimum": 7, "multipleOf": 5}`, `10`},
		{`{"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "boolean"}}}]}`, `{"a":true}`},
		{`{"oneOf": [false, {"type": "string", "format": "date"}]}`, `"2026-01-02"`},
	} {
		decoder := json.NewDecoder(bytes.NewReader([]byte(test.schema)))
		decoder.UseNumber()
		var schema any
		if err := decoder.Decode(&schema); err != nil {
			t.Fatal(err)
		}
		value, ok := drawer{}.value(schema, 0)
		if got := string(encode(value)); !ok || got != test.want {
			t.Errorf("value(%s) = %s, want %s", test.schema, got, test.want)
		}
	}
}
