package main

import (
	"context"
	"net/url"
	"strings"
)

type migrateCommand struct {
	configFlag
	storeFlags
}

func (migrateCommand) Help() string {
	return `Only ever forwards. "pgbeam serve" does the same when it starts; this is for doing it at another time, or as another database user.

Example:

  pgbeam migrate --store postgres://pgbeam@db.internal/pgbeam`
}

func (c migrateCommand) Run(ctx context.Context, out *output) error {
	s, _, err := c.configured(ctx, c.configFlag)
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	out.printf("The store %s has the tables of this version.\n", withoutPassword(c.url()))
	return nil
}

// withoutPassword is a store's URL as it may be shown.
func withoutPassword(store string) string {
	if strings.HasPrefix(store, "sqlite:") {
		return store
	}
	u, err := url.Parse(store)
	if err != nil {
		return "(a URL that cannot be read)"
	}
	u.RawQuery = "" // may carry a password too
	return u.Redacted()
}
