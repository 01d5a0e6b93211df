package pulumi

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// inlineStack runs a program that is part of the test, untyped.
type inlineStack struct{ auto.Stack }

func inline(t *testing.T, program pulumi.RunFunc, env ...string) *inlineStack {
	t.Helper()
	p := harness.NewPulumi(t, env...)
	project := workspace.Project{Name: tokens.PackageName("inline"), Runtime: workspace.NewProjectRuntimeInfo("go", nil), Backend: &workspace.ProjectBackend{URL: "file://" + p.Backend}}
	t.Setenv("PATH", os.Getenv("PATH")+string(filepath.ListSeparator)+p.Tools(t))
	s, err := auto.NewStackInlineSource(t.Context(), "test", "inline", program, auto.Project(project), auto.WorkDir(t.TempDir()), auto.EnvVars(p.Variables()))
	if err != nil {
		t.Fatal(err)
	}
	return &inlineStack{s}
}

func (s *inlineStack) preview(t *testing.T) (string, error) {
	var said bytes.Buffer
	_, err := s.Preview(t.Context(), optpreview.ProgressStreams(&said), optpreview.ErrorProgressStreams(&said))
	return said.String(), err
}

func (s *inlineStack) up(t *testing.T) (string, error) {
	var said bytes.Buffer
	_, err := s.Up(t.Context(), optup.ProgressStreams(&said), optup.ErrorProgressStreams(&said))
	return said.String(), err
}

// untyped turns a program's values into inputs.
func untyped(properties map[string]any) pulumi.Map {
	m := pulumi.Map{}
	for k, v := range properties {
		m[k] = input(v)
	}
	return m
}

func input(v any) pulumi.Input {
	switch v := v.(type) {
	case map[string]any:
		if s, ok := v["fn::secret"]; ok {
			return pulumi.ToSecret(input(s))
		}
		return untyped(v)
	case []any:
		a := pulumi.Array{}
		for _, item := range v {
			a = append(a, input(item))
		}
		return a
	}
	return pulumi.Any(v)
}
