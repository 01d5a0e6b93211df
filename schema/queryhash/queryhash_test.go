package queryhash_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/schema/queryhash"
)

func TestQueriesThatDifferOnlyInWritingShareAHash(t *testing.T) {
	for _, c := range []struct {
		normal string
		same   []string
	}{
		{"select a, b from t where x = $1", []string{"SELECT a,b FROM t WHERE x=5", "select A ,  b\n\tfrom T where x = 'text' -- comment", "/* c */ select a, b from t where x = $1;", "select a, b from t where x = $7", "select a, b from t where x = -12"}},
		{"select * from t where id in ($1) and y = $2", []string{"select * from t where id in (1) and y = 2", "select * from t where id in (1,2,3) and y = 2", "select * from t where id in ($1, $2, $3, $4) and y = $5", "select * from t where id IN ('a','b') and y = true"}},
		{`select "Foo"::text from s."T"`, []string{`SELECT "Foo" :: TEXT FROM S . "T"`}},
		{"select count(*) from t where a <> $1", []string{"select COUNT( * ) from t where a != 1", "select count (*) from t where a<>1"}},
		{"select a from t where b between $1 and $2 limit $3 offset $4", []string{"SELECT a FROM t WHERE b BETWEEN 1 AND 2 LIMIT 10 OFFSET 5"}},
		{"select $1 || $2", []string{"select E'x' || $$y$$", "select 'a;b' || '--c'"}},
		{"select a from t where x = $1 and y = $1", []string{"select a from t where x = $2 and y = $2"}},
	} {
		want, err := queryhash.Of(c.normal)
		if err != nil || want.Text != c.normal {
			t.Errorf("%q is normalized as %q: %v", c.normal, want.Text, err)
		}
		for _, sql := range c.same {
			if got, err := queryhash.Of(sql); err != nil || got != want {
				t.Errorf("%q gives %q %s, want %q %s: %v", sql, got.Text, got.Hash, want.Text, want.Hash, err)
			}
		}
	}
}

func TestQueriesThatDifferDoNotShareAHash(t *testing.T) {
	seen := map[string]string{}
	for _, sql := range []string{
		"select a from t", "select b from t", `select "A" from t`, "select a from u", "select a from t where x = 1", "select a from t where x in (1)",
		"select a from t where x in (select 1)", "select a from t where x = $1 and y = $2", "select a from t where x = $1 and y = $1", "select a, a from t",
		"select a from t where x in (1, y)", "insert into t values (1)", "insert into t values (1), (2)", "delete from t", "select a from only t",
	} {
		got, err := queryhash.Of(sql)
		if err != nil {
			t.Errorf("%q: %v", sql, err)
		}
		if other, ok := seen[got.Hash]; ok {
			t.Errorf("%q and %q share %s", sql, other, got.Hash)
		}
		seen[got.Hash] = sql
	}
}

// The hashes are written down by users; they must never change.
func TestHashesAreFixed(t *testing.T) {
	for sql, want := range map[string]string{
		"select 1":                           "6a62e61745838685",
		"select * from orders where id = $1": "ecf28dec5e42a2ba",
	} {
		got, err := queryhash.Of(sql)
		if err != nil || got.Hash != want {
			t.Errorf("%q has %s, had %s: %v", sql, got.Hash, want, err)
		}
	}
}

func TestNormalizingTwiceChangesNothing(t *testing.T) {
	for _, sql := range []string{"select a,b from t where x in (1,2)", `select "A"."b", u.arr[1]::int from t join u using (id)`, "with q as (select 1) select * from q", "create table t (a int default 5, b text)"} {
		once, err := queryhash.Of(sql)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := queryhash.Of(once.Text); err != nil || twice != once {
			t.Errorf("%q becomes %q and then %q: %v", sql, once.Text, twice.Text, err)
		}
	}
}

func TestWhatIsNoQueryHasNoHash(t *testing.T) {
	for sql, want := range map[string]string{"": "no statement", " -- nothing": "no statement", ";;": "no statement", "selct 1": "syntax error", "select 'open": "unterminated", "select \x00": "zero byte"} {
		if got, err := queryhash.Of(sql); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v %v", sql, got, err)
		}
	}
}

func FuzzOf(f *testing.F) {
	for _, sql := range []string{"select 1", "select a from t where x in (1,2)", `select "A"`, "select $$x$$", "select U&'\\0041'", "select 1; select 2"} {
		f.Add(sql)
	}
	hash := regexp.MustCompile(`^[0-9a-f]{16}$`)
	f.Fuzz(func(t *testing.T, sql string) {
		q, err := queryhash.Of(sql)
		if err == nil && !hash.MatchString(q.Hash) {
			t.Errorf("%q has the hash %q", sql, q.Hash)
		}
	})
}
