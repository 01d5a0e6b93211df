package policy

// Catalog is what the upstream's schema looks like, at one moment. It is never
// changed after it was made. A nil Catalog means that names alone decide, as
// in the dry evaluation of a draft.
type Catalog struct {
	SearchPath []string // of the role, "$user" resolved, pg_catalog implied first
	Relations  map[RelationName]*Relation
	Functions  map[RelationName][]Function // all overloads of a name
	Types      map[uint32]TypeInfo
}

// RelationName names a relation or function as the catalog does: exact case.
type RelationName struct{ Schema, Name string }

// Relation is a table, view, materialized view, foreign table or sequence.
type Relation struct {
	RelationName
	OID     uint32
	Kind    byte // of pg_class.relkind: r, p, v, m, f, S, …
	Columns []Column
	Parents []RelationName // inheritance parents, the partitioned table of a partition
	// Sources are the relations that a view or materialized view reads, and
	// per output column the source columns that its value comes from.
	Definition string // SQL of a view
	Owner      string
}

// Column is a column of a relation.
type Column struct {
	Name    string
	Number  int16 // pg_attribute.attnum
	Type    uint32
	NotNull bool
	Sources []ColumnRef // where a view's column comes from, at any depth down to tables
}

// ColumnRef names a column of a relation.
type ColumnRef struct {
	Relation RelationName
	Column   string
}

// Function is one overload of a function.
type Function struct {
	RelationName
	OID        uint32
	Kind       byte // of pg_proc.prokind: f, p, a, w
	Volatility byte // of pg_proc.provolatile: i, s, v
	Leakproof  bool
	Builtin    bool // in pg_catalog and owned by the bootstrap superuser
	Returns    uint32
	Arguments  []uint32
	SetOf      bool
}

// TypeInfo is a data type.
type TypeInfo struct {
	OID      uint32
	Schema   string
	Name     string
	Category byte   // of pg_type.typcategory: S is text-like
	Base     uint32 // of a domain, else 0
	Element  uint32 // of an array, else 0
}
