package api

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// statementKinds are what allow and deny lists of a policy may name.
var statementKinds = []string{"select", "insert", "update", "delete", "ddl", "copy", "set", "show", "explain", "transaction"}

// checkRules checks what the document cannot say about a policy: names that
// mean something, and rules that do not contradict each other. Whether a
// predicate parses and its columns exist is the policy engine's to say.
func checkRules(r store.PolicyRules) []fieldError {
	var wrong []fieldError
	refuse := func(field, format string, args ...any) {
		wrong = append(wrong, fieldError{field, fmt.Sprintf(format, args...)})
	}
	for _, l := range []struct {
		field string
		kinds []string
	}{{"statement_rules.allow", r.AllowStatements}, {"statement_rules.deny", r.DenyStatements}} {
		for i, kind := range l.kinds {
			if !slices.Contains(statementKinds, kind) {
				refuse(fmt.Sprintf("%s[%d]", l.field, i), "must be one of %s", strings.Join(statementKinds, ", "))
			}
		}
	}
	relations := func(field string, names []string) map[string]int {
		seen := map[string]int{}
		for i, name := range names {
			key, ok := relationKey(name)
			if !ok {
				refuse(fmt.Sprintf("%s[%d]", field, i), "%s", relationForm)
				continue
			}
			seen[key] = i
		}
		return seen
	}
	allowed := relations("table_allowlist", r.TableAllowlist)
	denied := relations("table_denylist", r.TableDenylist)
	for _, key := range slices.Sorted(maps.Keys(denied)) {
		if i, both := allowed[key]; both {
			refuse(fmt.Sprintf("table_denylist[%d]", denied[key]), "names the same table as table_allowlist[%d]; a table is either allowed or denied", i)
		}
	}
	masks := map[[2]string]int{}
	for i, m := range r.MaskingRules {
		table, ok := relationKey(m.Table)
		if !ok {
			refuse(fmt.Sprintf("masking_rules[%d].table", i), "%s", relationForm)
		}
		column, named := identifiers(m.Column)
		if !named || len(column) != 1 {
			refuse(fmt.Sprintf("masking_rules[%d].column", i), "must be one column name, quoted if it has other characters than letters, digits, _ and $")
		}
		if !ok || !named || len(column) != 1 {
			continue
		}
		key := [2]string{table, column[0]}
		if first, repeated := masks[key]; repeated {
			refuse(fmt.Sprintf("masking_rules[%d]", i), "masks the same column as masking_rules[%d]; a column has one mask", first)
			continue
		}
		masks[key] = i
	}
	if r.StatementTimeoutMs > math.MaxInt32 {
		refuse("statement_timeout_ms", "must be at most %d, the most that PostgreSQL takes; 0 is no limit", math.MaxInt32)
	}
	for i, f := range r.RowFilters {
		if _, ok := relationKey(f.Table); !ok {
			refuse(fmt.Sprintf("row_filters[%d].table", i), "%s", relationForm)
		}
		if strings.TrimSpace(f.Predicate) == "" {
			refuse(fmt.Sprintf("row_filters[%d].predicate", i), "must be a SQL condition")
		}
	}
	return wrong
}

const relationForm = "must be a table name, with or without its schema, such as orders, sales.orders or sales.\"Order lines\"; each part is at most 63 bytes long, and in quotes if it has other characters than letters, digits, _ and $"

// relationKey folds a relation name as PostgreSQL does, with public as the
// schema of a bare one, so that two names of one table have one key.
func relationKey(name string) (string, bool) {
	parts, ok := identifiers(name)
	switch {
	case !ok || len(parts) > 2:
		return "", false
	case len(parts) == 1:
		return "public\x00" + parts[0], true
	}
	return parts[0] + "\x00" + parts[1], true
}

// maxIdentifier is PostgreSQL's NAMEDATALEN less its terminator, in bytes.
const maxIdentifier = 63

// identifiers splits a dotted name into its parts, each folded and unquoted.
func identifiers(name string) ([]string, bool) {
	var parts []string
	for rest := name; ; {
		part, after, ok := identifier(rest)
		if !ok || part == "" || len(part) > maxIdentifier {
			return nil, false
		}
		parts = append(parts, part)
		if after == "" {
			return parts, true
		}
		if after[0] != '.' {
			return nil, false
		}
		rest = after[1:]
	}
}

// identifier reads one identifier, bare or quoted, at the start of text.
func identifier(text string) (name, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		var b strings.Builder
		for i := 1; i < len(text); i++ {
			if text[i] != '"' {
				b.WriteByte(text[i])
				continue
			}
			if i+1 < len(text) && text[i+1] == '"' {
				b.WriteByte('"')
				i++
				continue
			}
			return b.String(), text[i+1:], true
		}
		return "", "", false
	}
	end := 0
	for end < len(text) && isIdentifierByte(text[end], end > 0) {
		end++
	}
	// Only ASCII folds: what PostgreSQL does with the rest depends on its
	// encoding and locale, and case-insensitive matching covers it.
	return strings.ToLower(text[:end]), text[end:], end > 0
}

func isIdentifierByte(b byte, inside bool) bool {
	switch {
	case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b == '_', b >= 0x80:
		return true
	case b >= '0' && b <= '9', b == '$':
		return inside
	}
	return false
}
