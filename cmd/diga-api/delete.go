package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/diga-io/diga-api/client"
	"github.com/diga-io/diga-api/gen/apiclient"
	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
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
	return fmt.Sprintf("Exit status: 0 deleted, %d not found, %d forbidden, %d invalid, %d unreachable, %d wrong base URL, %d any other failure, %d invalid usage.",
		exitNotFound, exitForbidden, exitInvalid, exitUnreachable, exitWrongBaseURL, exitFailure, exitUsage)
}

// printedDelete is the --json output.
type printedDelete struct {
	ID        string `json:"id"`
	Deleted   bool   `json:"deleted"`
	Replayed  bool   `json:"replayed,omitempty"` // see client.Result
	Attempts  int    `json:"attempts"`
	RequestID string `json:"request_id,omitempty"`
	Error     string `json:"error,omitempty"` // the kind of a failure
	Message   string `json:"message,omitempty"`
	Status    int    `json:"status,omitempty"` // of the response
	Code      string `json:"error_code,omitempty"`
}

// Run deletes the key by calling a server.
func (c *deleteCommand) Run(ctx context.Context, std streams, env environment) error {
	diga, keySource, err := c.client(env)
	if err != nil {
		return err
	}
	result, err := diga.DeleteAPIKeyString(ctx, c.ID)
	if err != nil {
		failed := failureOf(err)
		failed.error = advised{err, c.advise(failed, keySource)}
		if c.JSON {
			return reportedError{errors.Join(failed, printJSON(std.out, printedFailure(c.ID, failed)))}
		}
		return failed
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

// client returns a client with the settings of the command line, and where its key comes from.
func (c *deleteCommand) client(env environment) (_ *client.Client, keySource string, err error) {
	var settings invalidSettings
	var options []client.Option
	if settings.toggle("insecure-http", c.InsecureHTTP) {
		options = append(options, client.WithInsecureHTTP())
	}
	if c.BaseURL != "" {
		options = append(options, client.WithBaseURL(c.BaseURL))
	}
	key, _ := env("DIGA_API_KEY")
	keySource = "DIGA_API_KEY"
	if c.APIKeyFile != "" {
		keySource = "--api-key-file (" + variable("api-key-file") + ")"
		if key, err = readKeyFile(c.APIKeyFile); err != nil {
			settings.reject("api-key-file", "cannot be used: "+err.Error())
		} else if key == "" {
			settings.reject("api-key-file", "is a file without a key: write the key of the caller into it")
		}
	} else if key == "" {
		settings = append(settings, errors.New("no API key: set DIGA_API_KEY to the key of the caller, or --api-key-file ("+
			variable("api-key-file")+") to a file that contains it"))
	}
	options = append(options, client.WithAPIKey(cmp.Or(key, "none"))) // so that New reports what else is wrong
	diga, err := client.New(options...)
	if err != nil {
		c.explain(err, keySource, &settings)
	}
	return diga, keySource, settings.err()
}

// explain adds the errors of client.New to the invalid settings, in terms of the flags.
func (c *deleteCommand) explain(err error, keySource string, settings *invalidSettings) {
	problems := []error{err}
	if joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error }); ok {
		problems = joined.Unwrap()
	}
	for _, problem := range problems {
		url, isURL := strings.CutPrefix(problem.Error(), "the base URL ")
		key, isKey := strings.CutPrefix(problem.Error(), "the API key ")
		switch {
		case isURL && !strings.Contains(c.BaseURL, "://"):
			settings.reject("base-url", "does not begin with https:// or http://"+didYouMean(c.BaseURL))
		case isURL:
			settings.reject("base-url", strings.ReplaceAll(url, "allow it by WithInsecureHTTP", "allow it with --insecure-http"))
		case isKey:
			*settings = append(*settings, fmt.Errorf("the key in %s %s", keySource, key))
		default:
			*settings = append(*settings, problem)
		}
	}
}

// didYouMean returns a hint at the URL with that host and path, unless it may contain a secret.
func didYouMean(withoutScheme string) string {
	host, _, _ := strings.Cut(withoutScheme, "/")
	name, _, err := net.SplitHostPort(host)
	switch {
	case !strings.ContainsAny(host, ".:") && host != "localhost", strings.ContainsAny(withoutScheme, "@?#"):
		return "" // it may be a key
	case err != nil:
		name = host
	}
	if ip := net.ParseIP(name); name == "localhost" || ip.IsLoopback() {
		return ": did you mean http://" + withoutScheme + "?"
	}
	return ": did you mean https://" + withoutScheme + "?"
}

// failureOf returns an error of the client with its kind and exit status.
func failureOf(err error) failure {
	detail, ok := errors.AsType[*client.Error](err)
	switch {
	case errors.Is(err, client.ErrNotFound):
		return failure{err, "not_found", exitNotFound}
	case errors.Is(err, client.ErrForbidden):
		return failure{err, "forbidden", exitForbidden}
	case errors.Is(err, client.ErrUnauthorized):
		return failure{err, "unauthorized", exitForbidden}
	case ok && !errors.Is(err, context.Canceled) && !ofTheAPI(detail.StatusCode):
		return failure{err, "wrong_base_url", exitWrongBaseURL}
	case errors.Is(err, client.ErrInvalid):
		return failure{err, "invalid", exitInvalid}
	case errors.Is(err, client.ErrTooManyRequests):
		return failure{err, "too_many_requests", exitFailure}
	case errors.Is(err, client.ErrServer):
		return failure{err, "server", exitFailure}
	case ok && detail.StatusCode == 0 && !errors.Is(err, context.Canceled):
		return failure{err, "unreachable", exitUnreachable}
	}
	return failure{err, "failure", exitFailure}
}

// ofTheAPI reports false for a status that an error of the API never has, but another web server gives to its requests: a
// page in place of JSON, a redirect, plain http to a port of https, no such page, no such method.
func ofTheAPI(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed:
		return false // a 404 of the API is ErrNotFound
	}
	return status/100 != 2 && status/100 != 3
}

// advised is an error of the client in terms of the command line, with the next step.
type advised struct {
	error
	text string
}

// Error implements error.
func (e advised) Error() string { return e.text }

// Unwrap supports errors.Is and errors.As.
func (e advised) Unwrap() error { return e.error }

// advise returns the text of an error and the next step.
func (c *deleteCommand) advise(failed failure, keySource string) string {
	text := failed.Error()
	detail, ok := errors.AsType[*client.Error](failed)
	if ok {
		text = strings.TrimPrefix(text, detail.Operation+": ")
		text = strings.TrimPrefix(text, "nothing was sent: "+client.ErrInvalid.Error()+": ")
	}
	if network, ok := errors.AsType[*url.Error](failed); ok {
		text = strings.Replace(text, fmt.Sprintf("%s %q: ", network.Op, network.URL), "", 1)
	}
	text = strings.NewReplacer("context deadline exceeded", "timed out", "context canceled", "interrupted",
		"no response: EOF", "no response: the connection was closed").Replace(text)
	base := fmt.Sprintf("--base-url (%s), which is %s", variable("base-url"), cmp.Or(c.BaseURL, apiclient.ServerURLProduction))
	if strings.Contains(text, "check the base URL") {
		return strings.Replace(text, "check the base URL", "check "+base, 1)
	}
	next := "the key may have been deleted: run the command again to be sure"
	switch failed.kind {
	case "not_found":
		next = "check the id: it is of no key of the caller's project, or of one that was deleted before"
	case "forbidden":
		next = "call with a key that has the permission " + apikey.PermissionDelete + ", or with an unrestricted one"
	case "unauthorized":
		next = "the key in " + keySource + " is unknown, expired or deleted: use another one"
	case "wrong_base_url":
		next = "this is not the Diga API: check " + base
	case "invalid":
		next = "write the id of the key, such as " + exampleUUID + ", not its name or the key itself"
	case "too_many_requests":
		next = "run the command again later"
		if ok && detail.RetryAfter > 0 {
			next = fmt.Sprintf("run the command again in %s", detail.RetryAfter)
		}
	case "server":
		next += ", and tell the server's operator the id of the request"
	case "unreachable":
		next = "check the network and " + base + ", and run the command again, which does no harm if the key was deleted"
	}
	return text + "; " + next
}

func printedFailure(id string, failed failure) printedDelete {
	printed := printedDelete{ID: id, Error: failed.kind, Message: failed.Error()}
	if _, err := apitype.ParseUUID(id); err != nil {
		printed.ID = "" // it may be a key that was passed by mistake
	}
	if detail, ok := errors.AsType[*client.Error](failed); ok {
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
