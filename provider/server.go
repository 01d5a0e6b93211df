package provider

import (
	"context"
	"fmt"
	"os"

	p "github.com/pulumi/pulumi-go-provider"
	host "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Main is the whole of the plugin, for the two that are built: the released
// one, and the repository itself. It serves until the engine closes it.
func Main() {
	err := host.MainContext(context.Background(), Name, func(client *host.HostClient) (rpc.ResourceProviderServer, error) {
		return Server(Name, Version, client)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Server is the provider as the engine speaks to it. It carries what the
// framework's own requests leave out: the id of the provider resource, how
// names are to be made, and whether a function runs in a preview. client may be
// nil.
func Server(name, version string, client *host.HostClient) (rpc.ResourceProviderServer, error) {
	inner, err := p.RawServer(name, version, New())(client)
	if err != nil {
		return nil, err
	}
	return server{inner}, nil
}

type server struct{ rpc.ResourceProviderServer }

type contextKey int

const (
	keyProviderID contextKey = iota
	keyAutonaming
	keyPreview
)

func (s server) Configure(ctx context.Context, req *rpc.ConfigureRequest) (*rpc.ConfigureResponse, error) {
	resp, err := s.ResourceProviderServer.Configure(context.WithValue(ctx, keyProviderID, req.GetId()), req)
	if resp != nil {
		resp.SupportsAutonamingConfiguration = true
	}
	return resp, err
}

func (s server) Check(ctx context.Context, req *rpc.CheckRequest) (*rpc.CheckResponse, error) {
	return s.ResourceProviderServer.Check(context.WithValue(ctx, keyAutonaming, req.GetAutonaming()), req)
}

func (s server) Invoke(ctx context.Context, req *rpc.InvokeRequest) (*rpc.InvokeResponse, error) {
	return s.ResourceProviderServer.Invoke(context.WithValue(ctx, keyPreview, req.GetPreview()), req)
}

// Read of what is not there answers without properties: the framework sends
// empty ones, which an import or a get() would take for an empty resource.
func (s server) Read(ctx context.Context, req *rpc.ReadRequest) (*rpc.ReadResponse, error) {
	resp, err := s.ResourceProviderServer.Read(ctx, req)
	if err == nil && resp.GetId() == "" {
		resp = &rpc.ReadResponse{}
	}
	return resp, err
}

// providerIDFrom is the id of the provider resource in the stack, "" where the
// engine does not tell it.
func providerIDFrom(ctx context.Context) string {
	id, _ := ctx.Value(keyProviderID).(string)
	return id
}

// previewing reports whether a function was called by a preview.
func previewing(ctx context.Context) bool {
	preview, _ := ctx.Value(keyPreview).(bool)
	return preview
}

// autonaming is what the stack's `pulumi:autonaming` says, nil for nothing.
func autonaming(ctx context.Context) *rpc.CheckRequest_AutonamingOptions {
	options, _ := ctx.Value(keyAutonaming).(*rpc.CheckRequest_AutonamingOptions)
	return options
}
