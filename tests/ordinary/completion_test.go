package ordinary

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// What is typed, up to the bar, and what the Tab key adds to it.
const completions = `
\d custo|mer
\d+ open_or|ders
\dm reven|ue_by_nation
\di staff_lo|wer
\ds tic|ket
\df tou|ch
\dT moo|d
\dD posi|tive
\dn sal|es
\du oracle_r|eader
\dx plp|gsql
\dF plai|n
\dFd plain_w|ords
\sf touc|h
\sv supplier_a|ddresses
\c by_hand_sh|op
\dy on_d|dl
\des wareh|ouse
\dP sales.vis|it
select * from linei|tem
select * from sales.visit_o|ther
explain select * from reg|ion
table supplier_a|ddresses
update supplier set s_add|ress
insert into sup|plier
update staff set salar|y
alter table staff drop constraint not_o|wn_boss
alter table staff alter column initi|als
alter type mood rename value 'sa|d'
alter domain posi|tive
alter sequence tic|ket
alter index staff_lo|wer
comment on table custo|mer
drop trigger staff_t|ouch
drop policy every|body
drop rule no_d|eletes
drop statistics staff_tog|ether
drop publication chan|ges
drop event trigger on_d|dl
drop server wareh|ouse
drop collation germ|an
drop extension plp|gsql
drop aggregate tota|l
drop materialized view reven|ue_by_nation
call noth|ing
grant select on table custo|mer
grant oracle_r|eader
lock table custo|mer
refresh materialized view reven|ue_by_nation
vacuum linei|tem
set work_m|em
show maintenance_w|ork_mem
reset statement_t|imeout
set role oracle_r|eader
`

// psql completes names while they are typed, by asking the catalog.
func TestPsqlCompletesNames(t *testing.T) {
	type line struct {
		Typed string `json:"typed"`
		Shown string `json:"shown"`
	}
	var cases []line
	for _, c := range strings.Split(strings.TrimSpace(completions), "\n") {
		typed, added, _ := strings.Cut(c, "|")
		cases = append(cases, line{typed, typed + added})
	}
	python := harness.Program(t, "python3", "Python 3")
	for _, at := range []target{direct, shop.at} {
		t.Run(at.name, func(t *testing.T) {
			task, err := json.Marshal(map[string]any{
				"command": []string{harness.Program(t, "psql", "PostgreSQL's client programs"), "-X", at.url},
				"prompt":  "app=", "cases": cases,
			})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "python", "complete.py"))
			cmd.Stdin = strings.NewReader(string(task))
			var wrong []line
			out, err := cmd.Output()
			if err == nil {
				err = json.Unmarshal(out, &wrong)
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, w := range wrong {
				t.Errorf("%q and a Tab show %q", w.Typed, w.Shown)
			}
		})
	}
}
