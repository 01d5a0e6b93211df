//go:build !cgo

package policy

import (
	"errors"
	"runtime"
	"sync"

	pg "github.com/pganalyze/pg_query_go/v6"
	wasm "github.com/wasilibs/go-pgquery"
	"google.golang.org/protobuf/proto"
)

// Without C, the parser is PostgreSQL's compiled to WebAssembly. Who finds no
// instance of it free makes another, which takes a second or two of compiling
// and tens of megabytes for good. So all that there will ever be are made at
// once, before the first text, and nobody asks for more at a time.
var parsers = sync.OnceValue(func() chan struct{} {
	busy := make(chan struct{}, max(2, min(runtime.GOMAXPROCS(0), 4)))
	var made sync.WaitGroup
	for range cap(busy) {
		made.Go(func() { _, _ = wasm.ParseToJSON("SELECT 1") }) // none is free yet: each makes its own
	}
	made.Wait()
	return busy
})

// WarmUp makes the parser ready, so that the first statement need not wait
// for it.
func WarmUp() {
	parsers()
	layouts()
}

// What may be written as JSON. That takes up to 600 bytes of the parser's stack
// for each level of nesting. The stack is of 64 KiB, and nothing guards it: what
// overflows it overwrites the parser's own data, for every text that comes
// after. Parsing takes 11 KiB of it before that, and writing protobuf none. The
// bound of bytes holds for what nesting might not see: 18 bytes of stack for each
// byte of text were the most that was found.
const (
	maxJSONBytes = 2 << 10
	maxJSONDepth = 32
)

func fitsJSON(sql string) bool {
	if len(sql) > maxJSONBytes { // a long text is not looked through for this
		return false
	}
	deepest, copied, _ := nesting(sql)
	return deepest <= maxJSONDepth && copied <= maxCopied
}

func parseTree(sql string) (*pg.ParseResult, error) {
	busy := parsers()
	busy <- struct{}{}
	defer func() { <-busy }()
	if !fitsJSON(sql) {
		return wasm.Parse(sql)
	}
	text, err := wasm.ParseToJSON(sql)
	if err != nil {
		return nil, err
	}
	return readTree(text)
}

// maxUnpacked bounds how deep messages may lie within each other in a tree that
// is put into words. Unpacking takes 448 bytes a level from the same stack.
const maxUnpacked = 128

var errUnpackable = errors.New("it is nested too deeply to be rewritten")

func deeper(m proto.Message, levels int) bool {
	if levels == 0 {
		return true
	}
	found := false
	eachChild(m, func(_ string, child proto.Message) { found = found || deeper(child, levels-1) })
	return found
}

func deparseTree(tree *pg.ParseResult) (string, error) {
	if deeper(tree, maxUnpacked) {
		return "", errUnpackable
	}
	busy := parsers()
	busy <- struct{}{}
	defer func() { <-busy }()
	return wasm.Deparse(tree)
}
