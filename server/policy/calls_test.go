package policy_test

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// label is a type as extensions bring them, with functions, operators and
// casts some of which read a masked table.
const label = `
CREATE TYPE label;
CREATE FUNCTION label_in(cstring) RETURNS label LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION label_out(label) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE label (INPUT = label_in, OUTPUT = label_out, LIKE = text, CATEGORY = 'S');
CREATE TABLE labelled (id int, l label, ls label[]);
INSERT INTO labelled VALUES (1, 'x', '{y}');
CREATE VIEW labels AS SELECT l FROM labelled;
CREATE FUNCTION replace(label, label, label) RETURNS text LANGUAGE sql AS 'SELECT string_agg(email, '','') FROM users';
CREATE FUNCTION abs(anyarray) RETURNS text LANGUAGE sql AS 'SELECT string_agg(email, '','') FROM users';
CREATE FUNCTION label_more(label, label) RETURNS label LANGUAGE internal IMMUTABLE STRICT AS 'textcat';
CREATE AGGREGATE max(label) (SFUNC = label_more, STYPE = label);
CREATE FUNCTION gen_random_uuid() RETURNS uuid LANGUAGE internal AS 'gen_random_uuid';
CREATE FUNCTION label_peeks(int, label) RETURNS bool LANGUAGE sql AS 'SELECT email > '''' FROM users LIMIT 1';
CREATE OPERATOR = (LEFTARG = int, RIGHTARG = label, FUNCTION = label_peeks);
CREATE FUNCTION same_text(text, text) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'texteq';
CREATE OPERATOR <%%> (LEFTARG = text, RIGHTARG = text, FUNCTION = same_text);
CREATE FUNCTION label_counts(label) RETURNS int LANGUAGE sql AS 'SELECT count(email)::int FROM users';
CREATE CAST (label AS int) WITH FUNCTION label_counts(label);
`

// What an extension offers under the name of a built-in function, operator or
// cast is refused where it may be meant, and in no other statement.
func TestForeignOverloadsAreRefusedWhereTheyMayBeMeant(t *testing.T) {
	catalog := extended(t, label)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT replace(name, 'a', 'o') FROM users WHERE id = 1", "ok", "onn"},
		{"SELECT replace('abc', 'b', 'x')", "ok", "axc"},
		{"SELECT max(id), max(name) FROM users", "ok", "3,cyd"},
		{"SELECT gen_random_uuid() IS NULL", "ok", "f"},
		{"SELECT id FROM plain WHERE id = 2", "ok", "2"},
		{"SELECT name <%%> 'ann' FROM users WHERE id = 1", "ok", "t"},
		{"SELECT id::text::int FROM plain WHERE id = 1", "ok", "1"},
		{"SELECT label::label FROM plain ORDER BY id LIMIT 1", "ok", "one"},
		{"SELECT l FROM labels", "ok", "x"},
		{"SELECT pg_catalog.replace(l::text, 'x', 'y') FROM labelled", "ok", "y"},

		{"SELECT replace(l, 'a', 'b') FROM labelled", "function_not_allowed", ""},
		{"SELECT replace(l, 'a', 'b') FROM labels", "function_not_allowed", ""},
		{"SELECT replace(x, 'a', 'b') FROM (SELECT unnest(ls) AS x FROM labelled) s", "function_not_allowed", ""},
		{"SELECT replace('x'::label, 'a', 'b')", "function_not_allowed", ""},
		{"SELECT replace(x, 'a', 'b') FROM json_to_record('{}') AS r(x label)", "function_not_allowed", ""},
		{"SELECT replace($1, 'a', 'b')", "function_not_allowed", ""},
		{"SELECT max(l) FROM labelled", "function_not_allowed", ""},
		{"SELECT abs(ARRAY[1])", "function_not_allowed", ""},
		{"SELECT id = l FROM labelled", "function_not_allowed", ""},
		{"SELECT 1 IN ('x'::label)", "function_not_allowed", ""},
		{"SELECT l::int FROM labelled", "function_not_allowed", ""},
		{"SELECT l::int4[] FROM labelled", "function_not_allowed", ""},
		{"SELECT a OPERATOR(public.===) 1 FROM plain", "function_not_allowed", ""},
	})
}

// IN, BETWEEN, CASE and USING name no operator, and PostgreSQL looks one up by
// its name all the same.
func TestAnOperatorThatNobodyWroteMayAskATable(t *testing.T) {
	catalog := extended(t, `CREATE TYPE guess AS ENUM ('g'); CREATE TYPE answer AS ENUM ('a');
		CREATE TABLE guesses (v guess); CREATE TABLE answers (v answer); INSERT INTO guesses VALUES ('g'); INSERT INTO answers VALUES ('a');
		CREATE FUNCTION guessed(guess, answer) RETURNS bool LANGUAGE sql STABLE AS 'SELECT EXISTS (SELECT FROM users WHERE email LIKE ''SECRET1%'')';
		CREATE OPERATOR = (LEFTARG = guess, RIGHTARG = answer, FUNCTION = guessed); CREATE OPERATOR >= (LEFTARG = guess, RIGHTARG = answer, FUNCTION = guessed);
		CREATE OPERATOR < (LEFTARG = guess, RIGHTARG = answer, FUNCTION = guessed); CREATE OPERATOR <= (LEFTARG = guess, RIGHTARG = answer, FUNCTION = guessed);
		CREATE OPERATOR > (LEFTARG = guess, RIGHTARG = answer, FUNCTION = guessed)`)
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT 'g'::guess IN (SELECT v FROM answers)", "function_not_allowed", ""},
		{"SELECT g.v BETWEEN a.v AND a.v FROM guesses g, answers a", "function_not_allowed", ""},
		{"SELECT 'g'::guess NOT BETWEEN 'a'::answer AND 'a'::answer", "function_not_allowed", ""},
		{"SELECT 'g'::guess BETWEEN SYMMETRIC 'a'::answer AND 'a'::answer", "function_not_allowed", ""},
		{"SELECT CASE 'g'::guess WHEN 'a'::answer THEN 1 END", "function_not_allowed", ""},
		{"SELECT 1 FROM guesses JOIN answers USING (v)", "function_not_allowed", ""},
		{"SELECT 1 FROM guesses NATURAL JOIN answers", "function_not_allowed", ""},
		{"SELECT v, v IN (SELECT v FROM guesses), v BETWEEN 'g'::guess AND 'g'::guess, CASE v WHEN 'g'::guess THEN 1 END FROM guesses", "ok", "g,t,t,1"},
		{"SELECT id FROM plain WHERE id BETWEEN 1 AND 2 AND id IN (SELECT id FROM plain NATURAL JOIN plain p) ORDER BY id", "ok", "1; 2"},
	})
}

// To a server older than the parser, what is a keyword here is a function.
func TestKeywordsOfALaterGrammarMayBeFunctions(t *testing.T) {
	catalog := extended(t, "CREATE FUNCTION json_scalar(text) RETURNS text LANGUAGE sql AS 'SELECT string_agg(email, $1) FROM users'")
	enforce(t, compile(t, policy.Profile{Masks: usersMasks}, catalog), []effect{
		{"SELECT json_scalar('x')", "function_not_allowed", ""},
	})
}

// Under a cap on rows a function that may write is none that a SELECT may
// call: nobody would count what it changes.
func TestACapOnRowsIsNotPassedByFunctions(t *testing.T) {
	catalog := extended(t, `CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM plain WHERE id > 0; SELECT 1';
		CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
		CREATE FUNCTION wipes(int, int) RETURNS int LANGUAGE sql AS 'SELECT wipe()';
		CREATE AGGREGATE wiping(int) (SFUNC = wipes, STYPE = int);
		CREATE PROCEDURE wipe_all() LANGUAGE sql AS 'SELECT wipe()';
		CREATE OPERATOR %%% (LEFTARG = int, RIGHTARG = int, FUNCTION = wipes);
		CREATE TABLE inbox (id int); CREATE RULE wiping AS ON INSERT TO inbox DO INSTEAD DELETE FROM plain WHERE id = NEW.id;
		CREATE VIEW wiped AS SELECT wipe() AS n; CREATE VIEW doubled AS SELECT twice(id) AS n FROM plain`)
	cases := []effect{
		{"SELECT twice(2), max(id) FROM plain", "ok", "4,3"},
		{"SELECT n FROM doubled ORDER BY n", "ok", "2; 4; 6"},
		{"UPDATE plain SET label = 'x' WHERE id = 1 RETURNING id", "ok", "1"},
		{"INSERT INTO inbox VALUES (1), (2)", "function_not_allowed", ""},
		{"SELECT wipe()", "function_not_allowed", ""},
		{"SELECT wiping(id) FROM plain", "function_not_allowed", ""},
		{"SELECT 1 %%% 2", "function_not_allowed", ""},
		{"SELECT n FROM wiped", "function_not_allowed", ""},
		{"SELECT unheard_of(1)", "function_not_allowed", ""},
		{"CALL wipe_all()", "statement_not_allowed", ""},
	}
	enforce(t, compile(t, policy.Profile{MaxAffectedRows: 1}, catalog), cases)
	enforce(t, compile(t, policy.Profile{DenyStatements: []string{"delete"}}, catalog), cases)
	for _, sql := range []string{"SELECT wipe()", "SELECT wiping(1)", "SELECT n FROM wiped", "CALL wipe_all()"} {
		if d := compile(t, policy.Profile{}, catalog).Evaluate(sql); d.Rule != "ok" {
			t.Errorf("%s is refused where nothing limits writes: %s", sql, d.Reason)
		}
	}
}
