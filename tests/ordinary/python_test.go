package ordinary

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// pythonPackages returns the folder of the Python programs and the Python that
// has what they import.
func pythonPackages(t *testing.T) (dir, python string) {
	t.Helper()
	system := harness.Program(t, "python3", "Python 3.10 or newer with venv")
	version := harness.Run(t, harness.Command{Args: []string{system, "-c", "import sys; print(sys.version, sys.base_prefix)"}})
	dir = installed(t, "python", []string{version}, func(dir string) {
		harness.Run(t, harness.Command{Dir: dir, Args: []string{system, "-m", "venv", "venv"}})
		harness.Run(t, harness.Command{Dir: dir, Args: []string{filepath.Join(dir, "venv", "bin", "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--no-deps", "-r", "requirements.txt"}})
	})
	return dir, filepath.Join(dir, "venv", "bin", "python")
}

// SQLAlchemy's inspector, reflection and automap find the same, and the mapped
// classes work.
func TestSQLAlchemyReflectsTheSame(t *testing.T) {
	dir, python := pythonPackages(t)
	for _, driver := range []string{"psycopg", "psycopg2"} {
		t.Run(driver, func(t *testing.T) {
			reflect := func(at target) []string {
				// Sets are in the order of their hashes.
				return strings.Split(tool(t, at, dir, []string{"PYTHONHASHSEED=0"}, python, "reflect.py", driver), "\n")
			}
			want := reflect(direct)
			if len(want) < 250 {
				t.Errorf("SQLAlchemy gives only %d answers", len(want))
			}
			if d := cmp.Diff(want, reflect(shop.at)); d != "" {
				t.Errorf("SQLAlchemy finds (-direct +under the policy):\n%s", d)
			}
		})
	}
}
