package contract

import "strings"

// shapes are the objects of OpenAPI 3.1 and 3.2 with the kinds of their members. A kind is the name of another shape,
// "[kind]" for a list, "{kind}" for an object whose members have names of the author's choice, or one of the scalars
// "string", "boolean", "number", "count", "strings", "type" and "any". It is the only place where the package knows how
// documents are put together.
var shapes = map[string]map[string]string{
	"document": {
		"openapi": "string", "$self": "string", "info": "info", "jsonSchemaDialect": "string", "servers": "[server]",
		"paths": "{path item}", "webhooks": "{path item}", "components": "components", "security": "security",
		"tags": "[tag]", "externalDocs": "external documentation",
	},
	"info": {
		"title": "string", "summary": "string", "description": "string", "termsOfService": "string",
		"contact": "contact", "license": "license", "version": "string",
	},
	"contact":                {"name": "string", "url": "string", "email": "string"},
	"license":                {"name": "string", "identifier": "string", "url": "string"},
	"external documentation": {"description": "string", "url": "string"},
	"tag": {
		"name": "string", "summary": "string", "description": "string", "externalDocs": "external documentation",
		"parent": "string", "kind": "string",
	},
	"server":          {"url": "string", "name": "string", "description": "string", "variables": "{server variable}"},
	"server variable": {"enum": "strings", "default": "string", "description": "string"},
	"components": {
		"schemas": "{schema}", "responses": "{response}", "parameters": "{parameter}", "examples": "{example}",
		"requestBodies": "{request body}", "headers": "{header}", "securitySchemes": "{security scheme}",
		"links": "{link}", "callbacks": "{callback}", "pathItems": "{path item}", "mediaTypes": "{media type}",
	},
	"path item": {
		"$ref": "ref", "summary": "string", "description": "string", "servers": "[server]", "parameters": "[parameter]",
		"get": "operation", "put": "operation", "post": "operation", "delete": "operation", "options": "operation",
		"head": "operation", "patch": "operation", "trace": "operation", "query": "operation",
		"additionalOperations": "{operation}",
	},
	"operation": {
		"tags": "strings", "summary": "string", "description": "string", "externalDocs": "external documentation",
		"operationId": "string", "parameters": "[parameter]", "requestBody": "request body", "responses": "{response}",
		"callbacks": "{callback}", "deprecated": "boolean", "security": "security", "servers": "[server]",
	},
	"parameter": {
		"$ref": "ref", "name": "string", "in": "string", "description": "string", "required": "boolean",
		"deprecated": "boolean", "allowEmptyValue": "boolean", "style": "string", "explode": "boolean",
		"allowReserved": "boolean", "schema": "schema", "example": "any", "examples": "{example}",
		"content": "{media type}",
	},
	"request body": {"$ref": "ref", "description": "string", "content": "{media type}", "required": "boolean"},
	"response": {
		"$ref": "ref", "summary": "string", "description": "string", "headers": "{header}", "content": "{media type}",
		"links": "{link}",
	},
	"header": {
		"$ref": "ref", "description": "string", "required": "boolean", "deprecated": "boolean",
		"allowEmptyValue": "boolean", "style": "string", "explode": "boolean", "allowReserved": "boolean",
		"schema": "schema", "example": "any", "examples": "{example}", "content": "{media type}",
	},
	"media type": {
		"$ref": "ref", "schema": "schema", "itemSchema": "schema", "example": "any", "examples": "{example}",
		"encoding": "{encoding}", "prefixEncoding": "[encoding]", "itemEncoding": "encoding",
	},
	"encoding": {
		"contentType": "string", "headers": "{header}", "style": "string", "explode": "boolean",
		"allowReserved": "boolean", "encoding": "{encoding}", "prefixEncoding": "[encoding]", "itemEncoding": "encoding",
	},
	"example": {
		"$ref": "ref", "summary": "string", "description": "string", "value": "any", "externalValue": "string",
		"dataValue": "any", "serializedValue": "string",
	},
	"link": {
		"$ref": "ref", "operationRef": "string", "operationId": "string", "parameters": "{any}", "requestBody": "any",
		"description": "string", "server": "server",
	},
	"security scheme": {
		"$ref": "ref", "type": "string", "description": "string", "name": "string", "in": "string", "scheme": "string",
		"bearerFormat": "string", "flows": "flows", "openIdConnectUrl": "string", "oauth2MetadataUrl": "string",
		"deprecated": "boolean",
	},
	"flows": {
		"implicit": "flow", "password": "flow", "clientCredentials": "flow", "authorizationCode": "flow",
		"deviceAuthorization": "flow",
	},
	"flow": {
		"authorizationUrl": "string", "deviceAuthorizationUrl": "string", "tokenUrl": "string", "refreshUrl": "string",
		"scopes": "{string}",
	},
	"discriminator": {"propertyName": "string", "mapping": "{string}", "defaultMapping": "string"},
	"xml": {
		"nodeType": "string", "name": "string", "namespace": "string", "prefix": "string", "attribute": "boolean",
		"wrapped": "boolean",
	},
	"schema": {
		"$ref": "ref", "$comment": "string", "$defs": "{schema}", "definitions": "{schema}", "$schema": "string",
		"$id": "string", "$anchor": "any", "$dynamicRef": "string", "$dynamicAnchor": "any",
		"type": "type", "enum": "[any]", "const": "any", "format": "string", "title": "string", "description": "string",
		"default": "any", "deprecated": "boolean", "readOnly": "boolean", "writeOnly": "boolean", "nullable": "boolean",
		"example": "any", "examples": "[any]", "externalDocs": "external documentation",
		"discriminator": "discriminator", "xml": "xml",
		"contentEncoding": "string", "contentMediaType": "string", "contentSchema": "schema",
		"multipleOf": "number", "maximum": "number", "exclusiveMaximum": "bound", "minimum": "number",
		"exclusiveMinimum": "bound", "maxLength": "count", "minLength": "count", "pattern": "string",
		"items": "schema", "prefixItems": "[schema]", "contains": "schema",
		"maxItems": "count", "minItems": "count", "uniqueItems": "boolean", "maxContains": "count",
		"minContains": "count", "unevaluatedItems": "schema",
		"properties": "{schema}", "patternProperties": "{schema}", "additionalProperties": "schema",
		"propertyNames": "schema", "required": "strings", "dependentRequired": "{strings}", "maxProperties": "count",
		"minProperties": "count", "dependentSchemas": "{schema}", "unevaluatedProperties": "schema",
		"allOf": "[schema]", "anyOf": "[schema]", "oneOf": "[schema]", "not": "schema", "if": "schema",
		"then": "schema", "else": "schema",
	},
}

// sections are the parts of components, by the kind of what they hold.
var sections = map[string]string{}

func init() {
	for section, kind := range shapes["components"] {
		sections[kind[1:len(kind)-1]] = section
	}
}

// memberKind returns the kind of the member name of an object of a kind.
func memberKind(kind, name string) (string, bool) {
	if kind == "callback" {
		if strings.HasPrefix(name, "x-") || name == "$ref" {
			return "any", name != "$ref"
		}
		return "path item", true
	}
	member, ok := shapes[kind][name]
	return member, ok
}

// assertions are the keywords of schemas that decide about values. One that cannot be understood makes its schema invalid;
// any other is dropped.
var assertions = map[string]bool{
	"type": true, "enum": true, "multipleOf": true, "maximum": true, "exclusiveMaximum": true, "minimum": true,
	"exclusiveMinimum": true, "maxLength": true, "minLength": true, "pattern": true, "items": true, "prefixItems": true,
	"contains": true, "maxItems": true, "minItems": true, "uniqueItems": true, "maxContains": true, "minContains": true,
	"unevaluatedItems": true, "properties": true, "patternProperties": true, "additionalProperties": true,
	"propertyNames": true, "required": true, "dependentRequired": true, "maxProperties": true, "minProperties": true,
	"dependentSchemas": true, "unevaluatedProperties": true, "allOf": true, "anyOf": true, "oneOf": true, "not": true,
	"if": true, "then": true, "else": true, "nullable": true,
}

// inPlace are the keywords whose schemas apply to the same value as the schema they stand in.
var inPlace = []string{"allOf", "anyOf", "oneOf", "not", "if", "then", "else"}
