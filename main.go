// The repository is itself a Pulumi plugin: `pulumi package add` of its
// address builds and runs this. Its name would be that of the folder, so what
// is released is built from provider/cmd.
package main

import "github.com/pgbeam/pulumi-pgbeam/provider"

func main() { provider.Main() }
