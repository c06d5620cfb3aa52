import createClient from "openapi-fetch";
import type { paths } from "./diga.js";

const [id] = process.argv.slice(2);
const client = createClient<paths>({
  baseUrl: process.env.DIGA_URL,
  headers: { Authorization: `Bearer ${process.env.DIGA_API_KEY}` },
});

const { error, response } = await client.DELETE("/v1/api_key/{id}", {
  params: { path: { id } },
  signal: AbortSignal.timeout(10_000),
});
if (response.ok) {
  console.log("deleted");
} else {
  process.exitCode = 1;
  if (typeof error !== "object") {
    // The answer is not from the API, but from a proxy, for example.
    console.log(`${response.status}`);
  } else if ("error_code" in error) {
    // 403, 404 and 500 have the same shape: a code for programs and a message for people.
    console.log(`${response.status} ${error.error_code}: ${error.message}`);
  } else {
    // 422 names the invalid part of the request.
    for (const { loc, msg } of error.detail ?? []) {
      console.log(`${response.status} ${loc.join(".")}: ${msg}`);
    }
  }
}
