// Package pulumi drives the real pulumi, with the plugin and the SDKs of this
// tree, against the real server.
package pulumi

import (
	"os"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}
