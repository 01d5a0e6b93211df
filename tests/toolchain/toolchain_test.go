package toolchain

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func file(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestPulumiOnPathIsUsed(t *testing.T) {
	dir := t.TempDir()
	file(t, filepath.Join(dir, "pulumi"), "#!/bin/sh\n")
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	if got, err := Pulumi(t.Context(), io.Discard); err != nil || got != dir {
		t.Errorf("pulumi is in %s, %v; want that of PATH, %s", got, err, dir)
	}
}

func TestOtherVersionsAreOtherPrograms(t *testing.T) {
	modules := t.TempDir()
	if _, err := fingerprint(modules); err == nil {
		t.Error("a folder without modules has a fingerprint")
	}
	file(t, filepath.Join(modules, "pulumi", "go.mod"), "v1")
	file(t, filepath.Join(modules, "yaml", "go.mod"), "v1")
	first, err := fingerprint(modules)
	if err != nil {
		t.Fatal(err)
	}
	file(t, filepath.Join(modules, "yaml", "go.mod"), "v2")
	second, err := fingerprint(modules)
	if err != nil || first == second {
		t.Errorf("programs of other versions are looked for in the same folder (%v)", err)
	}
}

func TestEveryModuleIsThere(t *testing.T) {
	modules, err := modulesFolder()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(pulumi, govulncheck...) {
		for _, name := range []string{"go.mod", "go.sum"} {
			if _, err := os.Stat(filepath.Join(modules, p.module, name)); err != nil {
				t.Errorf("%s cannot be built: %v", p.name, err)
			}
		}
	}
}

func TestMissingNamesWhatIsNotBuilt(t *testing.T) {
	dir := t.TempDir()
	file(t, filepath.Join(dir, "pulumi"), "")
	file(t, filepath.Join(dir, "building-123", "pulumi-language-go"), "") // cut short
	left := missing(dir, pulumi)
	if len(left) != len(pulumi)-1 || left[0].name == "pulumi" {
		t.Errorf("%d of %d programs are missing, first %s", len(left), len(pulumi), left[0].name)
	}
}
