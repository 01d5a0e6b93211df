package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

func TestWebhookPutKeepsWhatItDoesNotMention(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/webhooks"
	created := s.send("POST", path, object{"url": "https://hooks.example.com/x?a=b", "secret": "one", "format": "elastic",
		"event_types": []any{"masked", "query_blocked"}, "enabled": false, "description": "d"}).want(201, "")
	path += "/" + created.text("id")
	updated := s.send("PUT", path, object{"enabled": true}).want(200, "")
	want := created.body
	want["enabled"], want["updated_at"] = true, updated.body["updated_at"]
	if diff := cmp.Diff(want, updated.body); diff != "" {
		t.Errorf("after PUT (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		body object
		want string
	}{{object{"enabled": true}, "one"}, {object{"secret": nil}, "one"}, {object{"secret": "two"}, "two"}, {object{"secret": ""}, ""}} {
		s.send("PUT", path, c.body).want(200, "")
		if got := s.signingSecret(created.text("id")); got != c.want {
			t.Errorf("after %v the secret is not %q", c.body, c.want)
		}
	}
	s.send("PUT", path, object{"url": ""}).want(400, "INVALID_INPUT")
}

func (s *service) signingSecret(webhook string) (plain string) {
	s.t.Helper()
	err := s.store.View(s.t.Context(), func(tx store.Tx) error {
		w, err := tx.Webhooks().Get("", webhook)
		plain = w.Secret.Reveal()
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return plain
}

func TestWebhookDefaultsAndLifecycle(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/webhooks"
	body := object{"url": "https://hooks.example.com/x"}
	r := s.send("POST", path, body).want(201, "")
	if got := fmt.Sprintf("%v %v %v %q", r.field("format"), r.field("enabled"), r.field("event_types"), r.field("description")); got != `json true [] ""` {
		t.Errorf("defaults: %s", got)
	}
	conflict := s.send("POST", path, body).want(409, "CONFLICT")
	if !strings.Contains(conflict.text("detail"), r.text("id")) || strings.Contains(string(conflict.raw), "hooks.example.com") {
		t.Errorf("conflict must name the endpoint and not its address: %s", conflict.raw)
	}
	s.send("DELETE", path+"/"+r.text("id"), nil).want(204, "")
	s.send("GET", path+"/"+r.text("id"), nil).want(404, "NOT_FOUND")
	s.send("POST", path, body).want(201, "")
	for field, bad := range map[string]object{
		"event_types[0]": {"url": "https://a.example/", "event_types": []any{"blocked"}},
		"event_types[1]": {"url": "https://a.example/", "event_types": []any{"masked", "masked"}},
		"format":         {"url": "https://a.example/", "format": "slack"},
		"description":    {"url": "https://a.example/", "description": strings.Repeat("x", 257)},
		"url":            {},
	} {
		if r := s.send("POST", path, bad).want(400, "INVALID_INPUT"); r.fields()[field] == "" {
			t.Errorf("%s is not named: %s", field, r.raw)
		}
	}
	s.send("POST", path, object{"url": "https://a.example/", "event_types": []any{"webhook.test"}}).want(400, "INVALID_INPUT")
}

func TestReceiverAddresses(t *testing.T) {
	for _, url := range []string{
		"https://example.com", "https://hooks.example.com:8443/x?token=1", "https://203.0.114.7/", "https://[2606:4700::1111]/", "https://1.1.1.1.example.com/",
	} {
		if detail := checkReceiver(url, false); detail != "" {
			t.Errorf("%s is refused: it %s", url, detail)
		}
	}
	local := []string{
		"https://localhost/", "https://LOCALHOST./", "https://db.localhost/", "https://127.0.0.1/", "https://127.255.0.1:8443/", "https://[::1]/",
		"https://[::ffff:127.0.0.1]/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.0.1/", "https://[fd00::1]/", "https://[fe80::1]/",
		"https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "https://100.100.100.200/", "https://metadata.google.internal/",
		"https://0.0.0.0/", "https://[::]/", "https://224.0.0.1/", "https://255.255.255.255/", "https://printer.local/", "https://intranet/",
		"https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
	}
	for _, url := range local {
		if checkReceiver(url, false) == "" {
			t.Errorf("%s is admitted", url)
		}
		if detail := checkReceiver(url, true); detail != "" {
			t.Errorf("%s is refused although private receivers are allowed: it %s", url, detail)
		}
	}
	if checkReceiver("http://127.0.0.1:8080/", true) != "" || checkReceiver("http://example.com/", false) == "" {
		t.Error("plain HTTP is for private receivers only where the configuration allows it")
	}
	for _, url := range []string{
		"", "example.com", "/x", "//example.com/x", "https:///x", "https:example.com", "ftp://example.com/", "javascript:alert(1)", "https://user:pass@example.com/",
		"https://user@example.com/", "https://example.com/#x", "https://2130706433/", "https://0x7f000001/", "https://127.1/", "https://0177.0.0.1/", "https://127.0.0.01/",
		"https://exa mple.com/", "https://example.com:0/", "https://example.com:99999/", "https://%31%32%37.0.0.1/", "https://[fe80::1%25eth0]/", "https://ex\u00e4mple.com/",
	} {
		if checkReceiver(url, true) == "" && !strings.Contains(url, "%31") && !strings.Contains(url, "fe80") {
			t.Errorf("%q is admitted", url)
		}
		if checkReceiver(url, false) == "" {
			t.Errorf("%q is admitted without private receivers", url)
		}
	}
}
