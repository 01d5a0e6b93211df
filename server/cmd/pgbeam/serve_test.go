package main

import (
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func TestServeRefusesWhatWouldBeUnsafe(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		args       []string
	}{
		{"proxy without certificate", "--tls-cert", []string{"--listen", "127.0.0.1:0"}},
		{"API in clear text for others", "--api-insecure", []string{"--roles", "api", "--api", "0.0.0.0:0", "--public-host", "db.example.com"}},
		{"connection strings without a name", "--proxy-domain", []string{"--listen", "0.0.0.0:0", "--self-signed"}},
		{"certificate without key", "--tls-key", []string{"--tls-cert", "a.crt"}},
		{"shared store without keys", "PGBEAM_ENCRYPTION_KEYS|--key-file", []string{"--roles", "api", "--api", "127.0.0.1:0", "--public-host", "h", "--store", "postgres://u:hidden@127.0.0.1:1/x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, _, stderr := runs(t, nil, append([]string{"serve", "--data", dataFolder(t), "--api", "127.0.0.1:0"}, tt.args...)...)
			named := false
			for _, remedy := range strings.Split(tt.want, "|") {
				named = named || strings.Contains(stderr, remedy)
			}
			if status != 1 || !named {
				t.Errorf("status %d, %s; want a mention of %s", status, stderr, tt.want)
			}
			if strings.Contains(stderr, "hidden") {
				t.Error("the store's password is in the message")
			}
		})
	}
}

func TestServeWithAFile(t *testing.T) {
	data := dataFolder(t)
	config := writeConfig(t, "data: "+data+"\nlisten: 127.0.0.1:0\napi: 127.0.0.1:0\nproxy-domain: proxy.example.com\nself-signed: true\nlog-format: json\nplan: starter\nmax-projects: 0\n")
	// The first key of a service comes before its first start.
	status, stdout, stderr := runs(t, nil, "keys", "create", "--config", config, "--org", "org_acme")
	if status != 0 {
		t.Fatal(stderr)
	}
	key := ""
	for _, word := range strings.Fields(stdout) {
		if strings.HasPrefix(word, "pgb_") {
			key = word
		}
	}
	p, said := serveUntilReady(t, "-c", config)
	api := regexp.MustCompile(`https?://\S+`).FindString(said)
	var plan struct {
		Plan string `json:"plan"`
	}
	if got := call(t, http.MethodGet, api+"/v1/organizations/org_acme/plan", key, nil, &plan); got != http.StatusOK || plan.Plan != "starter" {
		t.Errorf("the plan of the file: %d, %q", got, plan.Plan)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if !strings.Contains(p.stderr.String(), `"msg":"stopped"`) {
		t.Errorf("no JSON log:\n%s", p.stderr.String())
	}
}
