// Command floor is a plugin with our schema that does nothing: what it is
// given it takes, and returns. What a program costs with it is what the engine
// and the language cost.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	pgbeam "github.com/pgbeam/pulumi-pgbeam/provider"
)

func main() {
	err := provider.Main("pgbeam", func(*provider.HostClient) (rpc.ResourceProviderServer, error) { return &floor{}, nil })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type floor struct {
	rpc.UnimplementedResourceProviderServer
	made atomic.Int64
}

func (*floor) GetPluginInfo(context.Context, *emptypb.Empty) (*rpc.PluginInfo, error) {
	return &rpc.PluginInfo{Version: pgbeam.Version}, nil
}

func (*floor) GetSchema(ctx context.Context, _ *rpc.GetSchemaRequest) (*rpc.GetSchemaResponse, error) {
	spec, err := p.GetSchema(ctx, "pgbeam", pgbeam.Version, pgbeam.New())
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(spec)
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

// Create returns the inputs, and the one output that the program hands on.
func (f *floor) Create(_ context.Context, r *rpc.CreateRequest) (*rpc.CreateResponse, error) {
	n := f.made.Add(1)
	out := &structpb.Struct{Fields: map[string]*structpb.Value{"primaryDatabaseId": structpb.NewStringValue(fmt.Sprint("db_", n))}}
	proto.Merge(out, r.GetProperties())
	if r.GetPreview() {
		return &rpc.CreateResponse{Properties: out}, nil
	}
	return &rpc.CreateResponse{Id: fmt.Sprint("floor-", n), Properties: out}, nil
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
