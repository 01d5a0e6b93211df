// Package policy decides what a statement may do.
//
// It is pure: a profile and a catalog go in, and for each SQL text a decision
// comes out, with the text to run instead and what to watch for on the wire.
// It has no socket, no clock and no store, never panics, and what it does not
// know it refuses.
package policy

// Profile is what a policy profile asks for, as the decision needs it. Zero is
// unlimited or off. Budgets and approvals are no matter of a single text and
// are kept elsewhere.
type Profile struct {
	ReadOnly        bool
	AllowStatements []string // kinds; empty allows all that ReadOnly leaves
	DenyStatements  []string
	TableAllowlist  []string // empty allows all
	TableDenylist   []string
	Masks           []Mask
	Filters         []Filter
	MaxRows         int
	MaxAffectedRows int
	Migrations      string // off, warn, block
	// RollBack: nothing is ever committed. The wire runs what stands outside a
	// transaction in one that it rolls back; COMMIT becomes ROLLBACK.
	RollBack bool
}

// Ruled says whether p has rules about relations. Such a profile holds on the
// wire only with a catalog: without one, names alone decide.
func (p Profile) Ruled() bool {
	return len(p.TableAllowlist)+len(p.TableDenylist)+len(p.Masks)+len(p.Filters) > 0
}

// Mask hides one column of a relation.
type Mask struct {
	Table, Column string
	Kind          MaskKind
}

// MaskKind is how a value is hidden.
type MaskKind string

// The kinds of mask.
const (
	Redact MaskKind = "redact"
	Null   MaskKind = "null"
	Hash   MaskKind = "hash"
)

// Filter restricts one relation to the rows its predicate accepts.
type Filter struct {
	Table, Predicate string
}

// Verdict says what becomes of a statement.
type Verdict string

// The verdicts.
const (
	Allow     Verdict = "allow"
	Block     Verdict = "block"
	Masked    Verdict = "mask"
	RowFilter Verdict = "row-filter"
)

// Kind is the kind of a statement, in the words of statement rules.
type Kind string

// The kinds of statement.
const (
	Select      Kind = "select"
	Insert      Kind = "insert"
	Update      Kind = "update"
	Delete      Kind = "delete"
	DDL         Kind = "ddl"
	Copy        Kind = "copy"
	Set         Kind = "set"
	Show        Kind = "show"
	Explain     Kind = "explain"
	Transaction Kind = "transaction"
	Merge       Kind = "merge"
	Other       Kind = "other"
)

// Decision is what is to become of one SQL text.
type Decision struct {
	Verdict Verdict
	Rule    string // ok, read_only, table_denied, …; ok when nothing refused
	Reason  string // for people: what was refused and why; never names what the principal may not see
	Hint    string // what to do instead; of refusals

	// Syntax is set for a text that PostgreSQL's own parser rejects.
	Syntax *SyntaxError
	// Undefined is the SQLSTATE with which PostgreSQL itself refuses a name that
	// is nowhere in the database: 42P01 of a relation, 42703 of a column, 42704 of a type. It is
	// empty where another answer would tell of what is hidden.
	Undefined string

	// Unresolved says that a refused text names something the catalog does not
	// know: with a fresher catalog the decision may be another.
	Unresolved bool

	Statements []Statement // in order; empty for a text that could not be parsed
	Checked    bool        // one of them has a Check
	SQL        string      // what to run: the text as it came when nothing had to change

	MaskedColumns []MaskedColumn // sorted
	Predicate     string         // of the filters that were put in, for dry evaluation
	Findings      []Finding      // of migration safety
	Notes         []string       // what only a running session can decide
}

// SyntaxError is what PostgreSQL's parser says of a text. Position is where it
// gave up, in characters from 1, or 0. Hint is ours, for what is no SQL at all.
type SyntaxError struct {
	Message  string
	Position int
	Hint     string
}

// Statement is one statement of a text.
type Statement struct {
	Kind      Kind
	Writes    bool     // it changes data or schema
	Tag       string   // the command as PostgreSQL names it: "SELECT", "CREATE TABLE"
	Name      string   // of the prepared statement that PREPARE makes, EXECUTE runs or DEALLOCATE forgets
	Relations []string // schema-qualified where known, sorted
	Functions []string // sorted
	// Outputs are the masks of the output columns, by position from 0, for the
	// wire: a column in binary format becomes NULL. A text with none has nil.
	Outputs map[int]MaskKind
	// Check is set where written rows are held to a row filter.
	Check *Check
	// Resets: the statement only takes back what the session has set up.
	Resets bool
	// Unbinds: it also takes back what the wire has SET since the login. The wire
	// sets that again right behind the statement, in the same transaction, so
	// that the two last or are undone together.
	Unbinds bool
	// HideDetail: the statement writes to a ruled relation, and PostgreSQL quotes
	// rows in DETAIL ("Failing row contains …"). The wire sends no DETAIL, HINT
	// or CONTEXT of its errors and notices.
	HideDetail bool
	// Caps that the wire keeps while this statement runs; 0 is none.
	MaxRows, MaxAffectedRows int
	// SQL is this statement's part of Decision.SQL.
	SQL string
}

// MaskedColumn is one entry of a dry evaluation's masked columns.
type MaskedColumn struct {
	Column string
	Kind   MaskKind
}

// Finding is what migration safety has to say about a statement.
type Finding struct {
	Severity  string // info, warning, error
	Rule      string
	Message   string
	Statement string
	Line      int // where the statement begins, or the parser gave up; from 1
	Hint      string
}
