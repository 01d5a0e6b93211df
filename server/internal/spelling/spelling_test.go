package spelling

import (
	"slices"
	"testing"
)

func TestNearest(t *testing.T) {
	known := slices.Values([]string{"proxy-domain", "port", "post", "region", "roles"})
	for word, want := range map[string]string{
		"proxy-domian": "proxy-domain", "proxydomain": "proxy-domain", "regions": "region", "role": "roles",
		"port": "port", "pot": "port", // as near as post
		"colour": "", "regional": "region", "regionally": "", "": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q is taken for %q, want %q", word, got, want)
		}
	}
}
