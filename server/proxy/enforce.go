package proxy

import (
	"fmt"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// refuseRules is the refusal of a login under a policy, nil when all of it
// holds: no rule is ever silently ignored.
func refuseRules(p store.Policy) *refusal {
	names := p.Rules.Unenforced()
	if len(names) == 0 {
		return nil
	}
	return fatal(codeNotSupported,
		fmt.Sprintf("Change policy %q to do without these rules, or use another policy.", p.Name),
		"policy %q asks for %s, which this server does not enforce yet", p.Name, strings.Join(names, ", "))
}
