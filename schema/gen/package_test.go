package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"gopkg.in/yaml.v3"
)

var everything = sync.OnceValues(func() (*output, error) {
	return generate("../..", func(string) {})
})

func packageSpec(t *testing.T) schema.PackageSpec {
	t.Helper()
	out, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(out.files["provider/schema.json"], &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	out, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	stale, err := out.stale("../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(stale) > 0 {
		t.Errorf("run make generate:\n%s", strings.Join(stale, "\n"))
	}
}

func TestGeneratingTwiceGivesTheSame(t *testing.T) {
	first, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	second, err := generate("../..", func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range first.files {
		if string(data) != string(second.files[path]) {
			t.Errorf("%s came out differently", path)
		}
	}
	if len(first.files) != len(second.files) {
		t.Errorf("%d files, then %d", len(first.files), len(second.files))
	}
}

func TestStaleFilesAreFound(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"sdk/a.ts": "same", "sdk/b.ts": "other", "sdk/stray.ts": "", "sdk/node_modules/x/y.js": "", "p/a.gen.go": "same", "p/old.gen.go": "", "p/hand.go": "",
	} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := output{owned: []string{"sdk"}, files: map[string][]byte{
		"sdk/a.ts": []byte("same"), "sdk/b.ts": []byte("new"), "sdk/c.ts": []byte("new"), "p/a.gen.go": []byte("same"),
	}}
	stale, err := out.stale(root)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"p/old.gen.go: nothing generates it", "sdk/b.ts: differs", "sdk/c.ts: missing", "sdk/stray.ts: nothing generates it"}
	if diff := cmp.Diff(want, stale); diff != "" {
		t.Error(diff)
	}
	if _, err := out.write(root); err != nil {
		t.Fatal(err)
	}
	if stale, err := out.stale(root); err != nil || len(stale) > 0 {
		t.Errorf("after writing: %v, %v", stale, err)
	}
	if _, err := os.Stat(filepath.Join(root, "p/hand.go")); err != nil {
		t.Error("writing removed a file that is not generated:", err)
	}
}

func TestPackageSchemaBindsWithoutDiagnostics(t *testing.T) {
	out, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bind(out.files["provider/schema.json"]); err != nil {
		t.Error(err)
	}
}

// described lists what has no description.
func described(spec schema.PackageSpec) []string {
	var bare []string
	see := func(name, description string) {
		if strings.TrimSpace(description) == "" {
			bare = append(bare, name)
		}
	}
	props := func(of string, ps map[string]schema.PropertySpec) {
		for name, p := range ps {
			see(of+"."+name, p.Description)
		}
	}
	see("the package", spec.Description)
	see("the provider", spec.Provider.Description)
	props("config", spec.Config.Variables)
	props("provider", spec.Provider.InputProperties)
	for token, r := range spec.Resources {
		see(token, r.Description)
		props(token, r.Properties)
		props(token, r.InputProperties)
	}
	for token, f := range spec.Functions {
		see(token, f.Description)
		if f.Inputs != nil {
			props(token, f.Inputs.Properties)
		}
		props(token, f.ReturnType.ObjectTypeSpec.Properties)
	}
	for token, t := range spec.Types {
		see(token, t.Description)
		props(token, t.Properties)
		for _, v := range t.Enum {
			see(fmt.Sprintf("%s.%v", token, v.Value), v.Description)
		}
	}
	slices.Sort(bare)
	return bare
}

func TestEverythingIsDescribed(t *testing.T) {
	if bare := described(packageSpec(t)); len(bare) > 0 {
		t.Errorf("no description:\n%s", strings.Join(bare, "\n"))
	}
}

// A default in the package schema would be sent by every SDK, and changing it
// would change what programs say.
func TestPackageSchemaHasNoDefaults(t *testing.T) {
	spec := packageSpec(t)
	for token, r := range spec.Resources {
		for name, p := range r.InputProperties {
			if p.Default != nil || p.DefaultInfo != nil {
				t.Errorf("%s.%s has a default", token, name)
			}
		}
	}
}

func TestEnumsAreTypes(t *testing.T) {
	spec := packageSpec(t)
	for property, want := range map[string]string{
		"Project.cloud": "Cloud", "Project.status": "ProjectStatus", "Project.residency": "DataResidency",
		"Database.sslMode": "SslMode", "Database.role": "DatabaseRole", "Replica.sslMode": "SslMode",
		"AgentCredential.status": "AgentCredentialStatus", "AgentCredential.principalType": "PrincipalType",
		"PolicyProfile.accessMode": "AccessMode", "PolicyProfile.writeMode": "WriteMode",
		"PolicyProfile.approvalMode": "ApprovalMode", "PolicyProfile.migrationSafety": "MigrationSafety",
		"WebhookEndpoint.format": "WebhookFormat",
	} {
		resource, name, _ := strings.Cut(property, ".")
		got := spec.Resources["pgbeam:index:"+resource].InputProperties[name].Ref
		if got != "#/types/pgbeam:index:"+want {
			t.Errorf("%s is %q, want the enum %s", property, got, want)
		}
		if len(spec.Types["pgbeam:index:"+want].Enum) < 2 {
			t.Errorf("%s is no enum type", want)
		}
	}
}

func TestSecretsAreMarked(t *testing.T) {
	spec := packageSpec(t)
	var got []string
	for token, r := range spec.Resources {
		for name, p := range r.Properties {
			if p.Secret {
				got = append(got, strings.TrimPrefix(token, "pgbeam:index:")+"."+name)
			}
		}
		for name, p := range r.InputProperties {
			if p.Secret != r.Properties[name].Secret {
				t.Errorf("%s.%s is secret on one side only", token, name)
			}
		}
	}
	for token, typ := range spec.Types {
		for name, p := range typ.Properties {
			if p.Secret {
				got = append(got, strings.TrimPrefix(token, "pgbeam:index:")+"."+name)
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"AgentCredential.connectionString", "AgentCredential.mcpToken", "Database.password", "ProjectDatabase.password",
		"SelfHostEnrollment.token", "WebhookEndpoint.secret",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The shape that users rely on: inputs (! required, ~ replaces) and outputs
// (! always there) of every resource.
func TestResourcesHaveTheirShape(t *testing.T) {
	spec := packageSpec(t)
	const database = "autoReadRouting cacheConfig host! name! password! poolConfig poolRegion port! queryTimeoutMs role sslMode username!"
	want := map[string][2]string{
		"Project": {
			"agentsDisabled allowedCidrs cloud~ database! defaultPolicyProfileId description name! orgId!~ residency selfHosted~ status tags",
			"activeConnections! burstSize! createdAt! databaseCount! maxConnections! primaryDatabaseId! proxyHost! queriesPerSecond! updatedAt!",
		},
		"Database": {
			strings.Replace(database, "port!", "port! projectId!~", 1),
			"connectionString! createdAt! updatedAt!",
		},
		"Replica":      {"databaseId!~ host!~ port!~ sslMode~", "createdAt! updatedAt!"},
		"CustomDomain": {"domain!~ projectId!~", "createdAt! dnsInstructions! dnsVerificationToken! tlsCertExpiry updatedAt! verified! verifiedAt"},
		"CacheRule": {
			"cacheEnabled! cacheSwrSeconds cacheTtlSeconds databaseId!~ projectId!~ queryHash!~",
			"avgLatencyMs! avgResponseBytes! callCount! firstSeenAt! lastSeenAt! normalizedSql! p95LatencyMs! queryType! recommendation! stabilityRate!",
		},
		"SpendLimit": {
			"orgId!~ spendLimit",
			"billingProvider createdAt currentPeriodEnd customPricing enabled limits! plan! spendCapped spendCappedAt subscriptionStatus updatedAt",
		},
		"AgentCredential": {
			"expiresAt~ name!~ policyProfileId!~ principalType~ projectId!~ rotationTriggers status",
			"authMethod! connectionString! createdAt! lastUsedAt mcpToken! mcpUrl! pgUsername! updatedAt!",
		},
		"PolicyProfile": {
			"accessMode approvalAutoMaxRows approvalMode approvalTimeoutSeconds budgetQueriesPerDay budgetQueriesPerHour egressBytesPerDay " +
				"maskingRules maxAffectedRows maxRows migrationSafety name! projectId!~ rowFilters statementRules statementTimeoutMs " +
				"tableAllowlist tableDenylist writeMode",
			"createdAt! updatedAt!",
		},
		"WebhookEndpoint":    {"description enabled eventTypes format projectId!~ secret url!", "createdAt! updatedAt!"},
		"SelfHostEnrollment": {"description~ expiresAt~ orgId!~ regionLabel~", "createdAt! createdBy lastSeenAt token!"},
	}
	got := map[string][2]string{}
	for token, r := range spec.Resources {
		var in, out []string
		for _, name := range slices.Sorted(maps.Keys(r.Properties)) {
			input, isInput := r.InputProperties[name]
			switch {
			case isInput:
				in = append(in, name+mark(slices.Contains(r.RequiredInputs, name), "!")+mark(input.WillReplaceOnChanges, "~"))
			default:
				out = append(out, name+mark(slices.Contains(r.Required, name), "!"))
			}
		}
		got[strings.TrimPrefix(token, "pgbeam:index:")] = [2]string{strings.Join(in, " "), strings.Join(out, " ")}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func mark(on bool, s string) string {
	if on {
		return s
	}
	return ""
}

var fence = regexp.MustCompile("(?s)```(\\w+)\n(.*?)\n```")

func TestEveryResourceHasExamplesAndImport(t *testing.T) {
	for token, r := range packageSpec(t).Resources {
		examples := strings.Count(r.Description, "{{% example %}}")
		if examples == 0 {
			t.Errorf("%s has no example", token)
		}
		have := map[string]int{}
		for _, f := range fence.FindAllStringSubmatch(r.Description, -1) {
			have[f[1]]++
		}
		for _, language := range []string{"typescript", "python", "go", "csharp", "java", "yaml"} {
			if have[language] != examples {
				t.Errorf("%s: %d examples, %d of them in %s", token, examples, have[language], language)
			}
		}
		if !strings.Contains(r.Description, "## Import\n") || !strings.Contains(r.Description, "pulumi import "+token) {
			t.Errorf("%s does not say how to import one", token)
		}
	}
}

// A function that sends more than names has examples, in every language too.
func TestFunctionsThatExamineHaveExamples(t *testing.T) {
	functions := packageSpec(t).Functions
	for _, name := range []string{"lintMigration", "evaluatePolicy"} {
		text := functions["pgbeam:index:"+name].Description
		for _, language := range []string{"typescript", "python", "go", "csharp", "java", "yaml"} {
			if strings.Count(text, "```"+language+"\n") != strings.Count(text, "{{% example %}}") || !strings.Contains(text, "{{% example %}}") {
				t.Errorf("%s: the examples in %s are not complete", name, language)
			}
		}
	}
}

// The examples in YAML name only properties that there are, all that must be,
// and values that the enums have. Those in Go are gofmt-ed.
func TestExamplesFitTheSchema(t *testing.T) {
	spec := packageSpec(t)
	for token, r := range spec.Resources {
		for _, f := range fence.FindAllStringSubmatch(r.Description, -1) {
			switch f[1] {
			case "yaml":
				var program struct {
					Resources map[string]struct {
						Type       string
						Properties map[string]any
					}
				}
				if err := yaml.Unmarshal([]byte(f[2]), &program); err != nil {
					t.Errorf("%s: %v", token, err)
				}
				for name, res := range program.Resources {
					of, ok := spec.Resources["pgbeam:index:"+strings.TrimPrefix(res.Type, "pgbeam:")]
					if !ok {
						t.Errorf("%s: %s is of unknown type %s", token, name, res.Type)
					}
					fits(t, spec, token+" "+name, res.Properties, of.InputProperties, of.RequiredInputs)
				}
			case "go":
				cmd := exec.Command("gofmt", "-d")
				cmd.Stdin = strings.NewReader(f[2] + "\n")
				if diff, err := cmd.CombinedOutput(); err != nil || len(diff) > 0 {
					t.Errorf("%s: gofmt: %v\n%s", token, err, diff)
				}
			}
		}
	}
}

func fits(t *testing.T, spec schema.PackageSpec, where string, values map[string]any, props map[string]schema.PropertySpec, required []string) {
	t.Helper()
	for _, name := range required {
		if values[name] == nil {
			t.Errorf("%s lacks %s", where, name)
		}
	}
	for name, v := range values {
		p, ok := props[name]
		if !ok {
			t.Errorf("%s: no property %s", where, name)
			continue
		}
		ref := p.Ref
		elements := []any{v}
		if p.Items != nil {
			elements, _ = v.([]any)
			ref = p.Items.Ref
		}
		typ, named := spec.Types[strings.TrimPrefix(ref, "#/types/")]
		for _, e := range elements {
			switch e := e.(type) {
			case map[string]any:
				if named {
					fits(t, spec, where+"."+name, e, typ.Properties, typ.Required)
				}
			default:
				if named && len(typ.Enum) > 0 && !slices.ContainsFunc(typ.Enum, func(v schema.EnumValueSpec) bool { return fmt.Sprint(v.Value) == fmt.Sprint(e) }) {
					t.Errorf("%s.%s: %v is no value of %s", where, name, e, ref)
				}
			}
		}
	}
}
