package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	contract "github.com/pgbeam/pulumi-pgbeam/schema/api"
	"github.com/pgbeam/pulumi-pgbeam/server/catalog"
	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/pool"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// catalogs reads the schemas of projects' databases. A database that does not
// answer is not waited for again and again: the dialer's breaker opens.
type catalogs struct {
	cache  catalog.Cache
	limit  time.Duration // how long an answer waits for a schema
	dialer *pool.Dialer
	target func(store.Database) pool.Target
}

// known is what is known of a database's schema: the catalog, or why not.
type known struct {
	catalog *policy.Catalog
	missing string
	// objections are what PostgreSQL has against row filters; untried is why it
	// was not asked about all of them.
	objections map[store.RowFilter]string
	untried    string
}

// compile is compileRules with all that is known.
func (k known) compile(r store.PolicyRules) (*policy.Engine, []fieldError) {
	engine, wrong := compileRules(r, k.catalog)
	for i, f := range r.RowFilters {
		if objection, ok := k.objections[f]; ok {
			wrong = append(wrong, fieldError{fmt.Sprintf("row_filters[%d].predicate", i), objection})
		}
	}
	return engine, wrong
}

// of returns the catalog of a database, not older than a moment. Nothing
// fails for want of it: names alone decide then.
func (s *catalogs) of(ctx context.Context, project string, d *store.Database) known {
	if d == nil {
		return known{missing: "the project has no primary database"}
	}
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	found, err := s.handle(project, d).Look(limited)
	if err != nil {
		return known{missing: s.explain(err, "the database did not tell its schema")}
	}
	return known{catalog: found}
}

func (s *catalogs) handle(project string, d *store.Database) *catalog.Handle {
	dial := func(ctx context.Context) (net.Conn, error) { return s.dialer.Dial(ctx, project, s.target(*d)) }
	return s.cache.Handle(catalog.KeyOf(project, d), dial)
}

// explain says why a database was not asked, or did not answer; silence is what
// there is to say where the error does not tell.
func (s *catalogs) explain(err error, silence string) string {
	var refused *pool.Error
	var answered *wire.ServerError
	switch {
	case errors.As(err, &refused):
		return explainDial(err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("the database did not answer within %s", s.limit)
	case errors.As(err, &answered):
		return fmt.Sprintf("the database answered with SQLSTATE %s", answered.Code)
	}
	return silence
}

// withPrimary runs f in a view of the store, and returns the primary database
// of the call's project, nil if it has none.
func (s *server) withPrimary(ctx context.Context, c *call, f func() error) (d *store.Database, err error) {
	err = s.store.View(ctx, func(tx store.Tx) (err error) {
		c.tx = tx
		if err = f(); err == nil {
			d, err = c.primary(c.path["project_id"])
		}
		return err
	})
	return d, err
}

// schemaToSave is what a policy that is about to be saved can be checked
// against; its predicates must be conditions on their tables. What else
// may be wrong with the request is for its operation to say.
func (s *server) schemaToSave(ctx context.Context, c *call) (any, error) {
	var in contract.PolicyProfileInput
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, fmt.Errorf("decode policy profile: %w", err)
	}
	rules := defaultRules
	database, err := s.withPrimary(ctx, c, func() error {
		if c.path["policy_id"] == "" {
			_, err := c.project(c.path["project_id"])
			return err
		}
		p, err := lookUp(c, c.tx.Policies(), "policy profile", c.path["project_id"], c.path["policy_id"])
		rules = p.Rules
		return err
	})
	if err != nil {
		return nil, err
	}
	rulesIn(&rules, &in)
	if _, wrong := compileRules(rules, nil); len(wrong) > 0 || len(rules.RowFilters) == 0 {
		return known{}, nil
	}
	if database != nil { // what was true a moment ago will not do
		s.catalogs.cache.Expire(c.path["project_id"], database.ID)
	}
	schema := s.catalogs.ofDraft(ctx, c.path["project_id"], database, rules)
	if schema.missing != "" {
		s.log.Info("predicates of a policy are not bound to columns", "project", c.path["project_id"], "reason", schema.missing)
	}
	if schema.untried != "" {
		s.log.Info("predicates of a policy are not tried on the database", "project", c.path["project_id"], "reason", schema.untried)
	}
	return schema, nil
}

// schema is what work outside the transaction learned of it.
func (c *call) schema() known {
	k, _ := c.found.(known) // none where an answer was kept, and forgotten since
	return k
}
