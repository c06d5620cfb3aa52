// Command diga-api serves the Diga API and manages its keys. See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

func main() {
	stops := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		stops = append(stops, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), stops...)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	os.Exit(exitStatus(err, os.Stderr))
}

// program is the command line. Each flag can also be set by an environment variable, which --help names.
type program struct {
	Serve serveCommand `cmd:"" help:"Serve the API."`
	Keys  struct {
		Create keysCreateCommand `cmd:"" help:"Create a key and print its secret, which is not stored."`
		List   keysListCommand   `cmd:"" help:"List keys."`
		Revoke keysRevokeCommand `cmd:"" help:"Delete keys at the database, such as leaked ones."`
		Rotate keysRotateCommand `cmd:"" help:"Replace the secret of a key and print the new one, which is not stored."`
		Purge  keysPurgeCommand  `cmd:"" help:"Remove tombstones, the records of deleted keys."`
	} `cmd:"" help:"Create, list, revoke and rotate keys at the database."`
	Delete  deleteCommand  `cmd:"" help:"Delete a key by calling a server."`
	Ready   readyCommand   `cmd:"" help:"Ask the server on this machine whether it is ready, for probes."`
	Doctor  doctorCommand  `cmd:"" help:"Check whether the server can serve with the settings of serve."`
	Migrate migrateCommand `cmd:"" help:"Bring the schema of the database up to date, or copy the keys to another database."`
	Backup  backupCommand  `cmd:"" help:"Copy the embedded store to a file while the server runs."`
	Version versionCommand `cmd:"" help:"Print the versions of the program, the contract and Go."`

	Help       helpCommand       `cmd:"" help:"Print the help of a command."`
	Completion completionCommand `cmd:"" help:"Print the completions of a shell, to be loaded at its start."`
	Complete   completeCommand   `cmd:"" hidden:"" passthrough:"" help:"Print how a command line may go on."`

	VersionFlag versionFlag `name:"version" help:"Print the version."`
}

// streams are the outputs of a command: results go to out, everything else to err.
type streams struct {
	out, err io.Writer
	env      environment // decides on colours
}

// run executes one command line. It returns when the command is done or ctx ends. Settings come from args and then from
// env; only the variables of OpenTelemetry (OTEL_...) and of systemd are read from the process environment, by their libraries.
func run(ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer) error {
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(args[1:len(args):len(args)], "--help")
	}
	helped := false
	parser, err := newParser(ctx, args[0], env, streams{out: stdout, err: stderr, env: env}, func(int) { helped = true })
	if err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if helped {
		return nil
	}
	if group := commandGroup(err); group != nil {
		return group.PrintUsage(false)
	}
	var asJSON bool
	if err != nil {
		err, asJSON = parseError(err), mentionsJSON(args, env)
	} else {
		err, asJSON = command.Run(), hasJSON(command)
	}
	return reportJSON(stdout, err, asJSON)
}

// ofProgram reports whether a flag belongs to the program and not to a command, so that no variable sets it.
func ofProgram(flag string) bool { return flag == "help" || flag == "version" }

// newParser returns the parser of a command line that begins with the word first. It calls exit after it has printed the help
// or the version.
func newParser(ctx context.Context, first string, env environment, std streams, exit func(int)) (*kong.Kong, error) {
	return kong.New(&program{},
		kong.IgnoreFields(otherCommands(first)),
		kong.Name("diga-api"),
		kong.Description("The Diga API: one operation, DELETE /v1/api_key/{id}, validated against its contract in both directions."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.PostBuild(func(parser *kong.Kong) error {
			parser.Model.HelpFlag.Help = "Print this help."
			return nil
		}),
		kong.ValueFormatter(helpText),
		kong.Resolvers(kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
			if value, ok := env(variable(flag.Name)); ok && !ofProgram(flag.Name) {
				return value, nil
			}
			return nil, nil //nolint:nilnil // how kong says that the flag is not set
		})),
		kong.Writers(std.out, std.err),
		kong.Exit(exit),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std, env),
	)
}

// otherCommands returns a pattern of the fields of program that a command line needs nothing of, because it begins with the
// command first: building all commands would take most of the time that the program needs to start. The pattern matches nothing
// if first is no command, so that the help and "did you mean" know all of them, and for complete, which asks for all of them.
func otherCommands(first string) string {
	var others []string
	known := false
	for field := range reflect.TypeFor[program]().Fields() {
		if _, isCommand := field.Tag.Lookup("cmd"); isCommand && strings.ToLower(field.Name) == first {
			known = first != "complete"
		} else if isCommand {
			others = append(others, field.Name)
		}
	}
	if !known {
		return "^$"
	}
	return `^program\.(` + strings.Join(others, "|") + ")$"
}

// environment looks up an environment variable, as os.LookupEnv does.
type environment func(name string) (value string, set bool)

// variable returns the environment variable that sets a flag.
func variable(flag string) string {
	return "DIGA_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// helpText adds the default and the environment variable to the help of a flag.
func helpText(value *kong.Value) string {
	if value.Flag == nil || ofProgram(value.Name) {
		return value.Help
	}
	text := strings.TrimSuffix(value.Help, ".")
	if !strings.Contains(text, "Default: ") {
		switch {
		case value.HasDefault:
			text += ". Default: " + value.Default
		case value.IsBool():
			text += ". Default: false"
		}
	}
	return text + " ($" + variable(value.Name) + ")."
}

// commandGroup returns the command line if err says that it is nothing but the name of a group of commands, such as keys. It
// returns nil otherwise.
func commandGroup(err error) *kong.Context {
	parse, ok := errors.AsType[*kong.ParseError](err)
	if !ok {
		return nil
	}
	path := parse.Context.Path // the program, and what it understood of the arguments
	if group := path[len(path)-1].Command; group == nil || group.Leaf() || len(path)-1 != len(parse.Context.Args) {
		return nil
	}
	return parse.Context
}

// parseError returns an error of the parser, with the help that has the answer.
func parseError(err error) error {
	command, isGroup := "diga-api", true
	if parse, ok := errors.AsType[*kong.ParseError](err); ok && parse.Context.Selected() != nil {
		command, isGroup = parse.Context.Selected().FullPath(), !parse.Context.Selected().Leaf()
	}
	problem := err.Error()
	if argument, found := strings.CutPrefix(problem, `expected "<`); found {
		problem = "missing argument <" + strings.TrimSuffix(argument, `"`)
	} else if name, found := strings.CutPrefix(problem, "unexpected argument "); found && isGroup {
		problem = "unknown command " + name
	} else if flag, _, found := strings.Cut(problem, ": expected string value but got "); found {
		problem = flag + " needs a value"
	} else if flag, _, found := strings.Cut(problem, ": missing value"); found {
		problem = flag + " needs a value"
	}
	return usageError(fmt.Errorf("%s (see %s --help)", problem, command))
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// helpCommand is in the help and in the completions. run replaces it with --help.
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command."`
}
