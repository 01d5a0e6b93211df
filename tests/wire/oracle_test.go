package wire

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The differential oracle: the same bytes must bring the same frames, from
// PostgreSQL itself and through the proxy. No difference is accepted but the
// ones mask names.
func TestFramesAreThoseOfPostgreSQL(t *testing.T) {
	corpora := []struct {
		name    string
		scripts []script
	}{
		{"simple", simpleCorpus()}, {"extended", extendedCorpus()}, {"copy", copyCorpus()}, {"session", sessionCorpus()},
	}
	for _, at := range proxied {
		compared := 0
		for _, c := range corpora {
			for _, s := range c.scripts {
				if at.name == issued.name && !s.permitted() {
					continue
				}
				compared++
				t.Run(at.name+"/"+c.name+"/"+s.name, func(t *testing.T) { compare(t, at, s, whole) })
			}
		}
		if compared < 50 {
			t.Errorf("%s: %d scripts were compared", at.name, compared)
		}
	}
	for _, s := range functionCorpus() {
		t.Run("passthrough/function/"+s.name, func(t *testing.T) { compare(t, passthrough, s, whole) })
	}
}

// A proxy that takes a read for a message fails here and nowhere else.
func TestFramesDoNotDependOnHowTheBytesArrive(t *testing.T) {
	for _, s := range slices.Concat(simpleCorpus()[:8], extendedCorpus(), copyCorpus()) {
		for _, at := range proxied {
			if at.name == passthrough.name || s.permitted() {
				t.Run(at.name+"/"+s.name, func(t *testing.T) { compare(t, at, s, dribble) })
			}
		}
	}
}

func TestStartupReportsTheSameParameters(t *testing.T) {
	_, want, err := open(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range proxied {
		t.Run(at.name, func(t *testing.T) {
			_, got, err := open(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			got = maps.Clone(got)
			maps.DeleteFunc(got, func(k, _ string) bool { return k == "pgbeam.region" }) // the proxy's own
			want := maps.Clone(want)
			if _, reported := want["search_path"]; reported && at.name == issued.name { // since PostgreSQL 18
				want["search_path"] = "public"
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("parameter status (-direct +proxied):\n%s", d)
			}
		})
	}
}
