#!/bin/sh
# Runs every test: what "make test" does. Everything that the tests talk to is
# started by themselves.
set -eu
cd "$(dirname "$0")/../.."

missing=
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing
  $1: install $2"; }
need go "Go"
need node "Node.js 18 or newer"
need npm "npm"
need python3 "Python 3 with venv (Debian: python3 python3-venv)"
need javac "a JDK, 17 or newer (Debian: default-jdk-headless)"
need mvn "Maven (Debian: maven)"
need psql "PostgreSQL with its client (Debian: postgresql)"
if [ -n "$missing" ]; then
	printf 'make test needs programs that are not here:%s\n' "$missing" >&2
	exit 1
fi

started=$(date +%s)
summary=
failed=0

# phase NAME COMMAND... runs a part and remembers how it went; the parts after
# a failed one still run.
phase() {
	name=$1
	shift
	printf '\n==> %s\n' "$name"
	from=$(date +%s)
	if "$@"; then result=ok; else
		result=FAILED
		failed=1
	fi
	summary="$summary
  $(printf '%-6s  %4ss  %s' "$result" "$(($(date +%s) - from))" "$name")"
}

toolchain() {
	go run ./tests/toolchain/build
}

units() {
	go list ./... | grep -vE '^github.com/pgbeam/pulumi-pgbeam/(tests|docs)' | xargs go test -timeout 20m
}

# These run programs that they build: go test cannot see whether its last result
# still holds.
end_to_end() {
	go test -count=1 -timeout 60m -p 1 ./docs ./tests/...
}

phase "Pulumi and its language hosts" toolchain
phase "Units and contract suites" units
phase "End to end: docs, SDKs, wire, policies, tools, pulumi in four languages" end_to_end

printf '\n==> Summary, after %ss\n%s\n\n' "$(($(date +%s) - started))" "$summary"
if [ "$failed" -ne 0 ]; then
	echo "Something failed: the lines that begin with FAIL above say where." >&2
fi
exit "$failed"
