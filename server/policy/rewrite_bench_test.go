package policy

import "testing"

// What a decision costs when it is made for the first time; after that it is
// kept by its text.
func BenchmarkFirstDecision(b *testing.B) {
	e, err := Compile(Profile{Filters: []Filter{{"orders", "tenant_id = 42"}}, Masks: []Mask{{"users", "email", Redact}}}, smallCatalog())
	if err != nil {
		b.Fatal(err)
	}
	for name, sql := range map[string]string{
		"Untouched": "SELECT p.id, p.label FROM plain p WHERE p.id = $1",
		"Masked":    "SELECT u.id, u.email FROM users u WHERE u.id = $1",
		"Filtered":  "SELECT o.id, o.item FROM orders o WHERE o.id = $1",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if d := e.Evaluate(sql); d.Rule != "ok" {
					b.Fatal(d.Reason)
				}
			}
		})
	}
}
