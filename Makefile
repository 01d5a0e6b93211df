# "make" alone says what there is.
.DEFAULT_GOAL := help
SHELL := /bin/sh
export CGO_ENABLED ?= 0

.PHONY: help up down test nightly generate bench build lint clean

help:
	@echo "PgBeam: a PostgreSQL proxy with policies and agent credentials, managed by Pulumi."
	@echo
	@echo "  make up        build, start PostgreSQL with sample data and the server, run"
	@echo "                 examples/typescript with Pulumi, query through the proxy"
	@echo "  make down      stop and remove everything that make up made"
	@echo
	@echo "  make test      every test: units, contracts, end to end in four languages"
	@echo "  make nightly   20,000 random statements under random policies, with a new seed"
	@echo "  make lint      gofmt, vet, and whether generated files are up to date"
	@echo "  make generate  write generated files anew from schema/"
	@echo "  make bench     benchmarks, against the engine's floor"
	@echo "  make build     bin/pgbeam and bin/pulumi-resource-pgbeam (the first time takes minutes)"
	@echo "  make clean     remove what the other targets built, and the cached toolchain"
	@echo
	@echo "Needed: Go, Node.js with npm, PostgreSQL's binaries; for make test also Python 3, a JDK and Maven."
	@echo "Pulumi is taken from PATH, or built once from Go modules (a few minutes)."

up:
	@go run ./tests/quickstart up

down:
	@go run ./tests/quickstart down

# The server reads SQL with PostgreSQL's parser: in C where there is a C compiler
# and CGO_ENABLED is not set otherwise, else in WebAssembly, at half the speed.
build: build_cgo = $(if $(filter file,$(origin CGO_ENABLED)),$(shell command -v $${CC:-cc} >/dev/null && echo 1 || echo 0),$(CGO_ENABLED))
build:
	CGO_ENABLED=$(build_cgo) go build -trimpath -o bin/ ./server/cmd/pgbeam
	go build -trimpath -o bin/ ./provider/cmd/pulumi-resource-pgbeam

generate:
	go run ./schema/gen

test:
	@tests/scripts/test.sh

nightly:
	cd tests/property && go test -count=1 -timeout 60m -policies 600 -statements 36 -seed 0

lint:
	@tests/scripts/lint.sh

bench:
	@tests/scripts/bench.sh

clean: down
	rm -rf bin
	rm -rf "$$(go run ./tests/toolchain/build cache)"
