package main

import (
	"runtime"
	"runtime/debug"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version = "dev"

// revision is the commit that the binary was built from; "unknown" outside a
// repository.
func revision() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

type versionCommand struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (versionCommand) Help() string { return "Example:\n\n  pgbeam version --json" }

func (c versionCommand) Run(out *output) error {
	if c.JSON {
		return out.json(map[string]string{"version": version, "commit": revision(), "go": runtime.Version()})
	}
	out.printf("pgbeam %s (commit %s, %s)\n", version, revision(), runtime.Version())
	return nil
}
