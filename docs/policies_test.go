package docs_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"gopkg.in/yaml.v3"

	"github.com/pgbeam/pulumi-pgbeam/server/localpg"
	"github.com/pgbeam/pulumi-pgbeam/tests/harness"
)

var update = flag.Bool("update", false, "write what the examples really answer into policies.md")

func TestMain(m *testing.M) {
	code := m.Run()
	harness.Cleanup()
	os.Exit(code)
}

const policiesPage = "policies.md"

// stage is what the examples of the page run on: a PostgreSQL with the sample
// database and a server in front of it.
type stage struct {
	t        *testing.T
	postgres *localpg.Server
	admin    *pgx.Conn
	beam     *harness.Beam
	password string // of the sample user
	copies   int

	project, policy string // of the last policy block
	changed         bool   // it was changed, and no statement has run since
	session         *session
	files           string // folder of the commands
}

func newStage(t *testing.T) *stage {
	t.Helper()
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "pg")
	pg, err := localpg.Start(ctx, localpg.Options{Dir: dir, Password: harness.Canary("superuser"), Settings: []string{"fsync=off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(pg.Stop(), localpg.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	s := &stage{t: t, postgres: pg, password: harness.Canary("database"), files: t.TempDir()}
	if err := localpg.LoadSample(ctx, pg, s.password); err != nil {
		t.Fatal(err)
	}
	if s.admin, err = pgx.Connect(ctx, pg.URL("postgres")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.admin.Close(context.WithoutCancel(ctx)) })
	s.beam = harness.StartBeam(t, harness.BeamOptions{LogLevel: "warn"})
	t.Cleanup(s.hangUp)
	return s
}

func (s *stage) hangUp() {
	if s.session != nil {
		s.session.conn.Close(context.Background())
		s.session = nil
	}
}

// adopt makes a policy, and a login under it to a fresh copy of the sample
// database; or changes the policy and leaves the login and its session.
func (s *stage) adopt(text string) {
	s.t.Helper()
	var rules map[string]any
	if err := yaml.Unmarshal([]byte(text), &rules); err != nil {
		s.t.Fatal(err)
	}
	if strings.HasPrefix(text, "# changed") {
		s.beam.Call(s.t, "PUT", "/v1/projects/"+s.project+"/policies/"+s.policy, rules)
		s.changed = true
		return
	}
	s.hangUp()
	s.copies++
	name := fmt.Sprintf("shop_%d", s.copies)
	if _, err := s.admin.Exec(s.t.Context(), "create database "+name+" template "+localpg.SampleDatabase+" owner "+localpg.SampleUser); err != nil {
		s.t.Fatal(err)
	}
	made := s.beam.Call(s.t, "POST", "/v1/projects", map[string]any{"name": name, "org_id": s.beam.Org, "database": map[string]any{
		"host": "127.0.0.1", "port": s.postgres.Port, "name": name, "username": localpg.SampleUser, "password": s.password,
	}})
	s.project = made["project"].(map[string]any)["id"].(string)
	rules["name"] = "example"
	s.policy = s.beam.Call(s.t, "POST", "/v1/projects/"+s.project+"/policies", rules)["id"].(string)
	agent := s.beam.Call(s.t, "POST", "/v1/projects/"+s.project+"/agents", map[string]any{"name": "agent", "policy_profile_id": s.policy})
	var err error
	if s.session, err = connect(s.t.Context(), agent["connection_string"].(string)); err != nil {
		s.t.Fatalf("log in under\n%s%v", text, err)
	}
}

var (
	prompt   = regexp.MustCompile(`^shop([=-])[*!]?> `)
	decision = regexp.MustCompile(`\s+-- ([a-z_-]+)$`)
	// A budget's window ends at another time whenever the examples run.
	windowEnd = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:00:00Z`)
)

// step is one statement of a transcript and what the page says came back.
type step struct {
	lines []string // without prompts
	shown string
}

func stepsOf(transcript string) []step {
	var steps []step
	for line := range strings.Lines(transcript) {
		m := prompt.FindStringSubmatch(line)
		switch {
		case m != nil && m[1] == "=":
			steps = append(steps, step{lines: []string{strings.TrimSuffix(line[len(m[0]):], "\n")}})
		case m != nil:
			last := &steps[len(steps)-1]
			last.lines = append(last.lines, strings.TrimSuffix(line[len(m[0]):], "\n"))
		case line != "\n":
			steps[len(steps)-1].shown += line
		}
	}
	return steps
}

// replay runs the statements of a transcript and returns the transcript of
// what happened. The comment behind a statement is the decision about it.
func (s *stage) replay(transcript string) string {
	s.t.Helper()
	var out strings.Builder
	for i, step := range stepsOf(transcript) {
		if i > 0 {
			out.WriteString("\n")
		}
		for i, line := range step.lines {
			out.WriteString(s.session.prompt(i > 0) + line + "\n")
		}
		text := strings.Join(step.lines, "\n")
		sql := strings.TrimSuffix(strings.ReplaceAll(decision.ReplaceAllString(text, ""), `\;`, ";"), ";")
		if m := decision.FindStringSubmatch(text); m != nil {
			s.holdsDecision(sql, m[1])
		}
		got := s.run(sql)
		// A change reaches the proxy a moment after the API has answered.
		for deadline := time.Now().Add(time.Minute); s.changed && got != step.shown && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
			got = s.run(sql)
		}
		s.changed = false
		out.WriteString(got)
	}
	return out.String()
}

func (s *stage) run(sql string) string {
	return windowEnd.ReplaceAllString(s.session.run(s.t.Context(), sql), "2026-06-15T00:00:00Z")
}

func (s *stage) holdsDecision(sql, want string) {
	s.t.Helper()
	got := s.beam.Evaluate(s.t, "/v1/projects/"+s.project, s.policy, sql)
	verdict := got["verdict"].(string)
	if verdict == "block" {
		verdict = got["rule"].(string)
	}
	if verdict != want {
		s.t.Errorf("%s\nis decided as %s, the page says %s: %v", sql, verdict, want, got)
	}
}

// commands runs a transcript of the command line: "$ cat FILE" shows a file
// that the test writes first, "$ pgbeam …" runs the program.
func (s *stage) commands(transcript string) string {
	s.t.Helper()
	program, err := harness.Build("github.com/pgbeam/pulumi-pgbeam/server/cmd/pgbeam")
	if err != nil {
		s.t.Fatal(err)
	}
	var out strings.Builder
	status := 0
	for step := range strings.SplitSeq(strings.TrimPrefix(transcript, "$ "), "\n$ ") {
		command, shown, _ := strings.Cut(step, "\n")
		out.WriteString("$ " + command + "\n")
		words := strings.Fields(command)
		switch words[0] {
		case "cat":
			shown = strings.TrimRight(shown, "\n") + "\n"
			if err := os.WriteFile(filepath.Join(s.files, words[1]), []byte(shown), 0o600); err != nil {
				s.t.Fatal(err)
			}
			out.WriteString(shown)
		case "echo":
			fmt.Fprintln(&out, status)
		case "pgbeam":
			cmd := exec.Command(program, words[1:]...)
			cmd.Dir = s.files
			text, err := cmd.CombinedOutput()
			var failed *exec.ExitError
			if err != nil && !errors.As(err, &failed) {
				s.t.Fatal(err)
			}
			status = cmd.ProcessState.ExitCode()
			out.Write(text)
		default:
			s.t.Fatalf("the page runs %q", command)
		}
	}
	return out.String()
}

// Every example of the page is run: policies are adopted, statements are sent
// through the proxy by a login under them, and what comes back must be what
// the page says. With -update it is written into the page.
func TestPolicyExamplesAreReal(t *testing.T) {
	page := read(t, policiesPage)
	s := newStage(t)
	sessions, policies := 0, 0
	written := fence.ReplaceAllStringFunc(page, func(block string) string {
		m := fence.FindStringSubmatch(block)
		language, text := m[1], m[2]
		got := text
		switch {
		case language == "yaml":
			policies++
			s.adopt(text)
		case language == "console" && strings.HasPrefix(text, "$ "):
			got = s.commands(text)
		case language == "console":
			sessions++
			got = s.replay(text)
		}
		if got != text && !*update {
			t.Errorf("the page says\n%s\nand this happens\n%s", text, got)
		}
		return "```" + language + "\n" + got + "```"
	})
	if sessions < 10 || policies < 10 {
		t.Errorf("only %d sessions under %d policies were found", sessions, policies)
	}
	if *update {
		if err := os.WriteFile(policiesPage, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What the page says is no condition cannot be saved, for the reason it gives.
func TestNoConditionsAreReal(t *testing.T) {
	s := newStage(t)
	s.adopt("access_mode: read_only")
	rows := table(t, policiesPage, "### What is a condition")
	if len(rows) < 5 {
		t.Fatalf("only %d conditions were found", len(rows))
	}
	for _, row := range rows {
		for _, predicate := range quoted(row[0]) {
			answer, err := s.beam.Try(t.Context(), "PUT", "/v1/projects/"+s.project+"/policies/"+s.policy, map[string]any{
				"row_filters": []any{map[string]any{"table": "customers", "predicate": predicate}},
			})
			if said := fmt.Sprint(answer); err == nil || !strings.Contains(said, "row_filters[0].predicate") {
				t.Errorf("%s is saved, or another field is named: %s", predicate, said)
			} else if reason := quoted(row[1]); len(reason) > 0 && !strings.Contains(said, reason[0]) {
				t.Errorf("%s is refused otherwise: %s", predicate, said)
			}
		}
	}
}

// The page explains every rule that a refusal can name, and no other.
func TestPolicyRulesAreDocumented(t *testing.T) {
	named := map[string]bool{}
	for _, pattern := range []string{"../server/policy/*.go", "../server/proxy/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range ruleLiteral.FindAllStringSubmatch(read(t, file), -1) {
				named[m[1]] = true
			}
		}
	}
	if len(named) < 15 {
		t.Fatalf("only %d rules found in the code: %v", len(named), slices.Sorted(maps.Keys(named)))
	}
	var told []string
	for _, row := range table(t, policiesPage, "## Rules") {
		told = append(told, quoted(row[0])...)
	}
	slices.Sort(told)
	if want := slices.Sorted(maps.Keys(named)); !slices.Equal(told, want) {
		t.Errorf("the page explains\n  %v\nrefusals name\n  %v", told, want)
	}
}

// ruleLiteral is where the code names the rule of a refusal.
var ruleLiteral = regexp.MustCompile(`(?:refuse\(|&floor\{|inPredicate += place\{|inExpression += place\{|rule: )"([a-z_]+)"`)
