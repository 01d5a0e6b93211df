// Gen makes from schema/openapi.yaml and schema/pulumi.overlay.yaml whatever
// follows from them: the Go of the API, the provider's tables, the package
// schema and the SDKs. It is run from the root of the repository:
//
//	go run ./schema/gen           write what differs
//	go run ./schema/gen -check    write nothing; fail and list what differs
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"
)

func main() {
	check := flag.Bool("check", false, "write nothing; fail and list the files that differ from what is generated")
	root := flag.String("root", ".", "the root of the repository")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	start := time.Now()
	if err := os.Chdir(root); err != nil {
		return err
	}
	out, err := generate(".", func(what string) { fmt.Println("generating", what) })
	if err != nil {
		return err
	}
	if check {
		stale, err := out.stale(".")
		if err != nil {
			return err
		}
		for _, s := range stale {
			fmt.Println("  " + s)
		}
		if len(stale) > 0 {
			return fmt.Errorf("%d of %d generated files are out of date: run make generate and commit the result", len(stale), len(out.files))
		}
		fmt.Printf("all %d generated files are up to date (%.1fs)\n", len(out.files), time.Since(start).Seconds())
		return nil
	}
	changed, err := out.write(".")
	for _, c := range changed {
		fmt.Println("  " + c)
	}
	if err != nil {
		return err
	}
	fmt.Printf("generated %d files, %d changed (%.1fs)\n", len(out.files), len(changed), time.Since(start).Seconds())
	return nil
}

// generate makes everything in memory, from the repository at root; progress
// is told what comes next.
func generate(root string, progress func(string)) (*output, error) {
	in := func(path string) string { return filepath.Join(root, path) }
	document, overlay := in("schema/openapi.yaml"), in("schema/pulumi.overlay.yaml")

	progress("schema/api from schema/openapi.yaml")
	out := &output{files: map[string][]byte{}, owned: []string{"sdk"}}
	code, err := apiCode(document)
	if err != nil {
		return nil, err
	}
	maps.Copy(out.files, code)

	progress("provider from schema/pulumi.overlay.yaml")
	p, err := model(document, overlay)
	if err != nil {
		return nil, err
	}
	code, err = tables(p, out.files["schema/api/client.gen.go"])
	if err != nil {
		return nil, err
	}
	maps.Copy(out.files, code)
	spec, err := packageSchema(p, docs{in("schema/gen/examples")})
	if err != nil {
		return nil, err
	}
	out.files["provider/schema.json"] = spec

	progress("sdk from provider/schema.json")
	extra, err := loadOverlays(in("schema/gen/overlays"), in("LICENSE"))
	if err != nil {
		return nil, err
	}
	code, err = sdks(root, spec, extra)
	if err != nil {
		return nil, err
	}
	maps.Copy(out.files, code)
	return out, nil
}

// model reads the document and its overlay.
func model(document, overlay string) (*pkg, error) {
	doc, err := loadDocument(document)
	if err != nil {
		return nil, err
	}
	if err := doc.apply(overlay); err != nil {
		return nil, err
	}
	return build(doc)
}
