// The repository is itself a Pulumi plugin: `pulumi package add` of its
// address builds and runs this.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/pgbeam/pulumi-pgbeam/provider"
)

func main() {
	if err := provider.Main(context.Background(), provider.Version); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
