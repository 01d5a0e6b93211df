package provider

import (
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

func TestFunctionsFindByName(t *testing.T) {
	e := newEngine(t)
	for _, name := range []string{"one", "two", "three"} { // on two pages
		e.must(e.up(name, "Project", with(aProject, object{"name": name})))
	}
	e.must(e.up("policy", "PolicyProfile", with(samples[7].full, object{"projectId": e.state["three"].id})))

	got := e.invoke("getProject", object{"orgId": "org_1", "name": "three"}).Return
	if got.Get("id").AsString() != e.state["three"].id {
		t.Errorf("getProject: %v", got)
	}
	got = e.invoke("getPolicyProfile", object{"projectId": e.state["three"].id, "name": "safe"}).Return
	if got.Get("id").AsString() != e.state["policy"].id {
		t.Errorf("getPolicyProfile: %v", got)
	}
	databases := e.invoke("getDatabases", object{"projectId": e.state["three"].id}).Return.Get("databases").AsArray()
	name := field(databases.Get(0), "name").AsString()
	got = e.invoke("getDatabase", object{"projectId": e.state["three"].id, "name": name}).Return
	if got.Get("id").AsString() != text(e.output("three", "primaryDatabaseId")) {
		t.Errorf("getDatabase: %v", got)
	}

	e.must(e.up("second", "Database", with(samples[1].full, object{"projectId": e.state["three"].id, "name": name})))
	_, err := e.srv.Invoke(p.InvokeRequest{Token: "pgbeam:index:getDatabase", Args: values(object{"projectId": e.state["three"].id, "name": name})})
	if err == nil || !strings.Contains(err.Error(), "2 have") || !strings.Contains(err.Error(), "give databaseId") {
		t.Errorf("two databases of one name: %v", err)
	}
}

func TestFunctionsSayWhatIsMissingToFind(t *testing.T) {
	e := newEngine(t)
	e.must(e.up("one", "Project", with(aProject, object{"name": "one"})))
	project := e.state["one"].id
	for _, c := range []struct {
		function string
		args     object
		want     string
	}{
		{"getProject", object{}, "give projectId, or orgId and name"},
		{"getProject", object{"name": "one"}, "orgId is missing: give projectId, or orgId and name"},
		{"getProject", object{"projectId": project, "name": "one"}, "projectId and name are both given"},
		{"getPolicyProfile", object{"projectId": project}, "name is missing: give policyProfileId, or projectId and name"},
	} {
		got := e.invoke(c.function, c.args)
		if len(got.Failures) != 1 || !strings.Contains(got.Failures[0].Reason, c.want) {
			t.Errorf("%s %v: %+v", c.function, c.args, got.Failures)
		}
	}
	_, err := e.srv.Invoke(p.InvokeRequest{Token: tokens.Type("pgbeam:index:getProject"), Args: values(object{"orgId": "org_1", "name": "absent"})})
	if err == nil || !strings.Contains(err.Error(), `nothing has orgId "org_1" and name "absent"`) {
		t.Error(err)
	}
}
