package proxy

import (
	"slices"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// Some of what a statement does stays in its session, where no catalog tells of
// it. A temporary view stands in front of any table of its name, and a setting
// may be one that a row filter reads. When the policy changes they are decided
// again, and a session that could have made no such thing now comes to its end.

// standing is the texts that left something in a session.
type standing struct {
	texts  []string
	weight int
	many   bool   // more than are kept
	under  string // the ruling that they were decided under last
}

// maxStanding bounds the bytes that are kept. Which of the views are temporary
// the upstream knows: one of a temporary table is, whatever its text says.
const maxStanding = 1 << 20

func (s *standing) add(text string) {
	if s.many || slices.Contains(s.texts, text) {
		return
	}
	if s.weight += len(text); s.weight > maxStanding {
		s.texts, s.many = nil, true
		return
	}
	s.texts = append(s.texts, text)
}

// stands notes a permitted text.
func (e *enforcer) stands(v verdict, text []byte) {
	if v.tagged("CREATE VIEW", "SET") || v.any(setsByCall) {
		e.standing.add(string(text))
	}
}

func setsByCall(s *policy.Statement) bool {
	return slices.ContainsFunc(s.Functions, func(name string) bool { return strings.HasSuffix(name, "set_config") })
}

// begun notes the settings that a session began with, and under which ruling.
func (e *enforcer) begun(st startup, under *ruling) {
	e.standing.under = under.text
	st.settings(func(name, value string) {
		if policy.Swayable(name) {
			e.standing.add(settingSQL(name, value))
		}
	})
}

// exposed reports whether something stands that the policy, as it is now, does
// not permit to be made.
func (e *enforcer) exposed() bool {
	s := &e.standing
	if e.ruling.text == s.under {
		return false
	}
	if s.many && e.ruling.profile.Ruled() {
		return true
	}
	for _, text := range s.texts {
		now, refused := e.current(false)
		if refused != nil {
			return false // nothing runs
		}
		if d := now.decide([]byte(text)); d.Verdict == policy.Block && hides[d.Rule] {
			return true
		}
	}
	s.under = e.ruling.text
	return false
}

// hides are the rules about what a statement reads or sets.
var hides = map[string]bool{
	"table_not_allowed": true, "table_denied": true, "function_not_allowed": true, "row_filter_unsafe": true, "setting_not_allowed": true,
	"masked_column_expression": true, "masked_column_predicate": true, "masked_column_rename": true,
}
