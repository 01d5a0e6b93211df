// Command build makes sure that the toolchain is there and prints where: the
// folder of pulumi and its language hosts, or with the argument "govulncheck"
// the path of that program. What it does meanwhile goes to standard error.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/pgbeam/pulumi-pgbeam/tests/toolchain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var path string
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 1 && args[0] == "govulncheck":
		path, err = toolchain.Govulncheck(ctx, os.Stderr)
	case len(args) == 1 && args[0] == "cache":
		path, err = toolchain.Cache()
	default:
		path, err = toolchain.Pulumi(ctx, os.Stderr, args...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "toolchain:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}
