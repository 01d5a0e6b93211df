// Command dotnet makes the .NET SDK: a package schema and a logo come in as
// JSON on standard input, the files go out as JSON on standard output.
//
// It is a module of its own because Pulumi's Go host takes every module named
// github.com/pulumi/pulumi-X in a plugin's go.mod for a provider X to install:
// with this generator among the repository's own requirements, `pulumi package
// add` of the repository would ask for a provider called "dotnet".
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	dotnet "github.com/pulumi/pulumi-dotnet/pulumi-language-dotnet/v3/codegen"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	if err := generate(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func generate(in io.Reader, out io.Writer) error {
	var input struct {
		Tool   string
		Schema schema.PackageSpec
		Logo   []byte
	}
	if err := json.NewDecoder(in).Decode(&input); err != nil {
		return fmt.Errorf("read package schema: %w", err)
	}
	// The schema refers to no other package, so nothing is ever loaded.
	p, diags, err := schema.BindSpec(input.Schema, struct{ schema.ReferenceLoader }{}, schema.ValidationOptions{})
	if err != nil {
		return fmt.Errorf("bind package schema: %w", err)
	}
	if diags.HasErrors() {
		return fmt.Errorf("bind package schema: %w", diags)
	}
	http.DefaultTransport = logo(input.Logo)
	files, err := dotnet.GeneratePackage(input.Tool, p, nil, nil)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	return json.NewEncoder(out).Encode(files)
}

// logo answers the generator, which downloads a logo and cannot be told not
// to, from memory: generating needs no network.
type logo []byte

func (l logo) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"image/png"}}, Request: req,
		Body: io.NopCloser(bytes.NewReader(l)), ContentLength: int64(len(l)),
	}, nil
}
