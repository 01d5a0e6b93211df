package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pgbeam.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBadConfigurationSaysWhere(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown key", "listen: 127.0.0.1:0\n\n# note\nproxy_domain: x\n", `line 4: unknown key "proxy_domain": did you mean "proxy-domain"?`},
		{"nothing like it", "colour: blue\n", `line 1: unknown key "colour": the keys are the flags`},
		{"flag of no file", "config: other.yaml\n", `line 1: unknown key "config"`},
		{"twice", "region: a\nlisten: 127.0.0.1:0\nregion: b\n", `line 3: "region" was set in line 1 already`},
		{"not one of", "log-level: loud\n", `line 1: --log-level must be one of`},
		{"in a list", "listen: 127.0.0.1:0\nroles: [api, web]\n", `line 2: --roles must be one of`},
		{"not a number", "max-clients: many\n", `line 1: --max-clients`},
		{"not a duration", "drain-timeout: soon\n", `line 1: --drain-timeout`},
		{"nested", "tls-cert:\n  file: x\n", `line 2: tls-cert: must be a plain value or a list of them`},
		{"not a mapping", "- listen\n", `line 1: a configuration is a list of "key: value" lines`},
		{"no YAML", "listen: [\n", `line 1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := writeConfig(t, tt.text)
			status, _, stderr := runs(t, nil, "serve", "--config", path)
			if status != 2 || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, path) {
				t.Errorf("status %d:\n%s\nwant %s and the file", status, stderr, tt.want)
			}
		})
	}
}

func TestFlagBeatsEnvironmentBeatsFile(t *testing.T) {
	parse := func(t *testing.T, args ...string) serveCommand {
		t.Helper()
		var cli commands
		config := &configFile{}
		parser, err := kong.New(&cli, kong.WithBeforeResolve(config.load))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(append([]string{"serve"}, args...)); err != nil {
			t.Fatal(err)
		}
		return cli.Serve
	}
	path := writeConfig(t, "region: file\nproxy-domain: file.example.com\nroles: [proxy]\ntls-cert: [a.crt, b.crt]\nself-signed: true\nmax-projects: 3\n")
	t.Setenv("PGBEAM_CONFIG", path)
	t.Setenv("PGBEAM_REGION", "environment")
	got := parse(t)
	if got.Region != "environment" || got.ProxyDomain != "file.example.com" || len(got.Roles) != 1 || len(got.TLSCert) != 2 || !got.SelfSigned {
		t.Errorf("environment over file: %+v", got)
	}
	if got.MaxProjects == nil || *got.MaxProjects != 3 || got.MaxDatabases != nil {
		t.Error("a limit that is not set must stay that of the plan")
	}
	if got := parse(t, "--region", "flag", "--proxy-domain", "flag.example.com"); got.Region != "flag" || got.ProxyDomain != "flag.example.com" {
		t.Errorf("flag over environment and file: %q, %q", got.Region, got.ProxyDomain)
	}
}

func TestEveryCommandTeachesByExample(t *testing.T) {
	var cli commands
	parser, err := kong.New(&cli)
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(true)
	if len(leaves) < 8 {
		t.Fatalf("only %d commands", len(leaves))
	}
	for _, command := range leaves {
		path := strings.TrimPrefix(command.FullPath(), parser.Model.Name+" ")
		status, stdout, _ := runs(t, nil, append(strings.Fields(path), "--help")...)
		if status != 0 || !strings.Contains(stdout, "Example:") || !strings.Contains(stdout, "pgbeam "+path) {
			t.Errorf("%s --help: status %d, no example of the command:\n%s", path, status, stdout)
		}
		for _, flag := range command.Flags {
			if flag.Help == "" {
				t.Errorf("%s: --%s has no help", path, flag.Name)
			}
		}
	}
}
