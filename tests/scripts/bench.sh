#!/bin/sh
# Runs every benchmark: what "make bench" does. BENCH narrows them to names
# that match, as go test -bench does; BENCH_SECONDS is how long each turn of
# pgbench is. Statements and decisions alone: make bench BENCH=Statements\|Decisions
set -eu
cd "$(dirname "$0")/../.."
bench=${BENCH:-.}

echo "==> Units"
go list ./... | grep -v '^github.com/pgbeam/pulumi-pgbeam/tests' |
	xargs go test -run '^$' -bench "$bench" -benchmem -timeout 30m

echo "==> Whole programs, beside the engine's floor, and statements beside PostgreSQL itself"
go test -run '^$' -bench "$bench" -benchtime 3x -p 1 -timeout 60m ./tests/...
