// Package harness runs the real thing for end-to-end tests: a PostgreSQL, the
// pgbeam server as its own process, and pulumi with the plugin of this tree.
// Whatever it starts or writes is gone when the test ends.
package harness

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
)

// Postgres is a PostgreSQL with one database and its owner, both named "app".
// Both passwords are canaries: whoever finds one where it does not belong has
// found a leak.
type Postgres struct {
	*localpg.Server
	Database, Username, AppPassword string
	Version                         int // of PostgreSQL: 15 is 15.x
	dir                             string
}

// StartPostgres starts a PostgreSQL in a folder of its own and runs sql as the
// owner of its database.
func StartPostgres(ctx context.Context, sql ...string) (*Postgres, error) {
	// Not below a test's own folder: PostgreSQL does not run as root, and the
	// user it runs as may not be able to look into that one.
	dir, err := os.MkdirTemp("", "pgbeam-tests-postgres-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, err
	}
	p := &Postgres{Database: "app", Username: "app", AppPassword: Canary("database"), dir: dir}
	p.Server, err = localpg.Start(ctx, localpg.Options{
		Dir: filepath.Join(dir, "pg"), Password: Canary("superuser"),
		Settings: []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300", "autovacuum=off"},
	})
	if err == nil {
		err = p.fill(ctx, sql)
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Postgres) fill(ctx context.Context, sql []string) error {
	run := func(url string, statements ...string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return fmt.Errorf("connect to PostgreSQL: %w", err)
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if err := conn.QueryRow(ctx, "select current_setting('server_version_num')::int / 10000").Scan(&p.Version); err != nil {
			return fmt.Errorf("ask for PostgreSQL's version: %w", err)
		}
		for _, s := range statements {
			if _, err := conn.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("run %.60q: %w", s, err)
			}
		}
		return nil
	}
	err := run(p.Server.URL("postgres"), "create role app login password '"+p.AppPassword+"'", "create role oracle_reader", "grant oracle_reader to app", "create database app owner app")
	if err != nil {
		return err
	}
	return run(p.AppURL(), sql...)
}

// AppURL is a connection URL of the owner, straight to PostgreSQL.
func (p *Postgres) AppURL() string {
	u := url.URL{Scheme: "postgresql", User: url.UserPassword(p.Username, p.AppPassword), Host: p.Host + ":" + strconv.Itoa(p.Port), Path: "/" + p.Database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Close stops the server and removes its files.
func (p *Postgres) Close() {
	if p.Server != nil {
		_ = p.Server.Stop()
	}
	_ = os.RemoveAll(p.dir)
}

// Canary makes a secret that can be told from every other text and names the
// place it belongs to.
func Canary(of string) string {
	return "canary-" + of + "-" + rand.Text()
}
