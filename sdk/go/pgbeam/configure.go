package pgbeam

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"weak"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// ConfigureArgs is what Configure takes. Whatever is absent comes from the
// stack's configuration, else from the environment.
type ConfigureArgs struct {
	// The API key. It is kept encrypted in state. Stack configuration:
	// pgbeam:apiKey; environment: PGBEAM_API_KEY.
	ApiKey pulumi.StringPtrInput
	// The address of the API. Stack configuration: pgbeam:baseUrl;
	// environment: PGBEAM_API_URL.
	BaseUrl pulumi.StringPtrInput
}

// configured are the programs that have called Configure: a process that uses
// the Automation API runs several.
var configured struct {
	sync.Mutex
	programs map[weak.Pointer[pulumi.Context]]bool
}

// Configure configures PgBeam in the program. Every PgBeam resource and
// function after this call that is given no provider, by its own options or by
// a component around it, uses this key and address. It returns the provider
// that was made.
//
// Call it once, before the first resource. Where one program needs two keys,
// make a provider with NewProvider for the other and pass it with
// pulumi.Provider.
func Configure(ctx *pulumi.Context, args *ConfigureArgs) (*Provider, error) {
	if !first(ctx) {
		return nil, errors.New("pgbeam.Configure was called a second time: call it once; for resources that need " +
			"another key or address, make one with pgbeam.NewProvider and pass it to them with pulumi.Provider")
	}
	if args == nil {
		args = &ConfigureArgs{}
	}
	stack := config.New(ctx, "pgbeam")
	key, address := args.ApiKey, args.BaseUrl
	if key == nil && stack.Get("apiKey") != "" {
		key = stack.GetSecret("apiKey").ToStringPtrOutput()
	}
	if address == nil && stack.Get("baseUrl") != "" {
		address = pulumi.StringPtr(stack.Get("baseUrl"))
	}
	provider, err := NewProvider(ctx, "pgbeam-configured", &ProviderArgs{ApiKey: key, BaseUrl: address},
		pulumi.AdditionalSecretOutputs([]string{"apiKey"}))
	if err != nil {
		return nil, err
	}
	if ctx.RunningWithMocks() {
		return provider, nil // mocks know no transforms, and ask no provider
	}
	err = ctx.RegisterResourceTransform(
		func(_ context.Context, r *pulumi.ResourceTransformArgs) *pulumi.ResourceTransformResult {
			if !r.Custom || !strings.HasPrefix(r.Type, "pgbeam:") || r.Opts.Provider != nil {
				return nil
			}
			r.Opts.Provider = provider
			return &pulumi.ResourceTransformResult{Props: r.Props, Opts: r.Opts}
		})
	if err != nil {
		return nil, err
	}
	err = ctx.RegisterInvokeTransform(
		func(_ context.Context, f *pulumi.InvokeTransformArgs) *pulumi.InvokeTransformResult {
			if !strings.HasPrefix(f.Token, "pgbeam:") || f.Opts.Provider != nil {
				return nil
			}
			f.Opts.Provider = provider
			return &pulumi.InvokeTransformResult{Args: f.Args, Opts: f.Opts}
		})
	if err != nil {
		return nil, err
	}
	return provider, nil
}

// first reports whether the program has not called Configure before.
func first(ctx *pulumi.Context) bool {
	program := weak.Make(ctx)
	configured.Lock()
	defer configured.Unlock()
	if configured.programs[program] {
		return false
	}
	if configured.programs == nil {
		configured.programs = map[weak.Pointer[pulumi.Context]]bool{}
	}
	configured.programs[program] = true
	runtime.AddCleanup(ctx, func(program weak.Pointer[pulumi.Context]) {
		configured.Lock()
		defer configured.Unlock()
		delete(configured.programs, program)
	}, program)
	return true
}
