# `make` alone prints what can be done.
.DEFAULT_GOAL := help
.PHONY: help run test proof corpus generate verify lint lint-spec breaking release-check bench build release vulncheck

GO ?= go
CORPUS ?= ../shared/corpus
TOOL := $(GO) tool -modfile=tools/go.mod

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## serve the API in demo mode on an embedded file, and print curl lines to try
	@mkdir -p bin
	$(GO) build -buildvcs=false -o bin/demo/diga-api ./cmd/diga-api
	@bin/demo/diga-api serve --demo --addr 127.0.0.1:8080 --admin-addr 127.0.0.1:0 --drain-delay 0s --database-url sqlite:bin/demo/keys.db

# The race detector needs cgo and a C compiler.
RACE = $(shell test "$$($(GO) env CGO_ENABLED)" = 1 && command -v "$$($(GO) env CC)" >/dev/null && echo -race)

# The program itself has the race detector in make proof only: with it, building and starting the program takes a minute.
# -count=1 because go test does not see changes of files outside of the module that it tests, such as the documents.
test: ## run the first tier of tests, before each commit; needs Go, git and make
	@command -v git >/dev/null || { echo "git is missing, and the tests of tools/changes need it" >&2; exit 1; }
	$(GO) test $(RACE) ./...
	$(GO) -C tools test -count=1 ./...
	$(GO) -C e2e test -count=1 ./...
	@echo "left out: $(if $(RACE),,the race detector (apt-get install gcc libc6-dev); )kill -9, outages, load, PostgreSQL, the browser and Node.js (make proof)"

proof: ## run the second tier of tests, the promises; needs PostgreSQL, PgBouncer, Prometheus, Chromium, Node.js, curl, strace, zsh, fish and systemd too
	@mkdir -p bin
	$(GO) -C e2e test -count=1 $(RACE) -tags proof -timeout 30m -artifacts -outputdir "$(CURDIR)/bin" ./...
	$(if $(wildcard $(CORPUS)/*.json),$(MAKE) corpus,@echo "left out: published documents (make corpus CORPUS=, a folder of OpenAPI documents)")

corpus: ## take the OpenAPI documents of the folder CORPUS= through the pipeline and print a table; SAMPLE=n takes some
	$(GO) -C e2e run ./corpus $(if $(SAMPLE),-sample $(SAMPLE)) "$$(cd "$(CORPUS)" && pwd)"

generate: ## regenerate gen/ from api/openapi.json
	$(GO) generate ./...

verify: ## fail if gen/ or a module file is not what the sources say
	@$(GO) generate ./...
	@test -z "$$(git status --porcelain -- gen client)" || { git status --short -- gen client; git --no-pager diff -- gen client; \
		echo "gen/ is not what api/openapi.json generates: run 'make generate' and commit the result" >&2; exit 1; }
	@for module in . tools e2e; do $(GO) -C $$module mod tidy -diff || \
		{ echo "$$module/go.mod is not tidy: run 'go -C $$module mod tidy' and commit the result" >&2; exit 1; }; done
	@$(GO) mod verify

lint: ## run go vet and the linters of .golangci.yml
	$(GO) vet ./...
	$(GO) -C tools vet ./...
	$(GO) -C e2e vet -tags proof ./...
	$(TOOL) golangci-lint run --allow-parallel-runners
	cd tools && $(GO) tool golangci-lint run --allow-parallel-runners --config ../.golangci.yml

lint-spec: ## hold api/openapi.json to the rules of api/lint.yaml and of api/document_test.go
	$(GO) -C tools run ./lint-spec ../api/lint.yaml ../api/openapi.json
	$(GO) test -count=1 -run TestDocument ./api

breaking: ## fail if a change since the last release, or since BASE=, breaks users and CHANGELOG.md does not say so
	@$(GO) -C tools run ./changes breaking $(BASE)

release-check: ## say whether the next release may be called VERSION=vX.Y.Z
	@$(GO) -C tools run ./changes allow $(VERSION)

ROUNDS ?= 5
bench: ## measure the figures of docs/benchmarks.md ROUNDS= times, print them, and write its table and pictures
	@$(GO) -C tools run ./bench .. $(ROUNDS)

# A binary depends on the sources, the Go toolchain and these two texts, and on nothing else of the machine or the folder
# that builds it. In a source archive, which has no git, name them: make release VERSION=v1.2.3 REVISION=...
build release: VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
build release: REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
BUILD = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false \
	-ldflags '-s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)'
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

build: ## build bin/diga-api for this machine: static, stripped, stamped with its version
	$(BUILD) -o bin/diga-api ./cmd/diga-api

release: ## build dist/: the program for each platform, a CycloneDX list of what is in it, and checksums
	rm -rf dist
	mkdir dist
	set -e; for platform in $(PLATFORMS); do \
		program=dist/diga-api_$$(echo $$platform | tr / _); \
		GOOS=$${platform%/*} GOARCH=$${platform#*/} $(BUILD) -o $$program ./cmd/diga-api; \
		$(GO) -C tools run ./sbom $(VERSION) <$$program >$$program.cdx.json; \
	done
	cd dist && $$(command -v sha256sum || echo shasum -a 256) diga-api_* >SHA256SUMS

VULNDB ?= https://vuln.go.dev
vulncheck: ## look for known vulnerabilities in what the code calls; VULNDB=file:///... asks a copy of the database
	$(TOOL) govulncheck -db $(VULNDB) ./...
