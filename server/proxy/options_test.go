package proxy

import (
	"reflect"
	"slices"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

func TestStartupOptions(t *testing.T) {
	tests := []struct {
		options, project, rest string
		settings               []string
	}{
		{"", "", "", nil},
		{"project=ABC", "abc", "", nil},
		{"  project=abc  ", "abc", "", nil},
		{"-c search_path=x project=abc --work-mem=5MB", "abc", "-c search_path=x --work-mem=5MB", []string{"search_path", "work_mem"}},
		{`-c application_name=two\ words project=abc`, "abc", `-c application_name=two\ words`, []string{"application_name"}},
		{`-c a=back\\slash -cb=1`, "", `-c a=back\\slash -cb=1`, []string{"a", "b"}},
		{`-c x=project=abc`, "", `-c x=project=abc`, []string{"x"}},
		{`trailing\`, "", "trailing", nil},
		{"-c", "", "-c", nil},
	}
	for _, tt := range tests {
		body := "user\x00me\x00options\x00" + tt.options + "\x00\x00"
		st, err := parseStartup(wire.Version30, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		var settings []string
		st.settings(func(name, _ string) {
			if name != "" {
				settings = append(settings, name)
			}
		})
		if st.project != tt.project || st.params["options"] != tt.rest || !reflect.DeepEqual(settings, tt.settings) {
			t.Errorf("%q: project %q, rest %q, settings %q", tt.options, st.project, st.params["options"], settings)
		}
	}
}

func FuzzOptions(f *testing.F) {
	f.Add(`-c a=b\ c project=x`)
	f.Fuzz(func(t *testing.T, s string) {
		words := splitOptions(s)
		if back := splitOptions(joinOptions(words)); !slices.Equal(back, words) {
			t.Fatalf("%q splits to %q, and joined again to %q", s, words, back)
		}
	})
}
