package main

import (
	"fmt"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

type migrationCommands struct {
	Lint migrationLintCommand `cmd:"" help:"Find what locks, rewrites or destroys in a migration; fail if anything does."`
}

type migrationLintCommand struct {
	File string `arg:"" help:"SQL of the migration; - is standard input."`
	JSON bool   `name:"json" help:"Print one JSON object."`
}

func (migrationLintCommand) Help() string {
	return "Needs no server and no database. Ends with 0 if no finding is an error, with 1 if one is, and with 2 if the file\n" +
		"cannot be read.\n\n" +
		"Example:\n\n  pgbeam migrations lint migrations/0042_orders.sql"
}

// checkedFinding is a finding for scripts.
type checkedFinding struct {
	Severity  string `json:"severity"`
	Rule      string `json:"rule"`
	Message   string `json:"message"`
	Statement string `json:"statement,omitempty"`
	Line      int    `json:"line"`
	Hint      string `json:"hint,omitempty"`
}

func checkedFindings(findings []policy.Finding) []checkedFinding {
	all := make([]checkedFinding, 0, len(findings))
	for _, f := range findings {
		all = append(all, checkedFinding(f))
	}
	return all
}

func (c migrationLintCommand) Run(out *output) error {
	sql, err := readSQL(c.File)
	if err != nil {
		return err
	}
	findings := checkedFindings(policy.LintMigration(sql))
	serious := 0
	for _, f := range findings {
		if f.Severity == "error" {
			serious++
		}
	}
	if c.JSON {
		err := out.json(struct {
			Safe     bool             `json:"safe"`
			Findings []checkedFinding `json:"findings"`
		}{serious == 0, findings})
		if err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			out.finding(f)
		}
	}
	switch {
	case serious > 0:
		return fmt.Errorf("the migration is unsafe: %s, %s", count(len(findings), "finding"), count(serious, "error"))
	case !c.JSON:
		out.printf("The migration is safe: %s, no error.\n", count(len(findings), "finding"))
	}
	return nil
}

// finding prints what a person reads of one finding.
func (o *output) finding(f checkedFinding) {
	color := "2"
	switch f.Severity {
	case "error":
		color = "1;31"
	case "warning":
		color = "33"
	}
	o.printf("%5d  %s  %s\n", f.Line, paint(o.colorOut, color, fmt.Sprintf("%-7s", f.Severity)), o.bold(f.Rule))
	if f.Statement != "" {
		o.printf("       %s\n", o.dim(oneLine(f.Statement)))
	}
	o.printf("       %s\n", printable(f.Message))
	if f.Hint != "" {
		o.printf("       %s %s\n", o.dim("hint:"), printable(f.Hint))
	}
}
