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
	if sensitive(ref.name) && !e.grantsExactly(ref.name) {
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
	case "pg_stat_activity", "pg_prepared_statements", "pg_cursors", "pg_backend_memory_contexts", "pg_hba_file_rules", "pg_ident_file_mappings", "pg_file_settings",
		"pg_authid", "pg_shadow", "pg_subscription", "pg_user_mapping", "pg_user_mappings", "pg_largeobject",
		"pg_stats", "pg_statistic", "pg_stats_ext", "pg_stats_ext_exprs", "pg_statistic_ext_data":
		return n.Schema == "pg_catalog"
	}
	return false
}
