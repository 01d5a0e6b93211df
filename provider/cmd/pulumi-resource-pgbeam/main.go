// Command pulumi-resource-pgbeam is the plugin that the Pulumi engine runs.
package main

import "github.com/pgbeam/pulumi-pgbeam/provider"

func main() { provider.Main() }
