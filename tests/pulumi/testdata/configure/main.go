package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"

	"github.com/pgbeam/pulumi-pgbeam/sdk/go/pgbeam"
)

func main() { pulumi.Run(program) }

func program(ctx *pulumi.Context) error {
	cfg := config.New(ctx, "")
	baseURL := pulumi.String(cfg.Require("baseUrl"))

	_, err := pgbeam.Configure(ctx, &pgbeam.ConfigureArgs{ApiKey: pulumi.String(cfg.Require("configured")), BaseUrl: baseURL})
	if err != nil {
		return err
	}
	if _, err := pgbeam.Configure(ctx, nil); err != nil {
		ctx.Export("second", pulumi.String(err.Error()))
	}

	replica := func(name string, opts ...pulumi.ResourceOption) error {
		_, err := pgbeam.NewReplica(ctx, name, &pgbeam.ReplicaArgs{
			DatabaseId: pulumi.String("db_1"), Host: pulumi.String(name), Port: pulumi.Int(5432),
		}, opts...)
		return err
	}
	component := func(name string, opts ...pulumi.ResourceOption) error {
		var c struct{ pulumi.ResourceState }
		if err := ctx.RegisterComponentResource("test:index:Component", name, &c, opts...); err != nil {
			return err
		}
		return replica(name+"-child", pulumi.Parent(&c))
	}

	other, err := pgbeam.NewProvider(ctx, "other", &pgbeam.ProviderArgs{ApiKey: pulumi.String(cfg.Require("explicit")), BaseUrl: baseURL})
	if err != nil {
		return err
	}
	for _, make := range []func() error{
		func() error { return replica("plain") },
		func() error { return replica("explicit", pulumi.Provider(other)) },
		func() error { return component("given", pulumi.Providers(other)) },
		func() error { return component("free") },
	} {
		if err := make(); err != nil {
			return err
		}
	}
	regions, err := pgbeam.GetRegions(ctx)
	if err != nil {
		return err
	}
	ctx.Export("regions", pulumi.Int(len(regions.Regions)))
	return nil
}
