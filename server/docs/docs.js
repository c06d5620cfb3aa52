"use strict";

// The document names the public servers. "Try it out" has to call the server of this page instead.
fetch("openapi.json")
  .then((response) => response.json())
  .then((spec) => {
    spec.servers = [{ url: new URL(".", location.href).href.replace(/\/$/, "") }];
    SwaggerUIBundle({
      spec: spec,
      dom_id: "#docs",
      docExpansion: "full",
      validatorUrl: null, // would send the document to another host
      persistAuthorization: false, // the key is not stored in the browser
    });
  })
  .catch((error) => {
    document.getElementById("docs").textContent = "openapi.json cannot be shown: " + error;
  });
