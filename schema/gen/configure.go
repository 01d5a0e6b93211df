package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// overlays are the hand-written files that the SDKs get besides generated
// ones: the function configure in each language, and what their registries
// want.
type overlays struct {
	nodejs, python, golang map[string][]byte
	logo, license, readme  []byte
}

func loadOverlays(dir, license string) (overlays, error) {
	var o overlays
	for name, into := range map[string]*map[string][]byte{"nodejs": &o.nodejs, "python": &o.python, "go": &o.golang} {
		*into = map[string][]byte{}
		entries, err := os.ReadDir(filepath.Join(dir, name))
		if err != nil {
			return o, err
		}
		for _, e := range entries {
			if (*into)[e.Name()], err = os.ReadFile(filepath.Join(dir, name, e.Name())); err != nil {
				return o, err
			}
		}
	}
	text, err := os.ReadFile(license)
	if err != nil {
		return o, err
	}
	o.license = text
	if o.readme, err = os.ReadFile(filepath.Join(dir, "README.md")); err != nil {
		return o, err
	}
	o.logo, err = os.ReadFile(filepath.Join(dir, "logo.png"))
	return o, err
}

// replace changes what a generator wrote, and fails when that is not what it
// wrote at the time this was made: a new version of the generator must not
// silently lose a feature.
func replace(files map[string][]byte, path, old, new string) error {
	data, ok := files[path]
	if !ok {
		return fmt.Errorf("%s is not generated any more", path)
	}
	if !bytes.Contains(data, []byte(old)) {
		return fmt.Errorf("%s does not contain %q any more", path, old)
	}
	files[path] = bytes.ReplaceAll(data, []byte(old), []byte(new))
	return nil
}

// configureNode lets every resource and function ask whether the program
// called configure: they all take their defaults from resourceOptsDefaults.
func configureNode(files map[string][]byte) error {
	const defaults = "utilities.resourceOptsDefaults()"
	for path, data := range files {
		opts := "opts"
		if path == "provider.ts" {
			opts = "false"
		}
		if bytes.Contains(data, []byte(defaults)) {
			if err := replace(files, path, defaults, "utilities.resourceOptsDefaults("+opts+")"); err != nil {
				return err
			}
		}
	}
	if err := replace(files, "utilities.ts", "export function resourceOptsDefaults(): any {\n    return { ",
		"export function resourceOptsDefaults(opts?: any): any {\n    return { ...require(\"./configure\").configuredProvider(opts), "); err != nil {
		return err
	}
	// Programs use what tsc puts into bin; the version is read from the
	// package.json beside it.
	const build = `"build": "tsc && node -e \"require('fs').copyFileSync('package.json', 'bin/package.json')\""`
	if err := replace(files, "package.json", `"build": "tsc"`, build+`,
        "prepare": "npm run build"`); err != nil {
		return err
	}
	return replace(files, "package.json", `    "scripts": {`, `    "main": "bin/index.js",
    "types": "bin/index.d.ts",
    "files": [
        "bin",
        "README.md",
        "LICENSE"
    ],
    "scripts": {`)
}

// configurePython does the same for Python.
func configurePython(files map[string][]byte) error {
	for path, data := range files {
		for _, kind := range []string{"resource", "invoke"} {
			call := "_utilities.get_" + kind + "_opts_defaults()"
			if !bytes.Contains(data, []byte(call)) || strings.HasSuffix(path, "/provider.py") {
				continue
			}
			if err := replace(files, path, call, "_utilities.get_"+kind+"_opts_defaults(opts, configured=True)"); err != nil {
				return err
			}
		}
	}
	for kind, typ := range map[string]string{"resource": "ResourceOptions", "invoke": "InvokeOptions"} {
		err := replace(files, "pulumi_pgbeam/_utilities.py",
			"def get_"+kind+"_opts_defaults() -> pulumi."+typ+":\n    return pulumi."+typ+"(\n",
			"def get_"+kind+"_opts_defaults(opts: typing.Any = None, configured: bool = False) -> pulumi."+typ+":\n"+
				"    from .configure import configured_provider\n"+
				"    return pulumi."+typ+"(\n"+
				"        provider=configured_provider(opts) if configured else None,\n")
		if err != nil {
			return err
		}
	}
	// pyproject.toml looks for it beside itself.
	files["README.md"] = files["pulumi_pgbeam/README.md"]
	return replace(files, "pulumi_pgbeam/__init__.py", "from .custom_domain import *\n", "from .configure import configure\nfrom .custom_domain import *\n")
}

// moduleOfGo makes the generated package a module of its own, at its import
// path: the generator would make its parent folder the module.
func moduleOfGo(files, extra map[string][]byte) (map[string][]byte, error) {
	out := map[string][]byte{}
	for path, data := range files {
		out[strings.TrimPrefix(path, "pgbeam/")] = data
	}
	if out["go.mod"] == nil || out["provider.go"] == nil {
		return nil, fmt.Errorf("the Go generator lays its files out differently now")
	}
	maps.Copy(out, extra)
	return out, nil
}
