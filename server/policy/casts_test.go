package policy_test

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// A number or a parameter is cast by the function of a cast, which may read
// anything; only a string goes through the input of the type.
func TestACastOfAConstantMayCallAFunction(t *testing.T) {
	catalog := extended(t, `CREATE TYPE tint AS ENUM ('a'); CREATE FUNCTION tint_id(tint) RETURNS int LANGUAGE sql STABLE AS 'SELECT count(email)::int FROM users';
		CREATE CAST (tint AS int) WITH FUNCTION tint_id(tint); CREATE TYPE account AS (id int, email text);
		CREATE FUNCTION account_of(int) RETURNS account LANGUAGE sql STABLE AS 'SELECT id, email FROM users WHERE id = $1';
		CREATE CAST (int AS account) WITH FUNCTION account_of(int) AS ASSIGNMENT;
		CREATE FUNCTION account_of(text) RETURNS account LANGUAGE sql STABLE AS 'SELECT id, email FROM users WHERE id = length($1)';
		CREATE CAST (text AS account) WITH FUNCTION account_of(text)`)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT 1::account", "function_not_allowed", ""},
		{"SELECT (CAST(1 AS account)).email", "function_not_allowed", ""},
		{"SELECT ($1::account).email", "function_not_allowed", ""},
		{"SELECT ARRAY[1]::account[]", "function_not_allowed", ""},
		{"SELECT xmlserialize(CONTENT xmlelement(name a) AS account)", "function_not_allowed", ""},
		{"PREPARE p(account) AS SELECT ($1).email", "function_not_allowed", ""},
		{"SELECT ('(7,x)'::account).email, NULL::account IS NULL", "ok", "x,t"},
		{"SELECT 1::text, 2.5::int, true::int", "ok", "1,3,1"},
		{"SELECT xmlserialize(CONTENT xmlelement(name a) AS text)", "ok", "<a/>"},
	})
	for oid, kind := range catalog.Types {
		if d := compile(t, policy.Profile{Masks: usersMasks}, catalog).Parameters([]uint32{oid}); kind.Name == "tint" && d == nil {
			t.Error("a parameter may be of a type that somebody's function casts to int")
		}
	}
	if d := compile(t, policy.Profile{Masks: usersMasks}, catalog).Evaluate("SELECT $1::int4 + $2::numeric, $3::text"); d.Rule != "ok" {
		t.Errorf("casts of parameters to PostgreSQL's own types are refused: %s", d.Reason)
	}
}

// A domain whose CHECK calls somebody's function tells by what it accepts.
func TestADomainMayAskATable(t *testing.T) {
	catalog := extended(t, `CREATE FUNCTION is_address(text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM users WHERE email = $1)';
		CREATE DOMAIN address AS text CHECK (is_address(VALUE)); CREATE DOMAIN home AS address;
		CREATE DOMAIN small AS int CHECK (VALUE < abs(100)); CREATE TYPE greeting AS (n int, homes home[]); CREATE TABLE greetings (id int, of greeting);
		CREATE TYPE reach AS RANGE (SUBTYPE = address, MULTIRANGE_TYPE_NAME = reaches); CREATE TYPE few AS RANGE (SUBTYPE = small); INSERT INTO greetings VALUES (1, '(1,)')`)
	e := compile(t, policy.Profile{Masks: usersMasks}, catalog)
	enforce(t, e, []effect{
		{"SELECT 'SECRET1@x'::address", "function_not_allowed", ""},
		{"SELECT address 'SECRET1@x'", "function_not_allowed", ""},
		{"SELECT '{SECRET1@x}'::public.home[]", "function_not_allowed", ""},
		{"PREPARE p(address) AS SELECT 1", "function_not_allowed", ""},
		{`SELECT * FROM json_to_record('{"a": "SECRET1@x"}') AS r(a address)`, "function_not_allowed", ""},
		{"SELECT '(1,{SECRET1@x})'::greeting", "function_not_allowed", ""},
		{"SELECT ROW(1, NULL)::greeting", "function_not_allowed", ""},
		{"SELECT '[a,b]'::reach", "function_not_allowed", ""},
		{"SELECT '{}'::reaches[]", "function_not_allowed", ""},
		{"SELECT jsonb_populate_record(NULL::greetings, '{}')", "function_not_allowed", ""},
		{"SELECT jsonb_populate_recordset(c, '[{}]') FROM greetings c", "function_not_allowed", ""},
		{"SELECT (jsonb_populate_record(p, '{}')).id FROM plain p WHERE id = 1", "ok", "1"},
		{"SELECT id, (of).n FROM greetings", "ok", "1,1"},
		{"SELECT '[1,2]'::few", "ok", "[1,2]"},
		{"SELECT 5::small", "ok", "5"},
		{"SELECT 'SECRET1@x'::unheard_of", "function_not_allowed", ""},
		{"CREATE TYPE tone AS ENUM ('a'); CREATE TABLE toned (id serial, t tone, ts tone[]); SELECT 'a'::tone", "ok", "a"},
	})
	var address, small uint32
	for oid, kind := range catalog.Types {
		switch kind.Name {
		case "_home":
			address = oid
		case "small":
			small = oid
		}
	}
	if e.Parameters([]uint32{0, 25, address}) == nil {
		t.Error("a parameter may be declared of a type that asks a masked table")
	}
	if d := e.Parameters([]uint32{0, 25, small}); d != nil {
		t.Errorf("ordinary parameters are refused: %s", d.Reason)
	}
}

// PostgreSQL calls the function of an implicit cast where nobody asks for it.
func TestAnImplicitCastMayAskATable(t *testing.T) {
	catalog := extended(t, `CREATE TYPE wet AS ENUM ('a'); CREATE TYPE dry AS ENUM ('b'); CREATE TYPE damp AS ENUM ('c');
		CREATE FUNCTION dried(wet) RETURNS dry LANGUAGE sql STABLE AS 'SELECT ''b''::dry FROM users'; CREATE CAST (wet AS dry) WITH FUNCTION dried(wet) AS IMPLICIT;
		CREATE TABLE weather (w wet, d dry, p damp); CREATE TABLE wells (w wet, p damp); INSERT INTO wells VALUES ('a', 'c')`)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT coalesce(NULL::dry, 'a'::wet)", "function_not_allowed", ""},
		{"SELECT w FROM wells UNION SELECT 'b'::dry", "function_not_allowed", ""},
		{"SELECT CASE WHEN true THEN w ELSE d END FROM weather", "function_not_allowed", ""},
		{"SELECT w, p FROM wells", "ok", "a,c"},
		{"SELECT 'b'::dry", "ok", "b"},
	})
}

// PostgreSQL also casts what is stored, or where it wants a condition or a
// number, by the function of a cast that nobody wrote down.
func TestACastOfWhatIsStoredMayAskATable(t *testing.T) {
	catalog := extended(t, `CREATE TYPE purse AS (n int); CREATE TYPE coin AS ENUM ('a'); CREATE DOMAIN wallet AS purse;
		CREATE FUNCTION purse_of(bigint) RETURNS purse LANGUAGE sql STABLE AS 'SELECT ROW(length(email))::purse FROM users WHERE id = $1';
		CREATE CAST (bigint AS purse) WITH FUNCTION purse_of(bigint) AS ASSIGNMENT;
		CREATE FUNCTION coin_said(coin) RETURNS bool LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM users WHERE email LIKE ''SECRET1%'')';
		CREATE CAST (coin AS bool) WITH FUNCTION coin_said(coin) AS ASSIGNMENT;
		CREATE TABLE purses (id int PRIMARY KEY, p purse, w wallet, many purse[], b bigint, label text); CREATE TABLE coins (id int, c coin); INSERT INTO coins VALUES (1, 'a');
		INSERT INTO purses VALUES (1, ROW(1)::purse)`)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"INSERT INTO purses (id, p) VALUES (2, 1::bigint) RETURNING p", "function_not_allowed", ""},
		{"INSERT INTO purses SELECT 2, b FROM purses", "function_not_allowed", ""},
		{"INSERT INTO purses (id, w) SELECT 2, 1::bigint", "function_not_allowed", ""},
		{"UPDATE purses SET p = b WHERE id = 1 RETURNING p", "function_not_allowed", ""},
		{"UPDATE purses SET many[1] = b WHERE id = 1 RETURNING many", "function_not_allowed", ""},
		{"INSERT INTO purses (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET p = 1::bigint", "function_not_allowed", ""},
		{"MERGE INTO purses USING plain ON plain.id = purses.id WHEN MATCHED THEN UPDATE SET p = 1::bigint", "function_not_allowed", ""},
		{"MERGE INTO purses USING plain ON plain.id = purses.id WHEN NOT MATCHED THEN INSERT VALUES (9, 1::bigint)", "function_not_allowed", ""},
		{"ALTER TABLE purses ALTER b TYPE purse", "function_not_allowed", ""},
		{"ALTER TABLE purses ALTER p SET DEFAULT 1::bigint", "function_not_allowed", ""},
		{"ALTER TABLE purses ADD q purse DEFAULT 1::bigint", "function_not_allowed", ""},
		{"CREATE TABLE more_purses (q purse DEFAULT 1::bigint)", "function_not_allowed", ""},
		{"CREATE DOMAIN bag AS purse DEFAULT 1::bigint", "function_not_allowed", ""},
		{"ALTER DOMAIN wallet SET DEFAULT 1::bigint", "function_not_allowed", ""},
		{"SELECT id FROM coins WHERE c", "function_not_allowed", ""},
		{"UPDATE purses SET label = 'x' WHERE id IS NOT NULL RETURNING p, label", "ok", "(1),x"},
		{"INSERT INTO purses (id, b) VALUES (3, 7) RETURNING b", "ok", "7"},
		{"ALTER TABLE purses ALTER b TYPE numeric, ALTER label SET DEFAULT 'x'", "ok", ""},
	})
}

// The input functions of domains, arrays, records and ranges are told by an
// object id which type it is.
func TestAnInputFunctionMayAskATable(t *testing.T) {
	catalog := extended(t, `CREATE FUNCTION is_known(text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM users WHERE email = $1)';
		CREATE DOMAIN known AS text CHECK (is_known(VALUE)); CREATE TYPE pair AS (k known)`)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT domain_in('SECRET1@x', 'known'::regtype, -1) IS NULL", "function_not_allowed", ""},
		{"SELECT pg_catalog.array_in('{SECRET1@x}', 'known'::regtype, -1)", "function_not_allowed", ""},
		{"SELECT record_in('(SECRET1@x)', 'pair'::regtype, -1)", "function_not_allowed", ""},
		{"SELECT * FROM array_in('{SECRET1@x}', 'known'::regtype::oid, -1)", "function_not_allowed", ""},
		{"SELECT range_in('[a,b]', 'int4range'::regtype, -1)", "function_not_allowed", ""},
		{"SELECT textin('a'), int4in('1'), '{1}'::int[]", "ok", "a,1,{1}"},
	})
}

// A type that one statement makes is not in the catalog when the next one of the
// text makes values of it: what it consists of is looked at where it is made.
func TestATypeMadeInTheSameTextMayAskATable(t *testing.T) {
	catalog := extended(t, `CREATE FUNCTION is_told(text) RETURNS bool LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM users WHERE email = $1)';
		CREATE DOMAIN told AS text CHECK (is_told(VALUE)); CREATE TYPE packet AS (weight int)`)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"CREATE TYPE span AS RANGE (subtype = told); SELECT '[SECRET1@x,z]'::span IS NULL", "function_not_allowed", ""},
		{"CREATE TYPE span AS RANGE (SUBTYPE = told, subtype_opclass = text_ops); CREATE TABLE spans (s span); INSERT INTO spans VALUES ('[SECRET1@x,z]')", "function_not_allowed", ""},
		{"CREATE TYPE couple AS (k told); SELECT '(SECRET1@x)'::couple IS NULL", "function_not_allowed", ""},
		{"ALTER TYPE packet ADD ATTRIBUTE k told; SELECT '(1,SECRET1@x)'::packet IS NULL", "function_not_allowed", ""},
		{"CREATE TYPE span AS RANGE (subtype = text, subtype_opclass = text_ops); SELECT '[a,z]'::span IS NULL", "ok", "f"},
	})
}
