package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// people is a catalog with one table whose column needs quotes.
func people() *policy.Catalog {
	table := &policy.Relation{RelationName: policy.RelationName{Schema: "public", Name: "people"}, OID: 20000, Kind: 'r', Columns: []policy.Column{
		{Name: "id", Number: 1, Type: 23}, {Name: "E-Mail", Number: 2, Type: 25},
	}}
	return &policy.Catalog{
		SearchPath: []string{"public"},
		Relations:  map[policy.RelationName]*policy.Relation{table.RelationName: table},
		Types:      map[uint32]policy.TypeInfo{23: {OID: 23, Schema: "pg_catalog", Name: "int4", Category: 'N'}, 25: {OID: 25, Schema: "pg_catalog", Name: "text", Category: 'S'}},
	}
}

// A column in quotes was compared with its quotes, and so never masked.
func TestMaskOfAQuotedColumnHolds(t *testing.T) {
	for _, column := range []string{`"E-Mail"`, `"e-mail"`, `E-Mail`} {
		for _, c := range []*policy.Catalog{people(), nil} {
			e := compile(t, policy.Profile{ReadOnly: true, Masks: []policy.Mask{{Table: "people", Column: column, Kind: policy.Redact}}}, c)
			if d := e.Evaluate(`select "E-Mail" from people`); d.Verdict != policy.Masked {
				t.Errorf("mask of %s: %s %s", column, d.Verdict, d.Reason)
			}
			if d := e.Evaluate(`select id from people where "E-Mail" like 'a%'`); d.Rule != "masked_column_predicate" {
				t.Errorf("mask of %s: a predicate is %s", column, d.Rule)
			}
		}
	}
	_, err := policy.Compile(policy.Profile{Masks: []policy.Mask{{Table: "people", Column: `"E-Mail`, Kind: policy.Redact}}}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "masking_rules[0].column: ") {
		t.Errorf("quotes that do not match: %v", err)
	}
}

// "true) or (true" became the expression (true) or (true).
func TestPredicateMustStandByItself(t *testing.T) {
	for _, predicate := range []string{"true) or (true", "id = 1) or (id = 2", "id = 1) -- ", "(id = 1", "id = 1;", "id = 1 order by id", ""} {
		_, err := policy.Compile(policy.Profile{Filters: []policy.Filter{{Table: "people", Predicate: predicate}}}, nil)
		if err == nil || !strings.HasPrefix(err.Error(), "row_filters[0].predicate: ") {
			t.Errorf("%q: %v", predicate, err)
		}
	}
	for _, predicate := range []string{"id = 1", "(id = 1) or (id = 2)", "id = 1 -- the first", "id in (select 1)"} {
		compile(t, policy.Profile{Filters: []policy.Filter{{Table: "people", Predicate: predicate}}}, people())
	}
}

// "country =" was refused for a ")" that it does not have.
func TestPredicateErrorsSpeakOfTheirOwnText(t *testing.T) {
	for predicate, want := range map[string]string{
		"id =": "syntax error at end of input", "": "syntax error at end of input", "(id = 1": "syntax error at end of input",
		"id = 1)": `syntax error at or near ")"`, "id = 1;": `syntax error at or near ";"`,
	} {
		_, err := policy.Compile(policy.Profile{Filters: []policy.Filter{{Table: "people", Predicate: predicate}}}, nil)
		if err == nil || err.Error() != "row_filters[0].predicate: "+want {
			t.Errorf("%q: %v, want %s", predicate, err, want)
		}
	}
}

func TestRulesAboutNothingAreListed(t *testing.T) {
	e := compile(t, policy.Profile{
		TableAllowlist: []string{"people", "sales.people", "peple"},
		TableDenylist:  []string{"secrets"},
		Masks: []policy.Mask{
			{Table: "PEOPLE", Column: `"E-Mail"`, Kind: policy.Redact}, {Table: "people", Column: "phone", Kind: policy.Null}, {Table: "users", Column: "id", Kind: policy.Null},
		},
		Filters: []policy.Filter{{Table: "public.people", Predicate: "id = 1"}, {Table: "orders", Predicate: "id = 1"}},
	}, people())
	var got []string
	for _, m := range e.Unmatched() {
		got = append(got, m.Field+": "+m.Reason)
	}
	want := []string{
		`table_allowlist[1]: there is no table "sales.people" in the database`,
		`table_allowlist[2]: there is no table "peple" in the database`,
		`table_denylist[0]: there is no table "secrets" in the database`,
		`masking_rules[1].column: table "people" has no column "phone"`,
		`masking_rules[2].table: there is no table "users" in the database`,
		`row_filters[1].table: there is no table "orders" in the database`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if list := compile(t, policy.Profile{TableDenylist: []string{"secrets"}}, nil).Unmatched(); list != nil {
		t.Errorf("without a catalog: %v", list)
	}
}
