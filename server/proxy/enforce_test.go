package proxy

import (
	"reflect"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// TestNoRuleIsOverlooked sets each field of a policy alone: a rule added to
// the policy and forgotten here would be silently ignored at login.
func TestNoRuleIsOverlooked(t *testing.T) {
	free := store.PolicyRules{AccessMode: "read_write", WriteMode: "normal", ApprovalMode: "off", MigrationSafety: "off"}
	if got := free.Unenforced(); len(got) > 0 {
		t.Fatalf("a policy without rules asks for %q", got)
	}
	harmless := map[string]bool{"ApprovalAutoMaxRows": true, "ApprovalTimeoutSeconds": true} // nothing without approval_mode
	kind := reflect.TypeFor[store.PolicyRules]()
	for i := range kind.NumField() {
		field := kind.Field(i)
		if harmless[field.Name] {
			continue
		}
		rules := free
		v := reflect.ValueOf(&rules).Elem().Field(i)
		switch v.Kind() {
		case reflect.String:
			v.SetString("something else")
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		default:
			v.SetInt(1)
		}
		if field.Name == "WriteMode" {
			v.SetString("rollback")
		}
		if len(rules.Unenforced()) == 0 && reflect.DeepEqual(rulingOf(rules), rulingOf(free)) {
			t.Errorf("%s is not enforced, and lets log in", field.Name)
		}
	}
}
