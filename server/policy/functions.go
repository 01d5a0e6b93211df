package policy

import (
	_ "embed"
	"strings"
	"sync"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// checkFunctions keeps dangerous families from everybody and, where rules
// speak of relations, everything whose code is not PostgreSQL's own: what a
// user-defined function reads cannot be seen from here.
func (e *Engine) checkFunctions(s *statement) *refusal {
	for _, f := range s.functions {
		if r := e.checkFunction(f); r != nil {
			return r
		}
	}
	if !e.ruled {
		return nil
	}
	for _, op := range s.operators {
		if !builtinOperator(op) {
			return refuse("function_not_allowed", functionHint,
				"operator %q is not one of PostgreSQL's own", strings.Join(op, "."))
		}
	}
	for _, c := range s.casts {
		if !e.harmlessCast(c) {
			return refuse("function_not_allowed", "Cast to one of PostgreSQL's own types.",
				"the cast to %q may call a function that is not one of PostgreSQL's own", strings.Join(stringsOf(c.TypeName.Names), "."))
		}
	}
	for _, m := range s.samples {
		if name := m[len(m)-1]; name != "system" && name != "bernoulli" {
			return refuse("function_not_allowed", "Use TABLESAMPLE SYSTEM or BERNOULLI.",
				"the sampling method %q is not one of PostgreSQL's own", name)
		}
	}
	return e.checkAttributes(s)
}

const functionHint = "Write it with PostgreSQL's own functions and operators; pg_catalog.NAME picks a built-in one where an extension offers the same name."

func (e *Engine) checkFunction(f functionRef) *refusal {
	name := f.name[len(f.name)-1]
	if dangerous(name) {
		return refuse("function_not_allowed", "There is no policy that permits it.",
			"function %q is never permitted: it reaches files, other sessions, settings or data past the policy", name)
	}
	switch e.reach(f) {
	case reachBuiltin:
		return nil
	case reachUnknown, reachForeign:
		if e.ruled {
			return refuse("function_not_allowed", functionHint,
				"function %q is not one of PostgreSQL's own, and this policy has rules about tables", strings.Join(f.name, "."))
		}
		if e.narrowed && !e.stable(f) {
			return refuse("function_not_allowed", functionHint,
				"function %q may write, and this policy permits only some kinds of statement", strings.Join(f.name, "."))
		}
	case reachVolatile:
		if !e.ruled {
			return nil
		}
		if !sequenceFunction(f) {
			return refuse("function_not_allowed", functionHint,
				"function %q has effects or results that this policy cannot account for", strings.Join(f.name, "."))
		}
		if len(e.allowed)+len(e.denied) > 0 && f.call != nil && len(f.call.Args) > 0 {
			if _, ok := literal(f.call.Args[0]); !ok {
				return refuse("function_not_allowed", "Name the sequence in a literal.",
					"the sequence of %q cannot be told", name)
			}
		}
	}
	return nil
}

// reach is what a call may arrive at.
type reach int

const (
	reachBuiltin  reach = iota // built in and harmless
	reachVolatile              // built in, with effects
	reachForeign               // not built in
	reachUnknown
)

// reach resolves a call. Which overload PostgreSQL takes depends on the types
// of the arguments, so every one that takes as many arguments counts.
func (e *Engine) reach(f functionRef) reach {
	name := f.name[len(f.name)-1]
	if len(f.name) > 2 {
		return reachUnknown
	}
	if e.catalog == nil || len(e.catalog.Functions) == 0 {
		return reachByName(f)
	}
	found := reachUnknown
	for _, o := range e.overloads(f) {
		if !e.takes(o, f.args) {
			continue
		}
		if !o.Builtin {
			return reachForeign
		}
		if o.Volatility == 'v' && !harmlessVolatile[name] {
			found = reachVolatile
		} else if found == reachUnknown {
			found = reachBuiltin
		}
	}
	if found == reachUnknown && e.typeCalled(f) {
		return reachBuiltin
	}
	return found
}

// reachByName decides without a catalog.
func reachByName(f functionRef) reach {
	name := f.name[len(f.name)-1]
	if len(f.name) == 2 && !isSystem(f.name[0]) {
		return reachForeign
	}
	switch {
	case builtinFunctions()[name], harmlessVolatile[name]:
		return reachBuiltin
	case sequenceFunction(f):
		return reachVolatile
	}
	return reachUnknown
}

// overloads are the functions that a call by this name may mean.
func (e *Engine) overloads(f functionRef) []Function {
	name := f.name[len(f.name)-1]
	if len(f.name) == 2 {
		return e.catalog.Functions[RelationName{f.name[0], name}]
	}
	var all []Function
	for _, schema := range e.searchPath() {
		all = append(all, e.catalog.Functions[RelationName{schema, name}]...)
	}
	return all
}

// takes says whether o can be called with n arguments. Defaults may stand for
// missing ones, and a last argument of array type may be variadic. Aggregates
// count direct and aggregated arguments together.
func (e *Engine) takes(o Function, n int) bool {
	if n <= len(o.Arguments) || o.Kind == 'a' {
		return true
	}
	if len(o.Arguments) == 0 {
		return false
	}
	last := o.Arguments[len(o.Arguments)-1]
	const anyOID, anyArray = 2276, 2277
	return last == anyOID || last == anyArray || e.catalog.Types[last].Element != 0
}

// stable says whether every function a call may mean promises not to write.
func (e *Engine) stable(f functionRef) bool {
	if e.profile.ReadOnly {
		return true // its transactions are READ ONLY
	}
	if e.catalog == nil {
		return false
	}
	overloads := e.overloads(f)
	for _, o := range overloads {
		if o.Volatility == 'v' || o.Volatility == 0 {
			return false
		}
	}
	return len(overloads) > 0
}

// typeCalled says whether a call is a cast in the form of a call to one of
// PostgreSQL's own types.
func (e *Engine) typeCalled(f functionRef) bool {
	if f.args != 1 || len(f.name) == 2 && f.name[0] != "pg_catalog" {
		return false
	}
	for _, t := range e.types(f.name[len(f.name)-1]) {
		if t.Schema == "pg_catalog" {
			return true
		}
	}
	return false
}

// builtinOnly says whether a view's definition calls nothing but built-in
// functions and operators.
func (e *Engine) builtinOnly(s *statement) bool {
	for _, f := range s.functions {
		if r := e.reach(f); r == reachForeign || r == reachUnknown || dangerous(f.name[len(f.name)-1]) {
			return false
		}
	}
	for _, op := range s.operators {
		if !builtinOperator(op) {
			return false
		}
	}
	return true
}

// harmlessCast permits casts to PostgreSQL's own types, and of literals and
// parameters to any: these go through the type's input function. Enums, and
// domains over what is permitted, have no code of their own.
func (e *Engine) harmlessCast(c *pg.TypeCast) bool {
	if c.TypeName == nil {
		return false
	}
	names := stringsOf(c.TypeName.Names)
	if len(names) == 0 {
		return false
	}
	switch c.Arg.GetNode().(type) {
	case *pg.Node_AConst, *pg.Node_ParamRef:
		return true
	}
	if len(names) == 2 && names[0] == "pg_catalog" || e.catalog == nil || len(e.catalog.Types) == 0 {
		return true
	}
	name := names[len(names)-1]
	found := false
	for _, t := range e.types(name) {
		if len(names) == 1 && t.Schema == "pg_catalog" {
			return true // pg_catalog is searched first
		}
	}
	for _, t := range e.types(name) {
		if len(names) == 2 && t.Schema != names[0] {
			continue
		}
		if !e.plainType(t, 8) {
			return false
		}
		found = true
	}
	return found
}

// types are the types of a name, in whichever schema.
func (e *Engine) types(name string) []TypeInfo {
	e.typesOnce.Do(func() {
		e.typesByName = make(map[string][]TypeInfo, len(e.catalog.Types))
		for _, t := range e.catalog.Types {
			e.typesByName[t.Name] = append(e.typesByName[t.Name], t)
		}
	})
	return e.typesByName[name]
}

func (e *Engine) plainType(t TypeInfo, depth int) bool {
	switch {
	case t.Schema == "pg_catalog", t.Schema == "information_schema", t.Category == 'E', t.Category == 'C':
		return true
	case t.Base != 0 && depth > 0:
		base, ok := e.catalog.Types[t.Base]
		return ok && e.plainType(base, depth-1)
	case t.Element != 0 && depth > 0:
		element, ok := e.catalog.Types[t.Element]
		return ok && e.plainType(element, depth-1)
	}
	return false
}

// checkAttributes refuses a call in the form of an attribute: PostgreSQL reads
// u.f as f(u) when u has no column f.
func (e *Engine) checkAttributes(s *statement) *refusal {
	if len(e.rowFunctions) == 0 {
		return nil
	}
	names := append([]string(nil), s.fields...)
	for _, c := range s.columns {
		if parts := stringsOf(c.Fields); len(parts) > 1 {
			names = append(names, parts[len(parts)-1])
		}
	}
	for _, name := range names {
		if e.rowFunctions[name] && !s.everyRelationHas(name) {
			return refuse("function_not_allowed", functionHint, "%q may call a function that is not one of PostgreSQL's own", name)
		}
	}
	return nil
}

func (s *statement) everyRelationHas(column string) bool {
	for _, r := range s.refs {
		if r.relation == nil || !r.relation.has(column) {
			return false
		}
	}
	return len(s.refs) > 0
}

func (r *Relation) has(column string) bool {
	for _, c := range r.Columns {
		if c.Name == column {
			return true
		}
	}
	return false
}

// harmlessVolatile are the volatile built-in functions that tell or change
// nothing a rule could be about.
var harmlessVolatile = nameSet(`
	random random_normal setseed gen_random_uuid uuidv4 uuidv7 clock_timestamp timeofday lastval
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
	get_raw_page
`)

var dangerousPrefixes = []string{
	"dblink", "postgres_fdw_", "pg_read_", "pg_ls_", "pg_stat_file", "pg_file_", "pg_advisory_", "pg_try_advisory_",
	"pg_replication_", "pg_logical_", "pg_wal_replay_", "pg_create_logical_", "pg_create_physical_", "pg_drop_replication_",
	"pg_copy_logical_", "pg_copy_physical_", "pg_stat_reset", "pg_stat_statements_", "pg_stat_get_backend_", "binary_upgrade_",
	"pg_restore_", "pg_clear_",
}

func dangerous(name string) bool {
	name = strings.ToLower(name)
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

// builtinOperator knows the names of PostgreSQL's own operators. An operator
// of that name may still be somebody's own, for a type of their own; it was
// made by who owns the database, as no policy permits to create one.
func builtinOperator(name []string) bool {
	switch len(name) {
	case 1:
		return builtinOperators[name[0]]
	case 2:
		return name[0] == "pg_catalog" && builtinOperators[name[1]]
	}
	return len(name) == 0
}

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
