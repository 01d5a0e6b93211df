package policy

// Catalog is what the upstream's schema looks like, at one moment. It is never
// changed after it was made. A nil Catalog means that names alone decide, as
// in the dry evaluation of a draft.
type Catalog struct {
	Role       string   // whose sessions these are
	UTF8       bool     // what the database is encoded in
	SearchPath []string // of the role, "$user" resolved, pg_catalog implied first
	Relations  map[RelationName]*Relation
	Indexes    map[RelationName]Index
	// ForeignKeys are those by which a write to one table writes to another.
	ForeignKeys []ForeignKey
	Functions   map[RelationName][]Function // all overloads of a name
	Types       map[uint32]TypeInfo
	// Operators, by name, and Casts are those that are not PostgreSQL's own.
	Operators map[string][]Operator
	Casts     []Cast
}

// Index is an index of a table.
type Index struct {
	Table RelationName
	// Columns are those whose values it keeps apart or in order. An expression
	// is the empty string.
	Columns []string
}

// ForeignKey has columns of Table follow the keys of References, in the same
// order. OnUpdate and OnDelete are pg_constraint's letters: c for CASCADE, n
// for SET NULL, d for SET DEFAULT, others for what writes nothing.
type ForeignKey struct {
	Table, References  RelationName
	Columns, Keys      []string
	OnUpdate, OnDelete byte
}

// Operator is one overload of an operator. Left is 0 of a prefix operator.
type Operator struct {
	RelationName
	Left, Right uint32
	Result      uint32
	Native      bool // its function is compiled code
}

// Cast is a cast by a function.
type Cast struct {
	Source, Target uint32
	Implicit       bool // PostgreSQL calls it where nobody asks for it
	Assigns        bool // it also does, or does only, where a value is stored or a condition or number is wanted
	Native         bool // its function is compiled code
}

// RelationName names a relation or function as the catalog does: exact case.
type RelationName struct{ Schema, Name string }

// Relation is a table, view, materialized view, foreign table or sequence.
type Relation struct {
	RelationName
	OID        uint32
	Kind       byte // of pg_class.relkind: r, p, v, m, f, S, …
	Columns    []Column
	Parents    []RelationName // inheritance parents, the partitioned table of a partition
	Definition string         // SQL of a view
	Owner      string
	// Rules: rewrite rules of the owner's run other statements when it is
	// written to. The one that makes a view is none.
	Rules bool
	// Of tables: row-level security is on.
	RowSecurity bool
	// Of views: security_barrier, security_invoker, and that a primary key
	// decides columns which its GROUP BY leaves out.
	Barrier, Invoker, KeyGroups bool
}

// Column is a column of a relation.
type Column struct {
	Name    string
	Number  int16 // pg_attribute.attnum
	Type    uint32
	NotNull bool
	// Collated: its collation is another than the database's, and comparing it
	// with a column of a third one fails.
	Collated bool
	Unique   bool // an index keeps its values apart
	// Sources are the columns that a view's or a generated column's value comes
	// from, at any depth: those of the views between and those of tables.
	Sources []ColumnRef
	// Computed: it is not one of the sources unchanged.
	Computed bool
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
	Builtin    bool // in pg_catalog or information_schema since the cluster was made
	Native     bool // compiled code; of an aggregate that is not known
	Extension  bool // came with an extension
	Returns    uint32
	Arguments  []uint32
	SetOf      bool
	Outputs    []string // names of its output parameters, of built-in ones
}

// TypeInfo is a data type.
type TypeInfo struct {
	OID      uint32
	Schema   string
	Name     string
	Category byte     // of pg_type.typcategory: S is text-like
	Base     uint32   // of a domain, else 0
	Element  uint32   // of an array, else 0
	Parts    []uint32 // what values of a composite or range type, not of PostgreSQL's own, are made of
	Checks   bool     // a domain whose CHECK calls a function that is not built in or compiled
}
