// Command diga-api serves the Diga API and looks after its keys. README.md says how.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(exitStatus(run(ctx, os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
}

// Exit statuses.
const (
	exitFailure = 1 // something went wrong at run time
	exitUsage   = 2 // the command line or the environment is wrong
)

// usageError says that the command line or the environment is wrong.
type usageError struct{ error }

// Unwrap implements the errors package's convention.
func (e usageError) Unwrap() error { return e.error }

// exitStatus tells stderr about err and picks the status to exit with.
func exitStatus(err error, stderr io.Writer) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "diga-api: %v\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if failure, ok := errors.AsType[deleteError](err); ok {
		return failure.status
	}
	return exitFailure
}

// program is the command line. Each flag can also be set by an environment variable, which --help names.
type program struct {
	Serve serveCommand `cmd:"" help:"Serve the API."`
	Keys  struct {
		Create keysCreateCommand `cmd:"" help:"Create a key and show its secret, this once."`
		List   keysListCommand   `cmd:"" help:"List keys."`
	} `cmd:"" help:"Create and list keys."`
	Delete  deleteCommand  `cmd:"" help:"Delete a key by calling a server."`
	Doctor  doctorCommand  `cmd:"" help:"Look whether the server can serve, with the settings that serve would have."`
	Migrate migrateCommand `cmd:"" help:"Bring the schema of the database up to date, or copy the keys to another database."`
	Backup  backupCommand  `cmd:"" help:"Copy the embedded store to a file while it serves."`
	Version versionCommand `cmd:"" help:"Show what this program was built from."`
}

// terminal is where a command speaks: results to out, everything else to err.
type terminal struct{ out, err io.Writer }

// run carries out one command line. It returns when the command is done or ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	helped := false
	parser, err := kong.New(&program{},
		kong.Name("diga-api"),
		kong.Description("The Diga API: one operation, DELETE /v1/api_key/{id}, held to its contract in both directions."),
		kong.DefaultEnvars("DIGA"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { helped = true }), // kong exits in --help only
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(terminal{out: stdout, err: stderr}),
	)
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if helped {
		return nil
	}
	if err != nil {
		return usageError{err}
	}
	return command.Run()
}
