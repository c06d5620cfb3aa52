// Package e2e tests the built program, the documents, the deployment and the page /docs from outside. It is a module of
// its own, so that what it imports does not become a dependency of the server.
//
// The project's tests have two tiers. The first tier is every test without a build tag, in all modules; `make test` runs
// it. The second tier, `make proof`, is the files named *_proof_test.go of this module, which have the build tag proof:
//
//	browser     the page /docs in Chromium
//	consumer    a module of another team that imports the client
//	deploy      the container image, the manifests, the systemd unit, the alerts and the dashboard; releases are reproducible
//	documents   the memory that docs/operations.md promises
//	pipeline    documents that grow, of sixty operations, or invalid; docs/adding-an-operation.md executed
//	program     the promises about deletes, on SQLite and PostgreSQL: kill -9, flushes, outages, rolling upgrades, many servers
//	store       server/store on PostgreSQL: conformance, deadlines, failover, standbys, PgBouncer, migrations
//	typescript  docs/clients.md executed with Node.js
//
// A second-tier test fails, and names the Debian package to install, when a program that it needs is missing.
package e2e
