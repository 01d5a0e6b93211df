package property

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawStatement makes a statement that the regime permits, or one that it does
// not.
func drawStatement(under *regime) *rapid.Generator[*statement] {
	return rapid.Custom(func(t *rapid.T) *statement {
		switch g := newGenerator(draw{t}, under); g.below(11) {
		case 6:
			return g.failing()
		case 7:
			if s, ok := g.forbidden(); ok {
				return s
			}
		case 8, 9, 10:
			if under.AccessMode == "read_write" && under.MaxRows == 0 {
				if s, ok := g.writing(); ok {
					return s
				}
			}
			if s, ok := g.forbidden(); ok {
				return s
			}
		}
		return newGenerator(draw{t}, under).reading()
	})
}

// tally counts what was tried.
type tally struct {
	Statements int
	Refused    int // as they had to be
	Writes     int
	Failed     int // alike on both sides
	Held       int // writes whose rows had to satisfy a filter, and did
	Unheld     int // writes of which one did not
	Telling    int // that gave or changed rows
	Rows       int
	Traps      int // conditions that would fail for hidden rows
	Views      int // that read a view over filtered tables
}

// verify plays one statement against both databases.
func (r *regime) verify(t *rapid.T, s *statement, n *tally) {
	n.Statements++
	var got, want answer
	var complaint string
	var err error
	switch {
	case s.write != nil:
		got, want, complaint, err = r.verifyWrite(s)
		n.Writes++
	case s.refused != nil:
		got, err = s.play(r.proxy, false)
	default:
		if got, err = s.play(r.proxy, false); err == nil {
			want, err = s.play(the.hand, true)
		}
	}
	if err != nil {
		t.Fatalf("%s\n%v\nunder %s", s, err, r.profile)
	}
	if leak := r.leak(got); leak != "" {
		t.Fatalf("%s\nleaks %s\nunder %s", s, leak, r.profile)
	}
	refused := got.code == "42501"
	switch {
	case s.refused != nil && !refused:
		t.Fatalf("%s\nis not refused (%q %s)\nunder %s", s, got.code, got.message, r.profile)
	case s.refused != nil:
		if !s.refused.MatchString(got.message) {
			t.Fatalf("%s\nis refused for another reason: %s\nunder %s", s, got.message, r.profile)
		}
		n.Refused++
		return
	case s.write != nil && s.write.held && want.code != "" && got.code != "":
		// Which row comes first is PostgreSQL's choice, where one fails and another is refused.
		told := map[bool]string{true: "does not satisfy the policy's row filter", false: "in the statement itself or in the policy's row filter"}[refused]
		if !strings.Contains(got.message, told) || want.code == unheld && !refused {
			t.Fatalf("%s\nends with %q %s, by hand with %q %s\nunder %s", s, got.code, got.message, want.code, want.message, r.profile)
		}
		if complaint != "" {
			t.Fatalf("%s\n%s\nunder %s", s, complaint, r.profile)
		}
		n.Unheld++
		return
	case want.code == unheld:
		t.Fatalf("%s\nwrites a row that its filter does not show\nunder %s", s, r.profile)
	case refused:
		t.Fatalf("%s\nis refused without need: %s\nunder %s", s, got.message, r.profile)
	case want.code != "" && !(s.mayFail && strings.HasPrefix(want.code, "2")):
		byHand, _ := s.text(true)
		t.Fatalf("%s\nthe generator made what PostgreSQL refuses: %s %s\n%s", s, want.code, want.message, byHand)
	case complaint != "":
		t.Fatalf("%s\n%s\nunder %s", s, complaint, r.profile)
	}
	if d := r.difference(s, got, want); d != "" && !(s.planned && got.code == "") {
		t.Fatalf("%s\n%s\nunder %s", s, d, r.profile)
	}
	if s.write != nil && s.write.held && want.code == "" {
		n.Held++
	}
	n.Rows += len(want.rows)
	switch {
	case want.code != "":
		n.Failed++
	case len(want.rows) > 0 || s.write != nil && !strings.HasSuffix(want.tag, " 0"):
		n.Telling++
	}
	if r.readsExpanded(s.sql) {
		n.Views++
	}
	n.Traps += strings.Count(s.sql, "1 / ") + strings.Count(s.sql, "sqrt(")
}

func TestRandomStatementsAnswerAsIfNothingElseWereThere(t *testing.T) {
	start := *seed
	fmt.Printf("seed %d: %d policies, %d statements under each\n", start, *policies, *statements)
	set(t, "rapid.checks", fmt.Sprint(*statements))
	set(t, "rapid.nofailfile", "true")
	var n tally
	for i := range *policies {
		if *only >= 0 && i != *only {
			continue
		}
		p := drawProfile.Example(int(start) + i)
		p.Name = fmt.Sprintf("policy %d", i)
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			r, err := the.enforce(t.Context(), p)
			if err != nil {
				t.Fatalf("%v\n%s", err, p)
			}
			defer r.undo()
			set(t, "rapid.seed", fmt.Sprint(start+uint64(i)<<20))
			next := drawStatement(r)
			rapid.Check(t, func(rt *rapid.T) { r.verify(rt, next.Draw(rt, "statement"), &n) })
			if t.Failed() {
				t.Logf("again: go test ./tests/property -seed %d -policies %d -statements %d -only %d", start, *policies, *statements, i)
			}
		})
		if i%50 == 49 {
			fmt.Printf("%5d policies, %d statements\n", i+1, n.Statements)
		}
	}
	fmt.Printf("%+v\n", n)
	if *only >= 0 || n.Statements < 1000 || t.Failed() {
		return
	}
	// A generator that makes nothing worth comparing would pass everything.
	for what, enough := range map[string]bool{
		"half of them permitted":                   n.Refused*2 < n.Statements,
		"a tenth refused":                          n.Refused*10 > n.Statements,
		"a third that give or change rows":         n.Telling*3 > n.Statements,
		"writes, one of twenty":                    n.Writes*20 > n.Statements,
		"writes held to a filter":                  n.Held*100 > n.Statements,
		"writes that a filter does not hold":       n.Unheld*200 > n.Statements,
		"some that fail for rows in sight":         n.Failed > 0,
		"conditions that fail for hidden rows":     n.Traps*20 > n.Statements,
		"views over filtered tables, one of forty": n.Views*40 > n.Statements,
		"two rows for each":                        n.Rows > n.Statements*2,
	} {
		if !enough {
			t.Errorf("want %s, of %+v", what, n)
		}
	}
}

// set gives a flag a value for as long as t runs.
func set(t *testing.T, name, value string) {
	t.Helper()
	f := flag.Lookup(name)
	before := f.Value.String()
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(before) })
}
