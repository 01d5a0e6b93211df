package provider

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// configured is a provider with this configuration and environment.
func configured(t *testing.T, config object, key, url string) integration.Server {
	t.Helper()
	t.Setenv("PGBEAM_API_KEY", key)
	t.Setenv("PGBEAM_API_URL", url)
	srv, err := integration.NewServer(t.Context(), Name, semver.MustParse("0.1.0"), integration.WithProvider(New()))
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Configure(p.ConfigureRequest{Args: values(config)}); err != nil {
		t.Fatal(err)
	}
	return srv
}

func readProject(srv integration.Server) error {
	_, err := srv.Read(p.ReadRequest{ID: "prj_1", Urn: urnOf("pgbeam:index:Project", "x"), Inputs: values(aProject)})
	return err
}

func TestOrderOfConfiguration(t *testing.T) {
	api, other := newFakeAPI(t), newFakeAPI(t)
	for name, c := range map[string]struct {
		config   object
		key, url string
	}{
		"all from the program":           {object{"apiKey": "key-canary", "baseUrl": api.URL}, "wrong", other.URL},
		"all from the environment":       {object{}, "key-canary", api.URL},
		"empty means not set":            {object{"apiKey": "", "baseUrl": ""}, "key-canary", api.URL},
		"key from the environment":       {object{"baseUrl": api.URL}, "key-canary", other.URL},
		"address from the environment":   {object{"apiKey": "key-canary"}, "wrong", api.URL},
		"a line break after the key":     {object{}, "key-canary\n", api.URL},
		"inputs that nobody has checked": {object{"version": "0.1.0"}, "key-canary", api.URL},
	} {
		t.Run(name, func(t *testing.T) {
			api.seen()
			if err := readProject(configured(t, c.config, c.key, c.url)); err != nil {
				t.Error(err)
			}
			if len(api.seen()) != 1 || len(other.seen()) != 0 {
				t.Error("the wrong server was asked")
			}
		})
	}
}

func TestMissingKeyFailsAtPreviewNamingAllThreeWays(t *testing.T) {
	srv := configured(t, object{}, "", "")
	urn := urnOf("pgbeam:index:Project", "x")
	resp, err := srv.Check(p.CheckRequest{Urn: urn, Inputs: values(aProject)})
	if err != nil || len(resp.Failures) != 1 {
		t.Fatalf("%v %v", resp.Failures, err)
	}
	_, created := srv.Create(p.CreateRequest{Urn: urn, Properties: values(aProject), DryRun: true})
	for _, message := range []string{resp.Failures[0].Reason, readProject(srv).Error(), created.Error()} {
		for _, way := range []string{"configure(", "pulumi config set --secret pgbeam:apiKey", "PGBEAM_API_KEY"} {
			if !strings.Contains(message, way) {
				t.Errorf("%q does not name %s", message, way)
			}
		}
	}
	// What needs no API needs no key.
	if out, err := srv.Invoke(p.InvokeRequest{Token: "pgbeam:index:getQueryHash", Args: values(object{"sql": "select 1"})}); err != nil || len(out.Failures) > 0 {
		t.Errorf("%v %v", out.Failures, err)
	}
}

func TestUnknownKeyPreviewsWithoutAsking(t *testing.T) {
	srv := configured(t, object{"apiKey": unknown}, "", "")
	urn := urnOf("pgbeam:index:Project", "x")
	checked, err := srv.Check(p.CheckRequest{Urn: urn, Inputs: values(aProject)})
	if err != nil || len(checked.Failures) > 0 {
		t.Fatalf("%v %v", checked.Failures, err)
	}
	if _, err := srv.Create(p.CreateRequest{Urn: urn, Properties: checked.Inputs, DryRun: true}); err != nil {
		t.Error(err)
	}
	out, err := srv.Invoke(p.InvokeRequest{Token: "pgbeam:index:getRegions"})
	if err != nil || !out.Return.Get("regions").IsComputed() {
		t.Errorf("%v %v", out.Return, err)
	}
}

func TestTheKeyGoesOnlyWhereItIsSafe(t *testing.T) {
	for url, want := range map[string]string{
		"http://api.example.com": "plain http is for this machine alone", "ftp://x": "must begin with https://", "api.pgbeam.com": "is not an address",
		"https://": "is not an address", "https://user:hunter2@x.example": "set apiKey instead", "https://x.example?a=b": "leave out what follows",
		"http://localhost.evil.example": "plain http", "http://127.0.0.1.evil.example": "plain http",
	} {
		srv := configured(t, object{"apiKey": "k"}, "", url)
		err := readProject(srv)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s from the environment: %v", url, err)
		}
		resp, err := srv.CheckConfig(p.CheckRequest{Inputs: values(object{"baseUrl": url})})
		if err != nil || len(resp.Failures) != 1 || !strings.Contains(resp.Failures[0].Reason, want) || strings.Contains(resp.Failures[0].Reason, "hunter2") {
			t.Errorf("%s in the program: %v %v", url, resp.Failures, err)
		}
	}
	for _, url := range []string{"http://localhost:8080", "http://127.0.0.1:1", "http://[::1]:1", "http://api.localhost", "https://x.example/base"} {
		if _, err := parseBaseURL(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestABasePathIsKept(t *testing.T) {
	var asked string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked = r.URL.Path; w.WriteHeader(404) }))
	defer srv.Close()
	_ = readProject(configured(t, object{"apiKey": "k", "baseUrl": srv.URL + "/base"}, "", ""))
	if asked != "/base/v1/projects/prj_1" {
		t.Error(asked)
	}
}

func TestConfigurationIsCheckedWithoutShowingTheKey(t *testing.T) {
	srv := configured(t, object{}, "", "")
	resp, err := srv.CheckConfig(p.CheckRequest{Inputs: values(object{"apiKey": "key canary\n!", "baseurl": "https://x", "version": "1"})})
	if err != nil || len(resp.Failures) != 2 {
		t.Fatalf("%v %v", resp.Failures, err)
	}
	for _, f := range resp.Failures {
		if f.Property != "" || strings.Contains(f.Reason, "canary") {
			t.Errorf("%+v", f)
		}
	}
	if !strings.Contains(resp.Failures[1].Reason, `did you mean "baseUrl"?`) {
		t.Error(resp.Failures[1].Reason)
	}
	resp, err = srv.CheckConfig(p.CheckRequest{Inputs: values(object{"apiKey": "k"})})
	if err != nil || len(resp.Failures) > 0 || !resp.Inputs.Get("apiKey").Secret() {
		t.Errorf("the key is not marked as a secret: %v %v", resp, err)
	}
	if resp, _ = srv.CheckConfig(p.CheckRequest{Inputs: values(object{"apiKey": unknown, "baseUrl": unknown})}); len(resp.Failures) > 0 {
		t.Errorf("unknown settings: %v", resp.Failures)
	}
}

// The key of the environment must not get into what the engine stores.
func TestAKeyFromTheEnvironmentIsNeverStored(t *testing.T) {
	srv := configured(t, object{}, "key-canary", "https://env.example")
	resp, err := srv.CheckConfig(p.CheckRequest{Inputs: values(object{})})
	if err != nil || resp.Inputs.Len() != 0 {
		t.Errorf("the configuration to store is %v %v", resp.Inputs, err)
	}
}

func TestP1RotatingTheKeyReplacesNothing(t *testing.T) {
	srv := configured(t, object{}, "", "")
	for name, c := range map[string]struct{ old, is object }{
		"another key": {object{"apiKey": "a"}, object{"apiKey": "b"}}, "another address": {object{"baseUrl": "https://a"}, object{"baseUrl": "https://b"}},
		"a first key": {object{}, object{"apiKey": "b"}}, "a key less": {object{"apiKey": "a"}, object{}}, "an unknown key": {object{"apiKey": "a"}, object{"apiKey": unknown}},
	} {
		resp, err := srv.DiffConfig(p.DiffRequest{State: values(c.old), OldInputs: values(c.old), Inputs: values(c.is)})
		if err != nil || !resp.HasChanges || resp.DeleteBeforeReplace {
			t.Errorf("%s: %+v %v", name, resp, err)
		}
		for at, d := range resp.DetailedDiff {
			if strings.Contains(string(d.Kind), "replace") {
				t.Errorf("%s: %s is %s", name, at, d.Kind)
			}
		}
	}
	same := values(object{"apiKey": secretly("a")})
	if resp, err := srv.DiffConfig(p.DiffRequest{State: same, OldInputs: same, Inputs: values(object{"apiKey": "a"})}); err != nil || resp.HasChanges {
		t.Errorf("the same key: %+v %v", resp, err)
	}
	if resp, err := srv.DiffConfig(p.DiffRequest{State: same, Inputs: property.Map{}}); err != nil || !resp.HasChanges {
		t.Errorf("without old inputs: %+v %v", resp, err)
	}
}
