package catalog

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// A name of 40 umlauts is one in LATIN1, and in UTF-8 its beginning is another.
// Who is allowed the one table must not be shown the other.
func TestLoadTellsHowNamesAreRead(t *testing.T) {
	long, cut := strings.Repeat("ä", 40), strings.Repeat("ä", 31)
	name, conn := database(t)
	if c, _ := load(t, name); !c.UTF8 {
		t.Error("a database in UTF8 is taken for another")
	}
	latin := name + "_latin"
	if _, err := conn.Exec(t.Context(), "create database "+latin+" template template0 encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Exec(context.Background(), "drop database "+latin+" with (force)") })
	other, err := pgx.Connect(t.Context(), postgres.URL(latin)+"&client_encoding=UTF8")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	for _, table := range []string{long, cut, "Gehälter"} {
		if _, err := other.Exec(t.Context(), `create table "`+table+`" (id int)`); err != nil {
			t.Fatal(err)
		}
	}
	c, _ := load(t, latin)
	if c.UTF8 || c.Relations[policy.RelationName{Schema: "public", Name: long}] == nil {
		t.Fatalf("in UTF8: %t; the table of the long name is not found", c.UTF8)
	}
	e, err := policy.Compile(policy.Profile{TableAllowlist: []string{`"` + cut + `"`, `"Gehälter"`}}, c)
	if err != nil {
		t.Fatal(err)
	}
	for sql, rule := range map[string]string{
		"select id from " + long: "parse_error", "select id from " + cut: "ok", `select id from "Gehälter"`: "ok",
	} {
		if d := e.Evaluate(sql); d.Rule != rule {
			t.Errorf("%s: %s (%s), want %s", sql, d.Rule, d.Reason, rule)
		}
	}
}
