package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"github.com/blang/semver"
	gogen "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

const tool = "schema/gen"

// sdks are the client libraries, made by pulumi's own generators. Java's is
// not among them: its generator is a program of its own, which users run with
// `pulumi package add`.
func sdks(root string, spec []byte, overlays overlays) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, language := range []struct {
		dir      string
		generate func(*schema.Package) (map[string][]byte, error)
	}{
		{"sdk/nodejs", func(p *schema.Package) (map[string][]byte, error) {
			out, err := nodejs.GeneratePackage(tool, p, overlays.nodejs, nil, false, noLoader{})
			if err != nil {
				return nil, err
			}
			return out, configureNode(out)
		}},
		{"sdk/python", func(p *schema.Package) (map[string][]byte, error) {
			out, err := python.GeneratePackage(tool, p, overlays.python, noLoader{})
			if err != nil {
				return nil, err
			}
			return out, configurePython(out)
		}},
		{"sdk/go/pgbeam", func(p *schema.Package) (map[string][]byte, error) {
			out, err := gogen.GeneratePackage(tool, p, nil)
			if err != nil {
				return nil, err
			}
			return moduleOfGo(out, overlays.golang)
		}},
		{"sdk/dotnet", func(*schema.Package) (map[string][]byte, error) {
			return dotnet(root, spec, overlays.logo)
		}},
	} {
		// Each generator changes the package that it is given.
		p, err := bind(spec)
		if err != nil {
			return nil, err
		}
		out, err := language.generate(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", language.dir, err)
		}
		out["LICENSE"] = overlays.license
		for name, data := range out {
			files[path.Join(language.dir, name)] = data
		}
	}
	files["sdk/README.md"] = overlays.readme
	return files, nil
}

// bind reads a package schema as the generators want it, and checks it
// against Pulumi's own schema of schemas.
func bind(data []byte) (*schema.Package, error) {
	var spec schema.PackageSpec
	if err := json.Unmarshal(data, &spec); err != nil {
		return nil, fmt.Errorf("package schema: %w", err)
	}
	p, diags, err := schema.BindSpec(spec, noLoader{}, schema.ValidationOptions{})
	if err != nil {
		return nil, fmt.Errorf("package schema: %w", err)
	}
	var problems []error
	for _, d := range diags {
		problems = append(problems, fmt.Errorf("package schema: %s: %s", d.Summary, d.Detail))
	}
	return p, errors.Join(problems...)
}

// noLoader loads no other packages: the schema refers to none.
type noLoader struct{}

var errNoPackages = errors.New("the package schema must not refer to other packages")

func (noLoader) LoadPackage(string, *semver.Version) (*schema.Package, error) {
	return nil, errNoPackages
}

func (noLoader) LoadPackageV2(context.Context, *schema.PackageDescriptor) (*schema.Package, error) {
	return nil, errNoPackages
}

func (noLoader) LoadPackageReference(string, *semver.Version) (schema.PackageReference, error) {
	return nil, errNoPackages
}

func (noLoader) LoadPackageReferenceV2(context.Context, *schema.PackageDescriptor) (schema.PackageReference, error) {
	return nil, errNoPackages
}

// dotnet runs the generator of the .NET SDK, which is a module of its own.
func dotnet(root string, spec, logo []byte) (map[string][]byte, error) {
	in, err := json.Marshal(map[string]any{"Tool": tool, "Schema": json.RawMessage(spec), "Logo": logo})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "run", ".")
	cmd.Dir = filepath.Join(root, "schema/gen/dotnet")
	cmd.Stdin = bytes.NewReader(in)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run the .NET generator: %w", err)
	}
	var files map[string][]byte
	return files, json.Unmarshal(out, &files)
}
