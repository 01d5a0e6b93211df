package policy

import (
	_ "embed"
	"strings"
	"sync"
)

// harmlessVolatile are the volatile built-in functions that tell or change
// nothing a rule could be about.
var harmlessVolatile = nameSet(`
	pg_advisory_unlock_all random random_normal setseed array_sample array_shuffle timezone gen_random_uuid uuidv4 uuidv7 clock_timestamp timeofday lastval
	pg_is_in_recovery pg_database_size pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size pg_tablespace_size
	pg_partition_tree pg_partition_ancestors pg_blocking_pids pg_jit_available pg_collation_actual_version
	pg_database_collation_actual_version pg_is_wal_replay_paused pg_current_wal_lsn pg_last_wal_receive_lsn
	pg_last_wal_replay_lsn pg_last_xact_replay_timestamp txid_status pg_xact_status pg_xact_commit_timestamp
`)

// builtinFunctionNames are PostgreSQL's own functions that are not volatile, for
// deciding without a catalog.
//
//go:embed builtin_functions.txt
var builtinFunctionNames string

var builtinFunctions = sync.OnceValue(func() map[string]bool { return nameSet(builtinFunctionNames) })

// dangerousFunctions are refused whatever the policy. Some belong to
// extensions, so the schema does not count.
var dangerousFunctions = nameSet(`
	set_config
	pg_current_logfile pg_hba_file_rules pg_ident_file_mappings pg_show_all_file_settings pg_config
	lo_close lo_creat lo_create lo_export lo_from_bytea lo_get lo_import lo_lseek lo_lseek64 lo_open lo_put lo_tell
	lo_tell64 lo_truncate lo_truncate64 lo_unlink lo_manage loread lowrite
	query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema
	table_to_xml table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema
	schema_to_xml_and_xmlschema database_to_xml database_to_xmlschema database_to_xml_and_xmlschema
	ts_stat ts_rewrite xpath_table crosstab crosstab2 crosstab3 crosstab4 crosstabn connectby currtid2
	pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile pg_rotate_logfile_old pg_promote
	pg_switch_wal pg_create_restore_point pg_start_backup pg_stop_backup pg_backup_start pg_backup_stop
	pg_export_snapshot pg_extension_config_dump pg_nextoid pg_notify pg_log_backend_memory_contexts
	pg_log_standby_snapshot pg_stop_making_pinned_objects pg_import_system_collations pg_sync_replication_slots
	pg_get_backend_memory_contexts pg_get_shmem_allocations
	pg_stat_get_activity pg_cursor pg_prepared_statement pg_stat_statements pg_stats_ext_mcvlist_items pg_mcv_list_items
	get_raw_page pg_logfile_rotate pg_logdir_ls
`)

var dangerousPrefixes = []string{
	"dblink", "postgres_fdw_", "pg_read_", "pg_ls_", "pg_stat_file", "pg_file_", "pg_advisory_", "pg_try_advisory_",
	"pg_replication_", "pg_logical_", "pg_wal_replay_", "pg_create_logical_", "pg_create_physical_", "pg_drop_replication_",
	"pg_copy_logical_", "pg_copy_physical_", "pg_stat_reset", "pg_stat_statements_", "pg_stat_get_backend_", "binary_upgrade_",
	"pg_restore_", "pg_clear_",
}

func dangerous(name string) bool {
	name = strings.ToLower(name)
	if name == unlockAll { // there is none to unlock
		return false
	}
	if dangerousFunctions[name] {
		return true
	}
	for _, p := range dangerousPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// builtinOperators are the names of PostgreSQL's own operators.
var builtinOperators = nameSet(`
	!! !~ !~* !~~ !~~* # ## #- #> #>> % & && &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << <<= <<| <= <> <@ <^
	= > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~= ~>=~ ~>~ ~~ ~~* !=
`)

func nameSet(names string) map[string]bool {
	set := make(map[string]bool)
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}
