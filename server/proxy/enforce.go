package proxy

import (
	"fmt"
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// unenforced names the rules of a policy that this proxy does not enforce. A
// login under any of them is refused: no rule is ever silently ignored.
func unenforced(r store.PolicyRules) []string {
	var names []string
	add := func(asked bool, name string) {
		if asked {
			names = append(names, name)
		}
	}
	add(r.WriteMode == "sandbox", "write_mode "+r.WriteMode)
	add(r.ApprovalMode != "" && r.ApprovalMode != "off", "approval_mode "+r.ApprovalMode)
	add(r.EgressBytesPerDay != 0, "egress_bytes_per_day")
	return names
}

// refuseRules is the refusal of a login under a policy, nil when all of it
// holds.
func refuseRules(p store.Policy) *refusal {
	names := unenforced(p.Rules)
	if len(names) == 0 {
		return nil
	}
	return fatal(codeNotSupported,
		fmt.Sprintf("Change policy %q to do without these rules, or use another policy.", p.Name),
		"policy %q asks for %s, which this server does not enforce yet", p.Name, strings.Join(names, ", "))
}
