package policy_test

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// A composite type is no table that a rule could be about, but tables may be
// made of it.
func TestAttributesOfATypeMayBeAdded(t *testing.T) {
	catalog := extended(t, "CREATE TYPE place AS (street text); CREATE TABLE spots OF place; CREATE TYPE parcel AS (weight int)")
	cases := []effect{
		{"ALTER TYPE parcel ADD ATTRIBUTE height int", "ok", ""},
		{"ALTER TYPE parcel ADD ATTRIBUTE height int; SELECT ('(1,2)'::parcel).height", "ok", "2"},
		{"ALTER TYPE place ADD ATTRIBUTE town text CASCADE", "table_not_allowed", ""},
		{"ALTER TYPE place DROP ATTRIBUTE street CASCADE", "table_not_allowed", ""},
	}
	for _, p := range []policy.Profile{{TableDenylist: []string{"users"}}, {TableAllowlist: []string{"orders"}}, {Masks: usersMasks}} {
		e := compile(t, p, catalog)
		enforce(t, e, cases)
		enforce(t, e, []effect{{"ALTER TYPE parcel ALTER ATTRIBUTE weight TYPE numeric, ADD ATTRIBUTE depth int", "ok", ""}})
	}
	filtered := compile(t, policy.Profile{Filters: tenantFilter}, catalog)
	enforce(t, filtered, cases)
	enforce(t, filtered, []effect{{"ALTER TYPE parcel DROP ATTRIBUTE weight", "statement_not_allowed", ""}})
}

// The grammar takes a word in the options of a definition for a type.
func TestWordsInOptionsAreNoTypes(t *testing.T) {
	_, catalog := database(t)
	enforce(t, compile(t, policy.Profile{TableDenylist: []string{"users"}}, catalog), []effect{
		{"CREATE TEXT SEARCH CONFIGURATION plainly (COPY = english)", "ok", ""},
		{"CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = snowball, Language = english, StopWords = english)", "ok", ""},
		{"CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = snowball, Language = english); ALTER TEXT SEARCH DICTIONARY stems (StopWords = german)", "ok", ""},
		{"CREATE VIEW few WITH (check_option = local) AS SELECT id FROM plain WHERE id < 2", "ok", ""},
		{"ALTER TABLE plain SET (vacuum_index_cleanup = auto)", "ok", ""},
		{"CREATE SEQUENCE small_numbers AS smallint", "ok", ""},
		{"CREATE TABLE words (a unheard_of)", "function_not_allowed", ""},
	})
}
