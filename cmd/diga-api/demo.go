package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// demoProject is the project of every demo key, by which the demo recognises its own store.
var demoProject = apitype.UUID{0xd1, 0x9a, 0xde, 0x30, 6: 0x40, 8: 0x80, 15: 1}

// errNotDemoStore means that the store has keys that the demo did not create. The demo adds keys at each start, because
// the secrets of stored keys cannot be shown again, and it must not add any beside real ones.
var errNotDemoStore = errors.New("--demo needs a store that is empty or has demo keys only: set another file with --database-url")

// printDemo creates an unrestricted key, a restricted one and three to delete in the demo project, and prints how to call the
// API, with a curl command for each answer that a client can get.
func (s *service) printDemo(ctx context.Context, keys *store.Store, out io.Writer) error {
	for key, err := range keys.List(ctx, store.Filter{Deleted: true}) {
		if err != nil {
			return err
		}
		if key.ProjectID != demoProject {
			return errNotDemoStore
		}
	}

	var failed error
	create := func(name string, permissions ...string) (id, secret string) {
		key, token := apikey.New(demoProject, apitype.UUID{}, name)
		key.Restricted, key.Permissions = permissions != nil, permissions
		failed = errors.Join(failed, keys.Create(ctx, key, token.Hash()))
		return key.ID.String(), token.Reveal()
	}
	_, administrator := create("demo administrator")
	_, viewer := create("demo viewer", "calls.view")
	first, _ := create("demo key to delete")
	second, _ := create("another demo key to delete")
	third, _ := create("demo key to delete from the command line")
	if failed != nil {
		return failed
	}

	base, line := s.base(), strings.Repeat("-", 80)
	fmt.Fprintln(out, line)
	if _, wanted, _ := net.SplitHostPort(s.addr); wanted != "0" && !strings.HasSuffix(s.listener.Addr().String(), ":"+wanted) {
		fmt.Fprintf(out, "%s is in use by another program, so this one has another port.\n", s.addr)
	}
	if s.docs {
		fmt.Fprintf(out, "Documentation, in a browser:  %s/docs\n", base)
	}
	fmt.Fprint(out, "To stop:                      Ctrl-C\n\nThe demo keys are ready. Paste any of these lines into another terminal:\n")
	curl := func(answer, id, secret string) {
		authorization := ""
		if secret != "" {
			authorization = " -H 'Authorization: Bearer " + secret + "'"
		}
		fmt.Fprintf(out, "\n# %s\ncurl -i -X DELETE%s %s/v1/api_key/%s\n", answer, authorization, base, id)
	}
	curl("200: deletes a key; paste it again for the 404 of a deleted key", first, administrator)
	curl("200: deletes another key", second, administrator)
	curl("403: no key", first, "")
	curl("403: a key without the permission api_keys.delete", first, viewer)
	curl("404: no such key", apitype.NewUUID().String(), administrator)
	curl("422: not a UUID", "not-a-uuid", administrator)
	fmt.Fprintf(out, "\n# the same from the command line: deletes a third key\nDIGA_API_KEY=%s %s delete --base-url %s %s\n", administrator,
		programPath(), base, third)
	fmt.Fprintln(out, line)
	return nil
}

// programPath returns how to call this program from any folder.
func programPath() string {
	called := os.Args[0]
	if absolute, err := filepath.Abs(called); err == nil && strings.ContainsRune(called, filepath.Separator) {
		return absolute
	}
	return called // found in the PATH
}
