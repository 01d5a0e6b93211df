package policy

import (
	"fmt"
	"maps"
	"slices"
	"testing"
)

// topics are the tables of this suite.
func topics() map[string][]group {
	return map[string][]group{
		"access":     access(),
		"statements": statements(),
		"lists":      lists(),
		"masks":      masking(),
		"filters":    slices.Concat(filtering(), writing()),
		"views":      viewing(),
		"caps":       slices.Concat(caps(), writeCaps(), budgets()),
		"migrations": migrations(),
		"wire":       wire(),
		"versions":   versions(),
	}
}

// TestTheTables keeps the suite honest about itself: it must stay wide, and
// try what is permitted as often as what is refused. A policy that refused
// everything would leak nothing, too.
func TestTheTables(t *testing.T) {
	rules := map[string]int{}
	all, refusals := 0, 0
	byTopic := topics()
	for _, topic := range slices.Sorted(maps.Keys(byTopic)) {
		groups, n, no := byTopic[topic], 0, 0
		for _, g := range groups {
			seen := map[string]bool{}
			for _, c := range g.cases {
				n++
				if c.refusal() {
					no++
				}
				rules[c.rule]++
				if key := fmt.Sprint(c.sql, c.option, c.setup, c.before, c.after); seen[key] {
					t.Errorf("%s, %s: %q stands there twice", topic, g.name, c.sql)
				} else {
					seen[key] = true
				}
			}
		}
		t.Logf("%-10s %3d cases, %3d of them refused", topic, n, no)
		all, refusals = all+n, refusals+no
	}
	t.Logf("%-10s %3d cases, %3d of them refused", "all", all, refusals)
	if all < 300 {
		t.Errorf("%d cases, want 300 or more", all)
	}
	if permissions := all - refusals; permissions*10 < refusals*9 || refusals*10 < permissions*9 {
		t.Errorf("%d cases are refused and %d permitted: want about as many", refusals, permissions)
	}
	for _, rule := range []string{
		"ok", "empty", "parse_error", "read_only", "destructive_ddl", "whereless_write", "locking_select", "statement_not_allowed",
		"statement_denied", "table_not_allowed", "table_denied", "masked_column_expression", "masked_column_predicate",
		"masked_column_rename", "function_not_allowed", "setting_not_allowed", "row_filter_unsafe", "migration_block", "max_affected_rows_writable_cte",
		"max_affected_rows", "budget_exhausted",
	} {
		if rules[rule] == 0 {
			t.Errorf("no case is about rule %s; there are cases about %v", rule, slices.Sorted(maps.Keys(rules)))
		}
	}
}
