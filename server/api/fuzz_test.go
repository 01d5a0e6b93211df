package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// Whatever the body, reading it must not panic; what is admitted must be
// admitted again unchanged, and must be JSON that Go's own decoder reads alike.
func FuzzBody(f *testing.F) {
	operations, err := loadOperations()
	if err != nil {
		f.Fatal(err)
	}
	shapes := map[string]*shape{}
	for _, op := range operations {
		if op.body != nil {
			shapes[op.id] = op.body
		}
	}
	for _, seed := range []string{
		`{"name":"a","org_id":"o","database":{"host":"h","port":1,"name":"n","username":"u","password":"p"}}`,
		`{"allowed_cidrs":["10.0.0.0/8",{"cidr":"::1","label":null}],"default_policy_profile_id":null}`,
		`{"port":5432.0}`, `{"port":5e3}`, `{"port":1e999999999}`, `{"port":-0}`, `{"spend_limit":1.5}`,
		`{"expires_at":"2030-01-01T00:00:00Z"}`, `{"name":"\ud800"}`, `{"a":1,"a":2}`, `[[[[`, `{"":null}`, `null`, `{} {}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		value, err := decodeJSON(raw)
		if err != nil {
			return
		}
		for id, s := range shapes {
			admitted, wrong := admit(s, value, "")
			if len(wrong) > 0 {
				for _, e := range wrong {
					if e.Detail == "" {
						t.Errorf("%s: a refusal without a reason at %q", id, e.Field)
					}
				}
				continue
			}
			canonical, err := json.Marshal(admitted)
			if err != nil {
				t.Fatalf("%s: admitted value does not marshal: %v", id, err)
			}
			again, err := decodeJSON(canonical)
			if err != nil {
				t.Fatalf("%s: canonical body is refused: %v", id, err)
			}
			twice, wrong := admit(s, again, "")
			if len(wrong) > 0 || !reflect.DeepEqual(twice, admitted) {
				t.Errorf("%s: admitting twice differs: %s, %v", id, canonical, wrong)
			}
		}
	})
}

// The parts of a name, quoted and joined again, are the same name.
func FuzzIdentifiers(f *testing.F) {
	for _, seed := range []string{"orders", "public.Orders", `"a""b".c`, `"`, "a.", ".a", "größe", "a b", `""`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		parts, ok := identifiers(name)
		if !ok {
			return
		}
		quoted := make([]string, len(parts))
		for i, p := range parts {
			quoted[i] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
		}
		again, ok := identifiers(strings.Join(quoted, "."))
		if !ok || !reflect.DeepEqual(again, parts) {
			t.Errorf("%q became %q, then %q", name, parts, again)
		}
	})
}
