package proxy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// plainNames says what names may stand for as simply as it can be said.
type plainNames struct {
	batch  int
	byName map[string]*plainName
}

type plainName struct {
	may, last []*prepared
	pending   bool // last is not known to have come about
	batch     int
}

func (n *plainNames) make(name string, made []*prepared) {
	name = name[:min(len(name), maxName)]
	s := n.byName[name]
	if s == nil {
		if made == nil {
			return // closing what is not there
		}
		s = &plainName{}
		n.byName[name] = s
	}
	for _, p := range made {
		if !slices.Contains(s.may, p) {
			s.may = append(slices.Clone(s.may), p)
		}
	}
	s.last, s.pending, s.batch = made, true, n.batch
}

func (n *plainNames) settle(clean bool) {
	for name, s := range n.byName {
		if !s.pending {
			continue
		}
		s.pending = false
		switch {
		case clean && s.last == nil:
			delete(n.byName, name)
		case clean:
			s.may = s.last
		}
	}
}

func (n *plainNames) means(name string) []*prepared {
	s := n.byName[name[:min(len(name), maxName)]]
	switch {
	case s == nil:
		return nil
	case s.pending && s.batch == n.batch:
		return s.last
	}
	return s.may
}

func (n *plainNames) weight() (w int) {
	for name, s := range n.byName {
		w += len(name) + 256
		for _, p := range s.may {
			w += len(p.text) + len(p.types)
		}
	}
	return w
}

// Whatever comes in whatever order, the unnamed among them: names stand for
// what a plain map says, they weigh what is in it, and nothing of what one may
// be is another's to change.
func TestNamesStandForWhatAPlainMapSays(t *testing.T) {
	long := strings.Repeat("n", maxName)
	all := []string{"", "a", "b", long, long + "1", long + "2"}
	texts := make([]*prepared, 5)
	for i := range texts {
		texts[i] = &prepared{text: strings.Repeat("x", i+1), types: strings.Repeat("t", 2*i)}
	}
	rapid.Check(t, func(t *rapid.T) {
		var n names
		plain := plainNames{byName: map[string]*plainName{}}
		name, text := rapid.SampledFrom(all), rapid.SampledFrom(texts)
		t.Repeat(map[string]func(*rapid.T){
			"parse": func(t *rapid.T) {
				at, p := name.Draw(t, "name"), text.Draw(t, "text")
				n.set(at, p)
				plain.make(at, []*prepared{p})
			},
			"bind": func(t *rapid.T) { // to whatever another one may be
				at, of := name.Draw(t, "portal"), name.Draw(t, "statement")
				if list := plain.means(of); list != nil {
					n.set(at, n.may([]byte(of))...)
					plain.make(at, list)
				}
			},
			"prepare again": func(t *rapid.T) {
				at, p := name.Draw(t, "name"), text.Draw(t, "text")
				if plain.means(at) != nil {
					n.becomes(at, p)
					plain.byName[at[:min(len(at), maxName)]] = &plainName{may: []*prepared{p}, last: []*prepared{p}, pending: true, batch: plain.batch}
				}
			},
			"close": func(t *rapid.T) {
				at := name.Draw(t, "name")
				n.drop(at)
				plain.make(at, nil)
			},
			"deallocate all": func(*rapid.T) {
				n.forget("")
				for at := range plain.byName {
					plain.make(at, nil)
				}
			},
			"sync": func(*rapid.T) { n.batch++; plain.batch++ },
			"answers": func(t *rapid.T) {
				clean := rapid.Bool().Draw(t, "without error")
				n.settle(clean)
				plain.settle(clean)
			},
			"discard all": func(*rapid.T) { n.clear(); clear(plain.byName) },
			"": func(t *rapid.T) {
				for _, at := range all {
					if got, want := n.may([]byte(at)), plain.means(at); !slices.Equal(got, want) {
						t.Fatalf("%.5q may be %s, want %s", at, shown(got), shown(want))
					}
				}
				if n.weight != plain.weight() {
					t.Fatalf("they weigh %d, want %d", n.weight, plain.weight())
				}
				known := 0
				for s := range n.all {
					known++
					if want := plain.byName[s.name]; want == nil || !slices.Equal(s.may, want.may) {
						t.Fatalf("%.5q is among all, as %s", s.name, shown(s.may))
					}
				}
				if known != len(plain.byName) {
					t.Fatalf("%d names, want %d", known, len(plain.byName))
				}
			},
		})
	})
}

func shown(list []*prepared) string {
	var lengths []int
	for _, p := range list {
		lengths = append(lengths, len(p.text))
	}
	return fmt.Sprint(lengths)
}
