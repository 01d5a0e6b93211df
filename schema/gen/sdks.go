package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/blang/semver"
	dotnet "github.com/pulumi/pulumi-dotnet/pulumi-language-dotnet/v3/codegen"
	gogen "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

const tool = "schema/gen"

// sdks are the client libraries, made by pulumi's own generators. Java's is
// not among them: its generator is a program of its own, which users run with
// `pulumi package add`.
func sdks(spec []byte, overlays overlays) (map[string][]byte, error) {
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
		{"sdk/dotnet", func(p *schema.Package) (map[string][]byte, error) {
			restore := serveLogo(overlays.logo)
			defer restore()
			return dotnet.GeneratePackage(tool, p, nil, nil)
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

// serveLogo answers the .NET generator, which downloads a logo and cannot be
// told not to, from memory: generating needs no network.
func serveLogo(png []byte) (restore func()) {
	logoMu.Lock()
	before := http.DefaultTransport
	http.DefaultTransport = logo{png}
	return func() {
		http.DefaultTransport = before
		logoMu.Unlock()
	}
}

var logoMu sync.Mutex

type logo struct{ png []byte }

func (l logo) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"image/png"}}, Request: req,
		Body: io.NopCloser(strings.NewReader(string(l.png))), ContentLength: int64(len(l.png)),
	}, nil
}
