package policy

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// checkFloor refuses what no policy permits.
func (e *Engine) checkFloor(s *statement) *refusal {
	if f := s.floor; f != nil {
		return refuse(f.rule, f.hint, "%s", f.reason)
	}
	if s.whereless != "" {
		return refuse("whereless_write", "Name the rows in a WHERE clause that tests a column.",
			"this %s changes every row of the table", s.whereless)
	}
	if s.locks && e.profile.ReadOnly {
		return refuse("locking_select", "Leave out FOR UPDATE, FOR SHARE and their variants.",
			"this credential is read-only and SELECT … FOR UPDATE takes row locks")
	}
	if s.class.tag == "CALL" {
		return e.checkCall(s)
	}
	return nil
}

// checkCall permits a procedure that the catalog knows, where no rule speaks
// of relations: what a procedure does cannot be seen from here.
func (e *Engine) checkCall(s *statement) *refusal {
	const hint = "Send the statements that the procedure would run."
	if len(s.functions) == 0 {
		return refuse("statement_not_allowed", hint, "CALL without a procedure")
	}
	if e.catalog == nil || e.ruled || e.narrowed {
		return refuse("statement_not_allowed", hint, "CALL is not permitted: what the procedure does cannot be checked")
	}
	found := false
	for _, f := range e.overloads(s.functions[0]) {
		found = found || f.Kind == 'p'
	}
	if !found {
		return refuse("statement_not_allowed", hint, "CALL of a procedure that is not known")
	}
	return nil
}

// checkAccess keeps a read-only credential to reading.
func (e *Engine) checkAccess(s *statement) *refusal {
	if !e.profile.ReadOnly {
		return nil
	}
	if what := s.writing(); what != "" {
		return refuse("read_only", "Use a SELECT, or ask your operator for a policy with access_mode read_write.",
			"this credential is read-only; %s is not permitted; only SELECT, SHOW, and EXPLAIN are allowed", what)
	}
	for _, f := range s.functions {
		if name := f.name[len(f.name)-1]; name == "nextval" || name == "setval" {
			return refuse("read_only", "Use currval or read the sequence's last_value.",
				"this credential is read-only; %s changes a sequence", name)
		}
	}
	if readWrite(s.node) {
		return refuse("read_only", "Leave out READ WRITE.",
			"this credential is read-only; a READ WRITE transaction is not permitted")
	}
	return nil
}

// writing is what in s writes, in lower case, or nothing.
func (s *statement) writing() string {
	switch {
	case len(s.writes) > 0:
		return string(s.writes[0])
	case s.class.writes:
		return strings.ToLower(s.class.tag)
	case s.creates:
		return "creating a table"
	}
	if inner := s.node.GetExplainStmt(); inner != nil {
		if c, ok := classOf(inner.Query); !ok || c.writes {
			return strings.ToLower(c.tag)
		}
	}
	return ""
}

// changes says whether running s changes data or schema. An EXPLAIN that does
// not execute changes nothing, whatever it explains.
func (s *statement) changes() bool {
	return s.writing() != "" && (s.class.kind != Explain || s.analyze)
}

// readWrite says whether a statement makes a transaction READ WRITE.
func readWrite(stmt *pg.Node) bool {
	var options []*pg.Node
	switch n := stmt.GetNode().(type) {
	case *pg.Node_TransactionStmt:
		options = n.TransactionStmt.Options
	case *pg.Node_VariableSetStmt:
		if n.VariableSetStmt.Name == "transaction_read_only" {
			return !isOn(n.VariableSetStmt)
		}
		if n.VariableSetStmt.Kind == pg.VariableSetKind_VAR_SET_MULTI {
			options = n.VariableSetStmt.Args
		}
	}
	for _, o := range options {
		if d := o.GetDefElem(); d.GetDefname() == "transaction_read_only" && !trueConst(d.GetArg()) {
			return true
		}
	}
	return false
}

func isOn(n *pg.VariableSetStmt) bool {
	return n.Kind == pg.VariableSetKind_VAR_SET_VALUE && len(n.Args) == 1 && trueConst(n.Args[0])
}

// trueConst recognizes the plain ways to write true, and no other.
func trueConst(n *pg.Node) bool {
	c := n.GetAConst()
	if v := c.GetIval(); v != nil {
		return v.Ival == 1
	}
	if v := c.GetBoolval(); v != nil {
		return v.Boolval
	}
	switch c.GetSval().GetSval() {
	case "on", "true", "yes":
		return true
	}
	return false
}

// checkStatements applies the statement rules, to the statement and to each
// write inside it. EXPLAIN ANALYZE counts as what it runs.
func (e *Engine) checkStatements(s *statement) *refusal {
	for _, k := range s.kinds() {
		if e.deny[k] {
			return refuse("statement_denied", "Ask your operator to take "+string(k)+" off the policy's denied statements.",
				"statements of kind %s are denied to this credential", k)
		}
	}
	if len(e.allow) == 0 {
		return nil
	}
	for _, k := range s.kinds() {
		if !e.allow[k] {
			return refuse("statement_not_allowed", "Permitted kinds: "+strings.Join(e.profile.AllowStatements, ", ")+".",
				"statements of kind %s are not among those allowed to this credential", k)
		}
	}
	return nil
}

// kinds are the kinds that statement rules must permit for s. MERGE is no kind
// of statement rules: it is the writes that it may do.
func (s *statement) kinds() []Kind {
	var kinds []Kind
	add := func(k Kind) {
		for _, have := range kinds {
			if have == k {
				return
			}
		}
		kinds = append(kinds, k)
	}
	if s.class.kind != Merge {
		add(s.class.kind)
	}
	if x := s.node.GetExplainStmt(); x != nil && s.analyze {
		if c, ok := classOf(x.Query); ok && c.kind != Merge {
			add(c.kind)
		}
	}
	for _, w := range s.writes {
		if w != Merge {
			add(w)
		}
	}
	if s.creates {
		add(DDL)
	}
	return kinds
}
