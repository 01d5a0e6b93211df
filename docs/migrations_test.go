package docs_test

import (
	"regexp"
	"testing"
)

// The page names every rule of the linter with its severity, and no other.
func TestMigrationRulesAreDocumented(t *testing.T) {
	rules := map[string]string{}
	declared := regexp.MustCompile(`migrationRule\{"(\w+)", severity(Error|Warning|Info)`)
	for _, m := range declared.FindAllStringSubmatch(read(t, "../server/policy/migrations_rules.go"), -1) {
		rules[m[1]] = map[string]string{"Error": "error", "Warning": "warning", "Info": "info"}[m[2]]
	}
	if len(rules) < 23 {
		t.Fatalf("only %d rules found in the code", len(rules))
	}
	for _, row := range table(t, "migrations.md", "## Rules") {
		rule := quoted(row[0])[0]
		if rules[rule] != row[1] {
			t.Errorf("%s is %q in the page and %q in the code", rule, row[1], rules[rule])
		}
		delete(rules, rule)
	}
	for rule := range rules {
		t.Errorf("%s is not in the page", rule)
	}
}
