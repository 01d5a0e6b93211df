package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/spelling"
)

// configFile is the YAML file behind --config. Its keys are the names of the
// flags of "pgbeam serve"; other commands take from it what they share.
// A flag wins over the environment, which wins over the file.
type configFile struct {
	path   string
	values map[string]setting
}

type setting struct {
	value any // a string, or a list of strings
	line  int
}

// notInFile are flags that make no sense in a file that configures a service.
var notInFile = map[string]bool{"config": true, "help": true, "json": true, "ready-file": true}

// load runs before kong resolves flags: it reads the file that --config or
// PGBEAM_CONFIG names, if the command takes one.
func (c *configFile) load(ctx *kong.Context) error {
	for _, flag := range ctx.Flags() {
		if flag.Name != "config" {
			continue
		}
		if path, _ := ctx.FlagValue(flag).(string); path != "" {
			if err := c.read(path, configKeys(ctx.Model)); err != nil {
				return err
			}
			ctx.AddResolver(kong.ResolverFunc(c.resolve))
		}
	}
	return nil
}

// configKeys are the keys that a file may have.
func configKeys(app *kong.Application) map[string]bool {
	keys := map[string]bool{}
	for _, command := range app.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			if !notInFile[flag.Name] {
				keys[flag.Name] = true
			}
		}
	}
	return keys
}

func (c *configFile) read(path string, known map[string]bool) error {
	c.path, c.values = path, map[string]setting{}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("read configuration %s: %w", path, err)
	}
	if len(document.Content) == 0 { // empty, or nothing but comments
		return nil
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		return c.at(top.Line, errors.New("a configuration is a list of \"key: value\" lines"))
	}
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		if !known[key.Value] {
			hint := "the keys are the flags that \"pgbeam serve --help\" lists, without the dashes in front"
			if near := spelling.Nearest(strings.ToLower(strings.ReplaceAll(key.Value, "_", "-")), maps.Keys(known)); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			return c.at(key.Line, fmt.Errorf("unknown key %q: %s", key.Value, hint))
		}
		if before, ok := c.values[key.Value]; ok {
			return c.at(key.Line, fmt.Errorf("%q was set in line %d already", key.Value, before.line))
		}
		v, err := plain(value)
		if err != nil {
			return c.at(value.Line, fmt.Errorf("%s: %w", key.Value, err))
		}
		if v != nil {
			c.values[key.Value] = setting{v, key.Line}
		}
	}
	return nil
}

// plain turns a YAML value into what kong would read from a command line. Null
// is a key that is not set.
func plain(node *yaml.Node) (any, error) {
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return nil, nil
	case node.Kind == yaml.ScalarNode:
		return node.Value, nil
	case node.Kind == yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: a list holds plain values only", item.Line)
			}
			list = append(list, item.Value)
		}
		return list, nil
	}
	return nil, errors.New("must be a plain value or a list of them")
}

func (c *configFile) resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return nil, nil
		}
	}
	if s, ok := c.values[flag.Name]; ok {
		return s.value, nil
	}
	return nil, nil
}

// explain adds the place in the file to an error about a flag it has set.
func (c *configFile) explain(err error) error {
	for name, s := range c.values {
		if strings.HasPrefix(err.Error(), "--"+name+":") || strings.HasPrefix(err.Error(), "--"+name+"=") || strings.HasPrefix(err.Error(), "--"+name+" ") {
			return c.at(s.line, err)
		}
	}
	return err
}

func (c *configFile) at(line int, err error) error {
	return fmt.Errorf("%s, line %d: %w", c.path, line, err)
}
