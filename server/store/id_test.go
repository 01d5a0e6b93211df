package store

import (
	"regexp"
	"testing"
	"time"
)

func TestIDsSortByTheTimeTheyWereMade(t *testing.T) {
	form := regexp.MustCompile(`^prj_[0-7][0-9a-hjkmnp-tv-z]{25}$`)
	last := ""
	for _, at := range []time.Time{time.UnixMilli(0), time.UnixMilli(1), time.UnixMilli(31), time.UnixMilli(32), epoch, epoch.Add(time.Millisecond), epoch.AddDate(500, 0, 0)} {
		id := newID("prj", at)
		if !form.MatchString(id) {
			t.Errorf("id %q has the wrong form", id)
		}
		if id <= last {
			t.Errorf("%q of %v does not sort behind %q", id, at, last)
		}
		last = id
	}
	// The example of the TypeID specification: UUID 01890a5d-ac96-774b-bcce-b302099a8057 of this millisecond.
	if got := newID("prj_", time.UnixMilli(0x01890a5dac96)); got[:14] != "prj_01h455vb4p" {
		t.Errorf("milliseconds are encoded as %q", got[:14])
	}
}

func TestNamesHaveTheirForm(t *testing.T) {
	for name, c := range map[string]struct {
		make func() string
		form string
	}{
		"id":        {func() string { return NewID("db") }, `^db_[0-9a-z]{26}$`},
		"subdomain": {NewSubdomain, `^[a-z2-7]{10}$`},
		"user name": {NewPgUsername, `^agent_[0-9a-f]{12}$`},
	} {
		seen := map[string]bool{}
		for range 1000 {
			got := c.make()
			if !regexp.MustCompile(c.form).MatchString(got) || seen[got] {
				t.Fatalf("%s %q: wrong form or drawn twice", name, got)
			}
			seen[got] = true
		}
	}
}
