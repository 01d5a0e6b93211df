package policy

// Severities of a finding. An error refuses the statement where a policy's
// migration safety is block.
const (
	severityError   = "error"
	severityWarning = "warning"
	severityInfo    = "info"
)

// migrationRule is one thing that a migration can do to a database in use:
// destroying data, rewriting a table and holding a lock for as long as a table
// is large are errors; what depends on the data or on the application that
// runs beside it is a warning.
type migrationRule struct {
	name, severity, hint string
}

var (
	dropTable = migrationRule{"drop_table", severityError,
		"rename it aside in this release and drop it in a later one, when nothing reads it and a backup is kept"}
	dropColumn = migrationRule{"drop_column", severityError,
		"stop using the column in this release and drop it in a later one"}
	truncateTable = migrationRule{"truncate", severityError,
		"delete the rows that are no longer wanted, in batches"}
	renameColumn = migrationRule{"rename_column", severityWarning,
		"add a column under the new name, write both, copy the rows in batches, then stop using the old one"}
	renameTable = migrationRule{"rename_table", severityWarning,
		"leave a view under the old name until every application uses the new one"}
	alterColumnType = migrationRule{"alter_column_type", severityError,
		"add a column of the new type, copy the rows in batches, then use it in place of the old one"}
	addNotNullNoDefault = migrationRule{"add_not_null_no_default", severityError,
		"give the column a constant default, or add it nullable and fill it before it is made NOT NULL"}
	setNotNull = migrationRule{"set_not_null", severityError,
		"add CHECK (… IS NOT NULL) NOT VALID, then VALIDATE CONSTRAINT; a SET NOT NULL that follows in the same migration trusts it and reads nothing"}
	addColumnVolatileDefault = migrationRule{"add_column_volatile_default", severityError,
		"add the column without it, set the default for new rows, then fill the old rows in batches"}
	missingConcurrently = migrationRule{"missing_concurrently", severityError,
		"use CREATE INDEX CONCURRENTLY, outside a transaction"}
	dropIndexNotConcurrently = migrationRule{"drop_index_not_concurrently", severityWarning,
		"use DROP INDEX CONCURRENTLY, outside a transaction"}
	addForeignKeyNotValidMissing = migrationRule{"add_foreign_key_not_valid_missing", severityError,
		"add the constraint NOT VALID, then run VALIDATE CONSTRAINT in a transaction of its own"}
	addCheckNotValidMissing = migrationRule{"add_check_not_valid_missing", severityError,
		"add the constraint NOT VALID, then run VALIDATE CONSTRAINT in a transaction of its own"}
	addUniqueConstraint = migrationRule{"add_unique_constraint", severityError,
		"build the index with CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … UNIQUE USING INDEX"}
	addPrimaryKey = migrationRule{"add_primary_key", severityError,
		"build the index with CREATE UNIQUE INDEX CONCURRENTLY on columns that are NOT NULL, then ADD CONSTRAINT … PRIMARY KEY USING INDEX"}
	reindexNotConcurrently = migrationRule{"reindex_not_concurrently", severityError,
		"use REINDEX … CONCURRENTLY, outside a transaction"}
	vacuumFull = migrationRule{"vacuum_full", severityError,
		"use VACUUM, which makes the space free for new rows and locks nobody out"}
	clusterTable = migrationRule{"cluster", severityError,
		"leave the order of the rows to the planner, or do it when nobody uses the table"}
	attachPartitionWithoutCheck = migrationRule{"attach_partition_without_check", severityWarning,
		"first add a CHECK to the partition that says the same as its bounds, NOT VALID, and validate it: attaching then trusts it"}
	disableTrigger = migrationRule{"disable_trigger", severityWarning,
		"leave it enabled and let it skip what it should, or enable it again in the same transaction"}
	enumValueInTransaction = migrationRule{"enum_value_in_transaction", severityWarning,
		"add the value outside a transaction, before the statements that use it"}
	lockTable = migrationRule{"lock_table", severityError,
		"lock the rows that change, with SELECT … FOR UPDATE"}
	refreshMatviewNotConcurrently = migrationRule{"refresh_matview_not_concurrently", severityError,
		"give the view a unique index and use REFRESH MATERIALIZED VIEW CONCURRENTLY"}

	migrationParseError = migrationRule{"parse_error", severityError,
		"correct it; commands of psql that begin with a backslash are no SQL"}
	tooManyFindings = migrationRule{"too_many_findings", severityError,
		"split the migration"}
)
