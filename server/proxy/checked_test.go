package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// What the upstream says of a checked write is the policy's to tell also where
// it takes more than a buffer to say.
func TestLongAnswersOfACheckedWrite(t *testing.T) {
	var columns strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&columns, ", a_column_with_a_long_name_%d int", i)
	}
	schema := fixture(t, "create table notes (author text)", "create table wide (team int"+columns.String()+")")
	d := deploy(t)
	conn, _ := d.under(func(r *store.PolicyRules) {
		r.RowFilters = []store.RowFilter{
			{Table: schema + ".notes", Predicate: "case when author = 'ann' then true else author::int > 0 end"},
			{Table: schema + ".wide", Predicate: "team = 1"},
		}
	})
	for name, mode := range modes {
		for _, author := range []string{"bob", strings.Repeat("b", 2*bufferSize)} {
			_, err := conn.Exec(t.Context(), "insert into "+schema+".notes values ($1)", mode, author)
			if e := asPgError(t, err); e.Code != "22P02" || !strings.HasPrefix(e.Message, "this write failed for a row") {
				t.Errorf("%s: an author of %d bytes: %s %.80s", name, len(author), e.Code, e.Message)
			}
		}
		rows, _ := conn.Query(t.Context(), "insert into "+schema+".wide (team, a_column_with_a_long_name_1199) values (1, 7) returning *", mode)
		row, err := pgx.CollectExactlyOneRow(rows, pgx.RowToMap)
		if err != nil || len(row) != 1201 || row["team"] != int32(1) || row["a_column_with_a_long_name_1199"] != int32(7) {
			t.Errorf("%s: %d columns, team %v, %v", name, len(row), row["team"], err)
		}
	}
}
