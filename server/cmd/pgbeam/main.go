// Command pgbeam is the whole service, control plane and data plane, in one
// binary, with the commands to run and tend it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/alecthomas/kong"
)

type commands struct {
	Dev        devCommand        `cmd:"" help:"Run everything on this machine, with nothing to prepare."`
	Serve      serveCommand      `cmd:"" help:"Run the API, the proxy, or both, as configured."`
	Keys       keysCommands      `cmd:"" help:"Issue, list and revoke API keys."`
	Policy     policyCommands    `cmd:"" help:"Try statements against a policy."`
	Migrations migrationCommands `cmd:"" help:"Check migrations of your databases."`
	Migrate    migrateCommand    `cmd:"" help:"Bring the store's tables to this version."`
	Secrets    secretCommands    `cmd:"" help:"Tend the keys that encrypt secrets at rest."`
	Version    versionCommand    `cmd:"" help:"Print the version of this binary."`
}

const description = `PgBeam puts a PostgreSQL proxy with policies, credentials for agents and a management API in front of your databases.

  pgbeam dev --with-postgres     try it: everything on this machine, with a sample database
  pgbeam serve -c pgbeam.yaml    run it
  pgbeam COMMAND --help          learn a command, with an example

An API key comes from "pgbeam dev" or "pgbeam keys create"; what it manages is best declared in a Pulumi program.`

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is one invocation of the program; it returns the exit status: 0 done,
// 1 failed, 2 not understood.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var cli commands
	out := newOutput(stdout, stderr)
	config := &configFile{}
	exited, status := false, 0
	parser, err := kong.New(&cli,
		kong.Name("pgbeam"),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited, status = true, code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100, NoAppDescFormat: true}),
		kong.WithBeforeResolve(config.load),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(out),
	)
	if err != nil {
		out.fail(err)
		return 1
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		args = []string{"version"}
	}
	command, err := parser.Parse(args)
	if exited { // --help was printed; what came after it is of no interest
		return status
	}
	if err != nil {
		out.fail(config.explain(err))
		path := "pgbeam"
		if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context != nil && parse.Context.Selected() != nil {
			path = parse.Context.Selected().FullPath()
		}
		fmt.Fprintf(stderr, "Run \"%s --help\" to see what it takes.\n", path)
		return 2
	}
	if err = command.Run(); err == nil {
		err = out.out.lost()
	}
	if err == nil {
		return 0
	}
	out.fail(err)
	if _, ok := errors.AsType[misuseError](err); ok {
		return 2
	}
	return 1
}

// misuseError says that a command was given what it cannot work on, which a
// script must tell from a bad result.
type misuseError struct{ error }

func misuse(format string, args ...any) error { return misuseError{fmt.Errorf(format, args...)} }
