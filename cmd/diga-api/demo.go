package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

// demoProject is the project of every demo key, so that the demo recognises its own store and spares any other.
var demoProject = apitype.UUID{0xd1, 0x9a, 0xde, 0x30, 6: 0x40, 8: 0x80, 15: 1}

// errNotDemoStore: secrets of stored keys cannot be shown again, so the demo adds new ones at each start; it must not
// do that where real keys are.
var errNotDemoStore = errors.New("--demo wants a store that is empty or that only the demo filled: name another file with --database-url")

// printDemo adds an administrator's key, a restricted one and two to delete to the demo project, and prints a line of
// curl for each answer that a caller can bring about.
func printDemo(ctx context.Context, keys *store.Store, base string, out io.Writer) error {
	for key, err := range keys.List(ctx, store.Filter{Deleted: true}) {
		if err != nil {
			return err
		}
		if key.ProjectID != demoProject {
			return errNotDemoStore
		}
	}

	var demo struct{ administrator, restricted, first, second apikey.Key }
	secrets := make(map[*apikey.Key]apikey.Secret)
	for _, made := range []struct {
		key         *apikey.Key
		name        string
		permissions []string
	}{
		{&demo.administrator, "demo administrator", nil},
		{&demo.restricted, "demo viewer", []string{"calls.view"}},
		{&demo.first, "demo key to delete", nil},
		{&demo.second, "another demo key to delete", nil},
	} {
		*made.key = apikey.Key{
			ProjectID: demoProject, Name: made.name, CreatedAt: time.Now(),
			Restricted: made.permissions != nil, Permissions: made.permissions,
		}
		secret, err := createKey(ctx, keys, made.key)
		if err != nil {
			return err
		}
		secrets[made.key] = secret
	}

	curl := func(answer, id string, secret string) {
		authorization := ""
		if secret != "" {
			authorization = " -H 'Authorization: Bearer " + secret + "'"
		}
		fmt.Fprintf(out, "\n# %s\ncurl -i -X DELETE%s %s/v1/api_key/%s\n", answer, authorization, base, id)
	}
	administrator := secrets[&demo.administrator].Reveal()
	fmt.Fprintf(out, "%s\nThe demo's keys are ready. Paste any of these lines into another terminal:\n", strings.Repeat("-", 80))
	curl("200: deletes a key; paste it again for the 404 of a deleted key", demo.first.ID.String(), administrator)
	curl("200: deletes another", demo.second.ID.String(), administrator)
	curl("403: no key", demo.first.ID.String(), "")
	curl("403: a key without the permission api_keys.delete", demo.first.ID.String(), secrets[&demo.restricted].Reveal())
	curl("404: no such key", apitype.NewUUID().String(), administrator)
	curl("422: not a UUID", "not-a-uuid", administrator)
	fmt.Fprintf(out, "%s\n", strings.Repeat("-", 80))
	return nil
}
