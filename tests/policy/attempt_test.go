package policy

import (
	"crypto/rand"
	"strings"
	"testing"
)

var modes = []string{"simple", "text", "binary"}

// try runs every case of some groups.
func try(t *testing.T, groups []group) {
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			g.login(t)
			for _, c := range g.cases {
				t.Run(label(c.sql), func(t *testing.T) {
					if c.first > postgres.Version {
						t.Skipf("PostgreSQL %d has this, and the one of this run is %d", c.first, postgres.Version)
					}
					for _, mode := range modes {
						if mode == "simple" && c.args != nil || mode != "simple" && c.batch {
							continue
						}
						g.attempt(t, c, mode)
					}
				})
			}
		})
	}
}

// label names a case by its text.
func label(sql string) string {
	const most = 70
	text := []rune(strings.Join(strings.Fields(sql), " "))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// agree compares the case with the evaluation by the API, and returns the
// words of a refusal that the wire must repeat.
func (p *profile) agree(t *testing.T, c scenario) decision {
	t.Helper()
	verdict, rule := c.verdict, c.rule
	if c.dryRule != "" {
		verdict, rule = c.dryVerdict, c.dryRule
	}
	d := p.evaluate(t, c.sql)
	if d.verdict != verdict || d.rule != rule {
		t.Errorf("evaluated as %s, %s (%s): want %s, %s", d.verdict, d.rule, d.reason, verdict, rule)
	}
	if (d.verdict == "block") != (d.hint != "" || d.rule == "empty") && d.rule != "statement_not_allowed" {
		t.Errorf("evaluated as %s with the hint %q", d.verdict, d.hint)
	}
	if leak := p.leaked([]byte(d.reason + d.hint)); leak != "" {
		t.Errorf("the evaluation shows %s", leak)
	}
	if c.dryRule != "" {
		return decision{}
	}
	return d
}

// attempt runs a case once and checks everything that comes of it.
func (g group) attempt(t *testing.T, c scenario, mode string) {
	t.Helper()
	sql(t, c.setup)
	reason := g.agree(t, c)
	s := g.session(t, c)
	defer func() {
		if shows := g.leaked(s.take()); shows != "" {
			t.Errorf("%s: received %s", mode, shows)
		}
		if s != g.open {
			s.close()
		}
	}()
	for _, text := range c.before {
		o, err := s.query(text)
		if err != nil || o.failure != nil {
			t.Fatalf("%s: %s: %v %s", mode, text, err, said(o))
		}
	}
	var o *outcome
	var err error
	switch mode {
	case "simple":
		o, err = s.query(c.sql)
	case "text":
		o, err = s.extended(c.sql, 0, c.args...)
	case "binary":
		o, err = s.extended(c.sql, 1, c.args...)
	}
	if err != nil {
		g.open = nil
		t.Fatalf("%s: %v", mode, err)
	}
	for _, problem := range c.judge(o, mode, reason) {
		t.Errorf("%s: %s", mode, problem)
	}
	for _, problem := range g.unmasked(t, o) {
		t.Errorf("%s: %s", mode, problem)
	}
	if c.after != "" {
		if o, err := s.query(c.after); err != nil || o.failure != nil {
			t.Errorf("%s: %s: %v %s", mode, c.after, err, said(o))
		}
	}
	if c.leaves[0] != "" {
		if got := direct(t, c.leaves[0]); got != c.leaves[1] {
			t.Errorf("%s: it leaves %q, want %q", mode, got, c.leaves[1])
		}
	}
	sql(t, c.undo)
	if c.writes() {
		restore(t)
	} else if !unchanged(t) {
		t.Errorf("%s: the database is not as it was", mode)
		restore(t)
	}
}

// session is the one that the cases of a profile share, or one of its own for
// a case that leaves something in it.
func (g group) session(t *testing.T, c scenario) *session {
	t.Helper()
	switch {
	case c.fresh:
		url, err := g.issue("credential " + rand.Text())
		if err != nil {
			t.Fatal(err)
		}
		return open(t, url)
	case c.option != "":
		return open(t, withOptions(g.login(t), c.option))
	case len(c.before) > 0:
		return g.connect(t)
	case g.open == nil:
		g.open = g.connect(t)
	}
	return g.open
}

// sql runs something on PostgreSQL itself.
func sql(t testing.TB, text string) {
	t.Helper()
	if text == "" {
		return
	}
	if _, err := admin.PgConn().Exec(t.Context(), text).ReadAll(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// direct is the rows of a query to PostgreSQL itself.
func direct(t testing.TB, query string) string {
	t.Helper()
	results, err := admin.PgConn().Exec(t.Context(), query).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var rows []string
	for _, r := range results {
		for _, row := range r.Rows {
			rows = append(rows, cells(row, nil))
		}
	}
	return strings.Join(rows, "; ")
}
