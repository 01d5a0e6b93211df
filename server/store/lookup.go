package store

import (
	"fmt"
	"time"
)

func (tx *tx) KeyByHash(hash string) (Key, error) {
	return table[Key]{tx, keys}.one("hash = ?", hash)
}

func (tx *tx) EnrollmentByHash(hash string) (Enrollment, error) {
	return table[Enrollment]{tx, enrollments}.one("token_hash = ?", hash)
}

func (tx *tx) CredentialByUsername(pgUsername string) (Credential, error) {
	return table[Credential]{tx, credentials}.one("pg_username = ?", pgUsername)
}

func (tx *tx) ProjectBySubdomain(subdomain string) (Project, error) {
	return table[Project]{tx, projects}.one("subdomain = ? AND status <> 'deleted'", subdomain)
}

func (tx *tx) ProjectByDomain(domain string) (Project, error) {
	return table[Project]{tx, projects}.one(`status <> 'deleted' AND id IN
		(SELECT project_id FROM domains WHERE domain = ? AND verified_at IS NOT NULL)`, domain)
}

func (tx *tx) SoleProject() (Project, error) {
	found, err := table[Project]{tx, projects}.query("status <> 'deleted' LIMIT 2")
	if err == nil && len(found) != 1 {
		err = ErrNotFound
	}
	if err != nil {
		return Project{}, err
	}
	return found[0], nil
}

func (tx *tx) Snapshot(projectID string) (s Snapshot, err error) {
	if s.Project, err = (table[Project]{tx, projects}).Get("", projectID); err != nil {
		return Snapshot{}, err
	}
	if s.Org, err = (table[Organization]{tx, organizations}).Get("", s.Project.OrgID); err != nil {
		return Snapshot{}, fmt.Errorf("organization of project %s: %w", projectID, err)
	}
	load(&err, &s.Databases, table[Database]{tx, databases}, "project_id = ?", projectID)
	load(&err, &s.Replicas, table[Replica]{tx, replicas}, "database_id IN (SELECT id FROM databases WHERE project_id = ?)", projectID)
	load(&err, &s.Policies, table[Policy]{tx, policies}, "project_id = ?", projectID)
	load(&err, &s.Credentials, table[Credential]{tx, credentials}, "project_id = ? AND status <> 'revoked'", projectID)
	load(&err, &s.Domains, table[Domain]{tx, domains}, "project_id = ?", projectID)
	load(&err, &s.CacheRules, table[CacheRule]{tx, cacheRules}, "project_id = ?", projectID)
	if err != nil {
		return Snapshot{}, err
	}
	return s, nil
}

// load reads the records that meet a condition, in the kind's order, unless
// an earlier one failed.
func load[T any](err *error, into *[]T, t table[T], cond string, arg any) {
	if *err != nil {
		return
	}
	o := t.orders[""]
	for i, c := range o.columns {
		if i == 0 {
			cond += " ORDER BY " + c
		} else {
			cond += ", " + c
		}
	}
	*into, *err = t.query(cond, arg)
}

func (tx *tx) TouchCredential(id string, at time.Time) error {
	return tx.touch("credentials", "last_used_at", id, at)
}

func (tx *tx) TouchKey(id string, at time.Time) error {
	return tx.touch("api_keys", "last_used_at", id, at)
}

func (tx *tx) TouchEnrollment(id string, at time.Time) error {
	return tx.touch("enrollments", "last_seen_at", id, at)
}

// touch moves a moment forwards. A record that is gone meanwhile is no error:
// its last use does not matter to anybody.
func (tx *tx) touch(table, column, id string, at time.Time) error {
	_, err := tx.exec("UPDATE "+table+" SET "+column+" = ? WHERE id = ? AND coalesce("+column+", 0) < ?", at.UnixMicro(), id, at.UnixMicro())
	if err != nil {
		return fmt.Errorf("record use of %s: %w", id, err)
	}
	return nil
}

func (tx *tx) ReportConnections(instance, projectID string, n int, at time.Time) error {
	if err := tx.sweep(); err != nil {
		return err
	}
	// From the projects, so that a report of one that is gone is none.
	_, err := tx.exec(`INSERT INTO connection_reports (instance, project_id, connections, reported_at)
		SELECT CAST(? AS TEXT), id, CAST(? AS INTEGER), CAST(? AS BIGINT) FROM projects WHERE id = ? AND status <> 'deleted'
		ON CONFLICT (instance, project_id) DO UPDATE SET connections = excluded.connections, reported_at = excluded.reported_at`,
		instance, n, at.UnixMicro(), projectID)
	if err != nil {
		return fmt.Errorf("report connections of %s: %w", projectID, err)
	}
	return nil
}
