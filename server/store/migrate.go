package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock is the advisory lock under which one process migrates a
// PostgreSQL store while the others wait.
const migrationLock = 0x7067626561_6d4d

// migrate brings the schema forwards to the newest version this program
// knows, and refuses one that is newer still.
func migrate(ctx context.Context, engine string, db *sql.DB) error {
	if engine == "postgres" {
		// Around everything: goose's own locker leaves out the making of its
		// version table, and waits in steps of seconds.
		conn, err := db.Conn(ctx)
		if err != nil {
			return fmt.Errorf("migrate schema: %w", err)
		}
		defer conn.Close()
		unlock, err := advisoryLock(ctx, conn, migrationLock)
		if err != nil {
			return fmt.Errorf("wait for another process to migrate the schema: %w", err)
		}
		defer unlock()
		return migrateTo(ctx, goose.DialectPostgres, db, 0)
	}
	const attempts = 10
	for attempt := 1; ; attempt++ {
		err := migrateTo(ctx, goose.DialectSQLite3, db, 0)
		// Processes that start together on a new file collide here; the one that
		// comes later then finds the work done.
		if err == nil || attempt == attempts {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(attempt) * 10 * time.Millisecond):
		}
	}
}

// migrateTo applies the migrations up to a version; 0 is the newest.
func migrateTo(ctx context.Context, dialect goose.Dialect, db *sql.DB, version int64) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, db, dir, goose.WithDisableGlobalRegistry(true))
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
	if version == 0 {
		version = newest
	}
	if current == version {
		return nil
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return fmt.Errorf("migrate schema from version %d to %d: %w", current, version, err)
	}
	return nil
}
