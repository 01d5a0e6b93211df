package policy

import (
	"os"
	"reflect"
	"strings"
	"testing"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// Ordinary work is permitted under a read-only policy with a rule about a
// table that it does not touch.
func TestOrdinaryReadingIsPermitted(t *testing.T) {
	e := mustCompile(t, Profile{ReadOnly: true, TableDenylist: []string{"secrets"}}, nil)
	for name, sql := range tpch(t) {
		if d := e.Evaluate(sql); d.Verdict != Allow {
			t.Errorf("TPC-H %s: %s", name, d.Reason)
		}
	}
	text, err := os.ReadFile("testdata/introspection.sql")
	if err != nil {
		t.Fatal(err)
	}
	queries := strings.Split(string(text), "\n\n")
	if len(queries) < 20 {
		t.Fatalf("only %d introspection queries", len(queries))
	}
	for _, sql := range queries {
		if d := e.Evaluate(sql); d.Verdict != Allow {
			t.Errorf("%s\n  %s", sql, d.Reason)
		}
	}
}

// Every node of the grammar is either known, or of the analyzed tree, which
// the parser does not make. A new one in the next parser fails here.
func TestEveryNodeTypeIsConsidered(t *testing.T) {
	notParsed := nameSet(`TableFunc Var Param Aggref WindowFunc WindowFuncRunCondition SubscriptingRef FuncExpr OpExpr
		DistinctExpr NullIfExpr ScalarArrayOpExpr SubPlan AlternativeSubPlan FieldSelect FieldStore RelabelType CoerceViaIO
		ArrayCoerceExpr ConvertRowtypeExpr CollateExpr CaseTestExpr ArrayExpr RowCompareExpr JsonConstructorExpr JsonExpr
		JsonTablePath JsonTablePathScan JsonTableSiblingJoin MergeAction CoerceToDomain CoerceToDomainValue NextValueExpr
		InferenceElem TargetEntry RangeTblRef FromExpr OnConflictExpr Query SinglePartitionSpec RangeTblEntry
		RTEPermissionInfo RangeTblFunction TableSampleClause WithCheckOption SortGroupClause WindowClause RowMarkClause
		SetOperationStmt PLAssignStmt InlineCodeBlock CallContext IntList OidList`)
	fields := (&pg.Node{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		name := string(fields.Get(i).Message().Name())
		if knownNodes[name] == notParsed[name] {
			t.Errorf("node %s: known %v, listed as never parsed %v", name, knownNodes[name], notParsed[name])
		}
	}
}

// The walk finds messages in pointers, slices of pointers and oneofs. A node
// with a field of another shape would be read past.
func TestNoNodeHoldsMessagesWhereTheWalkDoesNotLook(t *testing.T) {
	seen := make(map[reflect.Type]bool)
	var visit func(reflect.Type)
	visit = func(typ reflect.Type) {
		if seen[typ] {
			return
		}
		seen[typ] = true
		for i := range typ.NumField() {
			f := typ.Field(i)
			if !f.IsExported() {
				continue
			}
			switch k := f.Type.Kind(); k {
			case reflect.Pointer:
				visit(f.Type.Elem())
			case reflect.Slice:
				if e := f.Type.Elem(); e.Kind() == reflect.Pointer {
					visit(e.Elem())
				} else if e.Kind() == reflect.Struct || e.Kind() == reflect.Interface {
					t.Errorf("%s.%s is a %s", typ, f.Name, f.Type)
				}
			case reflect.Map, reflect.Struct, reflect.Array:
				t.Errorf("%s.%s is a %s", typ, f.Name, f.Type)
			}
		}
	}
	visit(reflect.TypeOf(pg.Node{}))
	fields := (&pg.Node{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		m := (&pg.Node{}).ProtoReflect().NewField(fields.Get(i)).Message().Interface()
		visit(reflect.TypeOf(m).Elem())
	}
	if len(seen) < 250 {
		t.Errorf("visited only %d types", len(seen))
	}
}
