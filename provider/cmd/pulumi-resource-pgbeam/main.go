// Command pulumi-resource-pgbeam is the plugin that the Pulumi engine runs.
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
