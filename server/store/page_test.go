package store

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"
)

// walk reads a list page by page; between runs after each.
func walk(t *testing.T, s Store, sort string, size int, between func(page int)) (ids []string) {
	t.Helper()
	form := regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)
	token := ""
	for page := 0; ; page++ {
		view(t, s, func(tx Tx) error {
			got, next, _, err := tx.Projects().List(org1, Page{Size: size, Token: token, Sort: sort})
			if len(got) > size {
				t.Errorf("page of %d has %d", size, len(got))
			}
			for _, p := range got {
				ids = append(ids, p.ID)
			}
			if next != "" && !form.MatchString(next) {
				t.Errorf("page token %q does not fit its place in a URL", next)
			}
			token = next
			return err
		})
		if token == "" {
			return ids
		}
		between(page)
	}
}

func TestPagesMissNothingWhileRecordsCome(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		now := time.Now()
		s.now = func() time.Time { return now } // reports count for a minute, the test may take longer
		update(t, s, func(tx Tx) error {
			if err := tx.Organizations().Insert(anOrg(1)); err != nil {
				return err
			}
			for i := range 23 {
				p := aProject(org1, i)
				p.CreatedAt = at(i / 5) // several at the same moment
				if err := first(tx.Projects().Insert(p), tx.ReportConnections("a", p.ID, i/4, now)); err != nil {
					return err
				}
			}
			return nil
		})
		for _, sort := range []string{"", "created_at", "name", "active_connections"} {
			for _, size := range []int{1, 7, 22, 23, 24, 100} {
				var want []string
				view(t, s, func(tx Tx) error {
					all, _, total, err := tx.Projects().List(org1, Page{Sort: sort})
					for _, p := range all {
						want = append(want, p.ID)
					}
					if total != len(all) {
						t.Errorf("total %d of %d", total, len(all))
					}
					return err
				})
				made := 0
				got := walk(t, s, sort, size, func(page int) {
					// One that belongs before everything and one behind everything.
					made++
					early, late := aProject(org1, 1000+100*size+page), aProject(org1, 5000+100*size+page)
					early.ID, late.ID = fmt.Sprintf("prj_%s_a%s%d_%d", "0", sort, size, page), fmt.Sprintf("prj_z%s%d_%d", sort, size, page)
					early.Subdomain, late.Subdomain = early.ID, late.ID
					early.Name, late.Name = "aaa "+early.ID, "zzz "+late.ID
					early.CreatedAt, late.CreatedAt = at(-1), at(100000)
					update(t, s, func(tx Tx) error {
						return first(tx.Projects().Insert(early), tx.Projects().Insert(late), tx.ReportConnections("a", early.ID, 99, now))
					})
				})
				kept := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return !slices.Contains(want, id) })
				if !slices.Equal(kept, want) {
					t.Fatalf("sort %q, size %d: pages gave %v, the list had %v", sort, size, kept, want)
				}
				sorted := slices.Sorted(slices.Values(got))
				if len(slices.Compact(sorted)) != len(got) {
					t.Fatalf("sort %q, size %d: a record came twice", sort, size)
				}
				update(t, s, func(tx Tx) error { // back to what was
					all, _, _, err := tx.Projects().List(org1, Page{})
					for _, p := range all {
						if !slices.Contains(want, p.ID) {
							err = first(err, tx.Projects().Delete(org1, p.ID))
						}
					}
					return err
				})
			}
		}
	})
}

func TestListOrders(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		update(t, s, func(tx Tx) error {
			a, b, c := aProject(org1, 1), aProject(org1, 2), aProject(org1, 3)
			a.Name, b.Name, c.Name = "m", "z", "a"
			return first(tx.Organizations().Insert(anOrg(1)), tx.Projects().Insert(c), tx.Projects().Insert(b), tx.Projects().Insert(a),
				tx.ReportConnections("one", b.ID, 2, time.Now()), tx.ReportConnections("two", b.ID, 3, time.Now()), tx.ReportConnections("one", c.ID, 1, time.Now()))
		})
		for sort, want := range map[string][]string{
			"":                   {"prj_org_1_1", "prj_org_1_2", "prj_org_1_3"},
			"created_at":         {"prj_org_1_1", "prj_org_1_2", "prj_org_1_3"},
			"name":               {"prj_org_1_3", "prj_org_1_1", "prj_org_1_2"},
			"active_connections": {"prj_org_1_2", "prj_org_1_3", "prj_org_1_1"},
		} {
			if got := walk(t, s, sort, 2, func(int) {}); !slices.Equal(got, want) {
				t.Errorf("sort %q gave %v", sort, got)
			}
		}
		err := s.View(t.Context(), func(tx Tx) error {
			_, _, _, err := tx.Policies().List("", Page{Sort: "name; DROP TABLE"})
			return err
		})
		if err == nil {
			t.Error("unknown order accepted")
		}
	})
}

func TestPageTokenBelongsToItsList(t *testing.T) {
	eachEngine(t, func(t *testing.T, db testDB) {
		s := db.open(t)
		seed(t, s)
		update(t, s, func(tx Tx) error {
			return first(tx.Organizations().Insert(anOrg(2)), tx.Projects().Insert(aProject(org1, 2)), tx.Projects().Insert(aProject("org_2", 3)), tx.Projects().Insert(aProject("org_2", 4)))
		})
		view(t, s, func(tx Tx) error {
			_, token, total, err := tx.Projects().List(org1, Page{Size: 1})
			if token == "" || total != 2 {
				t.Fatalf("token %q, total %d", token, total)
			}
			altered := token[:20] + string(rune('A'+(token[20]+1)%26)) + token[21:]
			for what, list := range map[string]func() error{
				"another organization": func() error { _, _, _, err := tx.Projects().List("org_2", Page{Size: 1, Token: token}); return err },
				"another order": func() error {
					_, _, _, err := tx.Projects().List(org1, Page{Size: 1, Token: token, Sort: "name"})
					return err
				},
				"another table":     func() error { _, _, _, err := tx.Keys().List(org1, Page{Size: 1, Token: token}); return err },
				"an altered token":  func() error { _, _, _, err := tx.Projects().List(org1, Page{Size: 1, Token: altered}); return err },
				"a shortened token": func() error { _, _, _, err := tx.Projects().List(org1, Page{Size: 1, Token: token[:9]}); return err },
				"no token of ours":  func() error { _, _, _, err := tx.Projects().List(org1, Page{Size: 1, Token: "next..page"}); return err },
			} {
				if err := list(); !errors.Is(err, ErrPageToken) {
					t.Errorf("%s: %v", what, err)
				}
			}
			return err
		})
	})
}
