package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema forwards to the newest version this program
// knows, and refuses one that is newer still.
func migrate(ctx context.Context, engine string, db *sql.DB) error {
	const attempts = 10
	for attempt := 1; ; attempt++ {
		err := migrateOnce(ctx, engine, db)
		// Processes that start together on a new SQLite file collide here; the
		// one that comes later then finds the work done.
		if err == nil || engine != "sqlite" || attempt == attempts || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Duration(attempt) * 10 * time.Millisecond)
	}
}

func migrateOnce(ctx context.Context, engine string, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if engine == "postgres" {
		locker, err := lock.NewPostgresSessionLocker() // an advisory lock: one process migrates, the others wait
		if err != nil {
			return err
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db, dir, options...)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	current, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if current > newest {
		return fmt.Errorf("the store has schema version %d, this program knows up to %d: run a pgbeam at least as new as the one that wrote it", current, newest)
	}
	if current == newest {
		return nil
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate schema from version %d to %d: %w", current, newest, err)
	}
	return nil
}
