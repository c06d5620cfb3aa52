package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/gen/apitype"
)

type deleteCommand struct {
	ID           string `arg:"" help:"The id of the key to delete."`
	BaseURL      string `placeholder:"URL" help:"URL of the API. Default: the server in the contract."`
	APIKeyFile   string `name:"api-key-file" placeholder:"PATH" help:"File with the API key of the caller. Default: the environment variable DIGA_API_KEY."`
	InsecureHTTP toggle `name:"insecure-http" help:"Allow plain http in --base-url for another machine, which exposes the key to the network."`
	JSON         bool   `name:"json" help:"Print one JSON object, also if the call fails."`
}

// Help implements kong.HelpProvider.
func (deleteCommand) Help() string {
	return fmt.Sprintf("Exit status: 0 deleted, %d not found, %d forbidden, %d invalid, %d unreachable, %d any other failure, %d invalid usage.",
		exitNotFound, exitForbidden, exitInvalid, exitUnreachable, exitFailure, exitUsage)
}

// Exit statuses of delete, in addition to those of every command.
const (
	exitNotFound    = 3 // the key does not exist, was deleted before, or belongs to another project
	exitForbidden   = 4 // the caller's key is invalid, or lacks the permission
	exitInvalid     = 5 // the id is not a UUID
	exitUnreachable = 6 // no response; the key may have been deleted
)

// deleteError is an error of delete with its exit status.
type deleteError struct {
	error
	kind   string // for scripts
	status int
}

// Unwrap supports errors.Is and errors.As.
func (e deleteError) Unwrap() error { return e.error }

// printedDelete is the --json output.
type printedDelete struct {
	ID        string `json:"id"`
	Deleted   bool   `json:"deleted"`
	Replayed  bool   `json:"replayed,omitempty"` // see client.Result
	Attempts  int    `json:"attempts"`
	RequestID string `json:"request_id,omitempty"`
	Error     string `json:"error,omitempty"` // not_found, forbidden, unauthorized, invalid, unreachable, server or failure
	Message   string `json:"message,omitempty"`
	Status    int    `json:"status,omitempty"` // of the response
	Code      string `json:"error_code,omitempty"`
}

// Run deletes the key by calling a server.
func (c *deleteCommand) Run(ctx context.Context, std streams, env environment) error {
	var settings wrongSettings
	insecure := settings.toggle("insecure-http", c.InsecureHTTP)
	var options []client.Option
	if key, _ := env("DIGA_API_KEY"); key != "" && c.APIKeyFile == "" {
		options = append(options, client.WithAPIKey(key))
	}
	if c.APIKeyFile != "" {
		secret, err := readKeyFile(c.APIKeyFile)
		if err != nil {
			settings.wrong("api-key-file", "cannot be used: "+err.Error())
		}
		options = append(options, client.WithAPIKey(secret))
	}
	if err := settings.err(); err != nil {
		return err
	}
	if c.BaseURL != "" {
		options = append(options, client.WithBaseURL(c.BaseURL))
	}
	if insecure {
		options = append(options, client.WithInsecureHTTP())
	}
	diga, err := client.New(options...)
	if err != nil {
		return usageError{err}
	}
	result, err := diga.DeleteAPIKeyString(ctx, c.ID)
	if err != nil {
		failure := deleteErrorOf(err)
		if c.JSON {
			if err := printJSON(std.out, printedFailure(c.ID, failure)); err != nil {
				return err
			}
		}
		return failure
	}
	if c.JSON {
		return printJSON(std.out, printedDelete{
			ID: c.ID, Deleted: true, Replayed: result.Replayed, Attempts: result.Attempts, RequestID: result.RequestID,
		})
	}
	note := ""
	if result.Replayed {
		note = " (an earlier attempt got no response; the key no longer exists)"
	}
	fmt.Fprintf(std.out, "deleted %s%s\n", c.ID, note)
	return nil
}

// deleteErrorOf returns err with its exit status.
func deleteErrorOf(err error) deleteError {
	failure, ok := errors.AsType[*client.Error](err)
	switch {
	case errors.Is(err, client.ErrNotFound):
		return deleteError{err, "not_found", exitNotFound}
	case errors.Is(err, client.ErrForbidden):
		return deleteError{err, "forbidden", exitForbidden}
	case errors.Is(err, client.ErrUnauthorized):
		return deleteError{err, "unauthorized", exitForbidden}
	case errors.Is(err, client.ErrInvalid):
		return deleteError{err, "invalid", exitInvalid}
	case errors.Is(err, client.ErrServer):
		return deleteError{err, "server", exitFailure}
	case ok && failure.StatusCode == 0 && !errors.Is(err, context.Canceled):
		return deleteError{err, "unreachable", exitUnreachable}
	}
	return deleteError{err, "failure", exitFailure}
}

func printedFailure(id string, failure deleteError) printedDelete {
	printed := printedDelete{ID: id, Error: failure.kind, Message: failure.Error()}
	if _, err := apitype.ParseUUID(id); err != nil {
		printed.ID = "" // it may be a key that was passed by mistake
	}
	if detail, ok := errors.AsType[*client.Error](failure); ok {
		printed.Attempts, printed.RequestID = detail.Attempts, detail.RequestID
		printed.Status, printed.Code = detail.StatusCode, detail.Code
	}
	return printed
}

// readKeyFile reads a key and trims the newline at the end.
func readKeyFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}
