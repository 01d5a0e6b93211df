package pulumi

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

// crash is a moment in the middle of `up`: at the n-th request that writes,
// before the server sees it or after it did but before the provider hears of it.
type crash struct {
	n     int
	after bool
}

func (c crash) String() string {
	if c.after {
		return fmt.Sprintf("after write %d", c.n)
	}
	return fmt.Sprintf("before write %d", c.n)
}

// on runs what at that moment, once, and drops the connection.
func (c crash) on(gate *harness.Gate, what func()) {
	writes := 0
	var mu sync.Mutex
	var once sync.Once
	moment := func(_ int, r *http.Request) bool {
		if r.Method == http.MethodGet {
			return true
		}
		mu.Lock()
		writes++
		now := writes == c.n
		mu.Unlock()
		if now {
			once.Do(what)
		}
		return !now
	}
	if c.after {
		gate.On(nil, moment)
	} else {
		gate.On(moment, nil)
	}
}

// crashed is a program before a real database, with a gate in between.
func crashed(t *testing.T) (*harness.Beam, *harness.Gate, resources) {
	t.Helper()
	postgres, err := harness.StartPostgres(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(postgres.Close)
	beam := harness.StartBeam(t, harness.BeamOptions{})
	program := everything(beam.Org)
	program["policy"].(map[string]any)["properties"].(map[string]any)["accessMode"] = "read_write"
	base := program["base"].(map[string]any)["properties"].(map[string]any)
	base["allowedCidrs"] = []any{"127.0.0.0/8"} // takes a second request
	base["database"] = map[string]any{"host": postgres.Host, "port": postgres.Port, "name": postgres.Database, "username": postgres.Username, "password": secret(postgres.AppPassword), "sslMode": "disable"}
	return beam, harness.NewGate(t, beam.URL), program
}

// whole checks that all of a program is there, once, and that its one-time
// secrets are those that the server knows.
func whole(t *testing.T, beam *harness.Beam, stack *harness.Stack, program resources) {
	t.Helper()
	stack.Must("up", "--yes", "--skip-preview")
	stack.Unchanged()
	state := stack.State()
	if len(state) != len(program) {
		t.Errorf("the state has %d resources, the program %d", len(state), len(program))
	}
	projects := beam.Projects(t)
	if len(projects) != 1 || projects[0]["id"] != stack.Find("base").ID {
		t.Fatalf("the server has these projects: %v", projects)
	}
	project := "/v1/projects/" + stack.Find("base").ID
	for items, want := range map[string]int{"databases": 2, "agents": 1, "policies": 1, "webhooks": 1, "domains": 1} {
		if got := beam.List(t, project+"/"+items, items); len(got) != want {
			t.Errorf("the server has %d %s, want %d", len(got), items, want)
		}
	}
	alive := 0
	for _, e := range beam.List(t, "/v1/organizations/"+beam.Org+"/self-host-enrollments", "enrollments") {
		if e["revoked_at"] == nil {
			alive++
		}
	}
	if alive != 1 {
		t.Errorf("the server has %d enrollments", alive)
	}
	for what, s := range secretsOf(stack) {
		if len(s) < 20 {
			t.Errorf("%s is lost: %q", what, s)
		}
	}
	if t.Failed() {
		return
	}
	conn, err := pgx.Connect(t.Context(), credentialURL(t, stack)+"&sslrootcert="+beam.CA)
	if err != nil {
		t.Errorf("the connection string in the state does not log in: %v", err)
		return
	}
	conn.Close(t.Context())
}

func credentialURL(t *testing.T, stack *harness.Stack) string {
	t.Helper()
	var url string
	for what, s := range secretsOf(stack) {
		if what == "AgentCredential.connectionString" {
			url = strings.Trim(s, `"`)
		}
	}
	return strings.ReplaceAll(url, `\u0026`, "&")
}

func TestServerKilledInTheMiddleOfUp(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	beam, gate, program := crashed(t)
	for _, c := range []crash{{1, true}, {2, false}, {5, true}, {9, true}} {
		t.Run(c.String(), func(t *testing.T) {
			stack := newStack(t, program, append(beam.Env(), "PGBEAM_API_URL="+gate.URL)...)
			back := make(chan struct{})
			c.on(gate, func() {
				beam.Kill()
				go func() {
					defer close(back)
					beam.Restart(t)
				}()
			})
			first := stack.Try("up", "--yes", "--skip-preview")
			<-back
			gate.On(nil, nil)
			t.Logf("the interrupted up: %v", first.Err)
			whole(t, beam, stack, program)
			stack.Destroy()
			beam.Empty(t)
		})
	}
}

func TestEngineKilledInTheMiddleOfUp(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	beam, gate, program := crashed(t)
	for _, c := range []crash{{1, true}, {4, false}, {7, true}} {
		t.Run(c.String(), func(t *testing.T) {
			stack := newStack(t, program, append(beam.Env(), "PGBEAM_API_URL="+gate.URL)...)
			// One at a time: the engine's file backend does not survive a kill while
			// it writes its own state.
			up := stack.Command("up", "--yes", "--skip-preview", "--parallel", "1")
			if err := up.Start(); err != nil {
				t.Fatal(err)
			}
			killed := make(chan struct{})
			c.on(gate, func() {
				beam.Kill() // the machine went down, with everything on it
				_ = syscall.Kill(-up.Process.Pid, syscall.SIGKILL)
				harness.EndPlugins()
				close(killed)
			})
			ended := up.Wait()
			select {
			case <-killed:
			case <-time.After(10 * time.Second):
				t.Fatalf("up ended before the moment it was to be killed at: %v", ended)
			}
			gate.On(nil, nil)
			beam.Restart(t)
			stack.Must("cancel", "--yes", stack.Name) // the lock that the killed engine left
			whole(t, beam, stack, program)
			stack.Destroy()
			beam.Empty(t)
		})
	}
}

// Ctrl-C ends a run at once, even while the API does not answer, keeps what
// was made, and loses nothing.
func TestCtrlCStopsPromptly(t *testing.T) {
	if testing.Short() {
		t.Skip("long: -short asks to leave it out")
	}
	beam, gate, program := crashed(t)
	stack := newStack(t, program, append(beam.Env(), "PGBEAM_API_URL="+gate.URL)...)
	up := stack.Command("up", "--yes", "--skip-preview")
	held, release := make(chan struct{}), make(chan struct{})
	writes := 0
	var mu sync.Mutex
	gate.On(func(_ int, r *http.Request) bool {
		mu.Lock()
		if r.Method != http.MethodGet {
			writes++
		}
		hold := writes == 4 && r.Method != http.MethodGet
		mu.Unlock()
		if hold {
			close(held)
			<-release
		}
		return true
	}, nil)
	defer close(release)
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-held:
	case <-time.After(2 * time.Minute):
		t.Fatal("up never came to its fourth write")
	}
	start := time.Now()
	if err := up.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := up.Wait(); err == nil {
		t.Error("an interrupted up says that it succeeded")
	}
	// The request is held for ever: whoever waits for it does not come here.
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("up went on for %s after Ctrl-C", took)
	}
	mu.Lock()
	writes = 100
	mu.Unlock()
	whole(t, beam, stack, program)
	stack.Destroy()
	beam.Empty(t)
}
