package provider

import (
	"context"
	"strings"
	"testing"

	rpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// A table whose name may be left out gets one; a stack's pulumi:autonaming is
// obeyed, and a resource keeps the name it has.
func TestNamesThatPulumiMakes(t *testing.T) {
	optional := &Resource{Properties: []Property{{Name: "name", Input: true, Type: Type{Kind: String, MaxLength: new(40)}}}}
	required := &Resource{Properties: []Property{{Name: "name", Input: true, Required: true, Type: Type{Kind: String}}}}
	asked := func(mode rpc.CheckRequest_AutonamingOptions_Mode, name string) context.Context {
		return context.WithValue(t.Context(), keyAutonaming, &rpc.CheckRequest_AutonamingOptions{Mode: mode, ProposedName: name})
	}
	made := func(ctx context.Context, r *Resource, olds, inputs object) (string, int) {
		c := checker{olds: values(olds)}
		return text(c.name(ctx, r, "shop", values(inputs)).Get("name")), len(c.failures)
	}
	if name, _ := made(t.Context(), optional, object{}, object{}); !strings.HasPrefix(name, "shop-") || len(name) != len("shop-")+7 {
		t.Errorf("by default: %q", name)
	}
	if name, _ := made(t.Context(), optional, object{"name": "shop-1"}, object{}); name != "shop-1" {
		t.Errorf("an existing one becomes %q", name)
	}
	if name, _ := made(asked(rpc.CheckRequest_AutonamingOptions_PROPOSE, "dev-shop"), optional, object{}, object{}); name != "dev-shop" {
		t.Errorf("a pattern gives %q", name)
	}
	if name, wrong := made(asked(rpc.CheckRequest_AutonamingOptions_DISABLE, ""), optional, object{}, object{}); name != "" || wrong != 1 {
		t.Errorf("disabled: %q with %d failures", name, wrong)
	}
	if name, _ := made(asked(rpc.CheckRequest_AutonamingOptions_ENFORCE, "x"), optional, object{}, object{"name": "mine"}); name != "mine" {
		t.Errorf("the program's own becomes %q", name)
	}
	if name, wrong := made(t.Context(), required, object{}, object{}); name != "" || wrong != 0 {
		t.Errorf("a required one is made up: %q", name)
	}
}
