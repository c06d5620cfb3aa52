"use strict";

// The document names the servers where the API is published. Trying it out is for the server that served this page.
fetch("openapi.json")
  .then((response) => response.json())
  .then((spec) => {
    spec.servers = [{ url: new URL(".", location.href).href.replace(/\/$/, "") }];
    SwaggerUIBundle({
      spec: spec,
      dom_id: "#docs",
      docExpansion: "full",
      validatorUrl: null, // would send the document to a stranger
      persistAuthorization: false, // a key stays in this page, until it is left
    });
  })
  .catch((error) => {
    document.getElementById("docs").textContent = "openapi.json cannot be shown: " + error;
  });
