package policy

// group is a profile with the statements that are tried under it.
type group struct {
	*profile
	cases []scenario
}

// scenario is a statement, and all that is to come of it.
//
// Rows are written "1|ann; 2|bob", and the results of several statements
// "1|ann; 2|bob ;; 3". ∅ is NULL, <hash of x> the SHA-256 of x, and rows that
// begin with ~ are any that contain the rest.
type scenario struct {
	sql     string
	verdict string // allow, mask, row-filter, block
	rule    string
	rows    string
	binary  string // rows in binary format, where not each masked cell alone is NULL
	tag     string // of the last statement; SELECT and the number of rows when empty
	says    string // part of the error's message
	code    string // SQLSTATE; that of a policy's refusal when empty
	notice  string // part of one of the notices; no notice may come when empty

	args   []string // of $1, $2, …: by the extended protocol alone
	batch  bool     // several statements: by the simple protocol alone
	before []string // in the same session, all permitted
	after  string   // in the same session, permitted too
	leaves [2]string
	setup  string // run on PostgreSQL itself
	undo   string
	option string // "options" of the connection string
	fresh  bool   // with a credential that nobody has used
	first  int    // version of PostgreSQL that has what it is about; 0 is any

	// dry is what the evaluation without a database says where it is another.
	dryVerdict, dryRule string
}

func permitted(verdict, sql, rows string) scenario {
	return scenario{sql: sql, verdict: verdict, rule: "ok", rows: rows}
}

func allow(sql, rows string) scenario    { return permitted("allow", sql, rows) }
func masked(sql, rows string) scenario   { return permitted("mask", sql, rows) }
func filtered(sql, rows string) scenario { return permitted("row-filter", sql, rows) }

// refused is a statement of which nothing runs.
func refused(rule, sql, says string) scenario {
	return scenario{sql: sql, verdict: "block", rule: rule, says: says}
}

// inBinary says what comes in binary format, where a column that is masked in
// one arm of a union is NULL in all of them.
func (c scenario) inBinary(rows string) scenario { c.binary = rows; return c }

// tagged says with which tag a statement completes.
func (c scenario) tagged(tag string) scenario { c.tag = tag; return c }

// fails says that a permitted statement ends in PostgreSQL's own error.
func (c scenario) fails(code, says string) scenario { c.code, c.says = code, says; return c }

// coded says that a refusal has an SQLSTATE of its own: that of the mistake
// which PostgreSQL would have found, too.
func (c scenario) coded(code string) scenario { c.code = code; return c }

func (c scenario) notes(text string) scenario         { c.notice = text; return c }
func (c scenario) with(args ...string) scenario       { c.args = args; return c }
func (c scenario) inBatch() scenario                  { c.batch = true; return c }
func (c scenario) following(sql ...string) scenario   { c.before = sql; return c }
func (c scenario) then(sql string) scenario           { c.after = sql; return c }
func (c scenario) on(setup, undo string) scenario     { c.setup, c.undo = setup, undo; return c }
func (c scenario) connecting(options string) scenario { c.option = options; return c }
func (c scenario) firstUse() scenario                 { c.fresh = true; return c }

// since says which version of PostgreSQL has what a case is about.
func (c scenario) since(version int) scenario { c.first = version; return c }

// leaving says what a query straight to PostgreSQL gives after the statement.
func (c scenario) leaving(query, rows string) scenario { c.leaves = [2]string{query, rows}; return c }

// dry says what names alone decide, where the schema decides otherwise.
func (c scenario) dry(verdict, rule string) scenario {
	c.dryVerdict, c.dryRule = verdict, rule
	return c
}

// refusal says whether the policy ends it.
func (c scenario) refusal() bool { return c.verdict == "block" }

func (c scenario) writes() bool { return c.leaves[0] != "" || c.setup != "" || c.undo != "" }

const refusedCode = "42501"
