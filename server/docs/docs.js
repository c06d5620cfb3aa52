"use strict";

// What the server answers where the document has no example. A test compares each line with the server.
const anything = {};
const unauthorized = {"status":"error","error_code":"UNAUTHORIZED","message":"Invalid or missing API key"};
const malformed = {"detail":[{"loc":["path","id"],"msg":"Input should be a valid UUID, invalid length: expected 36 characters","type":"uuid_parsing"}]};

// The server authenticates an operation unless its security is empty or has the empty requirement among its alternatives.
const authenticates = (security = []) => security.length > 0 && security.every((scheme) => Object.keys(scheme).length > 0);

// addExamples gives a response that may be anything the example {}, a 422 of an operation on an id the answer to one that is
// no UUID, and a 403 the two cases in which the server sends it.
function addExamples(spec, operation) {
  const id = operation.parameters?.find((parameter) => parameter.in === "path" && parameter.schema?.format === "uuid");
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    const json = response.content?.["application/json"];
    if (!json || "example" in json || "examples" in json) continue;
    if (status.startsWith("2") && Object.keys(json.schema ?? {}).length === 0) json.example = anything;
    if (status === "422" && id) json.example = { detail: [{ ...malformed.detail[0], loc: ["path", id.name] }] };
  }
  const forbidden = operation.responses?.["403"];
  const json = forbidden?.content?.["application/json"];
  if (!json || "examples" in json || !authenticates(operation.security ?? spec.security)) return;
  json.examples = { unauthorized: { summary: "No valid API key", value: unauthorized } };
  if ("example" in json) {
    json.examples.forbidden = { summary: "The API key lacks the permission", value: json.example };
    delete json.example;
  }
  forbidden.description += "\n\nThe body tells two cases apart:\n" +
    "- `UNAUTHORIZED`: the request has no valid API key. It is missing, unknown, expired or deleted.\n" +
    "- Any other: the API key is valid and lacks the permission.";
}

fetch("openapi.json")
  .then((response) => response.json())
  .then((spec) => {
    // The document names the public servers. "Try it out" has to call the server of this page instead.
    spec.servers = [{ url: new URL(".", location.href).href.replace(/\/$/, "") }];
    const operations = Object.values(spec.paths ?? {}).flatMap((path) => Object.values(path)).filter((operation) => operation.responses);
    operations.forEach((operation) => addExamples(spec, operation));
    SwaggerUIBundle({
      spec: spec,
      dom_id: "#docs",
      docExpansion: operations.length === 1 ? "full" : "list",
      validatorUrl: null, // would send the document to another host
      persistAuthorization: false, // the key is not stored in the browser
    });
  })
  .catch((error) => {
    document.getElementById("docs").textContent = "openapi.json cannot be shown: " + error;
  });
