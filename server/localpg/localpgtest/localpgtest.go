// Package localpgtest gives the tests of a package a PostgreSQL of their own.
package localpgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
)

// Main runs the tests of a package beside a PostgreSQL and returns the exit
// status, which is a failure where they leave goroutines behind. options may
// put files into dir, which PostgreSQL's user can reach; Dir is not theirs to
// set.
func Main(m *testing.M, server **localpg.Server, options func(dir string) localpg.Options) int {
	status, err := run(m, server, options)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

func run(m *testing.M, server **localpg.Server, options func(dir string) localpg.Options) (status int, err error) {
	dir, err := os.MkdirTemp("", "pgbeam-tests-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	o := options(dir)
	o.Dir = filepath.Join(dir, "pg")
	o.Settings = append(o.Settings, "fsync=off")
	pg, err := localpg.Start(context.Background(), o)
	if err != nil {
		return 0, err
	}
	*server = pg
	status = m.Run()
	if err = pg.Stop(); err == nil && status == 0 {
		err = goleak.Find()
	}
	return status, err
}

var databases atomic.Int64

// Database makes an empty database and returns its name.
func Database(t testing.TB, s *localpg.Server) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if _, err := conn.Exec(t.Context(), "create database "+name); err != nil {
		t.Fatal(err)
	}
	return name
}
