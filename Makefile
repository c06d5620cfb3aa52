# `make` alone prints what can be done.
.DEFAULT_GOAL := help
.PHONY: help run test generate verify lint bench build

GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## serve the API in demo mode on an embedded file, and print curl lines to try
	@mkdir -p bin
	$(GO) run ./cmd/diga-api serve --demo --addr 127.0.0.1:8080 --admin-addr 127.0.0.1:0 --drain-delay 0s --database-url sqlite:bin/demo.db

test: ## run all tests, with the race detector; PostgreSQL's too, when it is there
	$(GO) test -race ./...

generate: ## regenerate gen/ from api/openapi.json
	$(GO) generate ./...

verify: ## fail if gen/ or a module file is not what the sources say
	@$(GO) generate ./...
	@test -z "$$(git status --porcelain -- gen)" || { git status --short -- gen; git --no-pager diff -- gen; \
		echo "gen/ is not what api/openapi.json generates: run 'make generate' and commit the result" >&2; exit 1; }
	@$(GO) mod tidy -diff || { echo "go.mod is not tidy: run 'go mod tidy' and commit the result" >&2; exit 1; }
	@$(GO) mod verify

lint: ## run go vet and the linters of .golangci.yml
	$(GO) vet ./...
	$(TOOL) golangci-lint run

bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

build: ## build the static binary bin/diga-api
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/diga-api ./cmd/diga-api
