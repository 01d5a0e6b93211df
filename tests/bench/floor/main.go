// Command floor is a plugin with our schema that does nothing: what it is
// given it takes, and returns, with the outputs of the schema made up, so that
// the state has the size it has. What a program costs with it is what the
// engine and the language cost.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	pgbeam "github.com/pgbeam/pulumi-pgbeam/provider"
)

func main() {
	err := provider.Main("pgbeam", func(*provider.HostClient) (rpc.ResourceProviderServer, error) {
		spec, err := p.GetSchema(context.Background(), "pgbeam", pgbeam.Version, pgbeam.New())
		return &floor{spec: spec}, err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type floor struct {
	rpc.UnimplementedResourceProviderServer
	spec schema.PackageSpec
	made atomic.Int64
}

func (*floor) GetPluginInfo(context.Context, *emptypb.Empty) (*rpc.PluginInfo, error) {
	return &rpc.PluginInfo{Version: pgbeam.Version}, nil
}

func (f *floor) GetSchema(context.Context, *rpc.GetSchemaRequest) (*rpc.GetSchemaResponse, error) {
	text, err := json.Marshal(f.spec)
	return &rpc.GetSchemaResponse{Schema: string(text)}, err
}

func (*floor) CheckConfig(_ context.Context, r *rpc.CheckRequest) (*rpc.CheckResponse, error) {
	return &rpc.CheckResponse{Inputs: r.GetNews()}, nil
}

func (*floor) DiffConfig(context.Context, *rpc.DiffRequest) (*rpc.DiffResponse, error) {
	return &rpc.DiffResponse{Changes: rpc.DiffResponse_DIFF_NONE}, nil
}

func (*floor) Configure(context.Context, *rpc.ConfigureRequest) (*rpc.ConfigureResponse, error) {
	return &rpc.ConfigureResponse{AcceptSecrets: true, SupportsPreview: true, AcceptResources: true, AcceptOutputs: true}, nil
}

func (*floor) Check(_ context.Context, r *rpc.CheckRequest) (*rpc.CheckResponse, error) {
	return &rpc.CheckResponse{Inputs: r.GetNews()}, nil
}

func (*floor) Diff(_ context.Context, r *rpc.DiffRequest) (*rpc.DiffResponse, error) {
	if proto.Equal(r.GetOldInputs(), r.GetNews()) {
		return &rpc.DiffResponse{Changes: rpc.DiffResponse_DIFF_NONE}, nil
	}
	return &rpc.DiffResponse{Changes: rpc.DiffResponse_DIFF_SOME}, nil
}

// Create returns the inputs and what else the schema has.
func (f *floor) Create(_ context.Context, r *rpc.CreateRequest) (*rpc.CreateResponse, error) {
	n := f.made.Add(1)
	urn := resource.URN(r.GetUrn())
	out := f.object(f.spec.Resources[string(urn.Type())].Properties)
	for name, v := range r.GetProperties().GetFields() {
		out.Fields[name] = v
	}
	if r.GetPreview() {
		return &rpc.CreateResponse{Properties: out}, nil
	}
	return &rpc.CreateResponse{Id: fmt.Sprintf("floor_%026d", n), Properties: out}, nil
}

func (f *floor) object(properties map[string]schema.PropertySpec) *structpb.Struct {
	out := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for name, property := range properties {
		v := f.value(property.TypeSpec)
		if property.Secret {
			v = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				resource.SigKey: structpb.NewStringValue(resource.SecretSig), "value": v,
			}})
		}
		out.Fields[name] = v
	}
	return out
}

func (f *floor) value(t schema.TypeSpec) *structpb.Value {
	switch t.Type {
	case "boolean":
		return structpb.NewBoolValue(false)
	case "integer", "number":
		return structpb.NewNumberValue(0)
	case "array":
		return structpb.NewListValue(&structpb.ListValue{})
	case "object":
		return structpb.NewStructValue(&structpb.Struct{})
	}
	if object, ok := f.spec.Types[strings.TrimPrefix(t.Ref, "#/types/")]; ok && len(object.Properties) > 0 {
		return structpb.NewStructValue(f.object(object.Properties))
	}
	return structpb.NewStringValue("a text of usual length")
}

func (*floor) Read(_ context.Context, r *rpc.ReadRequest) (*rpc.ReadResponse, error) {
	return &rpc.ReadResponse{Id: r.GetId(), Properties: r.GetProperties(), Inputs: r.GetInputs()}, nil
}

func (*floor) Update(_ context.Context, r *rpc.UpdateRequest) (*rpc.UpdateResponse, error) {
	return &rpc.UpdateResponse{Properties: r.GetNews()}, nil
}

func (*floor) Delete(context.Context, *rpc.DeleteRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (*floor) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
