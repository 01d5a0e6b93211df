package ordinary

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// JDBC's metadata, which Metabase, DBeaver and the like build on, is the same
// in all its lists, and prepared statements, portals and savepoints work.
func TestJDBCFindsTheSame(t *testing.T) {
	javac, java := harness.Program(t, "javac", "a JDK, 17 or newer"), harness.Program(t, "java", "a JDK, 17 or newer")
	version := harness.Run(t, harness.Command{Args: []string{javac, "-version"}})
	dir := installed(t, "java", []string{version}, func(dir string) {
		harness.Run(t, harness.Command{Dir: dir, Args: []string{harness.Program(t, "mvn", "Maven"), "--quiet", "--batch-mode",
			"org.apache.maven.plugins:maven-dependency-plugin:3.9.0:copy-dependencies", "-DoutputDirectory=lib"}})
		harness.Run(t, harness.Command{Dir: dir, Args: []string{javac, "-cp", filepath.Join("lib", "*"), "-d", "classes", "Metadata.java"}})
	})
	classes := strings.Join([]string{"classes", filepath.Join("lib", "*")}, string(filepath.ListSeparator))
	find := func(at target) []string {
		u, err := url.Parse(at.url)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		user := u.User.Username()
		u.User = nil
		return strings.Split(tool(t, at, dir, []string{"PGBEAM_TEST_PASSWORD=" + password}, java, "-cp", classes, "Metadata", "jdbc:"+u.String(), user), "\n")
	}
	want := find(direct)
	if len(want) < 2000 {
		t.Errorf("JDBC gives only %d answers", len(want))
	}
	if d := cmp.Diff(want, find(shop.at)); d != "" {
		t.Errorf("JDBC finds (-direct +under the policy):\n%s", d)
	}
}
