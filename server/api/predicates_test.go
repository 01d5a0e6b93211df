package api

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

const auctionSchema = `
create schema sales; create schema archive; create schema vault; create schema app;
create type mood as enum ('calm', 'keen');
create type place as (city text);
create table bids (bid int, placed date, mood mood, tags text[], won bool, at place, note text);
create view keen_bids as select bid, placed from bids where mood = 'keen';
create materialized view won_bids as select bid, won from bids;
create table events (at date, kind text) partition by range (at);
create table events_2026 partition of events for values from ('2026-01-01') to ('2027-01-01');
create table sales."Order ""lines""" ("Line No" int, note text);
create table lots (bid int); create table archive.lots (bid text);
create table vault.gold (bid int);
create function positive(int) returns bool language sql as 'select $1 > 0';
create function app.mine(int) returns bool language sql as 'select true';
create sequence touched;
create function touch(int) returns bool immutable language sql as 'select nextval(''touched'') > $1';
create domain loud as text check (touch(length(value)));
create table ring (bid int); alter table ring enable row level security;
create policy ring on ring using (exists (select from ring));
create role clerk login password 'canary-clerk';
grant select on ring to clerk;
`

// startAuction is startShop with more tables, and a role that may read one.
func startAuction(t *testing.T) (owner, clerk object, run func(sql string)) {
	t.Helper()
	owner, run = startShop(t)
	run(auctionSchema)
	return owner, with(owner, object{"username": "clerk", "password": "canary-clerk"}), run
}

func with(o, change object) object {
	out := object{}
	for _, from := range []object{o, change} {
		for k, v := range from {
			out[k] = v
		}
	}
	return out
}

// filtered is a policy with row filters, given as tables and predicates.
func filtered(name string, list ...string) object {
	all := []any{}
	for i := 0; i < len(list); i += 2 {
		all = append(all, object{"table": list[i], "predicate": list[i+1]})
	}
	return object{"name": name, "row_filters": all}
}

func TestPredicateThatIsNoConditionIsNotSaved(t *testing.T) {
	s := serve(t, patient)
	owner, _, run := startAuction(t)
	project := s.projectOn("auction", owner)
	path := "/v1/projects/" + project + "/policies"
	id := s.send("POST", path, filtered("kept", "bids", "won")).want(201, "").text("id")
	for name, c := range map[string]struct {
		filters []string
		wrong   map[int]string // PostgreSQL's reason, by filter
	}{
		"an integer":                {[]string{"bids", "bid"}, map[int]string{0: "argument of WHERE must be type boolean, not type integer"}},
		"no operator":               {[]string{"bids", "bid = '2026-01-01'::date"}, map[int]string{0: "operator does not exist: integer = date"}},
		"no overload":               {[]string{"bids", "lower(bid) = 'a'"}, map[int]string{0: "function lower(integer) does not exist"}},
		"no function":               {[]string{"bids", "no_such_function(bid)"}, map[int]string{0: "function no_such_function(integer) does not exist"}},
		"no schema of a function":   {[]string{"bids", "nowhere.positive(bid)"}, map[int]string{0: `schema "nowhere" does not exist`}},
		"no type":                   {[]string{"bids", "bid = '1'::no_such_type"}, map[int]string{0: `type "no_such_type" does not exist`}},
		"no field of a column":      {[]string{"bids", "(at).zip = 'x'"}, map[int]string{0: `column "zip" not found in data type place`}},
		"a set":                     {[]string{"bids", "generate_series(1, bid) > 1"}, map[int]string{0: "set-returning functions are not allowed in WHERE"}},
		"an aggregate":              {[]string{"bids", "sum(bid) > 1"}, map[int]string{0: "aggregate functions are not allowed in WHERE"}},
		"a value of no such kind":   {[]string{"bids", "placed = 'canary-literal'"}, map[int]string{0: `invalid input syntax for type date: "…"`}},
		"a value with quotes":       {[]string{"bids", `bid = 'a"canary-b"c'`}, map[int]string{0: `invalid input syntax for type integer: "…"`}},
		"a part of a value":         {[]string{"bids", "placed > '2026-01-01 10:00 Mars/Canary-x'::timestamptz"}, map[int]string{0: `time zone "…" not recognized`}},
		"a very long value":         {[]string{"bids", "bid = 'canary-" + strings.Repeat("x", 70_000) + "'"}, map[int]string{0: `invalid input syntax for type integer: "…"`}},
		"no label of an enum":       {[]string{"bids", "mood = 'angry'"}, map[int]string{0: "invalid input value for enum mood"}},
		"a date that is none":       {[]string{"bids", "placed > '2026-13-45'"}, map[int]string{0: "date/time field value out of range"}},
		"a sub-select's column":     {[]string{"bids", "bid in (select email from customers)"}, map[int]string{0: "operator does not exist: integer = text"}},
		"a sub-select's columns":    {[]string{"bids", "bid in (select id, email from customers)"}, map[int]string{0: "subquery has too many columns"}},
		"a view":                    {[]string{"keen_bids", "placed"}, map[int]string{0: "not type date"}},
		"a materialized view":       {[]string{"won_bids", "won > 1"}, map[int]string{0: "operator does not exist: boolean > integer"}},
		"a partitioned table":       {[]string{"events", "kind"}, map[int]string{0: "not type text"}},
		"a partition":               {[]string{"public.events_2026", "at"}, map[int]string{0: "not type date"}},
		"a name with quotes":        {[]string{`sales."Order ""lines"""`, `"Line No"`}, map[int]string{0: "not type integer"}},
		"of namesakes, every one":   {[]string{"lots", "bid = 1.5::money"}, map[int]string{0: `table "public.lots": operator does not exist: integer = money`}},
		"among good ones":           {[]string{"bids", "won", "bids", "bid", "events", "kind = 'x'", "lots", "true and 1"}, map[int]string{1: "not type integer", 3: "argument of AND must be type boolean"}},
		"once more where one holds": {[]string{"archive.lots", "lower(bid) = 'a'", "public.lots", "lower(bid) = 'a'"}, map[int]string{1: "function lower(integer) does not exist"}},
	} {
		t.Run(name, func(t *testing.T) {
			rules := filtered("other", c.filters...)
			create := s.send("POST", path, rules)
			update := s.send("PUT", path+"/"+id, object{"row_filters": rules["row_filters"]})
			draft := s.send("POST", "/v1/projects/"+project+"/policy-evaluations", object{"sql": "select 1", "policy": rules})
			for prefix, r := range map[string]*reply{"": create, " ": update, "policy.": draft} {
				fields := r.want(400, "INVALID_INPUT").fields()
				if len(fields) != len(c.wrong) {
					t.Errorf("other fields than %v: %s", c.wrong, r.raw)
				}
				for i, reason := range c.wrong {
					detail := fields[fmt.Sprintf("%srow_filters[%d].predicate", strings.TrimSpace(prefix), i)]
					for _, want := range []string{"PostgreSQL refuses it as a condition on table", reason, "write what could stand behind WHERE"} {
						if !strings.Contains(detail, want) {
							t.Errorf("filter %d: no %q in %q", i, want, detail)
						}
					}
				}
				if strings.Contains(string(r.raw), "pgbeam_row") {
					t.Errorf("it speaks of what its author did not write: %s", r.raw)
				}
				s.holdsNoSecret(r)
			}
		})
	}
	if list := s.send("GET", path, nil).want(200, "").body["policies"].([]any); len(list) != 1 {
		t.Errorf("a refused policy was stored: %v", list)
	}
	// A table that is made after the policy, with a column of another type.
	early := s.send("POST", path, filtered("early", "later", "flag")).want(201, "").text("id")
	run("create table later (flag int)")
	r := s.send("PUT", path+"/"+early, object{"max_rows": 5}).want(400, "INVALID_INPUT")
	if !strings.Contains(r.fields()["row_filters[0].predicate"], "not type integer") {
		t.Errorf("%s", r.raw)
	}
}

// What is saved runs: in the text that the proxy would send.
func TestPredicateThatIsAConditionIsSavedAndRuns(t *testing.T) {
	s := serve(t, patient)
	owner, clerk, run := startAuction(t)
	conn, err := pgx.Connect(context.Background(), fmt.Sprintf("host=127.0.0.1 port=%v user=%v password=%v dbname=postgres", owner["port"], owner["username"], owner["password"]))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// Settings of the role decide what its texts mean.
	run(`alter role ` + owner["username"].(string) + ` set search_path = app, public`)
	run(`alter role ` + owner["username"].(string) + ` set datestyle = 'ISO, DMY'`)
	run(`alter role ` + owner["username"].(string) + ` set standard_conforming_strings = off`)
	for _, set := range []string{"search_path = app, public", "datestyle = 'ISO, DMY'"} {
		if _, err := conn.Exec(context.Background(), "set "+set); err != nil {
			t.Fatal(err)
		}
	}
	project := s.projectOn("auction", owner)
	for i, c := range []struct{ table, predicate string }{
		{"bids", "won"},
		{"bids", "bid > 1 or won is not false -- a comment"},
		{"bids", "positive(bid) and mine(bid)"},
		{"bids", "placed > '31/12/2026' and mood = 'keen' and tags @> array['x'] and (at).city = 'Ulm'"},
		{"bids", `note = '\' and note <> current_setting('pgbeam.credential_id', true)`},
		{"bids", "bid in (select c.id from customers c where c.email = note)"},
		{"bids", "null"},
		{"bids", "'yes'"},
		{"keen_bids", "placed is not null"},
		{"won_bids", "won"},
		{"events", "kind = 'a' and at > '2026-02-01'"},
		{"events_2026", "kind = 'a'"},
		{`sales."Order ""lines"""`, `"Line No" = 1`},
		{"lots", "lower(bid) = 'a'"}, // archive's has texts; public's is not read here
	} {
		table := c.table
		if table == "lots" {
			table = "archive.lots"
		}
		saved := s.send("POST", "/v1/projects/"+project+"/policies", filtered(fmt.Sprint("p", i), c.table, c.predicate)).want(201, "").text("id")
		r := s.send("POST", "/v1/projects/"+project+"/policy-evaluations", object{"policy_id": saved, "sql": "select * from " + table}).want(200, "")
		if _, err := conn.Exec(context.Background(), r.text("rewritten_sql")); err != nil {
			t.Errorf("%s where %s: %v in %s", c.table, c.predicate, err, r.raw)
		}
	}
	if log := s.log.String(); strings.Contains(log, "not tried") || strings.Contains(log, "not bound") {
		t.Errorf("not everything was looked at: %s", log)
	}
	// Rights are not looked at: they may be granted later.
	office := s.projectOn("office", clerk)
	s.send("POST", "/v1/projects/"+office+"/policies", filtered("no rights", "bids", "won")).want(201, "")
	s.send("POST", "/v1/projects/"+office+"/policies", filtered("no condition", "bids", "bid")).want(400, "INVALID_INPUT")
}

// Where PostgreSQL says nothing about a predicate, the policy is saved, and the
// log says why.
func TestPolicyIsSavedWherePredicatesCannotBeTried(t *testing.T) {
	owner, clerk, run := startAuction(t)
	away := startRelay(t, owner, func(n int) bool { return n == 2 })
	for name, c := range map[string]struct {
		database         object
		table, predicate string
		logged           string
	}{
		"no rights on the schema":    {clerk, "vault.gold", "bid", "SQLSTATE 42501"},
		"no rights on what it reads": {clerk, "bids", "bid in (select bid from vault.gold)", "SQLSTATE 42501"},
		"the table cannot be read":   {clerk, "ring", "bid", "SQLSTATE 42P17"},
		"a migration has the table":  {owner, "lots", "bid", "SQLSTATE 55P03"},
		"the connection is cut":      {away.database, "bids", "bid", "could not connect"},
		"the table is not there yet": {owner, "nosuch", "bid", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, patient)
			project := s.projectOn("auction", c.database)
			if c.logged == "SQLSTATE 55P03" {
				run("begin; lock table lots")
				defer run("rollback")
			}
			s.send("POST", "/v1/projects/"+project+"/policies", filtered("alone", c.table, c.predicate)).want(201, "")
			if log := s.log.String(); strings.Contains(log, "not tried on the database") != (c.logged != "") || !strings.Contains(log, c.logged) {
				t.Errorf("the log: %s", log)
			}
			if strings.Contains(c.logged, "SQLSTATE") { // the other filters are looked at all the same
				r := s.send("POST", "/v1/projects/"+project+"/policies", filtered("both", c.table, c.predicate, "customers", "id")).want(400, "INVALID_INPUT")
				if len(r.fields()) != 1 || r.fields()["row_filters[1].predicate"] == "" {
					t.Errorf("%s", r.raw)
				}
				s.holdsNoSecret(r)
			}
		})
	}
}

// Trying predicates executes nothing, not even what a plan would, and has no
// effect where a literal is read by code of the database: the check of a domain
// inside an array.
func TestTryingPredicatesExecutesNothing(t *testing.T) {
	s := serve(t, patient)
	owner, _, run := startAuction(t)
	project := s.projectOn("auction", owner)
	path := "/v1/projects/" + project + "/policies"
	s.send("POST", path, filtered("touching", "bids", "touch(1) and bid in (select bid from lots where touch(2))")).want(201, "")
	if log := s.log.String(); strings.Contains(log, "not tried") {
		t.Errorf("it was not tried: %s", log)
	}
	s.send("POST", path, filtered("loud", "bids", "note = any ('{x}'::loud[])")).want(201, "")
	if log := s.log.String(); !strings.Contains(log, "SQLSTATE 25006") {
		t.Errorf("the literal was read: %s", log)
	}
	run("do $$ begin if (select is_called from touched) then raise 'it was executed'; end if; end $$")
}

// A policy needs two connections to be saved: for the schema, and for all of
// its filters.
func TestTryingPredicatesTakesOneConnection(t *testing.T) {
	s := serve(t, patient)
	owner, _, _ := startAuction(t)
	relay := startRelay(t, owner, func(int) bool { return false })
	project := s.projectOn("auction", relay.database)
	path := "/v1/projects/" + project + "/policies"
	s.send("POST", path, filtered("several", "bids", "won", "events", "kind = 'a'", "customers", "id = 1")).want(201, "")
	if n := relay.connections(); n != 2 {
		t.Errorf("%d connections for one policy", n)
	}
	s.send("POST", path, object{"name": "none", "max_rows": 1}).want(201, "")
	if n := relay.connections(); n != 2 {
		t.Errorf("%d connections more for a policy without row filters", n-2)
	}
	s.send("POST", path, filtered("early", "nosuch", "won")).want(201, "")
	if n := relay.connections(); n != 3 {
		t.Errorf("%d connections more where there is nothing to try", n-2)
	}
}

// relay leads to a database and counts.
type relay struct {
	database object

	accepted atomic.Int32
}

func (r *relay) connections() int { return int(r.accepted.Load()) }

// startRelay drops the connections that cut names; they count from 1.
func startRelay(t *testing.T, database object, cut func(n int) bool) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{database: with(database, object{"port": listener.Addr().(*net.TCPAddr).Port})}
	var running sync.WaitGroup
	t.Cleanup(func() { listener.Close(); running.Wait() })
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			n := int(r.accepted.Add(1))
			running.Go(func() {
				defer client.Close()
				if cut(n) {
					return
				}
				upstream, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%v", database["port"]))
				if err != nil {
					t.Error(err)
					return
				}
				running.Go(func() { _, _ = io.Copy(client, upstream); client.Close() })
				_, _ = io.Copy(upstream, client)
				upstream.Close()
			})
		}
	})
	return r
}
