package ordinary

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// javaTool returns what runs a class of testdata/java at a target.
func javaTool(t *testing.T, class string) func(at target) string {
	t.Helper()
	javac, java := harness.Program(t, "javac", "a JDK, 17 or newer"), harness.Program(t, "java", "a JDK, 17 or newer")
	version := harness.Run(t, harness.Command{Args: []string{javac, "-version"}})
	dir := installed(t, "java", []string{version}, func(dir string) {
		harness.Run(t, harness.Command{Dir: dir, Args: []string{harness.Program(t, "mvn", "Maven"), "--quiet", "--batch-mode",
			"org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies", "-DoutputDirectory=lib"}})
		harness.Run(t, harness.Command{Dir: dir, Args: []string{javac, "-cp", filepath.Join("lib", "*"), "-d", "classes", "Metadata.java", "Pool.java"}})
	})
	classes := strings.Join([]string{"classes", filepath.Join("lib", "*")}, string(filepath.ListSeparator))
	return func(at target) string {
		u, err := url.Parse(at.url)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		user := u.User.Username()
		u.User = nil
		return tool(t, at, dir, []string{"PGBEAM_TEST_PASSWORD=" + password}, java, "-cp", classes, class, "jdbc:"+u.String(), user)
	}
}

// JDBC's metadata, which Metabase, DBeaver and the like build on, is the same
// in all its lists, and prepared statements, portals and savepoints work.
func TestJDBCFindsTheSame(t *testing.T) {
	metadata := javaTool(t, "Metadata")
	find := func(at target) []string { return strings.Split(metadata(at), "\n") }
	want := find(direct)
	if len(want) < 2000 {
		t.Errorf("JDBC gives only %d answers", len(want))
	}
	if d := cmp.Diff(want, find(shop.at)); d != "" {
		t.Errorf("JDBC finds (-direct +under the policy):\n%s", d)
	}
}
