package policy

import (
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// unlined may not see a table that others reach by its foreign key.
var unlined = under("unlined", except("lines"))

// dated has a filter that reads dates as the session does.
var dated = under("dated", readOnly, filter("orders", "placed < '02/01/2026'::date and placed < current_date and tenant_id = 1"))

// northern sees the shops of one region, which a foreign key has follow it.
var northern = under("northern", filter("shops", "region_id = 1"), filter("shelves", "shop_id in (select id from shops where region_id = 1)"))

// unshelved may not see what a cascade deletes, nor values of a domain.
var unshelved = under("unshelved", except("shelves", "shops"))

const (
	cascading = `alter table lines drop constraint lines_order_id_fkey;
		alter table lines add constraint follows foreign key (order_id) references orders on update cascade, add constraint low check (order_id < 1000)`
	standing = `alter table lines drop constraint follows, drop constraint low, add constraint lines_order_id_fkey foreign key (order_id) references orders`
)

// indirect are ways around a rule by what a statement does not name.
func indirect() []group {
	return []group{
		{unlined, []scenario{
			allow(`update orders set id = 5000 where id = 20`, ``).on(cascading, standing).fails("23514", `new row for relation "lines" violates check constraint "low"`),
			allow(`update orders set id = 22 where id = 20 returning id`, `22`).on(cascading, standing).tagged("UPDATE 1"),
		}},
		{dated, []scenario{
			filtered(`select id from orders order by id`, `10; 11; 12`),
			refused(`setting_not_allowed`, `set datestyle = 'dmy'`, `setting "datestyle"`),
			refused(`setting_not_allowed`, `set time zone 'XXX+167'`, `setting "timezone"`),
			refused(`function_not_allowed`, `select set_config('TimeZone', 'XXX+167', false)`, `function "set_config"`),
			allow(`reset timezone`, ``).tagged("RESET"),
			allow(`set extra_float_digits = 1`, ``).tagged("SET").inBatch(),
		}},
		{editor, []scenario{
			refused(`function_not_allowed`, `select (1::account).email`, `the cast to "account"`),
			refused(`function_not_allowed`, `select ($1::account).email`, `the cast to "account"`).with("1"),
			refused(`function_not_allowed`, `select 'mark-ann@mail.test'::address`, `type "address" checks its values`),
			refused(`function_not_allowed`, `select '(mark-ann@mail.test,)'::letter`, `type "letter" checks its values`),
			refused(`function_not_allowed`, `select jsonb_populate_record(null::letter[], '[]')`, `type "letter" checks its values`),
			refused(`function_not_allowed`, `select '(1,mark-ann@mail.test)'::letters`, `type "letters" checks its values`),
			refused(`function_not_allowed`, `select '[mark-ann@mail.test,mark-ann@mail.test]'::reach`, `type "reach" checks its values`),
			refused(`function_not_allowed`, `select jsonb_populate_record(l, '{"sender": "mark-ann@mail.test"}') from tenants t left join letters l on true`, `type "address" checks its values`),
			allow(`select (jsonb_populate_record(t, '{"name": "other"}')).name from tenants t where id = 1`, `other`),
			refused(`function_not_allowed`, `select array_in('{mark-ann@mail.test}', 'address'::regtype, -1)`, `the type that "array_in" makes a value of cannot be told`),
			refused(`function_not_allowed`, `select domain_in('mark-ann@mail.test', 'address'::regtype, -1) is null`, `the type that "domain_in" makes a value of cannot be told`),
			allow(`select id, sender is null from letters`, ``),
			refused(`function_not_allowed`, `select coalesce(null::tone, 'calm'::mood)`, `types "mood" and "tone" may be cast by a function`),
			allow(`select 'calm'::mood, ('(1,x)'::account).email`, `calm|x`),
		}},
		{northern, []scenario{
			filtered(`select s.id, h.goods from shops s join shelves h on h.shop_id = s.id`, `1|tea`),
			refused(`row_filter_unsafe`, `update regions set id = 3 where id = 1`, `column "id" decides, by a foreign key, which rows this credential may see`),
			refused(`row_filter_unsafe`, `update territories set code = 1 where code = 2`, `column "code" decides, by a foreign key`),
			refused(`row_filter_unsafe`, `insert into regions values (2, 'x') on conflict (id) do update set id = 1`, `column "id" decides, by a foreign key`),
			refused(`row_filter_unsafe`, `merge into regions r using (values (2)) v(i) on r.id = v.i when matched then update set id = 1`, `column "id" decides, by a foreign key`),
			refused(`row_filter_unsafe`, `with r as (delete from regions where id = 2 returning id) select * from r`, `rows of table "regions" decide, by a foreign key`),
			allow(`update territories set name = 'x' where code = 2`, ``).tagged("UPDATE 1").leaving(`select name from regions where id = 2`, `x`),
			allow(`insert into regions values (3, 'east')`, ``).tagged("INSERT 0 1").leaving(`select count(*) from regions`, `3`),
			filtered(`delete from shops where region_id in (1, 2) returning id`, `1`).tagged("DELETE 1").leaving(`select goods from shelves`, `mark-goods-south`),
			refused(`statement_not_allowed`, `alter type tone rename value 'flat' to 'dull'`, `renaming a value is not permitted: this policy's row filters know values by name`),
		}},
		{unshelved, []scenario{
			refused(`table_not_allowed`, `alter domain label add check (value not like 'mark-s%')`, `ALTER DOMAIN would tell whether values of tables that it does not name satisfy it`),
			refused(`table_not_allowed`, `alter domain label add constraint c check (value <> ''); alter domain label validate constraint c`, `ALTER DOMAIN would tell`),
			refused(`table_not_allowed`, `alter domain label validate constraint c`, `ALTER DOMAIN would tell`),
			refused(`table_not_allowed`, `alter domain label set not null`, `ALTER DOMAIN would tell`),
			allow(`alter domain label add constraint c check (value <> 'mark-shop-south') not valid`, ``).tagged("ALTER DOMAIN").on("", `alter domain label drop constraint c`),
			allow(`alter type tone rename value 'flat' to 'dull'`, ``).tagged("ALTER TYPE").on("", `alter type tone rename value 'dull' to 'flat'`),
		}},
	}
}

func TestIndirectWays(t *testing.T) { try(t, indirect()) }

// What is said of a table that is allowed stays as helpful as PostgreSQL is.
func TestErrorsAboutPermittedTablesKeepTheirDetail(t *testing.T) {
	o := unlined.watched(t).exchange(t, &pgproto3.Query{String: "insert into tenants values (1, 'again', 'free')"})
	if o.failure == nil || !strings.Contains(o.failure.Detail, "(id)=(1) already exists") {
		t.Errorf("%s, with the detail %q", said(o), o.failure.Detail)
	}
}

// Drivers put settings into every login. One that a filter depends on is left
// out; one that somebody wrote into the options is refused.
func TestALoginSetsNothingThatAFilterDependsOn(t *testing.T) {
	with := func(name, value string) string {
		u, err := url.Parse(dated.login(t))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, value := range map[string]string{"timezone": "XXX+167", "TimeZone": "XXX+167", "DateStyle": "ISO, DMY"} {
		s := open(t, with(name, value))
		if !strings.Contains(string(s.take()), `"`+name+`" stays as it is`) {
			t.Errorf("%s: nothing is said", name)
		}
		o := s.exchange(t, &pgproto3.Query{String: "select current_setting('timezone') = 'XXX+167', current_setting('datestyle'); select id from orders order by id"})
		if got := shown(o); got != "f|ISO, MDY ;; 10; 11; 12" {
			t.Errorf("%s: %s %s", name, said(o), got)
		}
		if shows := dated.leaked(s.take()); shows != "" {
			t.Errorf("%s: received %s", name, shows)
		}
		s.close()
	}
	for _, options := range []string{"-c timezone=XXX+167", "-c DateStyle=DMY", "--timezone=XXX+167"} {
		if s, err := connect(t.Context(), withOptions(dated.login(t), options)); err == nil {
			s.close()
			t.Errorf("%s: it may log in", options)
		} else if !strings.Contains(err.Error(), "may not be changed by this credential") {
			t.Errorf("%s: %v", options, err)
		}
	}
}

// A parameter may be declared of any type, and PostgreSQL makes a value of it
// before anything else runs.
func TestAParameterIsNoQuestion(t *testing.T) {
	var address uint32
	if err := admin.QueryRow(t.Context(), "select 'address'::regtype::oid").Scan(&address); err != nil {
		t.Fatal(err)
	}
	s := editor.watched(t)
	ask := func(oid uint32, value string) *outcome {
		return s.exchange(t, &pgproto3.Parse{Query: "select $1 is not null", ParameterOIDs: []uint32{oid}}, &pgproto3.Bind{Parameters: [][]byte{[]byte(value)}}, &pgproto3.Execute{}, &pgproto3.Sync{})
	}
	for _, value := range []string{"mark-ann@mail.test", "nobody@mail.test"} {
		if o := ask(address, value); o.failure == nil || !strings.Contains(o.failure.Message, "checks its values with a function") {
			t.Errorf("asked about %s: %s %s", value, said(o), shown(o))
		}
	}
	if o := ask(25, "x"); o.failure != nil || shown(o) != "t" {
		t.Errorf("a text: %s %s", said(o), shown(o))
	}
}

// A temporary view stands in for a table, and reads what it was made of.
func TestATemporaryViewDoesNotOutliveWhatItWasPermittedUnder(t *testing.T) {
	for name, views := range map[string][]string{
		"made so":              {"create temp view products as select id, email as name from users"},
		"of a temporary table": {"create temp table none (n int)", "create view products as select u.id, u.email as name from users u left join none on true"},
	} {
		t.Run(name, func(t *testing.T) {
			p := under("temporary view " + name).copied(t)
			s := open(t, p.login(t))
			defer s.close()
			for _, text := range append(views, "select name from products where id = 1") {
				if o, err := s.query(text); err != nil || o.failure != nil {
					t.Fatalf("%s: %v %s", text, err, said(o))
				}
			}
			s.take()
			p.amend(t, masks("users.email=redact"))
			o, err := s.query("select name from products where id = 2")
			if report, over := closed(err); !over || report == nil || report.Code != "57P01" {
				t.Errorf("%v %s %s", err, said(o), shown(o))
			}
			if shows := p.leaked(s.take()); shows != "" {
				t.Errorf("received %s", shows)
			}
		})
	}
}

// A view of what stays open is nobody's concern.
func TestAViewOfWhatIsNotHiddenStays(t *testing.T) {
	p := under("harmless view").copied(t)
	s := p.watched(t)
	query := func(text, want string) {
		t.Helper()
		if o := s.exchange(t, &pgproto3.Query{String: text}); o.failure != nil || shown(o) != want {
			t.Errorf("%s: %s %q", text, said(o), shown(o))
		}
	}
	query("create temp view cheap as select name from products where price < 3", "")
	p.amend(t, masks("users.email=redact"), readOnly)
	query("select name from products where id = 2", "ink")
}

// What a session set while nothing depended on it decides nothing later.
func TestASettingDoesNotOutliveWhatItWasPermittedUnder(t *testing.T) {
	for name, prepare := range map[string]func(p *profile) *session{
		"by SET": func(p *profile) *session { return setting(t, open(t, p.login(t)), "set app.tenant = '2'") },
		"by set_config": func(p *profile) *session {
			return setting(t, open(t, p.login(t)), "select set_config('app.tenant', '2', false)")
		},
		"at login": func(p *profile) *session { return open(t, withOptions(p.login(t), "-c app.tenant=2")) },
	} {
		t.Run(name, func(t *testing.T) {
			p := under("setting " + name).copied(t)
			s := prepare(p)
			defer s.close()
			s.take()
			sql(t, "set app.tenant = '1'") // for the search of what is hidden
			p.amend(t, filter("orders", "tenant_id = current_setting('app.tenant')::int"))
			o, err := s.query("select item from orders order by id")
			if report, over := closed(err); !over || report == nil || report.Code != "57P01" {
				t.Errorf("%v %s %s", err, said(o), shown(o))
			}
			if shows := p.leaked(s.take()); shows != "" {
				t.Errorf("received %s", shows)
			}
		})
	}
}

func setting(t *testing.T, s *session, text string) *session {
	t.Helper()
	if o, err := s.query(text); err != nil || o.failure != nil {
		t.Fatalf("%s: %v %s", text, err, said(o))
	}
	return s
}
