package property

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawStatement makes a statement that the regime permits, or one that it does
// not.
func drawStatement(under *regime) *rapid.Generator[*statement] {
	return rapid.Custom(func(t *rapid.T) *statement {
		g := newGenerator(draw{t}, under)
		return g.reading()
	})
}

// reading is a statement that reads.
func (g *generator) reading() *statement {
	depth := 1 + g.below(3)
	var q query
	switch g.below(5) {
	case 4:
		known := g.ctes
		with := g.with(nil, depth)
		q = g.core(nil, depth, nil, false)
		g.ctes, q.sql = known, with+" "+q.sql
	default:
		q = g.query(nil, depth, nil, false)
	}
	s := &statement{sql: q.sql, columns: q.columns, way: pick(g.draw, simply, textual, binary, prepared, portions, cursor, batch)}
	if q.order != nil && g.chance(2) {
		for i, o := range q.order {
			q.order[i] = o + pick(g.draw, "", " DESC", " NULLS FIRST")
		}
		s.sql += " ORDER BY " + strings.Join(q.order, ", ")
		if g.chance(2) {
			s.sql += g.limit()
		}
		s.sorted = true
	}
	return s
}

// tally counts what was tried.
type tally struct{ statements, refused, failed, rows, empty int }

// verify plays one statement against both databases.
func (r *regime) verify(t *rapid.T, s *statement, n *tally) {
	n.statements++
	got, err := s.play(r.proxy, false)
	if err != nil {
		t.Fatalf("%s\n%v\nunder %s", s, err, r.profile)
	}
	if leak := r.leak(got); leak != "" {
		t.Fatalf("%s\nleaks %s\nunder %s", s, leak, r.profile)
	}
	refused := got.code == "42501"
	if refused {
		n.refused++
	}
	switch {
	case s.refused != nil && !refused:
		t.Fatalf("%s\nis not refused (%q %s)\nunder %s", s, got.code, got.message, r.profile)
	case s.refused != nil:
		if !s.refused.MatchString(got.message) {
			t.Fatalf("%s\nis refused for another reason: %s\nunder %s", s, got.message, r.profile)
		}
		return
	case refused:
		t.Fatalf("%s\nis refused without need: %s\nunder %s", s, got.message, r.profile)
	}
	want, err := s.play(the.hand, true)
	if err != nil {
		t.Fatalf("%s\nby hand: %v", s, err)
	}
	if want.code != s.fails {
		byHand, _ := s.text(true)
		t.Fatalf("%s\nthe generator made what PostgreSQL refuses: %s %s\n%s", s, want.code, want.message, byHand)
	}
	if d := r.difference(s, got, want); d != "" {
		t.Fatalf("%s\n%s\nunder %s", s, d, r.profile)
	}
	n.rows += len(want.rows)
	if len(want.rows) == 0 {
		n.empty++
	}
	if want.code != "" {
		n.failed++
	}
}

func TestRandomStatementsAnswerAsIfNothingElseWereThere(t *testing.T) {
	start := *seed
	if start == 0 {
		start = uint64(time.Now().UnixNano())>>10 | 1
		t.Logf("seed %d", start)
	}
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
				t.Logf("again: go test ./tests/property -seed %d -only %d", start, i)
			}
		})
	}
	t.Logf("%+v", n)
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
