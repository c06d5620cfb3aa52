// Package contract reads OpenAPI documents, and validates every request and every response of an echo server against one.
// It knows no operation by name: any document of OpenAPI 3.0, 3.1 or 3.2 will do.
//
// Read reads a document and returns its findings. New compiles it, when the server starts. Contract.Middleware enforces
// it. The generator works from the same Document as the server.
//
// # Reading
//
// Published documents are not perfect. Read is lenient in what it reads, and strict in what is enforced: an error is what
// cannot be generated or enforced safely, and everything else is a warning. Each Finding has a JSON pointer into the
// published document, a rule, a sentence and a severity. All of them are reported together, in the order of the document.
//
// These are errors:
//
//   - json: the text is not one JSON value in UTF-8, or is nested more than 500 levels deep.
//   - openapi, dialect: the version or the dialect of its schemas is unknown.
//   - ref: a $ref leads to nothing, out of the document, or to an object of another kind.
//   - cycle, cost: a validator would follow references for ever, or apply more than 100,000 schemas to one value.
//   - schema: a schema that no validator can compile.
//   - security: an undefined security scheme, or a malformed security requirement.
//   - path: a path that echo cannot route, or two operations with the same method and path template.
//   - load: kin-openapi cannot load what was read.
//
// The published bytes never change. In memory, OpenAPI 3.0 is upgraded to 3.1 (nullable, boolean exclusiveMinimum and
// exclusiveMaximum, example, what stands beside a $ref). The same keywords in a document of 3.1 are honoured with a
// warning. In OpenAPI 3.0 a required property that is readOnly is not required in requests, and one that is writeOnly not
// in responses.
//
// Read repairs, with a warning each, what kin-openapi or the generator cannot take:
//
//   - What a $ref leads to moves into components, unless it is there, or it is a path item, which is copied.
//   - A parameter of a path that is not declared is a required string. One that is not in the path is ignored.
//   - An operationId that is missing or not unique is replaced with one made of method and path.
//   - The first of two equal entries of required, enum, tags or parameters counts. The last of two members of one object
//     with the same name counts, as in encoding/json.
//   - A default that does not fit its schema is ignored.
//   - Names of types from programming languages are read as the JSON type that they stand for. A file is a binary string.
//   - A schema that refers to its base, which lists it in oneOf or anyOf, is read without that list.
//   - An unknown keyword is ignored, and a value of the wrong type is converted or ignored, unless it decides about values.
//
// # Requests
//
// Authentication comes first, then parameters and body. All violations of a request are reported together, in the order of
// the document. The body is read once, and only if the operation declares one. The handler reads the same bytes.
//
// # Responses
//
// A JSON body is held back until it is complete and valid. A body of another declared media type is sent as the handler
// writes and flushes it. Middleware that encodes bodies, such as compression, belongs outside of this middleware.
// Informational responses (1xx) are not sent.
//
// # Differences from kin-openapi
//
// The verdicts are those of openapi3filter in 3.1 mode, with undeclared statuses rejected. A property test compares them.
// These differences are intended. "Stock" means openapi3filter.
//
//   - references: the schemas of every document are JSON Schema 2020-12. Stock validates documents of 3.0, and schemas
//     with a $ref but no keyword that is new in 2020-12, by the rules of 3.0: it obeys discriminators, rejects null where
//     no type is given, and compares numbers inexactly.
//   - readOnly: it is an annotation, like writeOnly, apart from what is required in 3.0. Stock rejects a readOnly property
//     in a request where it falls back to the rules of 3.0.
//   - const: null: stock ignores it.
//   - int64: stock accepts numbers that overflow 64 bits.
//   - duplicate members: an object with two members of one name is rejected. Parsers differ in which of them counts, so the
//     value that is used need not be the one that was validated.
//   - trailing data: a body is one JSON value, and nothing after it.
//   - UTF-8: JSON bodies and parameter values have to be valid UTF-8.
//   - long numbers: numbers with exponents beyond 400 or of more than 1,000 characters are rejected, because exact
//     arithmetic would turn a few bytes into megabytes of digits.
//   - deep nesting: bodies nested more than 500 levels deep are rejected, because each level takes stack.
//   - malformed queries: a query that cannot be parsed is rejected if the operation declares query parameters. Stock
//     treats the part that it cannot parse as missing.
//   - parameters without a type: the value is a string, and so is an item without one. Stock rejects all values.
//   - headers without a type: the same, for responses.
//   - alternatives of a parameter: a value is accepted if it fits when one of them decodes it, and rejected if none does.
//     Stock decodes by the first of anyOf, or the last of oneOf, that can; if none can, it takes the value for a missing one,
//     and the handler gets the default.
//   - not, of a parameter: it is obeyed. Stock rejects the parameter.
//   - paths like /jobs/{id}:cancel and /files/{name}.{format}: they are served, also beside /jobs/{id}. Stock's routers, and
//     echo, take the rest of the segment for one parameter.
//   - large bodies: Options.MaxBodyBytes limits them.
//   - forms: properties with alternatives, such as anyOf with null, are decoded by type, a part that is not declared is text,
//     and a file may have any media type. Stock takes the first for null, and rejects the others.
//   - bodies without a decoder: they are strings, if the schema permits one. Stock rejects them.
//   - HEAD: status and headers of the response are validated. Stock validates nothing.
//   - redirects: 301, 304, 307 and 308 have to be declared, like any other status.
//   - bodies that are not JSON: those of responses are sent without validation, so that streams and downloads work.
//   - formats: those of JSON Schema, and of the OpenAPI format registry where they have a definite grammar, are enforced.
//     Stock knows date, date-time, byte, int32 and int64, and permits days that no month has.
//   - patterns: they are expressions of ECMA-262, as JSON Schema says, with Unicode semantics. Stock takes them for Go's.
//   - undeclared bodies: a response whose declaration has no content has no body.
//
// Defaults of parameters are written into the request, as stock does. Those of bodies are not; stock does that for 3.0 only.
package contract
