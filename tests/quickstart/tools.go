package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
)

// tools are the programs that the machine must have.
type tools struct{ npm, psql string }

const oldestNode = 18

// findTools names everything that is missing at once, with what to install.
func findTools() (tools, error) {
	var found tools
	var problems []error
	need := func(name, install string) string {
		path, err := exec.LookPath(name)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s is not on PATH: install %s", name, install))
		}
		return path
	}
	if node := need("node", fmt.Sprintf("Node.js %d or newer (Debian: nodejs, npm; macOS: brew install node)", oldestNode)); node != "" {
		out, err := exec.Command(node, "--version").Output()
		major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
		if n, atoi := strconv.Atoi(major); err != nil || atoi != nil || n < oldestNode {
			problems = append(problems, fmt.Errorf("node is %s, version %d or newer is needed", strings.TrimSpace(string(out)), oldestNode))
		}
		found.npm = need("npm", "npm, which comes with Node.js (Debian: npm)")
	}
	binaries, err := localpg.FindBinaries()
	if err != nil {
		problems = append(problems, errors.New("there are no PostgreSQL server binaries: install PostgreSQL (Debian: postgresql; macOS: brew install postgresql), or put initdb and postgres on PATH"))
	}
	if path, err := exec.LookPath("psql"); err == nil {
		found.psql = path
	} else if beside := filepath.Join(binaries, "psql"); binaries != "" && executable(beside) {
		found.psql = beside
	} else if binaries != "" {
		problems = append(problems, errors.New("psql is missing: install PostgreSQL's client (Debian: postgresql-client)"))
	}
	if len(problems) > 0 {
		return tools{}, fmt.Errorf("this machine lacks something:\n%w", errors.Join(problems...))
	}
	return found, nil
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.IsDir() && st.Mode()&0o111 != 0
}
