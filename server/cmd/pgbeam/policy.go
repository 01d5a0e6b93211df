package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/pgbeam/pulumi-pgbeam/server/api"
	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

type policyCommands struct {
	Check policyCheckCommand `cmd:"" help:"Decide about the statements of a file under a policy; fail if any is refused."`
}

type policyCheckCommand struct {
	File   string `arg:"" help:"SQL to decide about; - is standard input."`
	Policy string `required:"" placeholder:"FILE" help:"Policy profile as YAML or JSON, with the fields of the API; one that the API returned will do."`
	JSON   bool   `name:"json" help:"Print one JSON object."`
}

func (policyCheckCommand) Help() string {
	return "Needs no server and no database: names alone decide. Each statement is decided by itself, as when a client\n" +
		"sends one after the other. Ends with 0 if none is refused, with 1 if one is or there is none, and with 2 if\n" +
		"policy or SQL cannot be read.\n\nExample:\n\n" +
		"  pgbeam policy check queries.sql --policy support.yaml\n\nwhere support.yaml is:\n\n" +
		"  access_mode: read_only\n  masking_rules:\n    - {table: public.customers, column: email, kind: redact}"
}

// checkedStatement is the decision about one statement, for scripts.
type checkedStatement struct {
	Line          int              `json:"line"`
	Statement     string           `json:"statement"`
	Kind          policy.Kind      `json:"kind,omitempty"`
	Relations     []string         `json:"relations,omitempty"`
	Functions     []string         `json:"functions,omitempty"`
	Verdict       policy.Verdict   `json:"verdict"`
	Rule          string           `json:"rule"`
	Reason        string           `json:"reason"`
	Hint          string           `json:"hint,omitempty"`
	MaskedColumns []maskedColumn   `json:"masked_columns,omitempty"`
	Predicate     string           `json:"row_filter_predicate,omitempty"`
	Rewritten     string           `json:"rewritten_sql,omitempty"`
	Findings      []checkedFinding `json:"findings,omitempty"`
	Notes         []string         `json:"notes,omitempty"`
}

type maskedColumn struct {
	Column string          `json:"column"`
	Kind   policy.MaskKind `json:"kind"`
}

func (c policyCheckCommand) Run(out *output) error {
	draft, err := readPolicy(c.Policy)
	if err != nil {
		return err
	}
	sql, err := readSQL(c.File)
	if err != nil {
		return err
	}
	sources, err := policy.Sources(sql)
	none := err == nil && len(sources) == 0
	if err != nil || none { // the engine says so in the words of a decision
		sources = []policy.Source{{SQL: sql, Line: 1}}
	}
	checked := make([]checkedStatement, 0, len(sources))
	blocked := 0
	for _, s := range sources {
		decided := checkStatement(draft, s)
		if decided.Verdict == policy.Block {
			blocked++
		}
		checked = append(checked, decided)
	}
	if c.JSON {
		err = out.json(struct {
			Statements []checkedStatement `json:"statements"`
			Blocked    int                `json:"blocked"`
		}{checked, blocked})
		if err != nil {
			return err
		}
	} else {
		for _, s := range checked {
			out.decision(s)
		}
	}
	switch rules := draft.Unenforced(); {
	case none:
		return fmt.Errorf("nothing was checked: there is no statement")
	case blocked > 0:
		return fmt.Errorf("%d of %s refused", blocked, count(len(checked), "statement"))
	case c.JSON:
	case len(rules) > 0:
		out.printf("%s, none refused; but this version does not enforce %s, and refuses logins under this policy.\n",
			count(len(checked), "statement"), strings.Join(rules, ", "))
	default:
		out.printf("%s, none refused.\n", count(len(checked), "statement"))
	}
	return nil
}

func checkStatement(draft *api.Draft, s policy.Source) checkedStatement {
	d := draft.Evaluate(s.SQL)
	checked := checkedStatement{
		Line: s.Line, Statement: s.SQL, Verdict: d.Verdict, Rule: d.Rule, Reason: d.Reason, Hint: d.Hint,
		Predicate: d.Predicate, Findings: checkedFindings(d.Findings), Notes: d.Notes,
	}
	for i := range checked.Findings {
		checked.Findings[i].Line += s.Line - 1 // of the file, not of the statement
	}
	if len(d.Statements) > 0 {
		first := d.Statements[0]
		checked.Kind, checked.Relations, checked.Functions = first.Kind, first.Relations, first.Functions
	}
	for _, m := range d.MaskedColumns {
		checked.MaskedColumns = append(checked.MaskedColumns, maskedColumn{m.Column, m.Kind})
	}
	if d.Verdict != policy.Block && d.SQL != s.SQL {
		checked.Rewritten = d.SQL
	}
	return checked
}

// decision prints what a person reads of one statement.
func (o *output) decision(s checkedStatement) {
	color := "32" // green
	switch s.Verdict {
	case policy.Block:
		color = "1;31"
	case policy.Masked, policy.RowFilter:
		color = "33"
	}
	verdict := fmt.Sprintf("%-10s", s.Verdict)
	o.printf("%5d  %s  %s\n", s.Line, paint(o.colorOut, color, verdict), cmp.Or(oneLine(s.Statement), "(nothing)"))
	detail := func(name, text string) {
		if text != "" {
			o.printf("       %s %s\n", o.dim(name+":"), printable(text))
		}
	}
	if s.Verdict == policy.Block {
		detail(s.Rule, s.Reason)
		detail("hint", s.Hint)
		return
	}
	var masked []string
	for _, m := range s.MaskedColumns {
		masked = append(masked, m.Column+" ("+string(m.Kind)+")")
	}
	detail("masked", strings.Join(masked, ", "))
	detail("filter", s.Predicate)
	if slices.Contains(s.Notes, policy.RowsAreChecked) {
		detail("note", policy.RowsAreChecked)
	}
	for _, f := range s.Findings {
		detail(f.Severity, f.Message+" ("+f.Rule+")")
	}
}

// readPolicy compiles a policy profile from a file of YAML, of which JSON is a
// part.
func readPolicy(file string) (*api.Draft, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, misuse("read policy: %w", err)
	}
	var document, another any
	documents := yaml.NewDecoder(bytes.NewReader(text))
	if err := documents.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, misuse("read policy %s: %w", file, err)
	}
	if document == nil {
		return nil, misuse("policy %s is empty; a policy of nothing but defaults is {}", file)
	}
	if err := documents.Decode(&another); !errors.Is(err, io.EOF) {
		return nil, misuse("policy %s holds more than one document; give each policy a file of its own", file)
	}
	asJSON, err := json.Marshal(document)
	if err != nil {
		return nil, misuse("policy %s: every key must be the name of a field, and every value text, a number, a list or fields", file)
	}
	draft, err := api.CompilePolicy(asJSON)
	if err != nil {
		return nil, misuse("policy %s: %s", file, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return draft, nil
}

func readSQL(file string) (string, error) {
	read := func() ([]byte, error) { return os.ReadFile(file) }
	if file == "-" {
		read = func() ([]byte, error) { return io.ReadAll(os.Stdin) }
	}
	text, err := read()
	if err != nil {
		return "", misuse("read SQL: %w", err)
	}
	return strings.TrimPrefix(string(text), "\ufeff"), nil // a byte order mark, which psql skips as well
}

// oneLine is a statement as a list shows it.
func oneLine(sql string) string {
	const most = 100
	text := []rune(printable(strings.Join(strings.Fields(sql), " ")))
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(text)
}

// printable keeps a file from writing to the terminal of who checks it, and
// from showing its text in another order than it runs in. It is one line.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsGraphic(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
