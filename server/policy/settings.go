package policy

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// checkSettings permits the settings that change how results look and how
// queries are planned, and no other: the rest decide who the session is, what
// names mean, how texts are read and what limits hold.
func (e *Engine) checkSettings(s *statement) *refusal {
	for _, n := range s.settings {
		if n == s.node.GetVariableSetStmt() && (n.Kind == pg.VariableSetKind_VAR_RESET_ALL || restoresIdentity(n)) {
			continue
		}
		if r := e.checkSetting(n); r != nil {
			return r
		}
	}
	return nil
}

func (e *Engine) checkSetting(n *pg.VariableSetStmt) *refusal {
	name := strings.ToLower(n.Name)
	switch n.Kind {
	case pg.VariableSetKind_VAR_RESET_ALL: // inside another statement
		return refuse("setting_not_allowed", "Send RESET ALL by itself.", "RESET ALL is not permitted here")
	case pg.VariableSetKind_VAR_SET_MULTI:
		if name == "transaction" {
			return nil // READ WRITE is a matter of the access mode
		}
		return refuse("setting_not_allowed", "Set it for the transaction: SET TRANSACTION or BEGIN take the same options.",
			"SET %s is not permitted", strings.ToUpper(name))
	}
	back := n.Kind != pg.VariableSetKind_VAR_SET_VALUE && settings[name] // to what it was at login
	if !back && !e.settable(name) {
		return refuse("setting_not_allowed", "Leave it as it is, or have an operator set it for the role.",
			"setting %q may not be changed by this credential", name)
	}
	if r := textSetting(name, n); r != nil {
		return r
	}
	return nil
}

// setsWhatSETMay says whether a call of set_config is SET in other words, of a
// setting that SET may change and a plain literal names: pgAdmin logs in with
// one. How transactions are is left to the statements about them.
func (e *Engine) setsWhatSETMay(f functionRef) bool {
	if len(f.name) == 2 && f.name[0] != "pg_catalog" || f.call == nil || len(f.call.Args) != 3 {
		return false
	}
	if e.deny[Set] || len(e.allow) > 0 && !e.allow[Set] {
		return false
	}
	if e.catalog != nil {
		for _, o := range e.overloads(f) {
			if !o.Builtin {
				return false
			}
		}
	}
	name := strings.ToLower(f.call.Args[0].GetAConst().GetSval().GetSval())
	if name == "" || strings.HasPrefix(name, "transaction_") {
		return false
	}
	return e.checkSetting(&pg.VariableSetStmt{Kind: pg.VariableSetKind_VAR_SET_VALUE, Name: name, Args: f.call.Args[1:2]}) == nil
}

// textSetting keeps to how texts were read when they were decided about: in
// another encoding or with other escapes, the same bytes are another statement.
// It also keeps what PostgreSQL makes of them between it and the proxy.
func textSetting(name string, n *pg.VariableSetStmt) *refusal {
	if n.Kind != pg.VariableSetKind_VAR_SET_VALUE {
		return nil
	}
	value := ""
	if len(n.Args) == 1 {
		value, _ = literal(n.Args[0])
	}
	switch name {
	case "client_min_messages":
		switch strings.ToLower(value) {
		case "notice", "warning", "error":
			return nil
		}
		return refuse("setting_not_allowed", "Use notice, warning or error.",
			"client_min_messages may not be less than notice: PostgreSQL would tell how it runs what the policy makes of a statement")
	case "client_encoding":
		if v := encodingName(value); v != "utf8" && v != "unicode" {
			return refuse("setting_not_allowed", "Use UTF8.", "client_encoding other than UTF8 is not permitted")
		}
	case "standard_conforming_strings":
		if !isOn(n) {
			return refuse("setting_not_allowed", "Use E'…' for strings with escapes.", "standard_conforming_strings must stay on")
		}
	}
	return nil
}

// encodingName is what PostgreSQL makes of the name of an encoding: letters and
// digits are all that counts. asyncpg sends 'utf-8', with the quotes.
func encodingName(value string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(value))
}

// settable says whether a principal may change a setting. Settings with a dot
// belong to applications: they may, but for PgBeam's own, and for those of
// extensions and languages (pg…, pl…). What a row filter depends on stays.
func (e *Engine) settable(name string) bool {
	if e.Sways(name) {
		return false
	}
	if settings[name] || strings.HasPrefix(name, "enable_") || strings.HasPrefix(name, "geqo") {
		return true
	}
	class, _, dotted := strings.Cut(name, ".")
	return dotted && !strings.HasPrefix(class, "pg") && !strings.HasPrefix(class, "pl") && !extensionSettings[class]
}

var extensionSettings = nameSet(`postgis postgres_fdw auto_explain citus timescaledb anon supautils vault cron`)

var settings = nameSet(`
	application_name client_encoding client_min_messages standard_conforming_strings escape_string_warning
	datestyle intervalstyle timezone extra_float_digits bytea_output xmlbinary xmloption
	lc_monetary lc_numeric lc_time default_text_search_config
	transaction_isolation transaction_deferrable transaction_read_only
	work_mem hash_mem_multiplier maintenance_work_mem effective_cache_size effective_io_concurrency
	random_page_cost seq_page_cost cpu_tuple_cost cpu_index_tuple_cost cpu_operator_cost parallel_setup_cost
	parallel_tuple_cost max_parallel_workers_per_gather jit join_collapse_limit from_collapse_limit plan_cache_mode
	constraint_exclusion cursor_tuple_fraction lock_timeout synchronous_commit check_function_bodies
	default_tablespace default_table_access_method
`)
