package ordinary

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// programTimeout is what no program needs unless it waits for an answer that
// does not come.
const programTimeout = 2 * time.Minute

// psql runs a script and returns everything that it printed.
func psql(t *testing.T, at target, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Program(t, "psql", "PostgreSQL's client programs"), "-X", at.url)
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), "PAGER=cat")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("psql at %s: %v\n%s", at.name, err, out.String())
	}
	return out.String()
}

// Every command of the \d family prints what it prints without PgBeam.
func TestPsqlDescribesTheSame(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "psql.txt"))
	if err != nil {
		t.Fatal(err)
	}
	commands := strings.Split(strings.TrimSpace(string(text)), "\n")
	const mark = "========"
	var script strings.Builder
	for _, c := range commands {
		// psql's echo goes to standard output and errors do not: both are
		// unbuffered here, as both are one pipe.
		script.WriteString("\\echo " + mark + "\n" + c + "\n")
	}
	sections := func(at target) []string {
		return strings.Split(psql(t, at, script.String()), mark)[1:]
	}
	want := sections(direct)
	if len(want) != len(commands) {
		t.Fatalf("%d commands print %d sections", len(commands), len(want))
	}
	for _, p := range policies {
		t.Run(p.name, func(t *testing.T) {
			got := sections(p.at)
			if len(got) != len(commands) {
				t.Fatalf("%d commands print %d sections", len(commands), len(got))
			}
			for i, c := range commands {
				if strings.Contains(want[i], "ERROR") || strings.Contains(want[i], "invalid command") {
					t.Errorf("%s does not work without PgBeam either:\n%s", c, want[i])
				}
				if d := cmp.Diff(want[i], got[i]); d != "" {
					t.Errorf("%s prints (-direct +under the policy):\n%s", c, d)
				}
			}
		})
	}
}

// What a person does with a result prints what it prints without PgBeam,
// where no rule touches it.
func TestPsqlShowsResultsTheSame(t *testing.T) {
	const script = `
select n_nationkey, n_name from nation order by 1 \gx
select n_nationkey as key, n_name as name from nation where n_nationkey = 7 \gset
\echo :key :name :ROW_COUNT
select n_regionkey, n_nationkey % 2 as odd, count(*) from nation group by 1, 2 order by 1, 2 \crosstabview
select o_orderkey, o_orderdate from orders \gdesc
\set FETCH_COUNT 100
select i from generate_series(1, 1000) i;
\unset FETCH_COUNT
select 'select ' || i from generate_series(1, 3) i \gexec
\pset format csv
select p_partkey, p_name from part where p_partkey < 20 order by 1;
\pset format html
table region;
\pset format aligned
\x auto
begin;
select 1/0;
rollback;
\errverbose
begin transaction isolation level repeatable read;
declare c scroll cursor for select c_custkey, c_name from customer order by 1;
fetch 3 from c;
fetch backward 2 from c;
move 10 in c;
fetch c;
close c;
commit;
\set ON_ERROR_ROLLBACK interactive
prepare by_key (int) as select p_name from part where p_partkey = $1;
execute by_key(7);
deallocate by_key;
explain (costs off) select count(*) from part where p_partkey between 10 and 20;
set timezone = 'Asia/Kathmandu';
show timezone;
reset timezone;
set local work_mem = '8MB';
show server_version_num;
select current_user, current_database(), current_schema, version(), pg_backend_pid() > 0, pg_is_in_recovery();
`
	want := psql(t, direct, script)
	for _, p := range []*profile{shop, lines} {
		if d := cmp.Diff(want, psql(t, p.at, script)); d != "" {
			t.Errorf("psql prints (-direct +under %s):\n%s", p.name, d)
		}
	}
}

func TestPsqlSaysHowItIsConnected(t *testing.T) {
	out := psql(t, shop.at, "\\conninfo\n\\c\n\\dconfig\nselect 1 as fine;\n")
	if strings.Contains(out, "ERROR") {
		t.Errorf("psql prints an error:\n%s", out)
	}
	for _, want := range []string{`connected to database "app" as user "agent_`, "TLSv1.3", "You are now connected", "max_connections", "fine"} {
		if !strings.Contains(out, want) {
			t.Errorf("psql does not print %q:\n%s", want, out)
		}
	}
}
