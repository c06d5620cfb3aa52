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
    // No answer of the contract: something stands between us and the API.
    console.log(`${response.status}`);
  } else if ("error_code" in error) {
    // 403, 404 and 500 have one shape: a code for programs and a sentence for people.
    console.log(`${response.status} ${error.error_code}: ${error.message}`);
  } else {
    // 422 says which part of the request is wrong.
    for (const { loc, msg } of error.detail ?? []) {
      console.log(`${response.status} ${loc.join(".")}: ${msg}`);
    }
  }
}
