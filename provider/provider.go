package provider

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/middleware/cancel"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Name is the name of the package, and of the plugin after pulumi-resource-.
const Name = "pgbeam"

//go:embed schema.json
var packageSchema []byte

// provider is one configured instance. The engine starts one for each
// provider resource of a stack, so what it remembers is of one run.
type provider struct {
	mu       sync.Mutex // guards settings
	settings *settings

	lists lists
	seen  seen
}

// New makes the provider. Operations end when the engine cancels or when a
// resource's customTimeouts have passed.
func New() p.Provider {
	v := &provider{}
	return cancel.Wrap(p.Provider{
		Handshake: func(context.Context, p.HandshakeRequest) (p.HandshakeResponse, error) {
			return p.HandshakeResponse{SupportsAutonamingConfiguration: true}, nil
		},
		GetSchema:   getSchema,
		CheckConfig: checkConfig,
		DiffConfig:  diffConfig,
		Configure:   v.configure,
		Check:       v.check,
		Diff:        v.diff,
		Create:      v.create,
		Read:        v.read,
		Update:      v.update,
		Delete:      v.delete,
		Invoke:      v.invoke,
	})
}

// getSchema answers with the generated schema, under the version that runs.
func getSchema(ctx context.Context, _ p.GetSchemaRequest) (p.GetSchemaResponse, error) {
	var spec map[string]json.RawMessage
	if err := json.Unmarshal(packageSchema, &spec); err != nil {
		return p.GetSchemaResponse{}, fmt.Errorf("read the package schema: %w", err)
	}
	if version := p.GetRunInfo(ctx).Version; version != "" {
		spec["version"], _ = json.Marshal(version)
	}
	out, err := json.Marshal(spec)
	return p.GetSchemaResponse{Schema: string(out)}, err
}

// table finds the resource that an URN is of.
func table(urn resource.URN) (*Resource, error) {
	token := string(urn.Type())
	if r := resourceByToken(token); r != nil {
		return r, nil
	}
	var known []string
	for _, r := range Resources {
		known = append(known, r.Token)
	}
	return nil, fmt.Errorf("this version of the plugin has no resource %s%s", token, suggest(token, known))
}

// seen remembers under which id the engine has shown each resource, so that a
// create can tell a first one from a replacement.
type seen struct {
	mu  sync.Mutex
	ids map[resource.URN]string
}

// note records that a resource exists; id is "" where the engine does not
// tell it.
func (s *seen) note(urn resource.URN, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[resource.URN]string{}
	}
	if id != "" || s.ids[urn] == "" {
		s.ids[urn] = id
	}
}

// before tells whether there was a resource of that URN, and its id.
func (s *seen) before(urn resource.URN) (id string, existed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, existed = s.ids[urn]
	return id, existed
}
