package localpg

import (
	"context"
	_ "embed"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
)

//go:embed sample.sql
var sampleSQL string

// The names inside the sample database.
const (
	SampleDatabase = "shop"
	SampleUser     = "shop_app"
)

// LoadSample makes the sample database: a small shop whose rows are the same
// on every machine, owned by a role that is no superuser. It does nothing
// where it was loaded before, except that the role gets the password.
func LoadSample(ctx context.Context, s *Server, password string) error {
	admin, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer admin.Close(ctx)
	exists := func(query, name string) (found bool, err error) {
		err = admin.QueryRow(ctx, query, name).Scan(&found)
		return found, err
	}
	role := pgx.Identifier{SampleUser}.Sanitize()
	found, err := exists("select exists (select from pg_roles where rolname = $1)", SampleUser)
	if err != nil {
		return fmt.Errorf("look for role %s: %w", SampleUser, err)
	}
	verb := "alter"
	if !found {
		verb = "create"
	}
	// quote_literal on the server knows its own string syntax.
	var literal string
	if err := admin.QueryRow(ctx, "select quote_literal($1::text)", password).Scan(&literal); err != nil {
		return fmt.Errorf("quote password: %w", err)
	}
	if _, err := admin.Exec(ctx, verb+" role "+role+" login password "+literal); err != nil {
		return fmt.Errorf("%s role %s: %w", verb, SampleUser, err)
	}
	if found, err = exists("select exists (select from pg_database where datname = $1)", SampleDatabase); err != nil {
		return fmt.Errorf("look for database %s: %w", SampleDatabase, err)
	}
	if !found {
		if _, err := admin.Exec(ctx, "create database "+pgx.Identifier{SampleDatabase}.Sanitize()+" owner "+role); err != nil {
			return fmt.Errorf("create database %s: %w", SampleDatabase, err)
		}
	}
	app, err := pgx.Connect(ctx, sampleURL(s, password))
	if err != nil {
		return fmt.Errorf("connect to database %s: %w", SampleDatabase, err)
	}
	defer app.Close(ctx)
	// A start that was cut short may have made the database and no tables: the
	// tables come in one transaction, so that they are all there or none is.
	var loaded bool
	if err := app.QueryRow(ctx, "select to_regclass('public.customers') is not null").Scan(&loaded); err != nil {
		return fmt.Errorf("look for sample data: %w", err)
	}
	if loaded {
		return nil
	}
	if err := pgx.BeginFunc(ctx, app, func(tx pgx.Tx) error {
		_, err := tx.Conn().PgConn().Exec(ctx, sampleSQL).ReadAll()
		return err
	}); err != nil {
		return fmt.Errorf("load sample data: %w", err)
	}
	return nil
}

func sampleURL(s *Server, password string) string {
	return s.url(url.UserPassword(SampleUser, password), SampleDatabase)
}
