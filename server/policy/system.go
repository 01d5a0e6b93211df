package policy

import "strings"

// checkSystem keeps the system catalogs to reading, and what they tell about
// other sessions, credentials and data to those it was allowed to by name.
func (e *Engine) checkSystem(s *statement, ref *relationRef) *refusal {
	if ref.target && s.class.writes {
		return refuse("table_denied", "Use DDL to change the schema and SET for settings.",
			"table %q belongs to the system and is not written to", ref.typed())
	}
	if hiddenSchema(ref.name.Schema) {
		return refuse("table_denied", "Read the table itself.", "table %q is storage of another table", ref.typed())
	}
	if s.class.tag == "CREATE VIEW" && ref.name.Name == "pg_settings" {
		return refuse("table_denied", "Use SHOW.", "a view over %q would set settings", ref.typed())
	}
	if sensitive(ref.name) && !e.grantsExactly(ref.name) && s.reachesSecret(ref) {
		return refuse("table_not_allowed", "Ask your operator to allow it by its qualified name.",
			"table %q shows what the database keeps about other sessions, credentials or data", ref.typed())
	}
	return nil
}

func isSystem(schema string) bool { return schema == "pg_catalog" || schema == "information_schema" }

// hiddenSchema are the schemas of TOAST tables, which hold column values.
func hiddenSchema(schema string) bool { return strings.HasPrefix(schema, "pg_toast") }

// sensitive are the relations that need to be allowed by name: they show other
// sessions' statements, credentials, or values out of tables.
func sensitive(n RelationName) bool {
	switch n.Name {
	case "pg_stat_statements":
		return true // an extension's, in whichever schema
	case "user_mapping_options", "_pg_user_mappings":
		return n.Schema == "information_schema"
	case "pg_stat_activity", "pg_prepared_statements", "pg_cursors", "pg_hba_file_rules", "pg_ident_file_mappings", "pg_file_settings",
		"pg_authid", "pg_shadow", "pg_subscription", "pg_user_mapping", "pg_user_mappings", "pg_largeobject",
		"pg_stats", "pg_statistic", "pg_stats_ext", "pg_stats_ext_exprs", "pg_statistic_ext_data":
		return n.Schema == "pg_catalog"
	}
	return false
}

// secretColumns are sensitive relations of which one column is secret, and the
// others, which catalog browsers ask for.
var secretColumns = map[RelationName]struct {
	secret string
	others map[string]bool
}{
	{"pg_catalog", "pg_subscription"}: {"subconninfo", nameSet(`oid subdbid subskiplsn subname subowner subenabled subbinary substream
		subtwophasestate subdisableonerr subpasswordrequired subrunasowner subfailover subslotname subsynccommit subpublications suborigin`)},
	{"pg_catalog", "pg_user_mapping"}:  {"umoptions", nameSet("oid umuser umserver")},
	{"pg_catalog", "pg_user_mappings"}: {"umoptions", nameSet("umid srvid srvname umuser usename")},
}

// reachesSecret says whether s could come by what is secret in a sensitive
// relation. Of some it is one column: who neither names it nor takes the row
// as a whole reads of the rest.
func (s *statement) reachesSecret(ref *relationRef) bool {
	columns, ok := secretColumns[ref.name]
	if !ok || ref.holder == nil {
		return true
	}
	said := readMentions(s.node, nil)
	for _, d := range said.dotted {
		alias := ref.rangeVar.GetAlias().GetAliasname()
		if (d[0] == ref.rangeVar.Relname || d[0] == alias) && !columns.others[d[1]] && !systemColumns[d[1]] {
			return true // perhaps a function of the row
		}
	}
	return said.reach(use{rangeVar: ref.rangeVar, rules: &relationRules{masks: map[string]MaskKind{columns.secret: Null}}})
}
