package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// ofDraft is the schema for a policy that is about to be saved, or could be,
// with what PostgreSQL has against its predicates. One limit holds for both.
func (s *catalogs) ofDraft(ctx context.Context, project string, d *store.Database, rules store.PolicyRules) known {
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	schema := s.of(limited, project, d)
	if schema.catalog == nil || len(rules.RowFilters) == 0 {
		return schema
	}
	engine, wrong := compileRules(rules, schema.catalog)
	if len(wrong) > 0 {
		return schema
	}
	trials := engine.Trials()
	if !slices.ContainsFunc(trials, func(of []policy.Trial) bool { return len(of) > 0 }) {
		return schema // no table is there yet
	}
	var err error
	if schema.objections, err = s.try(limited, project, d, rules.RowFilters, trials); err != nil {
		schema.untried = s.explain(err, "the database did not say")
	}
	return schema
}

// try has PostgreSQL analyse what row filters are put into. The error is why
// some of them are not known to be conditions, nor to be none.
func (s *catalogs) try(ctx context.Context, project string, d *store.Database, filters []store.RowFilter, trials [][]policy.Trial) (map[store.RowFilter]string, error) {
	found := map[store.RowFilter]string{}
	var unsaid error
	err := s.handle(project, d).Analyze(ctx, func(analyze func(string) error) error {
		for i, f := range filters {
			objection, err := objectionOf(trials[i], analyze)
			if refused := (*wire.ServerError)(nil); err != nil && !errors.As(err, &refused) {
				return err // the connection is lost
			} else if err != nil {
				unsaid = err
			} else if objection != "" {
				found[f] = objection
			}
		}
		return nil
	})
	return found, errors.Join(err, unsaid)
}

// objectionOf is what PostgreSQL has against a filter on every relation that it
// is for. One that takes it will do, as when columns are bound.
func objectionOf(trials []policy.Trial, analyze func(sql string) error) (objection string, err error) {
	for _, t := range trials {
		err := analyze(t.Filtered)
		var refused *wire.ServerError
		switch {
		case err == nil:
			return "", nil
		case !errors.As(err, &refused) || !blamesText(refused.Code):
			return "", err
		}
		if err := analyze(t.Plain); err != nil {
			return "", err // it is not the predicate
		}
		if objection == "" {
			objection = fmt.Sprintf("PostgreSQL refuses it as a condition on table %q: %s; write what could stand behind WHERE in a query of that table, with a cast where types differ",
				t.Relation, t.Reason(refused.Message))
		}
	}
	return objection, nil
}

// blamesText says whether a SQLSTATE is about the text of a statement: a
// feature, a value, a name or a type in it, or its size. Rights are not: they
// may be granted later.
func blamesText(code string) bool {
	if code == "42501" {
		return false
	}
	for _, class := range []string{"0A", "22", "3F", "42", "54"} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}
