package pulumi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// configure() in the program gives its key to every resource and function
// that has no provider of its own, by option or from a component; the state
// holds the key encrypted only; a second call is refused.
func TestConfigure(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	for _, language := range []string{"typescript", "go", "python"} {
		t.Run(language, func(t *testing.T) {
			api := startKeyAPI(t)
			dir := program(t, language)
			main := map[string]string{"typescript": "index.ts", "go": "main.go", "python": "__main__.py"}[language]
			text, err := os.ReadFile(filepath.Join("testdata", "configure", main))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, main), string(text))
			runtime := map[string]string{
				"typescript": "nodejs", "go": "{name: go, options: {binary: ./tour}}", "python": "{name: python, options: {virtualenv: venv}}",
			}[language]
			write(t, filepath.Join(dir, "Pulumi.yaml"), "name: configure\nruntime: "+runtime+"\n")
			if language == "go" {
				harness.Run(t, harness.Command{Dir: dir, Env: []string{"GOFLAGS=-buildvcs=false"}, Args: []string{"go", "build", "-o", "tour", "."}})
			}

			configured, explicit := harness.Canary("configured"), harness.Canary("explicit")
			// The environment has a key too, which loses.
			env := append(environment(t, language), "PGBEAM_API_KEY=of-the-environment", "PGBEAM_API_URL=http://127.0.0.1:1")
			stack := harness.NewPulumi(t, env...).NewStack(t, dir, "configure")
			stack.Set("baseUrl", api.URL, "!configured", configured, "!explicit", explicit)
			stack.Up()

			want := map[string]string{
				"plain": configured, "free-child": configured, "regions": configured, "explicit": explicit, "given-child": explicit,
			}
			if diff := cmp.Diff(want, api.keys()); diff != "" {
				t.Error("keys that requests came with:", diff)
			}
			if second := stack.Output("second"); !strings.Contains(second, "second time") || !strings.Contains(second, "pgbeam.") {
				t.Errorf("a second call of configure said %q", second)
			}
			secrets := harness.Secrets{"configured key": configured, "explicit key": explicit}
			secrets.NotBelow(t, stack.Backend)
			stack.Must("up", "--yes", "--expect-no-changes")
			secrets.NotBelow(t, stack.Backend)
			stack.Destroy()
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// keyAPI knows replicas and regions, and remembers the key with which each
// was asked for first.
type keyAPI struct {
	*httptest.Server
	mu       sync.Mutex
	seen     map[string]string // host of a replica, or "regions": key
	replicas []map[string]any
}

func startKeyAPI(t *testing.T) *keyAPI {
	a := &keyAPI{seen: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/regions", func(w http.ResponseWriter, r *http.Request) {
		a.saw("regions", r)
		answer(w, http.StatusOK, map[string]any{"regions": []any{}})
	})
	mux.HandleFunc("GET /v1/databases/db_1/replicas", func(w http.ResponseWriter, _ *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		answer(w, http.StatusOK, map[string]any{"replicas": a.replicas})
	})
	mux.HandleFunc("POST /v1/databases/db_1/replicas", func(w http.ResponseWriter, r *http.Request) {
		var replica map[string]any
		if err := json.NewDecoder(r.Body).Decode(&replica); err != nil {
			answer(w, http.StatusBadRequest, nil)
			return
		}
		a.saw(fmt.Sprint(replica["host"]), r)
		now := time.Now().UTC().Format(time.RFC3339)
		for k, v := range map[string]any{"id": fmt.Sprintf("rep_%s", replica["host"]), "database_id": "db_1", "ssl_mode": "prefer", "created_at": now, "updated_at": now} {
			replica[k] = v
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.replicas = append(a.replicas, replica)
		answer(w, http.StatusCreated, replica)
	})
	mux.HandleFunc("DELETE /v1/databases/db_1/replicas/{id}", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (a *keyAPI) saw(what string, r *http.Request) {
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	a.mu.Lock()
	defer a.mu.Unlock()
	if have, ok := a.seen[what]; ok && have != key {
		key = have + " and " + key
	}
	a.seen[what] = key
}

func (a *keyAPI) keys() map[string]string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]string{}
	for k, v := range a.seen {
		out[k] = v
	}
	return out
}
