package api

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/pgbeam/pulumi-pgbeam/schema"
)

// Whatever the body, reading it must not panic; what is admitted must be
// admitted again unchanged, and by a general validator of the document too.
func FuzzBody(f *testing.F) {
	operations, err := loadOperations()
	if err != nil {
		f.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(schema.Document)
	if err != nil {
		f.Fatal(err)
	}
	shapes := map[string]*shape{}
	schemas := map[string]*openapi3.Schema{}
	for _, op := range operations {
		if op.body != nil {
			shapes[op.id] = op.body
			schemas[op.id] = document.Paths.Value(op.path).GetOperation(op.method).RequestBody.Value.Content.Get("application/json").Schema.Value
		}
	}
	for _, seed := range []string{
		`{"name":"a","org_id":"o","database":{"host":"h","port":1,"name":"n","username":"u","password":"p"}}`,
		`{"allowed_cidrs":["10.0.0.0/8",{"cidr":"::1","label":null}],"default_policy_profile_id":null}`,
		`{"port":5432.0}`, `{"port":5e3}`, `{"port":1e999999999}`, `{"port":-0}`, `{"spend_limit":1.5}`,
		`{"expires_at":"2030-01-01T00:00:00Z"}`, `{"expires_at":"2030-01-01T00:00:00.5+02:00","name":"a","policy_profile_id":"p"}`,
		`{"cache_enabled":true,"cache_ttl_seconds":null,"cache_swr_seconds":86400}`, `{"expires_at":"2030-01-01T0:00:00Z"}`, `{"status":"disabled"}`, `{"domain":"db.example.com"}`, `{"name":"\ud800"}`, `{"a":1,"a":2}`, `[[[[`, `{"":null}`, `null`, `{} {}`,
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
			if optionalOnUpdate[id] != "" {
				continue // more is admitted than the document says
			}
			var plain any
			if err := json.Unmarshal(canonical, &plain); err != nil {
				t.Fatal(err)
			}
			if err := schemas[id].VisitJSON(plain, openapi3.VisitAsRequest(), openapi3.EnableFormatValidation()); err != nil {
				t.Errorf("%s: admitted against the document: %s: %v", id, canonical, err)
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
