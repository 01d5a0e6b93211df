package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestKeysBesideARunningServer(t *testing.T) {
	data := dataFolder(t)
	p, r := startDev(t, data)
	status, stdout, stderr := runs(t, nil, "keys", "create", "--data", data, "--org", "org_other", "--name", "ci", "--expires", "90d", "--json")
	if status != 0 {
		t.Fatal(stderr)
	}
	var made struct {
		ID        string    `json:"id"`
		Key       string    `json:"key"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(stdout), &made); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(made.ExpiresAt); left < 89*24*time.Hour || left > 91*24*time.Hour {
		t.Errorf("90d expires in %s", left)
	}
	get := func() int {
		return call(t, http.MethodGet, r.APIURL+"/v1/organizations", made.Key, nil, nil)
	}
	if got := get(); got != http.StatusOK {
		t.Errorf("a new key gets %d", got)
	}
	status, stdout, _ = runs(t, nil, "keys", "list", "--data", data)
	if status != 0 || !strings.Contains(stdout, made.ID) || !strings.Contains(stdout, "org_dev") {
		t.Errorf("list: %d\n%s", status, stdout)
	}
	if strings.Contains(stdout, made.Key) || strings.Contains(stdout, r.APIKey) {
		t.Error("the list shows a key")
	}
	if status, stdout, stderr = runs(t, nil, "keys", "revoke", "--data", data, made.ID); status != 0 {
		t.Fatal(stderr)
	}
	if got := get(); got != http.StatusUnauthorized {
		t.Errorf("a revoked key gets %d", got)
	}
	if status, stdout, _ = runs(t, nil, "keys", "revoke", "--data", data, made.ID); status != 0 || !strings.Contains(stdout, "already") {
		t.Errorf("revoking twice: %d, %s", status, stdout)
	}
	if status, _, stderr = runs(t, nil, "keys", "revoke", "--data", data, "key_none"); status != 1 || !strings.Contains(stderr, "keys list") {
		t.Errorf("revoking what is not there: %d, %s", status, stderr)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}

// What tends a service makes none where there is none.
func TestTheWrongFolderStaysEmpty(t *testing.T) {
	for _, command := range []string{"keys create --org org_x", "keys list", "keys revoke key_x", "migrate", "secrets rotate"} {
		data := dataFolder(t)
		status, _, stderr := runs(t, nil, append(strings.Fields(command), "--data", data)...)
		if status != 1 || !strings.Contains(stderr, "--data") {
			t.Errorf("%s: status %d, %s", command, status, stderr)
		}
		if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s has made %s", command, data)
		}
	}
}

// --data "$UNSET" strewed keys and a store over the working directory.
func TestAFolderWithoutANameIsRefused(t *testing.T) {
	for _, command := range []string{"dev", "serve --self-signed", "keys create --org org_x", "keys list", "keys revoke key_x", "migrate", "secrets rotate"} {
		here := t.TempDir()
		t.Chdir(here)
		status, _, stderr := runs(t, []string{"PGBEAM_DATA="}, strings.Fields(command)...)
		if status != 2 || !strings.Contains(stderr, "--data is empty: name a folder") {
			t.Errorf("%s: status %d, %s", command, status, stderr)
		}
		if made, err := os.ReadDir(here); err != nil || len(made) > 0 {
			t.Errorf("%s has made %v (%v)", command, made, err)
		}
	}
}

func TestParseExpiry(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"90d": "2027-02-20T12:00:00Z", "12h": "2026-11-23T00:00:00Z", "2030-01-31": "2030-01-31T00:00:00Z", "2030-01-31T10:00:00+02:00": "2030-01-31T08:00:00Z",
	} {
		got, err := parseExpiry(text, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s: %v, %v; want %s", text, got, err, want)
		}
	}
	if got, err := parseExpiry("never", now); got != nil || err != nil {
		t.Errorf("never: %v, %v", got, err)
	}
	for _, text := range []string{"0d", "-1h", "2020-01-01", "tomorrow", "99999999999999999999d", ""} {
		if got, err := parseExpiry(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// A rotation while the server runs must lose no secret, neither one sealed
// before nor one sealed after.
func TestRotationBesideARunningServer(t *testing.T) {
	data := dataFolder(t)
	p, r := startDev(t, data, "--with-postgres")
	connection := agent(t, r)
	var wg sync.WaitGroup
	for range 3 { // at the same moment: each has its turn
		wg.Go(func() {
			if out, err := command("secrets", "rotate", "--data", data).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	if err := connect(t, connection).Ping(t.Context()); err != nil {
		t.Errorf("the upstream password after a rotation: %v", err)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	second, _ := startDev(t, data, "--with-postgres")
	if status, stdout, stderr := runs(t, nil, "secrets", "rotate", "--data", data); status != 0 || !strings.HasPrefix(stdout, "Sealed 1 secret ") && !strings.HasPrefix(stdout, "Sealed 2 secrets ") {
		t.Errorf("second rotation: %d, %s%s", status, stdout, stderr)
	}
	if err := second.end(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
