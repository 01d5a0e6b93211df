package provider

import (
	"context"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// name gives a resource a name where the program leaves that to Pulumi: the
// one it has, else what the stack's `pulumi:autonaming` proposes, else its
// logical name with a random suffix, so that a replacement can stand beside
// what it replaces. A name that the table requires is never made up.
func (c *checker) name(ctx context.Context, r *Resource, logical string, inputs property.Map) property.Map {
	prop := r.property("name")
	if prop == nil || !prop.Input || prop.Required || !absent(inputs.Get("name")) {
		return inputs
	}
	if old := c.olds.Get("name"); old.IsString() {
		return inputs.Set("name", old)
	}
	if options := autonaming(ctx); options != nil {
		if options.GetMode() == rpc.CheckRequest_AutonamingOptions_DISABLE {
			c.fail(path{"name"}, "is required, because pulumi:autonaming is disabled in this stack")
			return inputs
		}
		return inputs.Set("name", property.New(options.GetProposedName()))
	}
	longest := 0
	if prop.Type.MaxLength != nil {
		longest = *prop.Type.MaxLength
	}
	made, err := resource.NewUniqueName(nil, logical+"-", 7, longest, nil)
	if err != nil {
		c.fail(path{"name"}, "could not be made of %q: %v; set it", logical, err)
		return inputs
	}
	return inputs.Set("name", property.New(made))
}
