#!/bin/sh
# Checks that need no tests: what "make lint" does.
set -eu
cd "$(dirname "$0")/../.."

echo "==> gofmt"
unformatted=$(git ls-files '*.go' | grep -v '^sdk/' | xargs gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not formatted; run gofmt -w on:\n%s\n' "$unformatted" >&2
	exit 1
fi

echo "==> go vet"
go vet ./...

echo "==> generated files"
go run ./schema/gen -check
